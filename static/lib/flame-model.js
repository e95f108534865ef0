// The answer of GET flamegraph, laid out for drawing and asking.
//
// Nodes are in pre-order: a parent before its children, a subtree contiguous, so
// passes over the tree are loops. Horizontal positions are in weight (ns): a child
// starts where its elder sibling ends, the parent's own weight and what the server
// pruned come after the children. A row is all nodes of one depth, left to right.

import { hashNumber, hashString, hashText, mix } from "./hash.js";

/**
 * @typedef {object} FlameModel
 * @property {number} count
 * @property {Int32Array} parent       node index; root: -1
 * @property {Int32Array} fn           function index; root: functionCount
 * @property {Float64Array} start      in ns from the left edge
 * @property {Float64Array} total
 * @property {Float64Array} self
 * @property {Float64Array} hidden     weight of this node's pruned children
 * @property {Float64Array} hiddenBelow  the same over the whole subtree
 * @property {Int32Array} samples
 * @property {Uint8Array} inlined
 * @property {Int32Array} depth
 * @property {Int32Array} subtreeEnd   index after the last descendant
 * @property {Int32Array} rowStart     row d is rowNodes[rowStart[d] .. rowStart[d+1])
 * @property {Int32Array} rowNodes
 * @property {number} rowCount         one more when the deepest row hides children
 * @property {Uint32Array} pathHigh    hash of the functions from the root to here
 * @property {Uint32Array} pathLow
 * @property {{name: string[], file: string[], module: string[], line: number[],
 *             in_app: (number|null)[]}} functions
 * @property {string[]} functionKeys   stable names of functions
 * @property {number} functionCount
 * @property {string} rootName        what the root stands for: "all" samples, or a function
 * @property {Int32Array} [paint]      node -> colour, where that is not its function's
 * @property {Uint8Array} [marked]     1: the box is hatched
 * @property {any} answer              totals, counts: as the server sent them
 */

/** Stable name of a function: (name, module, file) is its identity. */
export function functionKey(name, module, file) {
  const text = `${name}\n${module}\n${file}`;
  return hashText(hashString(text, 3), hashString(text, 5));
}

/**
 * @param {any} answer JSON of GET flamegraph
 * @returns {FlameModel}
 */
export function decodeFlame(answer) {
  const { nodes, functions } = answer;
  const count = nodes.parent.length;
  const model = {
    answer,
    rootName: "all",
    functions,
    count,
    functionCount: functions.name.length,
    functionKeys: functions.name.map((name, i) =>
      functionKey(name, functions.module[i], functions.file[i])),
    parent: new Int32Array(count),
    fn: new Int32Array(count),
    depth: new Int32Array(count),
    start: new Float64Array(count),
    subtreeEnd: new Int32Array(count),
    pathHigh: new Uint32Array(count),
    pathLow: new Uint32Array(count),
    total: Float64Array.from(nodes.total_ns),
    self: Float64Array.from(nodes.self_ns),
    hidden: Float64Array.from(nodes.hidden_ns),
    hiddenBelow: Float64Array.from(nodes.hidden_ns),
    samples: Int32Array.from(nodes.total_samples),
    inlined: Uint8Array.from(nodes.inlined),
  };
  placeNodes(model, nodes);
  sumUpwards(model);
  return { ...model, ...makeRows(model) };
}

/**
 * Of one function and what is around it: where it is all there is, the root is the function.
 * @param {any} answer JSON of GET flamegraph with `callers:` or `focus:`
 * @returns {FlameModel}
 */
export function decodeAround(answer) {
  const { nodes, functions } = answer;
  if (!(nodes.parent.length > 1 && nodes.total_ns[1] === nodes.total_ns[0])) return decodeFlame(answer);
  const { parent, function: fn, total_ns, total_samples, ...rest } = nodes;
  const merged = { parent, function: fn, total_ns, total_samples };
  for (const name in merged) merged[name] = merged[name].toSpliced(1, 1);
  for (const name in rest) merged[name] = rest[name].toSpliced(0, 1);
  const name = functions.name[fn[1]];
  return { ...decodeFlame({ ...answer, nodes: merged }), rootName: name || "(no name)" };
}

/**
 * A flame chart as the same kind of model: boxes stand where they are in time, with
 * nothing between them where the thread was not sampled.
 * @param {any} answer JSON of GET flamechart
 * @returns {FlameModel}
 */
export function decodeChart(answer) {
  const { boxes, functions } = answer;
  const count = boxes.start.length + 1;
  const whole = answer.to_ns - answer.from_ns;
  const parent = [0];
  const open = [0]; // by depth: the box that later, deeper ones are in
  for (let i = 1; i < count; i++) {
    const depth = boxes.depth[i - 1];
    parent.push(i - open[depth - 1]);
    open[depth] = i;
  }
  const length = [whole, ...boxes.length];
  const none = new Array(count).fill(0);
  const model = decodeFlame({
    ...answer, total_ns: whole, hidden_ns: 0, functions: { ...functions, line: functions.name.map(() => 0) },
    nodes: { parent, function: [-1, ...boxes.function], self_ns: none, total_ns: length, self_samples: none, total_samples: none, inlined: none, hidden_ns: none },
  });
  for (let i = 1; i < count; i++) {
    model.start[i] = boxes.start[i - 1];
    model.pathLow[i] = mix(model.pathLow[i] ^ i); // the same call again is another box
  }
  return model;
}

