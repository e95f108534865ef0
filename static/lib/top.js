// The answer of GET top, with what the table needs of each function.

import { functionKey } from "./flame-model.js";
import { basename } from "./format.js";
import { fitName, nameOr, nameVariants, shortName } from "./names.js";

const labelLength = 34; // letters a row has room for: the end of a name tells most

/** Names are shortened when they are shown: there may be thousands. */
class Entry {
  /** @param {any} row */
  constructor(row) {
    Object.assign(this, row);
    this.function = /** @type {string} */ (row.function);
    this.file = /** @type {string} */ (row.file);
    this.shortText = /** @type {string|null} */ (null);
    this.labelText = /** @type {string|null} */ (null);
    this.key = functionKey(row.function, row.module, row.file);
  }

  get short() {
    return (this.shortText ??= shortName(nameOr(this.function, this.file)));
  }

  get label() {
    return (this.labelText ??= fitName(nameVariants(this.short), labelLength));
  }
}

/** @param {any} answer those without weight in this metric are left out */
export function decodeTop(answer) {
  answer.functions = answer.functions.filter((entry) => entry.total_ns > 0).map((row) => new Entry(row));
  return answer;
}

export const orders = {
  self: (a, b) => b.self_ns - a.self_ns || b.total_ns - a.total_ns,
  total: (a, b) => b.total_ns - a.total_ns || b.self_ns - a.self_ns,
  name: (a, b) => (a.short < b.short ? -1 : a.short > b.short ? 1 : b.self_ns - a.self_ns),
};

const nameless = /^(.*\+)?0x[0-9a-f]+$/;

/**
 * How much of the whole is own time of functions that nobody has named.
 * @param {any} answer of GET top
 * @returns {{share: number, modules: string[]}} modules by that time
 */
export function namelessOf(answer) {
  const modules = new Map();
  let sum = 0;
  for (const { function: name, module, self_ns } of answer?.functions ?? []) {
    if (!(self_ns > 0) || !nameless.test(name)) continue;
    sum += self_ns;
    if (module) modules.set(module, (modules.get(module) ?? 0) + self_ns);
  }
  const byTime = [...modules].sort((a, b) => b[1] - a[1]).map(([module]) => basename(module));
  return { share: answer?.total_ns > 0 ? sum / answer.total_ns : 0, modules: byTime };
}
