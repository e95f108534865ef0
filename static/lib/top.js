// The answer of GET top, with what the table needs of each function.

import { functionKey } from "./flame-model.js";
import { fitName, nameVariants, shortName } from "./names.js";

const labelLength = 34; // letters a row has room for: the end of a name tells most

/** @param {any} answer those without weight in this metric are left out */
export function decodeTop(answer) {
  answer.functions = answer.functions.filter((entry) => entry.total_ns > 0);
  for (const entry of answer.functions) {
    entry.key = functionKey(entry.function, entry.module, entry.file);
    entry.short = shortName(entry.function);
    entry.label = fitName(nameVariants(entry.short), labelLength);
  }
  return answer;
}

export const orders = {
  self: (a, b) => b.self_ns - a.self_ns || b.total_ns - a.total_ns,
  total: (a, b) => b.total_ns - a.total_ns || b.self_ns - a.self_ns,
  name: (a, b) => (a.short < b.short ? -1 : a.short > b.short ? 1 : b.self_ns - a.self_ns),
};
