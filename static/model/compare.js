// The two sides of Compare and what differs between them.

import { computed, effect } from "../vendor/preact.js";
import { decodeDiff, defaultSides } from "../lib/compare.js";
import { findNode } from "../lib/flame-model.js";
import { asking, graphPixels, sessions, shaping } from "./data.js";
import { Resource } from "./resource.js";
import { state } from "./store.js";

export const diff = new Resource("diff");

/** What is compared: as the state says, else what is worth comparing. */
export const sides = computed(() => {
  const { a, b } = state.value;
  if (a || b) return { a, b };
  return defaultSides(sessions.value.value ?? []);
});

/** What is asked of the server; null: there is nothing to compare. */
const params = computed(() => {
  const { page, metric } = state.value;
  const { a, b } = sides.value;
  const wanted = page === "compare" && (a || b) && (a !== b);
  return wanted ? { a: a || "all", b: b || "all", metric, ...shaping(state.value), max_nodes: 50_000, limit: 2000 } : null;
});

effect(() => {
  diff.load(params.value, asking.value);
});

const whole = computed(() => (diff.value.value ? decodeDiff(diff.value.value, state.value.by) : null));

/** Below what is zoomed, where the whole graph hides boxes that could be seen. */
const closer = new Resource("diff");

effect(() => {
  const { zoom } = state.value;
  const graph = whole.value;
  const node = graph && zoom ? findNode(graph.model, zoom) : 0;
  const hides = graph && node > 0 && (graph.model.hiddenBelow[node] / Math.max(1, graph.model.total[node])) * graphPixels.value > 1;
  closer.load(hides && params.value ? { ...params.value, root: zoom, limit: 1 } : null, asking.value);
});

const closerModel = computed(() => (closer.value.value ? decodeDiff(closer.value.value, state.value.by) : null));

export const diffModel = computed(() => (closerModel.value && !closer.loading.value ? closerModel.value : whole.value));
