import assert from "node:assert/strict";
import { test } from "node:test";
import { childrenOf, decodeAround, decodeFlame, findNode, firstEndingAfter, functionTotals, nodeAt, nodeKey, pathTo } from "../../../static/lib/flame-model.js";
import { paintRow } from "../../../static/lib/flame-spans.js";
import { byName } from "../../../static/lib/by-name.js";
import { graft } from "../../../static/lib/graft.js";
import { compileQuery, matchFunctions, matchedNodes } from "../../../static/lib/search.js";
import { makeTree, prune } from "../mock-data.js";

/*  root 100: main 90 (work 60 (main 20), read 10, hidden 5), idle 8 */
const answer = {
  metric: "wall", total_ns: 100, samples: 100,
  functions: { name: ["main", "work", "read", "idle"], file: ["m.c", "w.c", "", ""], module: ["app", "app", "libc.so.6", "libc.so.6"], line: [1, 2, 0, 0], in_app: [1, 1, 0, 0] },
  nodes: {
    parent: [0, 1, 1, 1, 3, 5], function: [-1, 0, 1, 0, 2, 3], self_ns: [2, 15, 40, 20, 10, 8], total_ns: [100, 90, 60, 20, 10, 8],
    self_samples: [2, 15, 40, 20, 10, 8], total_samples: [100, 90, 60, 20, 10, 8], inlined: [0, 0, 1, 0, 0, 0], hidden_ns: [0, 5, 0, 0, 0, 0],
  },
};
const model = decodeFlame(answer);

test("lays nodes out from left to right", () => {
  assert.deepEqual([...model.parent], [-1, 0, 1, 2, 1, 0]);
  assert.deepEqual([...model.depth], [0, 1, 2, 3, 2, 1]);
  assert.deepEqual([...model.start], [0, 0, 0, 0, 60, 90]);
  assert.deepEqual([...model.subtreeEnd], [6, 5, 4, 4, 5, 6]);
  assert.deepEqual([...model.hiddenBelow], [5, 5, 0, 0, 0, 0]);
  assert.equal(model.rowCount, 4);
  assert.deepEqual(childrenOf(model, 1), [2, 4]);
  assert.deepEqual(pathTo(model, 3), [0, 1, 2, 3]);
});

test("finds what is at a place, pruned boxes included", () => {
  assert.deepEqual(nodeAt(model, 0, 50), { node: 0, hidden: false });
  assert.deepEqual(nodeAt(model, 2, 59.9), { node: 2, hidden: false });
  assert.deepEqual(nodeAt(model, 2, 60), { node: 4, hidden: false });
  assert.deepEqual(nodeAt(model, 2, 72), { node: 1, hidden: true });
  assert.equal(nodeAt(model, 2, 80), null);
  assert.equal(nodeAt(model, 9, 1), null);
  assert.equal(nodeAt(model, 1, -1), null);
});

test("counts recursion once", () => {
  assert.deepEqual(functionTotals(model, 0), { total: 90, self: 35, samples: 90, places: 2 });
});

test("finds the same path in another answer", () => {
  const key = nodeKey(model, 3);
  const other = structuredClone(answer);
  // idle, now the heaviest, moves to the front: every index changes
  other.nodes = {
    parent: [0, 1, 2, 1, 1], function: [-1, 3, 0, 1, 0], self_ns: [0, 60, 0, 10, 30], total_ns: [100, 60, 40, 40, 30],
    self_samples: [0, 60, 0, 10, 30], total_samples: [100, 60, 40, 40, 30], inlined: [0, 0, 0, 0, 0], hidden_ns: [0, 0, 0, 0, 0],
  };
  assert.equal(findNode(decodeFlame(other), key), 4);
  assert.equal(findNode(model, "zzz"), -1);
  assert.equal(findNode(model, ""), 0);
  assert.equal(nodeKey(model, 0), "");
});

