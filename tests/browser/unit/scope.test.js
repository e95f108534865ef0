// The heatmap's arithmetic.

import assert from "node:assert/strict";
import { test } from "node:test";
import { cellsOf, planScope, rangeOfCells, stepCell } from "../../../static/lib/scope.js";

test("columns and cells are round, few enough, and cover all", () => {
  for (const span of [1, 5e6, 90e6, 3.25e9, 24e9, 100e9, 3600e9, 40 * 3600e9, 30 * 86400e9, 900 * 86400e9]) {
    const plan = planScope(16e17, 16e17 + span);
    assert.ok(plan.to - plan.from >= span && plan.columns <= 100 && plan.columns * plan.rows <= 4096, String(span));
    assert.ok(Number.isInteger(plan.cellNs) && plan.cellNs >= 10e6, `${span}: ${plan.cellNs}`);
    assert.equal(plan.columns * plan.rows * plan.cellNs, plan.to - plan.from);
  }
  assert.deepEqual(planScope(0, 24e9), { from: 0, to: 24e9, columns: 48, rows: 40, cellNs: 12_500_000 });
});

test("cells are what runs at once", () => {
  const codes = { bins: 2, bin_ns: 10, series: [{ wall_ns: [20, 10], cpu_ns: [10, 0] }, { wall_ns: [0, 10], cpu_ns: [0, 10] }] };
  assert.deepEqual(cellsOf(codes, "cpu"), { values: Float64Array.of(1, 1), most: 1 });
  assert.deepEqual([...cellsOf(codes, "wall").values], [2, 2]);
  assert.deepEqual([...cellsOf(codes, "off").values], [1, 1]);
});

test("ranges and steps of cells", () => {
  const plan = { from: 1000, to: 1080, columns: 2, rows: 4, cellNs: 10 };
  assert.deepEqual(rangeOfCells(plan, 5, 2), [1020, 1060]);
  assert.deepEqual(rangeOfCells(plan, 0, 0), [1000, 1010]);
  assert.deepEqual(["ArrowDown", "ArrowRight", "ArrowUp", "ArrowLeft", "Home", "End", "x"].map((key) => stepCell(plan, 2, key)), [3, 6, 1, 0, 0, 7, -1]);
  assert.equal(stepCell(plan, 7, "ArrowDown"), 7);
});
