import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeFlame } from "../../../static/lib/flame-model.js";
import { flameOfFolded } from "../../../static/lib/folded.js";
import { drawable } from "../../../static/lib/sql-shapes.js";

test("folded rows become a tree whose root is their sum", () => {
  const model = decodeFlame(flameOfFolded([["main;a;b", 5], ["main;a", 2], ["main;c", 4], ["main;a;b", 1], ["x", 0]]));
  assert.equal(model.total[0], 12);
  assert.deepEqual(model.functions.name, ["main", "a", "b", "c"]);
  assert.deepEqual([...model.total], [12, 12, 8, 6, 4]);
  assert.deepEqual([...model.self], [0, 0, 2, 6, 4]);
  assert.equal(decodeFlame(flameOfFolded([])).count, 1);
});

test("what an answer can be drawn as", () => {
  const shapes = (columns, rows) => Object.entries(drawable({ columns, rows })).filter(([, value]) => value).map(([name]) => name);
  assert.deepEqual(shapes(["a"], [["x"]]), ["table"]);
  assert.deepEqual(shapes(["folded", "weight_ns"], [["a;b", 3]]), ["table", "flame"]);
  assert.deepEqual(shapes(["second", "n"], [[1, 2], [2, 3]]), ["table", "line"]);
  assert.deepEqual(shapes(["second", "n"], [[2, 2], [1, 3]]), ["table"], "time does not run back");
  assert.deepEqual(shapes(["ts_ns", "n"], [[1790000000000000001n, 2], [1790000000000000002n, null]]), ["table", "line"]);
  assert.equal(drawable({ columns: ["ts_ns", "n"], rows: [[1790000000000000001n, 2], [1790000001000000000n, 1]] }).line.xs[0], 1790000000);
  assert.deepEqual(shapes(["folded", "n"], []), ["table"]);
});
