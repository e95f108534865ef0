// Time as a map: a column is a stretch of time, its cells are parts of that, from the top
// down. What repeats, stalls or bursts shows as a pattern.

const lengthsNs = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 1800, 3600, 10800, 21600, 86400, 604800].map((seconds) => seconds * 1e9);
const mostColumns = 100;
const mostCells = 4000; // what the server answers at once
const rowCounts = [40, 20, 10, 5]; // each divides the lengths
const leastCellNs = 10e6; // a sample's time at the usual rate

/**
 * @typedef {object} ScopePlan
 * @property {number} from  Unix ns
 * @property {number} to    of the last column's end
 * @property {number} columns
 * @property {number} rows
 * @property {number} cellNs
 */

/** @param {number} from @param {number} to @returns {ScopePlan} */
export function planScope(from, to) {
  const span = Math.max(1, to - from);
  const length = lengthsNs.find((ns) => ns * mostColumns >= span) ?? Math.ceil(span / mostColumns / 40e9) * 40e9;
  const columns = Math.ceil(span / length);
  const rows = rowCounts.find((count) => length / count >= leastCellNs && count * columns <= mostCells) ?? 5;
  return { from, to: from + columns * length, columns, rows, cellNs: length / rows };
}

/**
 * @param {any} codes answer of GET timeline by code, with a bin for each cell
 * @param {import("./threads.js").Heat} heat
 * @returns {{values: Float64Array, most: number}} by cell, columns one after the other
 */
export function cellsOf(codes, heat) {
  const values = new Float64Array(codes.bins);
  for (const { wall_ns, cpu_ns } of codes.series)
    for (let bin = 0; bin < codes.bins; bin++)
      values[bin] += heat === "cpu" ? cpu_ns[bin] : heat === "wall" ? wall_ns[bin] : Math.max(0, wall_ns[bin] - cpu_ns[bin]);
  for (let bin = 0; bin < codes.bins; bin++) values[bin] /= Math.max(1, codes.bin_ns);
  return { values, most: values.reduce((a, b) => Math.max(a, b), 0) };
}

/** From the first to the last of two cells, both included. @param {ScopePlan} plan @returns {[number, number]} Unix ns */
export function rangeOfCells({ from, cellNs }, a, b) {
  return [from + Math.min(a, b) * cellNs, from + (Math.max(a, b) + 1) * cellNs];
}

/** Where a cursor goes. @param {ScopePlan} plan @param {number} cell @param {string} key @returns {number} -1: not with this key */
export function stepCell({ columns, rows }, cell, key) {
  const last = columns * rows - 1;
  const to = { ArrowUp: cell - 1, ArrowDown: cell + 1, ArrowLeft: cell - rows, ArrowRight: cell + rows, Home: 0, End: last }[key];
  return to === undefined ? -1 : Math.min(last, Math.max(0, to));
}
