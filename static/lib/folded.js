// Folded stacks (one per row, frames joined by ';', root first) to the answer that the
// flame graph draws, as GET flamegraph would have sent it.

/**
 * @param {Iterable<[string, number]>} rows stack and weight; weights of equal paths add up
 * @param {string} unit shown for the weights
 */
export function flameOfFolded(rows, unit = "ns") {
  const root = { fn: -1, self: 0, total: 0, rows: 0, children: new Map() };
  const names = new Map();
  for (const [folded, weight] of rows) {
    if (!(weight > 0)) continue;
    let node = root;
    grow(node, weight);
    for (const name of folded.split(";")) {
      if (!names.has(name)) names.set(name, names.size);
      const fn = names.get(name);
      if (!node.children.has(fn)) node.children.set(fn, { fn, self: 0, total: 0, rows: 0, children: new Map() });
      node = node.children.get(fn);
      grow(node, weight);
    }
    node.self += weight;
  }
  const count = names.size;
  return {
    metric: "wall", unit, total_ns: root.total, samples: root.rows, lost: 0, from_ns: 0, to_ns: 0, hidden_ns: 0,
    functions: { name: [...names.keys()], file: Array(count).fill(""), module: Array(count).fill(""), line: Array(count).fill(0), in_app: Array(count).fill(null) },
    nodes: columnsOf(root),
  };
}

function grow(node, weight) {
  node.total += weight;
  node.rows++;
}

/** Pre-order columns, heaviest child first; no recursion, stacks may be deep. */
function columnsOf(root) {
  const nodes = { parent: [], function: [], self_ns: [], total_ns: [], self_samples: [], total_samples: [], inlined: [], hidden_ns: [] };
  const todo = [{ node: root, above: 0 }];
  while (todo.length > 0) {
    const { node, above } = todo.pop();
    const at = nodes.parent.push(0) - 1;
    nodes.parent[at] = at === 0 ? 0 : at - above;
    nodes.function.push(node.fn);
    nodes.self_ns.push(node.self);
    nodes.total_ns.push(node.total);
    nodes.self_samples.push(0);
    nodes.total_samples.push(node.rows);
    nodes.inlined.push(0);
    nodes.hidden_ns.push(0);
    const children = [...node.children.values()].sort((a, b) => a.total - b.total || b.fn - a.fn);
    for (const child of children) todo.push({ node: child, above: at });
  }
  return nodes;
}
