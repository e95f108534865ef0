// The same graph with siblings by name instead of by weight: boxes then keep their places
// between time ranges, and two graphs can be compared by eye.

/** @param {any} answer of GET flamegraph @returns {any} with its nodes in another order */
export function byName(answer) {
  const { nodes, functions } = answer;
  const count = nodes.parent.length;
  const children = Array.from({ length: count }, () => /** @type {number[]} */ ([]));
  for (let i = 1; i < count; i++) children[i - nodes.parent[i]].push(i);
  const rank = ranksOf(functions.name);
  const order = new Int32Array(count);
  const place = new Int32Array(count);
  const todo = [0];
  for (let at = 0; at < count; at++) {
    const node = todo.pop();
    order[at] = node;
    place[node] = at;
    const below = children[node].sort((a, b) => rank[nodes.function[b]] - rank[nodes.function[a]] || b - a);
    for (const child of below) todo.push(child);
  }
  const sorted = Object.fromEntries(Object.entries(nodes).map(([name, column]) => [name, Array.from(order, (node) => column[node])]));
  for (let at = 1; at < count; at++) sorted.parent[at] = at - place[order[at] - nodes.parent[order[at]]];
  return { ...answer, nodes: sorted };
}

/** Where each function stands among all, by name. */
function ranksOf(names) {
  const order = names.map((_, i) => i).sort((a, b) => (names[a] < names[b] ? -1 : names[a] > names[b] ? 1 : a - b));
  const ranks = new Int32Array(names.length);
  order.forEach((fn, at) => (ranks[fn] = at));
  return ranks;
}