/** Forward pass: what a node has from its parent. */
function placeNodes(model, nodes) {
  const { parent, fn, depth, start, total, pathHigh, pathLow, functionCount } = model;
  const edge = new Float64Array(model.count); // where the next child starts
  const { high, low } = functionHashes(model);
  for (let i = 0; i < model.count; i++) {
    const above = i === 0 ? -1 : i - nodes.parent[i];
    if (i > 0 && !(above >= 0 && above < i)) throw new Error(`node ${i} precedes its parent`);
    parent[i] = above;
    fn[i] = i === 0 ? functionCount : nodes.function[i];
    if (i > 0) {
      depth[i] = depth[above] + 1;
      start[i] = edge[above];
      edge[above] += total[i];
      pathHigh[i] = mix(pathHigh[above] ^ high[fn[i]]);
      pathLow[i] = mix(Math.imul(pathLow[above], 0x9e3779b1) ^ low[fn[i]]);
    }
    edge[i] = start[i];
  }
}

function functionHashes(model) {
  const high = new Uint32Array(model.functionCount);
  const low = new Uint32Array(model.functionCount);
  model.functionKeys.forEach((key, i) => {
    high[i] = hashString(key, 11);
    low[i] = hashString(key, 13);
  });
  return { high, low };
}

/** Backward pass: what a node has from its children. */
function sumUpwards({ count, parent, subtreeEnd, hiddenBelow }) {
  for (let i = count - 1; i >= 0; i--) {
    if (subtreeEnd[i] === 0) subtreeEnd[i] = i + 1;
    const above = parent[i];
    if (above < 0) continue;
    if (subtreeEnd[above] === 0) subtreeEnd[above] = subtreeEnd[i];
    hiddenBelow[above] += hiddenBelow[i];
  }
}

/** Counting sort by depth; pre-order keeps each row in order from left to right. */
function makeRows({ count, depth, hidden }) {
  let deepest = 0;
  let deepestHiding = 0;
  for (let i = 0; i < count; i++) {
    if (depth[i] > deepest) deepest = depth[i];
    if (hidden[i] > 0 && depth[i] + 1 > deepestHiding) deepestHiding = depth[i] + 1;
  }
  const rowCount = Math.max(deepest, deepestHiding) + 1;
  const rowStart = new Int32Array(rowCount + 1);
  for (let i = 0; i < count; i++) rowStart[depth[i] + 1]++;
  for (let row = 0; row < rowCount; row++) rowStart[row + 1] += rowStart[row];
  const next = rowStart.slice();
  const rowNodes = new Int32Array(count);
  for (let i = 0; i < count; i++) rowNodes[next[depth[i]]++] = i;
  return { rowStart, rowNodes, rowCount };
}

/** Text that finds this node again in another answer; "" is the root. */
export function nodeKey(model, node) {
  return node <= 0 ? "" : hashText(model.pathHigh[node], model.pathLow[node]);
}

/** @returns {number} node index, or -1 when this answer has no such path */
export function findNode(model, key) {
  if (!key) return 0;
  const wanted = parseInt(key, 36);
  for (let i = 1; i < model.count; i++)
    if (hashNumber(model.pathHigh[i], model.pathLow[i]) === wanted) return i;
  return -1;
}

/**
 * First position in `rowNodes` of the row whose box ends right of `weight`.
 * @param {FlameModel} model
 * @param {number} from position to start at
 * @param {number} to   end of the row
 */
export function firstEndingAfter(model, from, to, weight) {
  const { rowNodes, start, total } = model;
  let step = 1; // gallop: what is asked for is mostly near
  let low = from;
  let high = from;
  while (high < to && start[rowNodes[high]] + total[rowNodes[high]] <= weight) {
    low = high + 1;
    high += step;
    step *= 2;
  }
  high = Math.min(high, to);
  while (low < high) {
    const middle = (low + high) >> 1;
    const node = rowNodes[middle];
    if (start[node] + total[node] <= weight) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * What is at a place of the graph.
 * @returns {{node: number, hidden: boolean}|null} with `hidden`, the box of what the
 *   server pruned among the node's children
 */
export function nodeAt(model, row, weight) {
  const node = inRow(model, row, weight);
  if (node >= 0) return { node, hidden: false };
  const above = row > 0 ? inRow(model, row - 1, weight) : -1;
  if (above < 0 || model.hidden[above] <= 0) return null;
  const from = hiddenStart(model, above);
  return weight >= from && weight < from + model.hidden[above]
    ? { node: above, hidden: true } : null;
}

function inRow(model, row, weight) {
  if (row < 0 || row >= model.rowCount || weight < 0) return -1;
  const end = model.rowStart[row + 1];
  const at = firstEndingAfter(model, model.rowStart[row], end, weight);
  if (at >= end) return -1;
  const node = model.rowNodes[at];
  return model.start[node] <= weight ? node : -1;
}

/** Where the hidden children of a node start: after those that are shown. */
export function hiddenStart(model, node) {
  const children = model.total[node] - model.self[node] - model.hidden[node];
  return model.start[node] + Math.max(0, children);
}

/** Children of a node, heaviest first. @returns {number[]} */
export function childrenOf(model, node) {
  const children = [];
  for (let i = node + 1; i < model.subtreeEnd[node]; i = model.subtreeEnd[i]) children.push(i);
  return children;
}

/** From the root down to the node, both included. @returns {number[]} */
export function pathTo(model, node) {
  const path = [];
  for (let i = node; i >= 0; i = model.parent[i]) path.unshift(i);
  return path;
}

/** Total of a function in the graph, recursion counted once, and of which self. */
export function functionTotals(model, fn) {
  const { count, subtreeEnd, total, self, samples } = model;
  const sums = { total: 0, self: 0, samples: 0, places: 0 };
  let covered = 0; // nodes before this index are inside one already counted
  for (let i = 0; i < count; i++) {
    if (model.fn[i] !== fn) continue;
    sums.self += self[i];
    sums.places++;
    if (i < covered) continue;
    sums.total += total[i];
    sums.samples += samples[i];
    covered = subtreeEnd[i];
  }
  return sums;
}
