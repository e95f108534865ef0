// The two sides of Compare and what differs between them.

import { computed, effect } from "../vendor/preact.js";
import { decodeDiff } from "../lib/compare.js";
import { defaultSides } from "../lib/side-text.js";
import { closer } from "./closer.js";
import { asking, sessions, shaping } from "./data.js";
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

const closerAnswer = closer("diff", () => ({ params: params.value && { ...params.value, limit: 1 }, model: whole.value?.model ?? null, zoom: state.value.zoom }));

export const diffModel = computed(() => (closerAnswer.value ? decodeDiff(closerAnswer.value, state.value.by) : whole.value));
