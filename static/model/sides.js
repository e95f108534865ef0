// From Explore to Compare: what is shown there, as a side here.

import { presets } from "../lib/presets.js";
import { selectionText, word } from "../lib/side-text.js";
import { chosen, sessions } from "./data.js";
import { setState, state } from "./store.js";

/** What Explore shows, or would after a change. */
function shownText(change = {}) {
  return selectionText({ ...state.peek(), ...change }, chosen.peek(), sessions.value.peek()?.length ?? 0);
}

/**
 * What is shown beside what it is worth comparing with, best first.
 * @returns {{id: string, name: string, sides: {a: string, b: string}}[]}
 */
export function comparisons() {
  const { from, to, thread, label } = state.peek();
  const b = shownText();
  const found = [
    to > 0 && { id: "period", name: "the time before", sides: { a: shownText({ from: 2 * from - to, to: from }), b } },
    to > 0 && { id: "whole", name: "the whole time", sides: { a: shownText({ from: 0, to: 0 }), b } },
    thread.length > 0 && { id: "threads", name: "all threads", sides: { a: shownText({ thread: [] }), b } },
    label.length > 0 && { id: "labels", name: "all labels", sides: { a: shownText({ label: [] }), b } },
    ...presets(b, sessions.value.peek() ?? [], Date.now() * 1e6),
  ];
  return found.filter((one, i) => one && one.sides && one.sides.a !== one.sides.b && found.findIndex((other) => other && other.id === one.id) === i);
}

/** With the best of them; without any Compare says what is missing. */
export function compareShown() {
  const { to, thread, label } = state.peek();
  const narrowed = to > 0 || thread.length > 0 || label.length > 0;
  setState({ page: "compare", zoom: "", ...(narrowed ? comparisons()[0]?.sides : { a: "", b: "" }) });
}

/** A range with all the rest around it. */
export function compareRange(from, to) {
  setState({ page: "compare", a: shownText({ from: 0, to: 0 }), b: shownText({ from, to }) });
}

/** @param {{app: string, release: string, before: string}} release with the one before it */
export function compareRelease({ app, release, before }) {
  const side = (one) => `${word("app", app)} ${word("release", one)}`;
  setState({ page: "compare", a: side(before), b: side(release) });
}
