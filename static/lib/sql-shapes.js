// What an answer of SQL can be drawn as, judged by its columns.

import { flameOfFolded } from "./folded.js";

/**
 * @param {{columns: string[], rows: (string|number|bigint|null)[][]}} answer
 * @returns {{table: true, flame: any, line: any}} `flame`: an answer like GET flamegraph's;
 *   `line`: {labels, xs, series, time}; null where the columns do not allow it
 */
export function drawable(answer) {
  return { table: true, flame: flameOf(answer), line: lineOf(answer) };
}

const kept = new WeakMap(); // answer -> flame: one answer is drawn many times

/** A column called folded (or stack), and a number for its weight: the last one. */
function flameOf(answer) {
  if (kept.has(answer)) return kept.get(answer);
  const { columns, rows } = answer;
  const stack = columns.findIndex((name) => /^(folded|stack)$/i.test(name));
  const weight = columns.findLastIndex((_, i) => i !== stack && isNumeric(rows, i));
  const flame = stack < 0 || rows.length === 0 ? null
    : flameOfFolded(rows.map((row) => [String(row[stack]), weight < 0 ? 1 : Number(row[weight])]));
  kept.set(answer, flame);
  return flame;
}

/** First column a number that never falls, and more numbers beside it. */
function lineOf({ columns, rows }) {
  if (columns.length < 2 || rows.length < 2 || !isNumeric(rows, 0)) return null;
  const xs = rows.map((row) => Number(row[0]));
  if (xs.some((x, i) => i > 0 && x < xs[i - 1])) return null;
  const numeric = columns.map((_, i) => i).filter((i) => i > 0 && isNumeric(rows, i));
  if (numeric.length === 0) return null;
  const scale = timeScale(columns[0], xs);
  return {
    labels: numeric.map((i) => columns[i]), time: scale !== 0, name: columns[0],
    xs: scale ? xs.map((x) => x / scale) : xs,
    series: numeric.map((i) => rows.map((row) => (row[i] === null ? null : Number(row[i])))),
  };
}

/** @param {any} value */
export const isNumber = (value) => typeof value === "number" || typeof value === "bigint";

const isNumeric = (rows, i) => rows.some((row) => row[i] !== null) && rows.every((row) => row[i] === null || isNumber(row[i]));

/** What divides the column into Unix seconds, by its name and size; 0: it is no time. */
function timeScale(name, xs) {
  const named = /(_ns|time|ts|second|minute|hour|day|date)$/i.test(name);
  const size = Math.abs(xs[0]);
  if (named && size > 1e17) return 1e9;
  if (named && size > 1e8 && size < 1e11) return 1;
  return 0;
}
