// What the pages ask for, and the answers. Each question follows from the state alone
// (model/store.js), so a link, Back and a click all end in the same picture.

import { computed, effect, signal, untracked } from "../vendor/preact.js";
import { decodeAround, decodeChart, findNode } from "../lib/flame-model.js";
import { apiSelection, chosenSessions, narrowing } from "../lib/selection.js";
import { compileQuery, matchFunctions, matchedNodes } from "../lib/search.js";
import { marksOf } from "../lib/marks.js";
import { decodeTop } from "../lib/top.js";
import { makeTransform } from "../lib/transforms.js";
import { FlameResource, secondNodes } from "./flame.js";
import { Resource } from "./resource.js";
import { setState, state } from "./store.js";

const timelineBins = 480;
const binPeriods = 20; // samples of a thread: one more or less is no spike
const binMostNs = 100e6; // where samples are that rare
const leastBins = 10;
const topLimit = 10_000;
const chartBoxes = 20_000;

/** Changes whenever the store's data have. */
export const generation = signal(/** @type {number|string} */ (0));

/** Counts "Retry": asks again what failed. */
const attempt = signal(0);
export const asking = computed(() => `${generation.value}.${attempt.value}`);

/** Key of the function under the pointer, in whichever view. */
export const pointed = signal("");

/** Width of the graph in device pixels: no box below half a pixel is asked for. */
export const graphPixels = signal(1400);

export const sessions = new Resource("sessions", (answer) => {
  beginWithLastHour(answer.sessions);
  return answer.sessions;
});
export const threads = new Resource("threads", (answer) => answer.threads);
export const timeline = new Resource("timeline");
export const codes = new Resource("timeline");
export const flame = new FlameResource();
export const top = new Resource("top", decodeTop);
export const labels = new Resource("labels", (answer) => answer.labels);

/** A bare address shows the last hour of what has gone on for long. */
const longNs = 2 * 3600e9;
let isBare = location.search === "";

function beginWithLastHour(all) {
  if (!isBare) return;
  isBare = all.length === 0;
  const { from, to } = spanOf(chosenSessions(state.peek(), all));
  if (to - from > longNs) setState({ last: 3600 }, true);
}

const spanOf = (chosen) => ({
  from: Math.min(...chosen.map((session) => session.start_ns)), to: Math.max(...chosen.map((session) => session.end_ns)),
});

/** Sessions that the state means. */
export const chosen = computed(() => chosenSessions(state.value, sessions.value.value ?? []));
export const isLive = computed(() => chosen.value.some((session) => session.state === "live"));

/** Flags of the timeline. */
export const marks = computed(() => marksOf(chosen.value));

/** Parameters of the API for the chosen sessions, whole; null before they are known. */
const chosenParams = computed(() => {
  const all = sessions.value.value;
  return all && chosen.value.length > 0 ? apiSelection(state.value, chosen.value, all.length) : null;
});

/** ... and for what is narrowed down to: what every figure on the page is about. */
export const selection = computed(() =>
  chosenParams.value && { ...chosenParams.value, ...windowed(state.value), ...narrowing(state.value), metric: state.value.metric });

/** From when to when the chosen sessions are. */
export const span = computed(() => spanOf(chosen.value));

/** What the timeline spans, where that is not all of it. */
function windowed({ windowFrom, windowTo, last }) {
  if (windowTo) return { from: windowFrom, to: windowTo };
  const { from, to } = span.value;
  return last && to - last * 1e9 > from ? { from: to - last * 1e9, to } : {};
}

const exploring = computed(() => state.value.page === "explore");

effect(() => {
  sessions.load({}, asking.value);
});

/** What the timeline is of: all threads, whatever is filtered. */
export const timelineParams = computed(() => chosenParams.value && { ...chosenParams.value, ...windowed(state.value) });

effect(() => {
  const base = exploring.value ? timelineParams.value : null;
  threads.load(base, asking.value);
  timeline.load(base && { ...base, bins: binCount() }, asking.value);
});

/** Whose code runs when: every sample is looked at for that, so the graph comes first. */
effect(() => {
  const base = exploring.value && flame.value.value ? timelineParams.value : null;
  if (isLive.value && spanOf(chosen.value).to - spanOf(chosen.value).from > longNs) return;
  codes.load(base && { ...base, bins: binCount(), by: "code" }, asking.value);
});

effect(() => {
  top.load(exploring.value && selection.value ? { ...selection.value, ...shaping(state.value, false), limit: topLimit } : null, asking.value);
});

/** Transforms of the tree; which way up it stands is no matter of the table's. */
export function shaping({ transforms, invert }, tree = true, ...more) {
  const t = [...transforms, ...(tree && invert ? ["invert"] : []), ...more];
  return t.length > 0 ? { t } : {};
}

function binCount() {
  const { from, to } = { ...span.value, ...windowed(state.value) };
  const periods = chosen.value.map((one) => ((one.end_ns - one.start_ns) * one.threads) / Math.max(1, one.samples));
  const bin = Math.min(binMostNs, ...periods.filter((ns) => ns > 0).map((ns) => binPeriods * ns));
  return Math.max(leastBins, Math.min(timelineBins, Math.ceil((to - from) / bin)));
}

