// Where there is something to see, and what has no name.

import assert from "node:assert/strict";
import { test } from "node:test";
import { nearestData } from "../../../static/lib/nearest.js";
import { namelessOf } from "../../../static/lib/top.js";

const timeline = { from_ns: 0, bin_ns: 10, bins: 10, series: [{ wall_ns: [0, 1, 1, 0, 0, 0, 0, 1, 0, 0] }, { wall_ns: [0, 0, 1, 1, 0, 0, 0, 0, 0, 0] }] };

test("the nearest stretch, as long as the range if it can be", () => {
  assert.deepEqual(nearestData(timeline, [], 45, 50), [35, 40]);
  assert.deepEqual(nearestData(timeline, [], 60, 62), [70, 72]);
  assert.deepEqual(nearestData(timeline, [], 85, 99), [70, 80]);
});

test("without data in the timeline, sessions say where", () => {
  const none = { ...timeline, series: [] };
  const sessions = [{ start_ns: 500, end_ns: 600, samples: 3 }, { start_ns: 200, end_ns: 300, samples: 0 }];
  assert.deepEqual(nearestData(none, sessions, 0, 100), [500, 600]);
  assert.deepEqual(nearestData(null, sessions, 700, 750), [550, 600]);
  assert.equal(nearestData(none, [], 0, 100), null);
});

test("what has no name", () => {
  const answer = { total_ns: 100, functions: [{ function: "node+0x41f20", module: "/usr/bin/node", self_ns: 20 }, { function: "0x7efee0", module: "", self_ns: 10 }, { function: "main", module: "x", self_ns: 70 }, { function: "lib+0x1", module: "/lib", self_ns: 0 }] };
  assert.deepEqual(namelessOf(answer), { share: 0.3, modules: ["node"] });
  assert.deepEqual(namelessOf(null), { share: 0, modules: [] });
});
