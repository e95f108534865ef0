// From one answer to the next: where each box of the new graph was in the old one, so
// that it can move there instead of jumping. A box is the same when its path is.

import { hashNumber } from "./hash.js";

/**
 * @typedef {object} Morph  where the boxes of a model come from, in the model's own weight
 * @property {Float64Array} start
 * @property {Float64Array} total
 */

/**
 * @param {import("./flame-model.js").FlameModel} model
 * @param {import("./flame-model.js").FlameModel} old
 * @param {number} least weight of a box in `model` that can be seen
 * @returns {Morph} a box that was not there, or was too small, comes from the place that
 *   its parent leaves it
 */
export function morphFrom(model, old, least = 0) {
  const start = new Float64Array(model.count);
  const total = new Float64Array(model.count);
  const scale = model.total[0] / Math.max(1, old.total[0]);
  const before = new Map();
  for (let i = 1; i < old.count; i++)
    if (old.total[i] * scale >= least) before.set(hashNumber(old.pathHigh[i], old.pathLow[i]), i);
  total[0] = model.total[0];
  for (let i = 1; i < model.count; i++) {
    const known = model.total[i] >= least ? before.get(hashNumber(model.pathHigh[i], model.pathLow[i])) : undefined;
    if (known !== undefined) {
      start[i] = old.start[known] * scale;
      total[i] = old.total[known] * scale;
    } else {
      const above = model.parent[i];
      const shrunk = total[above] / Math.max(1, model.total[above]);
      start[i] = start[above] + (model.start[i] - model.start[above]) * shrunk;
      total[i] = model.total[i] * shrunk;
    }
  }
  return { start, total };
}
