// Compare: the two sides as text (docs/API.md, diff), and their answer as a graph.

import { decodeFlame } from "./flame-model.js";
import { oklch, pixel } from "./colors.js";

const steps = 8; // of colour, each way
const sure = 0.05; // q below it is called a change
const scale = 1e12; // shares as whole numbers

/**
 * @typedef {object} DiffModel a graph whose boxes are as wide as both sides together
 * @property {import("./flame-model.js").FlameModel} model
 * @property {Float64Array} a  weight of each node, as a share of its side or in ns
 * @property {Float64Array} b
 * @property {number[]} q
 */

/** @param {any} answer of GET diff @param {"share"|"time"} by @returns {DiffModel} */
export function decodeDiff(answer, by) {
  const { nodes, functions } = answer.tree;
  const count = nodes.parent.length;
  const unit = { a: by === "share" ? scale / Math.max(1, answer.a.total_ns) : 1, b: by === "share" ? scale / Math.max(1, answer.b.total_ns) : 1 };
  const sum = (a, b) => a.map((ns, i) => Math.round(ns * unit.a + b[i] * unit.b));
  const total = sum(nodes.total_a_ns, nodes.total_b_ns);
  const self = sum(nodes.self_a_ns, nodes.self_b_ns);
  const hidden = total.map((weight, i) => weight - self[i]);
  for (let i = 1; i < count; i++) hidden[i - nodes.parent[i]] -= total[i];
  const zeros = new Array(count).fill(0);
  const model = decodeFlame({
    ...answer, total_ns: total[0], hidden_ns: 0,
    functions: { ...functions, line: functions.name.map(() => 0) },
    nodes: {
      parent: nodes.parent, function: nodes.function, total_ns: total, self_ns: self, self_samples: zeros, total_samples: zeros,
      inlined: zeros, hidden_ns: hidden.map((weight, i) => (weight > 2 * (i + 2) ? weight : 0)), // what rounding left is nothing
    },
  });
  const a = Float64Array.from(nodes.total_a_ns, (ns) => ns * unit.a);
  const b = Float64Array.from(nodes.total_b_ns, (ns) => ns * unit.b);
  model.paint = Int32Array.from({ length: count }, (_, i) => paintOf(a[i], b[i], nodes.q[i]));
  model.marked = Uint8Array.from({ length: count }, (_, i) => (i > 0 && (a[i] === 0) !== (b[i] === 0) ? 1 : 0));
  return { model, a, b, q: nodes.q };
}

/** Colour of a node: how much of what it weighs on both sides is the difference. */
function paintOf(a, b, q) {
  const whole = a + b;
  const change = whole > 0 ? (b - a) / whole : 0;
  const told = q <= sure ? change : change * 0.35; // what may be chance is pale
  return steps + Math.round(Math.sign(told) * Math.sqrt(Math.abs(told)) * steps); // the root makes small ones visible
}

/** Blue: less in B. Orange: more. @returns {(ground: [number, number, number]) => any} palette of a flame graph */
export function diffPalette(theme) {
  const colors = new Uint32Array(2 * steps + 1);
  const [light, chroma] = theme === "dark" ? [0.45, 0.12] : [0.83, 0.13];
  for (let i = 0; i <= 2 * steps; i++) {
    const amount = Math.abs(i - steps) / steps;
    colors[i] = pixel(oklch(light, 0.01 + chroma * amount, i < steps ? 250 : 60));
  }
  return (ground) => ({ ground: pixel(ground), normal: colors, match: colors, dim: colors, hot: colors });
}

/**
 * The functions that changed, most first.
 * @param {any} answer of GET diff
 * @param {"share"|"time"} by
 * @param {"all"|"sure"|"new"|"gone"} only which of them
 * @param {((text: string) => boolean)|null} test of their names
 */
export function changesOf(answer, by, only, test = null) {
  const size = by === "time" ? ({ a, b }) => Math.abs(b.self_ns - a.self_ns) : ({ self }) => Math.abs(self.share_b - self.share_a);
  const wanted = {
    all: () => true, sure: (entry) => entry.self.q <= sure, new: (entry) => entry.state === "new", gone: (entry) => entry.state === "gone",
  }[only];
  return answer.functions
    .filter((entry) => entry.a.self_ns !== entry.b.self_ns && wanted(entry) && (!test || test(entry.function) || test(entry.module)))
    .sort((x, y) => size(y) - size(x));
}

/** What q says, in a word. */
export function surety(q) {
  if (q <= 0.001) return "very sure";
  if (q <= sure) return "sure";
  return q <= 0.3 ? "perhaps" : "may be chance";
}
