// From Explore to Compare: what is shown there, as a side here.

import { selectionText, word } from "../lib/side-text.js";
import { chosen, sessions } from "./data.js";
import { setState, state } from "./store.js";

/** What Explore shows, or would after a change. */
function shownText(change = {}) {
  return selectionText({ ...state.peek(), ...change }, chosen.peek(), sessions.value.peek()?.length ?? 0);
}

/** A chosen time with the one before it; without, what is worth comparing. */
export function compareShown() {
  const { from, to } = state.peek();
  const sides = to ? { a: shownText({ from: 2 * from - to, to: from }), b: shownText() } : {};
  setState({ page: "compare", ...sides });
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
