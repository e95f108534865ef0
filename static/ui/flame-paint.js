// What the flame graph paints with the canvas, over boxes that are pixels: names and
// hatching; and how its movements go.

import { fitName, nameOr, nameVariants } from "../lib/names.js";

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

/** How far along a movement is: fast, then slow. @param {number} t 0..1 */
export const eased = (t) => 1 - (1 - Math.min(1, Math.max(0, t))) ** 3;

/** @param {{from: number, to: number}} a @param {{from: number, to: number}} b @param {number} amount 0..1 */
export const between = (a, b, amount) => ({ from: a.from + (b.from - a.from) * amount, to: a.to + (b.to - a.to) * amount });

/** Stripes for what is not loaded, or only on one side. */
export function makeHatch(context, color, ratio) {
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
