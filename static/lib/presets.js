// What B is most often compared with, worked out from its text.

import { releasesOf } from "./releases.js";
import { defaultSides, rangeText, word } from "./side-text.js";

const unitNs = { s: 1e9, m: 60e9, h: 3600e9, d: 86400e9, w: 604800e9 };
const weekNs = unitNs.w;

/** A time of a side's text in Unix ns; NaN when it is another form. */
export function timeOf(text, nowNs) {
  if (text === "" || text === "now") return nowNs;
  if (/^\d{11,}$/.test(text)) return Number(text);
  if (!/^-(\d+[smhdw])+$/.test(text)) return NaN;
  return [...text.matchAll(/(\d+)([smhdw])/g)].reduce((time, [, n, unit]) => time - Number(n) * unitNs[unit], nowNs);
}

/** The words of a side's text, quoted ones whole. @param {string} text */
export const wordsOf = (text) => text.match(/(?:[^\s"]|"(?:[^"\\]|\\.)*")+/g) ?? [];

/** From when to when a side is: as it says, else from its sessions. */
function spanOf(words, sessions, nowNs) {
  const range = words.find((one) => one.startsWith("@"));
  if (range) {
    const [from, to] = range.slice(1).split("..").map((text) => timeOf(text, nowNs));
    return to > from ? { from, to } : null;
  }
  const meant = sessionsOf(words, sessions);
  if (meant.length === 0) return null;
  return { from: Math.min(...meant.map((one) => one.start_ns)), to: Math.max(...meant.map((one) => one.end_ns)) };
}

export const unquoted = (text) => text.replace(/\\(.)|"/g, "$1");

function sessionsOf(words, sessions) {
  const ids = words.filter((one) => /^[\d,]+$/.test(one)).flatMap((one) => one.split(","));
  const of = (key) => words.filter((one) => one.startsWith(`${key}:`)).map((one) => unquoted(one.slice(key.length + 1)));
  const [apps, releases] = [of("app"), of("release")];
  return sessions.filter((one) => (ids.length === 0 || ids.includes(String(one.id))) && (apps.length === 0 || apps.includes(one.app)) &&
    (releases.length === 0 || releases.includes(one.release ?? "")));
}

/** The words that do not depend on when: other times have other sessions of the program. */
function timeless(words, sessions) {
  const kept = words.filter((one) => !one.startsWith("@") && !/^[\d,]+$/.test(one) && !/^(all|session:.*|thread:.*)$/.test(one));
  const apps = new Set(sessionsOf(words, sessions).map((one) => one.app));
  if (apps.size === 1 && !kept.some((one) => one.startsWith("app:"))) kept.unshift(word("app", [...apps][0]));
  return kept;
}

/**
 * Sides worth setting beside B.
 * @param {string} b
 * @param {import("./selection.js").Session[]} sessions
 * @param {number} nowNs
 * @returns {{id: string, name: string, sides: {a: string, b: string}|null}[]} null: there is none
 */
export function presets(b, sessions, nowNs) {
  const words = wordsOf(b);
  const span = spanOf(words, sessions, nowNs);
  const kept = timeless(words, sessions);
  const at = (shift) => span && { a: [...kept, rangeText(span.from - shift, span.to - shift)].join(" "), b: [...kept, rangeText(span.from, span.to)].join(" ") };
  const before = defaultSides(sessions);
  return [
    { id: "period", name: "the period before", sides: span && at(span.to - span.from) },
    { id: "week", name: "same weekday before", sides: at(weekNs) },
    { id: "release", name: "the release before", sides: releaseBefore(words, kept, sessions) },
    { id: "recording", name: "the recording before", sides: before.a ? before : null },
  ];
}

function releaseBefore(words, kept, sessions) {
  const known = releasesOf(sessionsOf(words, sessions).length ? sessions : []);
  const meant = new Set(sessionsOf(words, sessions).map((one) => `${one.app}\n${one.release}`));
  const latest = known.findLast((one) => one.before && meant.has(`${one.app}\n${one.release}`));
  if (!latest) return null;
  const rest = kept.filter((one) => !one.startsWith("release:") && !one.startsWith("app:"));
  const side = (release) => [word("app", latest.app), word("release", release), ...rest].join(" ");
  return { a: side(latest.before), b: side(latest.release) };
}
