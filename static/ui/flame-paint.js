// What the flame graph paints with the canvas, over boxes that are pixels: names, hatching
// and outlines.

import { fitName, nameOr, nameVariants } from "../lib/names.js";

export const rowHeight = 18;
const fontSize = 11;
const labelPadding = 4;

/**
 * Names in boxes that have room.
 * @param {any} graph the flame graph that is drawn
 * @param {number[]} labels of Spans (lib/flame-spans.js)
 */
export function drawLabels(graph, labels) {
  const { context, ratio } = graph;
  const { model, matches, hot } = graph.props;
  context.font = `${fontSize * ratio}px ${getComputedStyle(graph.status).fontFamily}`;
  context.textBaseline = "alphabetic";
  const letter = context.measureText("0000000000").width / 10;
  const padding = labelPadding * ratio;
  const base = Math.round(12.5 * ratio);
  context.fillStyle = graph.ink;
  let soft = false;
  for (let i = 0; i < labels.length; i += 4) {
    const fn = model.fn[labels[i]];
    const room = Math.floor((labels[i + 2] - labels[i + 1] - 1.5 * padding) / letter);
    const text = fitName(variantsOf(graph, fn), room);
    if (text === "") continue;
    const dimmed = (matches && !matches[fn] && fn !== hot) || labels[i + 3] < model.depth[graph.focus];
    if (dimmed !== soft) {
      soft = dimmed;
      context.fillStyle = soft ? graph.softInk : graph.ink;
    }
    context.fillText(text, labels[i + 1] + padding, graph.rowTop(labels[i + 3]) + base);
  }
}

function variantsOf({ labels, props: { model } }, fn) {
  let variants = labels.get(fn);
  if (!variants) {
    variants = nameVariants(fn === model.functionCount ? model.rootName : nameOr(model.functions.name[fn], model.functions.file[fn]));
    labels.set(fn, variants);
  }
  return variants;
}

/** Stripes for what is not loaded, or only on one side. */
function makeHatch(context, color, ratio) {
  const size = Math.round(6 * ratio);
  const tile = new OffscreenCanvas(size, size);
  const brush = tile.getContext("2d");
  brush.strokeStyle = color;
  brush.globalAlpha = 0.55;
  brush.lineWidth = ratio;
  brush.beginPath();
  for (const shift of [-size, 0, size]) {
    brush.moveTo(shift, size);
    brush.lineTo(shift + size, 0);
  }
  brush.stroke();
  return context.createPattern(tile, "repeat");
}

/** @param {any} graph the flame graph @param {number[]} hatched of Spans */
export function drawHidden(graph, hatched) {
  if (hatched.length === 0) return;
  const { context, ratio } = graph;
  graph.hatch ??= makeHatch(context, graph.softInk, ratio);
  context.fillStyle = graph.hatch;
  for (let i = 0; i < hatched.length; i += 3) {
    const top = graph.rowTop(hatched[i + 2]);
    context.fillRect(hatched[i], top, hatched[i + 1] - hatched[i], rowHeight * ratio - 1);
  }
}

/** @param {any} graph @param {boolean} focused the cursor shows */
export function drawOutlines(graph, focused) {
  const { ratio } = graph;
  if (graph.hover && !graph.hover.hidden) outline(graph, graph.hover.node, graph.ink, ratio);
  if (focused) outline(graph, graph.cursor, graph.accent, 2 * ratio);
}

function outline(graph, node, color, thickness) {
  const { model } = graph.props;
  const scale = graph.canvas.width / (graph.view.to - graph.view.from);
  const edge = (weight) => Math.min(graph.canvas.width, Math.max(0, (weight - graph.view.from) * scale));
  const left = edge(model.start[node]);
  const right = edge(model.start[node] + model.total[node]);
  if (right === left && (right === 0 || left === graph.canvas.width)) return;
  graph.context.strokeStyle = color;
  graph.context.lineWidth = thickness;
  graph.context.strokeRect(left + thickness / 2, graph.rowTop(model.depth[node]) + thickness / 2,
    Math.max(thickness, right - left - thickness), rowHeight * graph.ratio - thickness - graph.ratio);
}
