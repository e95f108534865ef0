// Paints a row of the graph into pixels: boxes are spans of a Uint32Array, and boxes
// that end in a pixel already painted are jumped over. So a frame costs what its pixels
// cost, however many nodes there are. What needs a canvas (text, hatching) is returned.

import { firstEndingAfter, hiddenStart } from "./flame-model.js";

/**
 * @typedef {object} View what is on screen, in weight: [from, to)
 * @property {number} from
 * @property {number} to
 */

/**
 * @typedef {object} Spans collects what is to be drawn over the boxes, as flat
 *   columns: no object is made for each box
 * @property {number[]} labels   node, left, right, row; pixels
 * @property {number[]} hatched  left, right, row; pixels
 */

/**
 * @param {import("./flame-model.js").FlameModel} model
 * @param {number} row
 * @param {View} view
 * @param {Uint32Array} line     one pixel row, as wide as the canvas
 * @param {Uint32Array} colors   by function, or by what the model's `paint` says
 * @param {{ground: number, gap: number, labelWidth: number}} style  in device pixels
 * @param {Spans} spans
 */
export function paintRow(model, row, view, line, colors, style, spans) {
  const { rowNodes, start, total, hidden } = model;
  const paint = model.paint ?? model.fn;
  const width = line.length;
  const scale = width / (view.to - view.from);
  const end = model.rowStart[row + 1];
  line.fill(style.ground);

  let at = firstEndingAfter(model, model.rowStart[row], end, view.from);
  while (at < end) {
    const node = rowNodes[at];
    const left = Math.floor((start[node] - view.from) * scale);
    if (left >= width) break;
    const right = Math.floor((start[node] + total[node] - view.from) * scale);
    if (right - left <= 1) {
      const first = Math.max(0, left);
      // Less than a pixel or so: the first box of a pixel stands for all in it.
      line[first] = colors[paint[node]];
      at = firstEndingAfter(model, at + 1, end, view.from + (first + 1) / scale);
      continue;
    }
    paintBox(model, node, left, right, row, line, colors[paint[node]], style, spans);
    if (hidden[node] > 0) addHatched(model, node, view, scale, width, row, spans);
    at++;
  }
}

/** A box that is wider than a pixel; `left` and `right` may be off the canvas. */
function paintBox(model, node, left, right, row, line, color, style, spans) {
  const first = Math.max(0, left);
  const last = Math.min(line.length, right);
  const gap = right - left > 4 * style.gap ? style.gap : 0;
  line.fill(color, first, Math.max(first, Math.min(last, right - gap)));
  if (model.marked?.[node] && last - first > 2 * style.gap) spans.hatched.push(first, last - gap, row);
  if (last - first >= style.labelWidth) spans.labels.push(node, first, last - gap, row);
}

/**
 * The same while boxes move. Order in the row says nothing then, so each box is looked
 * at; that lasts for a moment only.
 * @param {import("./flame-morph.js").Morph} morph
 * @param {number} amount 0: where they come from, 1: where they belong
 */
export function paintMovingRow(model, row, view, line, colors, style, spans, morph, amount) {
  const { rowNodes, rowStart, start, total } = model;
  const paint = model.paint ?? model.fn;
  const width = line.length;
  const scale = width / (view.to - view.from);
  line.fill(style.ground);
  for (let at = rowStart[row]; at < rowStart[row + 1]; at++) {
    const node = rowNodes[at];
    const from = morph.start[node] + (start[node] - morph.start[node]) * amount;
    const size = morph.total[node] + (total[node] - morph.total[node]) * amount;
    const left = Math.floor((from - view.from) * scale);
    const right = Math.floor((from + size - view.from) * scale);
    if (left >= width || right < 0) continue;
    if (right - left > 1) paintBox(model, node, left, right, row, line, colors[paint[node]], style, spans);
    else if (left >= 0 && line[left] === style.ground) line[left] = colors[paint[node]];
  }
}

function addHatched(model, node, view, scale, width, row, spans) {
  const from = hiddenStart(model, node);
  const left = Math.max(0, Math.floor((from - view.from) * scale));
  const right = Math.min(width, Math.floor((from + model.hidden[node] - view.from) * scale));
  if (right > left) spans.hatched.push(left, right, row + 1);
}
