// The answer of GET top, with what the table needs of each function.

import { functionKey } from "./flame-model.js";
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
