// A side of a comparison in words: what the API calls `a` and `b` (docs/API.md, diff).

import { groupByRecording } from "./selection.js";

/** What the sessions of a choice are called in a side's text. */
export function sessionsText(sessions) {
  return sessions.map((session) => session.id).sort((a, b) => a - b).join(",");
}

/** A word of a side's text: quoted where blanks would end it. */
export function word(key, value) {
  const text = String(value);
  return /[\s"\\]/.test(text) ? `${key}:"${text.replace(/["\\]/g, "\\$&")}"` : `${key}:${text}`;
}

/**
 * What Explore shows, as a side's text.
 * @param {import("./state.js").State} state
 * @param {import("./selection.js").Session[]} chosen
 * @param {number} sessionCount in the whole store
 */
export function selectionText(state, chosen, sessionCount) {
  const words = [];
  if (state.app) words.push(word("app", state.app));
  else if (chosen.length < sessionCount) words.push(sessionsText(chosen));
  if (state.thread.length) words.push(word("thread", state.thread.join(",")));
  for (const text of state.label) words.push(word("label", text));
  if (state.release) words.push(word("release", state.release));
  if (state.env) words.push(word("env", state.env));
  if (state.to) words.push(rangeText(state.from, state.to));
  return words.join(" ") || "all";
}

/** @param {number} from Unix ns @param {number} to */
export function rangeText(from, to) {
  return `@${Math.round(from)}..${Math.round(to)}`;
}

/**
 * What is worth comparing when nobody said so: the latest recording with the one before
 * it of the same application.
 * @param {import("./selection.js").Session[]} sessions
 * @returns {{a: string, b: string}} "" where there is none
 */
export function defaultSides(sessions) {
  const groups = groupByRecording(sessions).filter((group) => group.samples > 0);
  const latest = groups[0];
  if (!latest) return { a: "", b: "" };
  const before = groups.slice(1).find((group) => group.sessions[0].app === latest.sessions[0].app);
  return { a: before ? sessionsText(before.sessions) : "", b: sessionsText(latest.sessions) };
}
