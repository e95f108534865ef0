// The flame graph by keyboard: the cursor walks it.

import { childrenOf, nodeKey } from "../lib/flame-model.js";

/** @param {any} graph the flame graph @param {string} key @param {KeyboardEvent} event */
export function onKey(graph, key, event) {
  if (!graph.props) return;
  const { model } = graph.props;
  const toParent = () => model.parent[graph.cursor];
  const toChild = () => childrenOf(model, graph.cursor)[0] ?? -1;
  const moves = {
    ArrowUp: graph.props.up ? toChild : toParent,
    ArrowDown: graph.props.up ? toParent : toChild,
    ArrowLeft: () => sibling(graph, -1),
    ArrowRight: () => sibling(graph, 1),
    Home: () => 0,
  };
  if (moves[key]) graph.moveCursor(moves[key]());
  else if (key === " ") graph.actions.zoomTo(nodeKey(model, graph.cursor), model.fn[graph.cursor]);
  else if ((key === "Enter" || key === "ContextMenu") && graph.cursor > 0) graph.actions.menu(placeOfCursor(graph, event), graph.cursor);
  else return;
  event.preventDefault();
}

/** Where a menu for the cursor belongs. */
function placeOfCursor(graph, event) {
  const { model } = graph.props;
  const box = graph.canvas.getBoundingClientRect();
  const share = (model.start[graph.cursor] - graph.view.from) / (graph.view.to - graph.view.from);
  const left = Math.min(0.9, Math.max(0, share)) * box.width;
  const top = graph.placeOf(model.depth[graph.cursor] + 1) - graph.scroller.scrollTop;
  return { clientX: box.left + left, clientY: box.top + top, preventDefault: () => event.preventDefault() };
}

function sibling(graph, step) {
  const { model } = graph.props;
  if (graph.cursor === 0) return -1;
  const siblings = childrenOf(model, model.parent[graph.cursor]);
  return siblings[siblings.indexOf(graph.cursor) + step] ?? -1;
}
