// Ranges put together from slices, and figures of a timeline between two times.

import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeSlices, modelIn, weightsOf } from "../../../static/lib/slices.js";
import { marksOf } from "../../../static/lib/marks.js";
import { meanIn, partsOf, sumIn } from "../../../static/lib/threads.js";

/** main calls a and main; each slice of 100 ns has its own weights. */
function answer() {
  const slices = [[0, 10, 0, 0], [5, 5, 5, 5], [0, 0, 20, 0], [1, 2, 3, 4]];
  const self = slices.map((row) => row.reduce((sum, ns) => sum + ns, 0));
  return {
    metric: "wall", from_ns: 1000, to_ns: 1400, total_ns: 60, samples: 6, lost: 0, hidden_ns: 0,
    functions: { name: ["main", "a"], module: ["", ""], file: ["", ""], line: [0, 0], in_app: [1, 0] },
    nodes: {
      parent: [0, 1, 1, 2], function: [-1, 0, 1, 0], self_ns: self, total_ns: [60, 50, 20, 10], self_samples: self, total_samples: [60, 50, 20, 10],
      inlined: [0, 0, 0, 0], hidden_ns: [0, 0, 0, 0], slices,
    },
  };
}

test("the whole time is the answer itself", () => {
  const slices = decodeSlices(answer());
  const model = modelIn(slices, 1000, 1400);
  assert.deepEqual([...model.total], [60, 50, 20, 10]);
  assert.deepEqual([...model.self], [10, 20, 20, 10]);
  assert.deepEqual([...model.start], [0, 0, 0, 20]);
  const { self, total } = weightsOf(slices, model);
  assert.deepEqual([[...self], [...total]], [[30, 20], [50, 20]], "main in main counts once");
});

test("a range has its slices, and of a cut one its part", () => {
  const slices = decodeSlices(answer());
  assert.deepEqual([...modelIn(slices, 1200, 1300).total], [28, 28, 20, 3]);
  const half = modelIn(slices, 1250, 1350);
  assert.deepEqual([...half.total].map((ns) => Math.round(ns * 2)), [37, 37, 20, 7]);
  assert.equal(modelIn(slices, 5000, 6000).total[0], 0);
  assert.equal(modelIn(slices, 0, 1100).total[0], 6);
  let sum = 0;
  for (let at = 1000; at < 1400; at += 37) sum += modelIn(slices, at, Math.min(1400, at + 37)).total[0];
  assert.equal(Math.round(sum), 60);
});

test("sums and means between two times", () => {
  const timeline = { from_ns: 100, bin_ns: 10, bins: 4 };
  const values = [1, 2, 3, 4];
  assert.equal(sumIn(values, timeline, 100, 140), 10);
  assert.equal(sumIn(values, timeline, 105, 125), 0.5 + 2 + 1.5);
  assert.equal(sumIn(values, timeline, 0, 1000), 10);
  assert.equal(meanIn(values, timeline, 110, 130), 2.5);
});

test("kinds of code are layers of the same bins, or not shown", () => {
  const timeline = { from_ns: 0, bin_ns: 10, bins: 2 };
  const codes = { ...timeline, series: [{ code: "app", wall_ns: [10, 20], cpu_ns: [5, 5] }, { code: "kernel", wall_ns: [0, 0], cpu_ns: [0, 0] }] };
  const [app, ...none] = partsOf(codes, timeline, "off");
  assert.deepEqual([app.name, [...app.values], app.sum, none], ["in-app", [0.5, 1.5], 2, []]);
  assert.deepEqual(partsOf({ ...codes, bins: 3 }, timeline, "cpu"), []);
  assert.deepEqual(partsOf(null, timeline, "cpu"), []);
});

test("releases and bad ends are marks, by time", () => {
  const session = { id: 1, app: "x", pid: 7, release: "1", start_ns: 1e9, end_ns: 9e9, state: "ended", exit_status: 0 };
  const marks = marksOf([session, { ...session, id: 2, release: "2", start_ns: 5e9, end_ns: 6e9, state: "crashed" }, { ...session, id: 3, exit_status: 3 }]);
  assert.deepEqual(marks.map(({ text, open }) => [text, open]), [["1", false], ["2", true], ["crashed", true]]);
});
