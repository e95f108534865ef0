// From a side of a comparison back to Explore: its text as a choice there.

import { timeOf, unquoted, wordsOf } from "./presets.js";
import { defaultState } from "./state.js";

/**
 * @param {string} text of a side (docs/API.md, diff)
 * @param {number} nowNs
 * @returns {import("./state.js").State|null} null: Explore cannot show that
 */
export function sideState(text, nowNs) {
  const state = defaultState();
  for (const word of wordsOf(text)) if (!take(state, word, nowNs)) return null;
  if (!state.app && state.session.length === 0) state.session = ["all"];
  return state;
}

function take(state, word, nowNs) {
  if (word === "all") return true;
  if (/^\d[\d,]*$/.test(word)) return add(state.session, word.split(","));
  if (word.startsWith("@")) return takeRange(state, word.slice(1), nowNs);
  const at = word.indexOf(":");
  const [key, value] = [word.slice(0, at), unquoted(word.slice(at + 1))];
  if (at < 1 || value === "") return false;
  if (key === "label") return value.includes("=") && add(state.label, [value]);
  if (key === "session" || key === "thread") return /^\d[\d,]*$/.test(value) && add(state[key], value.split(","));
  if (!["app", "release", "env"].includes(key) || state[key]) return false;
  state[key] = value;
  return true;
}

const add = (list, more) => list.push(...more) > 0;

function takeRange(state, text, nowNs) {
  const [from, to] = text.split("..").map((end) => timeOf(end, nowNs));
  if (!(to > from)) return false;
  Object.assign(state, { from, to });
  return true;
}
