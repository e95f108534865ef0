// The flame graph for those who do not see the canvas: a treegrid of the path to the
// cursor, its siblings and its children, made anew as the cursor moves. It also takes
// the keyboard focus for the canvas.

import { duration, percent } from "../lib/format.js";
import { childrenOf, pathTo } from "../lib/flame-model.js";
import { nameOr, shortName } from "../lib/names.js";
import { h } from "./dom.js";

const most = 40; // siblings or children told
let made = 0; // each has ids of its own

/** @param {(key: string, event: KeyboardEvent) => void} onKey */
export function createFlameTree(onKey) {
  const prefix = `flame-row-${++made}-`;
  const element = h("div", {
    role: "treegrid", tabindex: "0", class: "flame-tree", "aria-label": "Call tree of the flame graph",
    onkeydown: (event) => {
      if (!event.ctrlKey && !event.metaKey && !event.altKey) onKey(event.key, event);
    },
  });

  /** @param {import("../lib/flame-model.js").FlameModel} model @param {number} cursor */
  function update(model, cursor) {
    const path = pathTo(model, cursor);
    const rows = path.slice(0, -1).map((node) => row(prefix, model, node, true));
    const siblings = cursor === 0 ? [0] : around(childrenOf(model, model.parent[cursor]), cursor);
    for (const node of siblings) {
      rows.push(row(prefix, model, node, node === cursor, node === cursor));
      if (node === cursor)
        rows.push(...childRows(prefix, model, node));
    }
    element.replaceChildren(...rows);
    element.setAttribute("aria-activedescendant", `${prefix}${cursor}`);
  }

  return { element, update };
}

/** ... and what of it is not told: too many, or not sent. */
function childRows(prefix, model, node) {
  const children = childrenOf(model, node);
  const rows = children.slice(0, most).map((child) => row(prefix, model, child, false));
  const rest = children.slice(most).reduce((sum, child) => sum + model.total[child], 0);
  const untold = [[rest, `${children.length - most} more`], [model.hidden[node], "boxes not loaded: zoom in to load them"]];
  for (const [weight, name] of untold)
    if (weight > 0) rows.push(h("div", { role: "row", "aria-level": model.depth[node] + 2 },
      h("span", { role: "gridcell" }, name),
      h("span", { role: "gridcell" }, ` total ${percent(weight, model.total[0])}, ${duration(weight)}`)));
  return rows;
}

function around(nodes, cursor) {
  const at = nodes.indexOf(cursor);
  const from = Math.max(0, Math.min(at - most / 2, nodes.length - most));
  return nodes.slice(from, from + most);
}

function row(prefix, model, node, expanded, selected = false) {
  const leaf = model.subtreeEnd[node] === node + 1;
  const fn = model.fn[node];
  const name = shortName(node === 0 ? model.rootName : nameOr(model.functions.name[fn], model.functions.file[fn]));
  const share = percent(model.total[node], model.total[0]);
  return h("div", {
    role: "row", id: `${prefix}${node}`, "aria-level": model.depth[node] + 1,
    "aria-expanded": leaf ? null : String(expanded), "aria-selected": String(selected),
  },
  h("span", { role: "gridcell" }, name),
  h("span", { role: "gridcell" }, ` total ${share}, ${duration(model.total[node])}`),
  h("span", { role: "gridcell" }, ` self ${duration(model.self[node])}`));
}
