import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeDiff, defaultSides, surety, word } from "../../../static/lib/compare.js";

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
