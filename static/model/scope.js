// What the heatmap asks for: a timeline with a bin for each of its cells.

import { computed, effect } from "../vendor/preact.js";
import { planScope } from "../lib/scope.js";
import { asking, selection, span, timelineParams } from "./data.js";
import { Resource } from "./resource.js";
import { state } from "./store.js";

export const scope = new Resource("timeline");

export const plan = computed(() => {
  const { from = span.value.from, to = span.value.to } = timelineParams.value ?? {};
  return planScope(Number(from), Number(to));
});

effect(() => {
  const { page, view } = state.value;
  const wanted = page === "explore" && view === "scope" && selection.value;
  if (!wanted) return void scope.load(null);
  const { metric: _, from: __, to: ___, ...narrowed } = selection.value;
  const { from, to, columns, rows } = plan.value;
  scope.load({ ...narrowed, from, to, bins: columns * rows, by: "code" }, asking.value);
});
