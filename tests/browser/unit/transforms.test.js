// Transforms as chips, and which of them go together.

import assert from "node:assert/strict";
import { test } from "node:test";
import { toggleTransform, transformTitle } from "../../../static/lib/transforms.js";

test("what a chip says", () => {
  assert.deepEqual(transformTitle("labels:tenant::x"), { name: "boxes by", value: "tenant::x" });
  assert.deepEqual(transformTitle("focus:ns::f<int>(char)"), { name: "focus", value: "f" });
  assert.deepEqual(transformTitle("threads"), { name: "boxes", value: "threads, then functions" });
});

test("a tree has one first level", () => {
  assert.deepEqual(toggleTransform(["threads", "in_app"], "labels:a"), ["in_app", "labels:a"]);
  assert.deepEqual(toggleTransform(["labels:a"], "threads"), ["threads"]);
  assert.deepEqual(toggleTransform(["labels:a"], "modules"), ["labels:a", "modules"]);
  assert.deepEqual(toggleTransform(["labels:a", "modules"], "labels:a"), ["modules"]);
});
