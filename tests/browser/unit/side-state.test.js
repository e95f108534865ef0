// From a side of a comparison to Explore, and which changes are listed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { changesOf } from "../../../static/lib/compare.js";
import { selectionText } from "../../../static/lib/side-text.js";
import { sideState } from "../../../static/lib/side-state.js";
import { defaultState } from "../../../static/lib/state.js";
import { diffSql } from "../../../static/lib/view-sql.js";

test("what Explore said is what it shows again", () => {
  const state = { ...defaultState(), app: 'my "app"', thread: ["7", "8"], label: ["tenant=x y"], release: "1", env: "prod", from: 16e17, to: 17e17 };
  assert.deepEqual(sideState(selectionText(state, [], 5), 0), state);
});

test("other sides: sessions, everything, relative times", () => {
  assert.deepEqual(sideState("12,13", 0)?.session, ["12", "13"]);
  assert.deepEqual(sideState("all", 0)?.session, ["all"]);
  const { from, to, session } = /** @type {any} */ (sideState("@-2h..-1h", 10e18));
  assert.deepEqual([from, to, session], [10e18 - 7200e9, 10e18 - 3600e9, ["all"]]);
});

test("what Explore cannot show is not half shown", () => {
  for (const text of ["function:main", "thread_name:x", "label:tenant", "app:a app:b", "release:", "@soon..later", "<b>", "thread:x"]) assert.equal(sideState(text, 10e18), null, text);
});

test("which changes are listed", () => {
  const entry = (name, state, a, b, q) => ({ function: name, module: "m", state, a: { self_ns: a }, b: { self_ns: b }, self: { share_a: a / 100, share_b: b / 100, q } });
  const answer = { functions: [entry("f", "both", 10, 12, 0.5), entry("g", "new", 0, 5, 0.01), entry("h", "gone", 9, 0, 0.2), entry("i", "both", 3, 3, 1)] };
  const names = (...how) => changesOf(answer, "share", ...how).map((one) => one.function);
  assert.deepEqual(names("all"), ["h", "g", "f"]);
  assert.deepEqual([names("sure"), names("new"), names("gone")], [["g"], ["g"], ["h"]]);
  assert.deepEqual(names("all", (text) => text === "f"), ["f"]);
});

test("a comparison in SQL quotes what it is given", () => assert.match(diffSql("app:o'x", "all"), /pl_diff\('app:o''x', 'all'\)/));