test("a closer look is put where it belongs, at any depth", () => {
  // all 100: main 90 (work 60 (hidden 50), hidden 20), idle 10
  const functions = (names) => ({ name: names, file: names.map(() => ""), module: names.map(() => ""), line: names.map(() => 0), in_app: names.map(() => 1) });
  const nodes = (rows) => ({
    parent: rows.map((row) => row[0]), function: rows.map((row) => row[1]), total_ns: rows.map((row) => row[2]), self_ns: rows.map((row) => row[3]),
    hidden_ns: rows.map((row) => row[4]), self_samples: rows.map((row) => row[3]), total_samples: rows.map((row) => row[2]), inlined: rows.map(() => 0),
  });
  const whole = { total_ns: 100, hidden_ns: 70, functions: functions(["main", "work", "idle"]), nodes: nodes([[0, -1, 100, 0, 0], [1, 0, 90, 10, 20], [1, 1, 60, 10, 50], [3, 2, 10, 10, 0]]) };
  const atWork = { root: 2, functions: functions(["work", "main", "parse"]), nodes: nodes([[0, -1, 100, 0, 10], [1, 1, 90, 10, 30], [1, 0, 60, 10, 20], [1, 2, 30, 30, 0]]) };
  const told = (answer) => {
    const { count, parent, fn, total, self, hidden, depth, functions: table } = decodeFlame(answer);
    const below = new Float64Array(count);
    for (let i = count - 1; i > 0; i--) below[parent[i]] += total[i];
    for (let i = 0; i < count; i++) assert.equal(total[i], self[i] + hidden[i] + below[i], `node ${i}`);
    return Array.from({ length: count }, (_, i) => `${"  ".repeat(depth[i])}${table.name[fn[i]] ?? "all"} ${total[i]} hides ${hidden[i]}`);
  };
  assert.deepEqual(told(graft(whole, atWork)), ["all 100 hides 0", "  main 90 hides 20", "    work 60 hides 20", "      parse 30 hides 0", "  idle 10 hides 0"]);
  // A node that the whole hides as well: its callers come along.
  const deep = { root: 3, functions: functions(["main", "read", "block"]), nodes: nodes([[0, -1, 100, 0, 10], [1, 0, 90, 10, 65], [1, 1, 15, 3, 4], [1, 2, 8, 3, 0], [1, 1, 5, 5, 0]]) };
  assert.deepEqual(told(graft(whole, deep)), ["all 100 hides 0", "  main 90 hides 5", "    work 60 hides 50", "    read 15 hides 4", "      block 8 hides 0", "        read 5 hides 0", "  idle 10 hides 0"]);
  assert.equal(graft(whole, deep).hidden_ns, 59);
  assert.equal(graft(whole, { ...deep, root: -1 }), whole);
});

test("by name, each box keeps its weight, its callers and its key", () => {
  const sorted = decodeFlame(byName(answer));
  assert.deepEqual([...sorted.total], [100, 8, 90, 10, 60, 20], "all, idle, main, read, work, main");
  assert.deepEqual([...sorted.depth], [0, 1, 1, 2, 2, 3]);
  assert.equal(nodeKey(sorted, 5), nodeKey(model, 3));
  const big = makeTree({ seed: 3, size: 3000, samples: 5000 });
  const [one, other] = [decodeFlame(big), decodeFlame(byName(big))];
  const told = (from) => Array.from({ length: from.count }, (_, i) => `${nodeKey(from, i)} ${from.total[i]} ${from.self[i]} ${from.samples[i]} ${nodeKey(from, from.parent[i])}`).sort();
  assert.deepEqual(told(other), told(one));
  for (let i = 2; i < other.count; i++)
    if (other.parent[i] === other.parent[i - 1]) assert.ok(other.functions.name[other.fn[i - 1]] <= other.functions.name[other.fn[i]]);
});

// tests/test_prune.c has the same: the server finds nodes by these keys.
test("names nodes as the server does", () => {
  const named = decodeFlame({
    ...answer,
    functions: { name: ["main", "work<ä🔥\ufffd>"], file: ["m.c", "w.c"], module: ["app", "app"], line: [0, 0], in_app: [1, 1] },
    nodes: {
      parent: [0, 1, 1, 1], function: [-1, 0, 1, 0], self_ns: [0, 0, 0, 1], total_ns: [1, 1, 1, 1],
      self_samples: [0, 0, 0, 1], total_samples: [1, 1, 1, 1], inlined: [0, 0, 0, 0], hidden_ns: [0, 0, 0, 0],
    },
  });
  assert.deepEqual([1, 2, 3].map((i) => nodeKey(named, i)), ["1bbt9msyb7", "1t9x2n9x5es", "15wt6p9iudm"]);
});

test("an answer whose node precedes its parent is refused", () => {
  const broken = structuredClone(answer);
  broken.nodes.parent[2] = -1;
  assert.throws(() => decodeFlame(broken), /precedes/);
});

test("an answer without samples is a bare root", () => {
  const empty = decodeFlame({ functions: { name: [], file: [], module: [], line: [], in_app: [] }, nodes: { parent: [0], function: [-1], self_ns: [0], total_ns: [0], self_samples: [0], total_samples: [0], inlined: [0], hidden_ns: [0] } });
  assert.equal(empty.rowCount, 1);
  assert.equal(nodeAt(empty, 0, 0), null);
});

const colors = Uint32Array.from([1, 2, 3, 4, 5]);
const style = { ground: 9, gap: 1, labelWidth: 10 };

function paint(row, view, width) {
  const line = new Uint32Array(width);
  const spans = { labels: [], hatched: [] };
  paintRow(model, row, view, line, colors, style, spans);
  return { line: [...line], spans };
}

