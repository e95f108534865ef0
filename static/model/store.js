// The page's state: one signal, written to the URL, with undo and redo.
//
//   setState -> URL -> state signal -> requests (model/data.js) -> views
//
// A view never changes another one: it changes the state, and everything follows.

import { batch, computed, signal } from "../vendor/preact.js";
import { formatState, parseState } from "../lib/state.js";

/** @typedef {import("../lib/state.js").State} State */

/** @type {import("../vendor/preact.js").Signal<State>} */
export const state = signal(parseState(location.search));

/** What Undo and Redo go back and forth over: filters and transforms, not views. */
const undoable = ["thread", "label", "release", "env", "from", "to", "transforms", "metric", "invert"];
const past = signal(/** @type {Partial<State>[]} */ ([]));
const future = signal(/** @type {Partial<State>[]} */ ([]));
const mostUndo = 100;

export const canUndo = computed(() => past.value.length > 0);
export const canRedo = computed(() => future.value.length > 0);

/**
 * @param {Partial<State>} change
 * @param {boolean} replace no new entry for Back, nothing to undo
 */
export function setState(change, replace = false) {
  const before = state.peek();
  const next = { ...before, ...change };
  const text = formatState(next);
  if (text === formatState(before)) return;
  batch(() => {
    if (!replace && undoable.some((name) => changed(before, next, name))) {
      past.value = [...past.peek().slice(1 - mostUndo), pick(before)];
      future.value = [];
    }
    show(next, replace);
  });
}

const changed = (a, b, name) => String(a[name]) !== String(b[name]);
const pick = (from) => Object.fromEntries(undoable.map((name) => [name, from[name]]));

function show(next, replace) {
  const url = location.pathname + formatState(next);
  if (replace) history.replaceState(null, "", url);
  else history.pushState(null, "", url);
  state.value = next;
}

/** One step back (or forward) over filters and transforms. */
export function undo() {
  travel(past, future);
}

export function redo() {
  travel(future, past);
}

function travel(from, to) {
  const step = from.peek().at(-1);
  if (!step) return;
  batch(() => {
    to.value = [...to.peek(), pick(state.peek())];
    from.value = from.peek().slice(0, -1);
    show({ ...state.peek(), ...step }, false);
  });
}

addEventListener("popstate", () => (state.value = parseState(location.search)));
