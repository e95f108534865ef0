// What can be done with a function, wherever it is shown: by menu, key or palette.

import { makeTransform, toggleTransform } from "../lib/transforms.js";
import { flame, pointed, selected, top } from "../model/data.js";
import { setState, state } from "../model/store.js";

/**
 * @typedef {object} Entry a function, as the top table has it
 * @property {string} function
 * @property {string} module
 * @property {string} file
 * @property {string} key
 * @property {string} short
 * @property {string} [zoom] key of the node of the graph it was chosen at
 */

/** @typedef {{id: string, label: string, keys?: string, run: () => void}} Action */

/** @param {Entry} entry @returns {Action[]} */
export function functionActions(entry) {
  const add = (kind) => () => addTransform(makeTransform(kind, entry.function));
  const actions = entry.function === "" ? [] : [
    { id: "focus", label: "Focus: only stacks with it", keys: "f", run: add("focus") },
    { id: "ignore", label: "Ignore: only stacks without it", keys: "i", run: add("ignore") },
    { id: "hide", label: "Hide its frames", keys: "h", run: add("hide") },
    { id: "collapse", label: "Collapse: one box with all it calls", keys: "c", run: add("collapse") },
    { id: "sandwich", label: "Callers and callees", keys: "w", run: () => setState({ fn: entry.key, view: "sandwich" }) },
    { id: "callers", label: "Tree of its callers", run: () => setState({ fn: entry.key, tab: "callers" }) },
    { id: "search", label: "Search for it", run: () => setState({ query: entry.short }) },
    { id: "copy", label: "Copy the name", run: () => navigator.clipboard?.writeText(entry.function) },
  ];
  const { zoom } = entry;
  if (zoom) actions.unshift({ id: "zoom", label: "Zoom to this box", keys: "Space", run: () => setState({ zoom, fn: entry.key }) });
  return actions;
}

/** The same transform twice says nothing new. @param {string} text */
export function addTransform(text) {
  const { transforms } = state.peek();
  if (!transforms.includes(text)) setState({ transforms: toggleTransform(transforms, text), zoom: "" });
}

/** The function that a key pressed now is about. @returns {Entry|null} */
export function functionAtHand() {
  const key = pointed.peek();
  const found = key ? top.value.peek()?.functions.find((entry) => entry.key === key) : selected.peek();
  return found ?? null;
}

/**
 * A function of a graph, as the table has it.
 * @param {number} fn
 * @param {string} zoom key of the node it was chosen at, in the main graph
 * @param {import("../lib/flame-model.js").FlameModel} model
 * @returns {Entry}
 */
export function entryOf(fn, zoom = "", model = flame.value.peek()) {
  const { functions, functionKeys } = model;
  const key = functionKeys[fn];
  const known = top.value.peek()?.functions.find((entry) => entry.key === key);
  return {
    function: functions.name[fn], module: functions.module[fn], file: functions.file[fn],
    short: known?.short ?? functions.name[fn], key, zoom,
  };
}
