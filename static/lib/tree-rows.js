// The call tree as a list: a row for each node whose ancestors are all open.

import { childrenOf, nodeKey } from "./flame-model.js";

const followShare = 0.5; // a child this heavy is opened with its parent at first
const leastShare = 0.05; // ... of the whole; below it nothing opens by itself
const mostChildren = 400; // of one node; the lightest are counted, not listed

/**
 * @typedef {object} TreeRow
 * @property {number} node
 * @property {number} depth
 * @property {boolean} leaf
 * @property {boolean} open
 * @property {number} hidden  ns that are not listed below the node's last child; then the
 *   row stands for them and not for the node
 */

/**
 * @param {import("./flame-model.js").FlameModel} model
 * @param {(key: string) => boolean|undefined} opened what the reader chose; undefined: nothing
 * @param {number} root
 * @returns {TreeRow[]}
 */
export function treeRows(model, opened, root = 0) {
  /** @type {TreeRow[]} */
  const rows = [];
  const add = (node, depth, follow) => {
    const leaf = model.subtreeEnd[node] === node + 1 && model.hidden[node] === 0;
    const open = !leaf && (opened(nodeKey(model, node)) ?? follow);
    rows.push({ node, depth, leaf, open, hidden: 0 });
    if (!open) return;
    const children = childrenOf(model, node);
    for (const child of children.slice(0, mostChildren))
      add(child, depth + 1, follow && model.total[child] > Math.max(model.total[node] * followShare, model.total[root] * leastShare));
    const rest = children.slice(mostChildren).reduce((sum, child) => sum + model.total[child], model.hidden[node]);
    if (rest > 0) rows.push({ node, depth: depth + 1, leaf: true, open: false, hidden: rest });
  };
  if (model.count > 0) add(root, 0, true);
  return rows;
}
