// What a range of time would look like, from a graph in slices of time (GET flamegraph
// with `slices`): sums up to each slice's end are made once, and a range is then one
// subtraction for each node, however often it moves.

import { decodeFlame, functionKey } from "./flame-model.js";

/**
 * @typedef {object} Slices
 * @property {import("./flame-model.js").FlameModel} model of the whole time
 * @property {number} from  Unix ns
 * @property {number} to
 * @property {number} count of slices
 * @property {Float64Array} sums  [slice * nodes + node]: own weight before that slice
 * @property {any[]} entries  of the table, one for each function
 */

/** @param {any} answer @returns {Slices} */
export function decodeSlices(answer) {
  const { slices } = answer.nodes;
  const count = slices[0]?.length ?? 0;
  const nodes = slices.length;
  const sums = new Float64Array((count + 1) * nodes);
  for (let i = 0; i < nodes; i++)
    for (let slice = 0; slice < count; slice++)
      sums[(slice + 1) * nodes + i] = sums[slice * nodes + i] + slices[i][slice];
  const { functions } = answer;
  const entries = functions.name.map((name, i) => ({
    function: name, module: functions.module[i], file: functions.file[i], key: functionKey(name, functions.module[i], functions.file[i]),
  }));
  return { model: decodeFlame(answer), from: answer.from_ns, to: answer.to_ns, count, sums, entries };
}

/** Own weights in [from, to); within a slice weight is taken to be even. */
function selfIn({ model, sums, count, from: start, to: end }, from, to) {
  const nodes = model.count;
  const width = Math.ceil((end - start) / Math.max(1, count)) || 1;
  const self = new Float64Array(nodes);
  for (const [time, sign] of [[from, -1], [to, 1]]) {
    const at = Math.min(count, Math.max(0, (time - start) / width));
    const slice = Math.min(count - 1, Math.floor(at));
    const part = at - slice;
    for (let i = 0; i < nodes; i++)
      self[i] += sign * (sums[slice * nodes + i] * (1 - part) + sums[(slice + 1) * nodes + i] * part);
  }
  return self;
}

/**
 * @param {Slices} slices
 * @param {number} from Unix ns
 * @param {number} to
 * @returns {import("./flame-model.js").FlameModel} siblings in the order of the whole time, so that boxes stay where
 *   they are
 */
export function modelIn(slices, from, to) {
  const { model } = slices;
  const self = selfIn(slices, from, to).map((ns) => Math.max(0, ns));
  const total = self.slice();
  const start = new Float64Array(model.count);
  const edge = new Float64Array(model.count); // where the next child starts
  for (let i = model.count - 1; i > 0; i--) total[model.parent[i]] += total[i];
  for (let i = 1; i < model.count; i++) {
    start[i] = edge[i] = edge[model.parent[i]];
    edge[model.parent[i]] += total[i];
  }
  const share = model.total[0] > 0 ? total[0] / model.total[0] : 0;
  const samples = model.samples.map((n, i) => (model.total[i] > 0 ? Math.round((n * total[i]) / model.total[i]) : 0));
  const answer = {
    ...model.answer, from_ns: from, to_ns: to, total_ns: total[0], samples: samples[0], lost: Math.round(model.answer.lost * share), hidden_ns: 0, preview: true,
  };
  return { ...model, answer, self, total, start, samples };
}

/**
 * The table of a model, recursion counted once.
 * @param {Slices} slices
 * @param {import("./flame-model.js").FlameModel} model of them
 * @returns {{self: Float64Array, total: Float64Array}} by function
 */
export function weightsOf({ entries }, { count, fn, self, total, subtreeEnd }) {
  const sums = { self: new Float64Array(entries.length), total: new Float64Array(entries.length) };
  const covered = new Int32Array(entries.length); // nodes before this index are inside one already counted
  for (let i = 1; i < count; i++) {
    sums.self[fn[i]] += self[i];
    if (i < covered[fn[i]]) continue;
    sums.total[fn[i]] += total[i];
    covered[fn[i]] = subtreeEnd[i];
  }
  return sums;
}
