// While a range is dragged in the timeline graph, table and figures are those of the
// range, put together from what is loaded; when it is let go, the server is asked, and
// what was shown stays until it answers.

import { effect, signal } from "../vendor/preact.js";
import { get } from "../api.js";
import { decodeSlices, modelIn, weightsOf } from "../lib/slices.js";
import { decodeTop } from "../lib/top.js";
import { splits } from "../lib/transforms.js";
import { asking, flame, preview, selection, shaping, timelineParams, top } from "./data.js";
import { Resource } from "./resource.js";
import { state } from "./store.js";

const sliceCount = 32;
const nodes = 1500; // the lightest of them are thinner than a pixel
const tableMs = 60; // rows are read, not watched

class SlicesResource extends Resource {
  async ask({ order, ...params }, signal) {
    const answer = await get("flamegraph", params, signal);
    answer.nodes.slices = answer.over_time.slices;
    return decodeSlices(order === "name" ? (await import("../lib/by-name.js")).byName(answer) : answer);
  }
}

const slices = new SlicesResource("flamegraph");
const wanted = signal(false);
const letGo = signal(false);

effect(() => {
  const { transforms, order } = state.value;
  const base = wanted.value && selection.value && timelineParams.value;
  if (!base || transforms.some(splits)) return void slices.load(null);
  const { from: _, to: __, ...narrowed } = selection.value;
  slices.load({ ...narrowed, ...base, ...shaping(state.value), slices: sliceCount, max_nodes: nodes, order }, asking.value);
});

effect(() => {
  if (!letGo.value || flame.loading.value || top.loading.value) return;
  preview.value = null;
  letGo.value = false;
});

/** Somebody is about to drag. */
export function prepare() {
  wanted.value = true;
}

let table = { of: /** @type {any} */ (null), entries: /** @type {any[]} */ ([]), told: 0 };

/** @param {number} from Unix ns @param {number} to */
export function show(from, to) {
  prepare();
  const of = slices.value.peek();
  if (!of || slices.loading.peek()) return;
  if (table.of !== of) table = { of, entries: known(of.entries), told: 0 };
  const model = modelIn(of, from, to);
  letGo.value = false;
  preview.value = { flame: model, top: tableOf(of, model) };
}

function tableOf(of, model) {
  const before = preview.peek()?.top;
  if (before && performance.now() - table.told < tableMs) return before;
  table.told = performance.now();
  const { self, total } = weightsOf(of, model);
  table.entries.forEach((entry, i) => Object.assign(entry, { self_ns: self[i], total_ns: total[i] }));
  const functions = table.entries.filter((entry) => entry.total_ns > 0);
  return { ...top.value.peek(), total_ns: model.total[0], samples: model.answer.samples, functions };
}

/** Entries as the table has them, for it knows lines and short names. */
function known(entries) {
  const there = new Map((top.value.peek()?.functions ?? []).map((entry) => [entry.key, entry]));
  const made = decodeTop({ functions: entries.map((entry) => ({ in_app: null, line: 0, ...entry, total_ns: 1 })) }).functions;
  return made.map((entry) => (there.has(entry.key) ? Object.create(there.get(entry.key)) : entry));
}

/** The drag is over; what follows is asked for by now, if anything does. */
export function release() {
  letGo.value = true;
}