/* ---- the selected function, closer ---- */

/** The selected function, as the table has it. */
export const selected = computed(() =>
  state.value.fn ? top.value.value?.functions.find((entry) => entry.key === state.value.fn) ?? null : null);

export const detailOf = new Resource("function");

effect(() => {
  const name = exploring.value ? selected.value?.function : null;
  detailOf.load(name && selection.value ? { ...selection.value, function: name } : null, asking.value);
});

/** Labels are asked for when somebody wants to choose one. */
export const wantLabels = signal(false);

effect(() => {
  labels.load(exploring.value && wantLabels.value ? selection.value : null, asking.value);
});

/* ---- one thread over time ---- */

export const chart = new Resource("flamechart", decodeChart);

/** The thread of the chart: the chosen one, else the busiest. */
export const chartThread = computed(() => {
  const all = threads.value.value ?? [];
  return all.find((thread) => String(thread.id) === state.value.thread[0]) ?? all[0] ?? null;
});

effect(() => {
  const wanted = exploring.value && state.value.view === "chart" && selection.value && chartThread.value;
  const { thread: _, metric: __, ...rest } = selection.value ?? {};
  chart.load(wanted ? { ...rest, thread: chartThread.value.id, boxes: chartBoxes } : null, asking.value);
});

/* ---- callers and callees of the selected function ---- */

export const callers = new Resource("flamegraph", decodeAround);
export const callees = new Resource("flamegraph", decodeAround);

/** The function they are about; null when no view asks for one. */
export const around = computed(() => {
  const { page, view, tab } = state.value;
  return page === "explore" && (view === "sandwich" || tab === "callers") ? selected.value : null;
});

function loadAround(resource, kind) {
  const name = around.value?.function;
  const shape = { ...state.value, invert: false };
  resource.load(name && selection.value ? { ...selection.value, ...shaping(shape, true, makeTransform(kind, name)), min_ns: 0, max_nodes: secondNodes } : null, asking.value);
}

effect(() => {
  loadAround(callers, "callers");
});

effect(() => {
  if (state.value.view === "sandwich") loadAround(callees, "focus");
});

/* ---- the graph, as finely as its pixels can show ---- */

/** What the graph on screen is of, whatever its fineness. */
export const flameParams = computed(() => (selection.value ? { ...selection.value, ...shaping(state.value) } : null));

/**
 * How finely the graph is asked for, or one node of it (""; the root): see FlameResource;
 * `of` is the selection that was found to need it.
 */
const detail = signal({ of: "", root: "", fine: -1 });

/** Where somebody looks who zoomed freely: the deepest box that fills the view, its weight in sight. */
export const looked = signal({ zoom: "", key: "", ns: 0 });

effect(() => {
  const wanted = exploring.value ? flameParams.value : null;
  const { of, root, fine } = detail.value;
  flame.load(wanted && { ...wanted, order: state.value.order, ...(of === JSON.stringify(wanted) ? { root, fine } : { root: "", fine: -1 }) }, asking.value);
});

/** When what fills the view hides boxes that could be seen, ask for them. */
effect(() => {
  const model = flame.value.value;
  const { zoom } = state.value;
  const { zoom: lookedZoom, key, ns } = looked.value;
  if (!model || flame.loading.value || flame.error.value || model.answer.hidden_ns === 0) return;
  untracked(() => {
    const of = JSON.stringify(flameParams.value);
    const now = detail.value.of === of ? detail.value : { root: "", fine: -1 };
    const freely = lookedZoom === zoom && ns > 0;
    const root = freely ? key : zoom;
    const fine = root || freely ? finenessAt(model, root, freely ? ns : 0) : 0;
    if (fine > 0 && (now.root !== root || now.fine <= 0 || fine < now.fine)) detail.value = { of, root, fine };
    else if (now.fine < 0) detail.value = { of, root: "", fine: 0 };
  });
});

/** Half a pixel's weight where `ns` of a node fill the view; 0 when it hides nothing to see. */
function finenessAt(model, key, ns) {
  const node = findNode(model, key);
  const seen = ns || (node >= 0 ? model.total[node] : 0);
  const hides = node < 0 || (model.hiddenBelow[node] / Math.max(1, seen)) * graphPixels.value > 1;
  return hides ? Math.max(1, Math.floor(seen / (2 * graphPixels.value))) : 0;
}

/** Graph and table of a range that is being dragged (model/preview.js). */
export const preview = signal(/** @type {{flame: import("../lib/flame-model.js").FlameModel, top: any}|null} */ (null));
export const shownFlame = computed(() => preview.value?.flame ?? flame.value.value);
export const shownTop = computed(() => preview.value?.top ?? top.value.value);

/** The search over the graph at hand. */
export const search = computed(() => {
  const model = shownFlame.value;
  const { test, error } = compileQuery(state.value.query);
  const matches = test && model ? matchFunctions(model.functions, test) : null;
  const found = matches && model ? { ...matchedNodes(model, matches), whole: model.total[0] } : null;
  return { test, error, matches, found };
});

/** Ask again for everything. */
export function retryAll() {
  attempt.value++;
}
