// A closer look at one node, put into the whole graph: what the first answer hid there is
// shown, all else stays. The answers are those of GET flamegraph without and with `root`.

import { functionKey } from "./flame-model.js";

/**
 * @param {any} whole
 * @param {any} closer of the same data; its `root` says which of its nodes was looked at
 * @returns {any} an answer like `whole`; `whole` itself if the node is in no graph
 */
export function graft(whole, closer) {
  if (!(closer.root > 0)) return whole;
  const out = { ...whole, functions: copyLists(whole.functions), nodes: copyLists(whole.nodes, true) };
  const fnOf = joinFunctions(out.functions, closer.functions);
  const { at, depth } = meet(whole, closer, fnOf);
  const path = pathDown(closer, closer.root);
  const isThere = depth === path.length - 1; // else a chain down to it hangs on `at`
  const from = isThere ? path[depth] : path[depth + 1];
  const end = isThere ? at : subtreeEnd(whole.nodes.parent, at);
  copyRows(out.nodes, whole.nodes, 0, end, 0, null);
  const first = out.nodes.parent.length;
  const count = closer.nodes.parent.length; // what follows in it: all below the path
  copyRows(out.nodes, closer.nodes, from, count, 0, fnOf);
  out.nodes.parent[first] = isThere ? whole.nodes.parent[at] : first - at;
  if (!isThere) out.nodes.hidden_ns[at] -= closer.nodes.total_ns[from];
  const rest = isThere ? subtreeEnd(whole.nodes.parent, at) : end;
  copyRows(out.nodes, whole.nodes, rest, whole.nodes.parent.length, first + count - from - rest, null, rest);
  out.hidden_ns = out.nodes.hidden_ns.reduce((sum, ns) => sum + ns, 0);
  out.shown = out.nodes.parent.length;
  return out;
}

const copyLists = (lists, empty = false) => Object.fromEntries(Object.entries(lists).map(([name, list]) => [name, empty ? [] : [...list]]));

/** Where a function of the closer answer is in the joined table. */
function joinFunctions(into, from) {
  const keyOf = (table, i) => functionKey(table.name[i], table.module[i], table.file[i]);
  const known = new Map(into.name.map((_, i) => [keyOf(into, i), i]));
  return from.name.map((_, i) => {
    const key = keyOf(from, i);
    if (!known.has(key)) {
      known.set(key, into.name.length);
      for (const column of Object.keys(into)) into[column].push(from[column][i]);
    }
    return known.get(key);
  });
}

/** From below the root down to the node. */
function pathDown(answer, node) {
  const path = [];
  for (let i = node; i >= 0; i = i === 0 ? -1 : i - answer.nodes.parent[i]) path.unshift(i);
  return path;
}

/** The deepest node on the closer one's path that the whole has; `depth` on that path. */
function meet(whole, closer, fnOf) {
  const path = pathDown(closer, closer.root);
  let at = 0;
  let depth = 0;
  while (depth + 1 < path.length) {
    const child = childWith(whole.nodes, at, fnOf[closer.nodes.function[path[depth + 1]]]);
    if (child < 0) break;
    at = child;
    depth++;
  }
  return { at, depth };
}

function childWith(nodes, above, fn) {
  const end = subtreeEnd(nodes.parent, above);
  for (let i = above + 1; i < end; i++)
    if (i - nodes.parent[i] === above && nodes.function[i] === fn) return i;
  return -1;
}

function subtreeEnd(parent, node) {
  let i = node + 1;
  while (i < parent.length && i - parent[i] >= node) i++;
  return i;
}

/**
 * Rows [from, to) of `nodes` to the end of `out`. They move by `shift`: of those whose parent
 * stays before `fixed`, the way back to it grows.
 */
function copyRows(out, nodes, from, to, shift, fnOf, fixed = 0) {
  for (const name of Object.keys(out)) {
    const source = nodes[name];
    const into = out[name];
    if (name === "parent" && fixed > 0)
      for (let i = from; i < to; i++) into.push(i - source[i] < fixed ? source[i] + shift : source[i]);
    else if (name === "function" && fnOf)
      for (let i = from; i < to; i++) into.push(source[i] < 0 ? source[i] : fnOf[source[i]]);
    else
      for (let i = from; i < to; i++) into.push(source?.[i] ?? 0);
  }
}