test("paints boxes where they are, with a gap between wide ones", () => {
  const { line, spans } = paint(2, { from: 0, to: 100 }, 20);
  assert.deepEqual(line, [...Array(11).fill(2), 9, 3, 3, ...Array(6).fill(9)]);
  assert.deepEqual(spans.labels, [2, 0, 11, 2]);
});

test("marks what was pruned, a row below its parent", () => {
  assert.deepEqual(paint(1, { from: 0, to: 100 }, 100).spans.hatched, [70, 75, 2]);
});

test("paints a part of the graph", () => {
  const { line } = paint(2, { from: 58, to: 68 }, 10);
  assert.deepEqual(line, [2, 9, 3, 3, 3, 3, 3, 3, 3, 3]);
});

test("every pixel that a box covers has one's colour, at any zoom", () => {
  const big = decodeFlame({ ...makeTree({ size: 4000, samples: 100_000, seed: 7, bushy: true }) });
  const paints = new Uint32Array(big.functionCount + 1).fill(1);
  for (const [from, to] of [[0, big.total[0]], [big.total[0] * 0.2, big.total[0] * 0.21], [big.total[0] * 0.7, big.total[0] * 0.7001]])
    for (let row = 0; row < big.rowCount; row++) {
      const line = new Uint32Array(300);
      paintRow(big, row, { from, to }, line, paints, { ground: 0, gap: 0, labelWidth: 1e9 }, { labels: [], hatched: [] });
      for (let x = 0; x < 300; x++) {
        const left = from + (x / 300) * (to - from);
        const right = from + ((x + 1) / 300) * (to - from);
        const covers = coverage(big, row, left, right);
        if (covers > 0.999) assert.equal(line[x], 1, `row ${row} pixel ${x} should be painted`);
        if (covers === 0) assert.equal(line[x], 0, `row ${row} pixel ${x} should be empty`);
      }
    }
});

function coverage(big, row, left, right) {
  let sum = 0;
  for (let at = firstEndingAfter(big, big.rowStart[row], big.rowStart[row + 1], left); at < big.rowStart[row + 1]; at++) {
    const node = big.rowNodes[at];
    if (big.start[node] >= right) break;
    sum += Math.min(right, big.start[node] + big.total[node]) - Math.max(left, big.start[node]);
  }
  return sum / (right - left);
}

test("search: literal, case, regular expression, errors", () => {
  const matching = (query, text) => compileQuery(query).test?.(text);
  assert.equal(matching("ALL", "malloc"), false);
  assert.equal(matching("all", "MALLOC"), true);
  assert.equal(matching("a.c", "abc"), false);
  assert.equal(matching("/a.c/", "ABC"), true);
  assert.equal(matching("/^m.*c$/", "malloc"), true);
  assert.equal(matching("/\\S/", "x"), true);
  assert.equal(matching("/abc", "xabc"), true, "the closing slash may still be missing");
  assert.equal(compileQuery("  ").test, null);
  assert.match(compileQuery("/(/").error, /group/i);
  assert.equal(matching("/", "a/b"), true);
});

test("search: a match inside a match weighs once; modules match too", () => {
  const mains = matchFunctions(model.functions, (text) => text === "main");
  assert.deepEqual(matchedNodes(model, mains), { nodes: [1], total: 90, functions: 1 });
  const libc = matchFunctions(model.functions, (text) => text.includes("libc"));
  assert.deepEqual(matchedNodes(model, libc), { nodes: [4, 5], total: 18, functions: 2 });
});

test("weights add up after pruning", () => {
  const tree = makeTree({ size: 5000, samples: 50_000, seed: 3 });
  const { nodes, hidden } = prune(tree, tree.total_ns / 1000);
  const sum = (values) => values.reduce((total, value) => total + value, 0);
  assert.ok(hidden > 0);
  assert.equal(sum(nodes.self_ns) + sum(nodes.hidden_ns), tree.total_ns);
});

test("around one function the root is that function", () => {
  const answer = (total) => ({
    functions: { name: ["f", "g"], module: ["", ""], file: ["", ""], line: [0, 0], in_app: [1, 1] }, total_ns: 10,
    nodes: { parent: [0, 1, 1], function: [-1, 0, 1], total_ns: [10, total, 4], self_ns: [10 - total, total - 4, 4], hidden_ns: [0, 0, 0],
      total_samples: [10, total, 4], self_samples: [0, 0, 4], inlined: [0, 0, 0] },
  });
  const model = decodeAround(answer(10));
  assert.equal(model.rootName, "f");
  assert.deepEqual([...model.total], [10, 4]);
  assert.deepEqual([...model.self], [6, 4]);
  assert.equal(model.functions.name[model.fn[1]], "g");
  assert.equal(decodeAround(answer(8)).rootName, "all", "there is something beside it");
});
