// Where in the source something is.

import { basename } from "./format.js";

/** `file.c:12`, or "" when unknown. @param {boolean} whole with its folders */
export function sourcePlace(file, line, whole = false) {
  if (!file) return "";
  return (whole ? file : basename(file)) + (line > 0 ? `:${line}` : "");
}
