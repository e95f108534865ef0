// Transforms of the tree, as they stand in the URL and in the API's parameter `t`:
// `kind` or `kind:function`, applied in order by the server (docs/API.md).

import { nameVariants } from "./names.js";

/** What each is called on its chip. */
const names = {
  focus: "focus",
  callers: "callers of",
  ignore: "ignore",
  hide: "hide",
  collapse: "collapse",
  recursion: "recursion",
  in_app: "frames",
  modules: "boxes",
  files: "boxes",
  threads: "boxes",
  labels: "boxes by",
};

/** ... and what stands there for those without a function. */
const values = { recursion: "collapsed", in_app: "in-app only", modules: "modules", files: "files", threads: "threads, then functions" };

/** Those that need no function, and what they do. @type {[string, string][]} */
export const plainTransforms = [
  ["in_app", "In-app frames only"], ["recursion", "Collapse recursion"], ["modules", "Merge by module"], ["files", "Merge by file"], ["threads", "Merge by thread"],
];

/** Those that say what the first level is: one at a time. @param {string} text */
export const splits = (text) => text === "threads" || text.startsWith("labels:");

/** @param {string[]} transforms @param {string} text @returns {string[]} with it, or without if it was there */
export function toggleTransform(transforms, text) {
  if (transforms.includes(text)) return transforms.filter((other) => other !== text);
  return [...transforms.filter((other) => !(splits(text) && splits(other))), text];
}

/** @param {string} kind @param {string} [name] of a function */
export function makeTransform(kind, name = "") {
  return name ? `${kind}:${name}` : kind;
}

/** @param {string} text @returns {{name: string, value: string}} */
export function transformTitle(text) {
  const at = text.indexOf(":");
  const kind = at < 0 ? text : text.slice(0, at);
  const about = at < 0 ? "" : text.slice(at + 1);
  return { name: names[kind] ?? kind, value: kind === "labels" ? about : about ? nameVariants(about).at(-1) : values[kind] ?? "" };
}
