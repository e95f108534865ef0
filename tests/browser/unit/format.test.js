import assert from "node:assert/strict";
import { test } from "node:test";
import * as format from "../../../static/lib/format.js";

test("durations", () => {
  const cases = [[0, "0 s"], [1, "1 ns"], [999, "999 ns"], [999.6, "1.00 µs"], [12_340, "12.3 µs"], [999_700, "1.00 ms"],
    [9_996_000, "10.0 ms"], [123_456_789, "123 ms"], [1e9, "1.00 s"], [84.25e9, "84.3 s"], [119.96e9, "120 s"], [125e9, "2m 5s"],
    [3608e9, "1h 0m"], [7199.6e9, "2h 0m"], [9000e9, "2h 30m"], [200_000e9, "2d 8h"], [-5e6, "−5.00 ms"]];
  for (const [ns, text] of cases) assert.equal(format.duration(ns), text);
});

test("axis labels have no needless zeros", () => {
  const cases = [[0, "0 s"], [5e9, "5 s"], [2.5e9, "2.5 s"], [1.25e9, "1.25 s"], [20e6, "20 ms"], [100e6, "100 ms"], [120e9, "2m 0s"]];
  for (const [ns, text] of cases) assert.equal(format.axisDuration(ns), text);
});

test("percentages", () => {
  assert.equal(format.percent(1, 3), "33.3%");
  assert.equal(format.percent(1, 1000), "0.10%");
  assert.equal(format.percent(1, 1e6), "<0.01%");
  assert.equal(format.percent(0, 5), "0%");
  assert.equal(format.percent(5, 5), "100.0%");
  assert.equal(format.percent(0, 0), "–");
});

test("margin of a share shrinks with samples and never vanishes", () => {
  assert.ok(Math.abs(format.margin(0.5, 100) - 0.096) < 0.002);
  assert.ok(format.margin(0.5, 10000) < 0.01);
  assert.ok(format.margin(0, 50) > 0.03);
  assert.equal(format.margin(0.5, 0), 1);
});

test("steps of an axis are round and few enough", () => {
  for (const span of [3e6, 47e6, 1e9, 12.3e9, 59e9, 600e9, 86400e9 * 9]) {
    const step = format.niceTimeStep(span, 8);
    assert.ok(span / step <= 8.001, `${span} / ${step}`);
  }
  assert.equal(format.niceTimeStep(60e9 * 8, 8), 60e9);
  assert.ok(format.niceTimeStep(0, 8) > 0, "an empty axis ends too");
});

test("sizes, counts, names", () => {
  assert.equal(format.bytes(999), "999 B");
  assert.equal(format.bytes(41_233), "41.2 kB");
  assert.equal(format.plural(1, "sample"), "1 sample");
  assert.equal(format.plural(1200, "sample"), "1,200 samples");
  assert.equal(format.basename("/usr/lib/libc.so.6"), "libc.so.6");
  assert.equal(format.basename("libc.so.6"), "libc.so.6");
});
