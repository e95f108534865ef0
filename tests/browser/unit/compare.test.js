import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeDiff, surety } from "../../../static/lib/compare.js";
import { presets } from "../../../static/lib/presets.js";
import { releasesOf } from "../../../static/lib/releases.js";
import { defaultState } from "../../../static/lib/state.js";
import { defaultSides, selectionText, word } from "../../../static/lib/side-text.js";

const session = (id, app, recording, start) => ({ id, app, recording_id: recording, start_ns: start, end_ns: start + 1, samples: 5 });

test("the latest recording against the one before it of the same application", () => {
  const sessions = [session(4, "a", "r3", 30), session(3, "b", "r2", 20), session(1, "a", "r1", 10), session(2, "a", "r1", 11)];
  assert.deepEqual(defaultSides(sessions), { a: "1,2", b: "4" });
  assert.deepEqual(defaultSides(sessions.slice(0, 2)), { a: "", b: "4" });
  assert.deepEqual(defaultSides([]), { a: "", b: "" });
});

test("words are quoted where they must be", () => {
  assert.equal(word("release", "1.2"), "release:1.2");
  assert.equal(word("app", 'my "app"'), 'app:"my \\"app\\""');
});

test("what Explore shows, as a side", () => {
  const chosen = [session(4, "a", "r3", 30), session(2, "a", "r1", 11)];
  assert.equal(selectionText(defaultState(), chosen, 5), "2,4");
  assert.equal(selectionText(defaultState(), chosen, 2), "all");
  const narrowed = { ...defaultState(), app: "my app", thread: ["7", "8"], label: ["tenant=x y"], release: "1", env: "prod", from: 10e18, to: 11e18 };
  assert.equal(selectionText(narrowed, chosen, 5), 'app:"my app" thread:7,8 label:"tenant=x y" release:1 env:prod @10000000000000000000..11000000000000000000');
});

const hour = 3600e9;
const day = 24 * hour;
const now = 20000 * day;
const known = [
  { ...session(1, "a", "r1", now - 9 * day), end_ns: now - 9 * day + hour, release: "1.0" },
  { ...session(2, "a", "r2", now - day), end_ns: now - day + hour, release: "1.1" },
  { ...session(3, "b", "r3", now - hour), end_ns: now, release: null },
];
const sideOf = (b, id) => presets(b, known, now).find((one) => one.id === id).sides;

test("the period before, the weekday before, the release before", () => {
  assert.deepEqual(sideOf(`app:a @${now - hour}..${now}`, "period"), { a: `app:a @${now - 2 * hour}..${now - hour}`, b: `app:a @${now - hour}..${now}` });
  assert.deepEqual(sideOf("@-2h..-1h", "week"), { a: `@${now - 2 * hour - 7 * day}..${now - hour - 7 * day}`, b: `@${now - 2 * hour}..${now - hour}` });
  assert.deepEqual(sideOf("2", "week"), { a: `app:a @${now - 8 * day}..${now - 8 * day + hour}`, b: `app:a @${now - day}..${now - day + hour}` });
  assert.deepEqual(sideOf("2", "release"), { a: "app:a release:1.0", b: "app:a release:1.1" });
  assert.deepEqual(sideOf("app:a env:prod", "release"), { a: "app:a release:1.0 env:prod", b: "app:a release:1.1 env:prod" });
  assert.equal(sideOf("1", "release"), null, "the first has none before it");
  assert.equal(sideOf("3", "release"), null);
  assert.equal(sideOf("@yesterday..now", "period"), null);
  assert.equal(sideOf("99", "period"), null);
});

test("releases in the order they came, by program", () => {
  assert.deepEqual(releasesOf(known), [
    { app: "a", release: "1.0", at_ns: now - 9 * day, before: "" }, { app: "a", release: "1.1", at_ns: now - day, before: "1.0" }]);
});

const answer = {
  a: { total_ns: 100 }, b: { total_ns: 300 },
  tree: {
    functions: { name: ["f", "g"], file: ["", ""], module: ["", ""], in_app: [1, 1] },
    nodes: { parent: [0, 1, 2], function: [-1, 0, 1], self_a_ns: [0, 100, 0], self_b_ns: [0, 150, 150], total_a_ns: [100, 100, 0], total_b_ns: [300, 300, 150], q: [1, 1, 0.01], hidden_ns: [0, 0, 0] },
  },
};

test("shares make sides of different length comparable", () => {
  const { model, a, b } = decodeDiff(answer, "share");
  assert.ok(Math.abs(a[0] - b[0]) < 1, "the wholes are equal");
  assert.equal(b[2] / b[0], 0.5);
  assert.equal(model.paint[1], 8, "unchanged: the middle colour");
  assert.equal(model.paint[2], 16, "new: as orange as it gets");
  assert.deepEqual([...model.marked], [0, 0, 1]);
  assert.equal(decodeDiff(answer, "time").model.total[0], 400);
});

test("how sure", () => assert.deepEqual([0.0001, 0.05, 0.2, 0.9].map(surety), ["very sure", "sure", "perhaps", "may be chance"]));
