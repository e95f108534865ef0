// What stands as a flag on the timeline: releases where they were first seen, and
// programs that crashed or were killed.

import { moment } from "./format.js";
import { releasesOf } from "./releases.js";

/**
 * @typedef {object} Mark
 * @property {number} at_ns
 * @property {"release"|"end"} kind
 * @property {string} text   on the flag
 * @property {string} title  what it says, and does when it is clicked
 * @property {boolean} open  there is something to open
 * @property {{app: string, release: string, before: string}} [release]
 * @property {string} [session] id
 */

const mostEnds = 200;

/** @param {any[]} sessions @returns {Mark[]} by time */
export function marksOf(sessions) {
  /** @type {Mark[]} */
  const releases = releasesOf(sessions).map((one) => ({
    at_ns: one.at_ns, kind: "release", text: one.release, open: one.before !== "", release: one,
    title: `Release ${one.app} ${one.release}, from ${moment(one.at_ns)}${one.before ? `: compare with ${one.before}` : ", the first one"}`,
  }));
  const ends = sessions.filter(endedBadly).slice(0, mostEnds).map((one) => /** @type {Mark} */ ({
    at_ns: one.end_ns, kind: "end", text: one.state, open: sessions.length > 1, session: String(one.id),
    title: `${one.app} ${one.pid} ${one.state} at ${moment(one.end_ns)}${sessions.length > 1 ? ": show only this process" : ""}`,
  }));
  return [...releases, ...ends].sort((a, b) => a.at_ns - b.at_ns);
}

const endedBadly = ({ state }) => state === "crashed" || state === "killed";
