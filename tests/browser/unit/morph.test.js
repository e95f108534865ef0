import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeFlame } from "../../../static/lib/flame-model.js";
import { morphFrom } from "../../../static/lib/flame-morph.js";
import { paintMovingRow, paintRow } from "../../../static/lib/flame-spans.js";

/** all > a, b by rows of [back, function, total]; self is nothing. */
function model(rows, names = ["a", "b", "c"]) {
  const zeros = rows.map(() => 0);
  const blank = names.map(() => "");
  return decodeFlame({
    functions: { name: names, file: blank, module: blank, line: zeros, in_app: zeros },
    nodes: { parent: rows.map((row) => row[0]), function: rows.map((row) => row[1]), total_ns: rows.map((row) => row[2]), self_ns: zeros, self_samples: zeros, total_samples: zeros, inlined: zeros, hidden_ns: zeros },
  });
}

const old = model([[0, -1, 100], [1, 0, 60], [2, 1, 40]]); // a before b
const now = model([[0, -1, 200], [1, 1, 140], [1, 2, 70], [3, 0, 60]]); // b, with c in it, before a

test("boxes come from where they were, in the new one's weight", () => {
  const { start, total } = morphFrom(now, old);
  assert.deepEqual([start[1], total[1]], [120, 80], "b");
  assert.deepEqual([start[3], total[3]], [0, 120], "a");
  assert.deepEqual([start[2], total[2]], [120, 40], "c: half of b, as now");
  const seen = morphFrom(now, old, 100);
  assert.deepEqual([seen.start[3], seen.total[3]], [140, 60], "too small to be seen: where its parent leaves it");
});

const style = { ground: 9, gap: 1, labelWidth: 30 };
const colors = Uint32Array.of(1, 2, 3, 0);

function painted(amount) {
  const line = new Uint32Array(200);
  const spans = { labels: [], hatched: [] };
  const view = { from: 0, to: 200 };
  if (amount < 0) paintRow(now, 1, view, line, colors, style, spans);
  else paintMovingRow(now, 1, view, line, colors, style, spans, morphFrom(now, old), amount);
  return { line: [...line], labels: spans.labels };
}

test("a movement begins at the old picture and ends at the new one", () => {
  const begin = painted(0).line;
  assert.deepEqual([begin[0], begin[118], begin[120], begin[198]], [1, 1, 2, 2]);
  assert.deepEqual(painted(1), painted(-1));
  const middle = painted(0.5).line;
  assert.equal(middle[65], 2, "b is on its way to the left");
});
