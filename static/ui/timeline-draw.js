// What the timeline's canvases look like: the area over time, stacked by whose code runs,
// its axis, and the heat rows of threads.

import { blend } from "../lib/colors.js";
import { axisDuration, niceTimeStep, timeOfDay } from "../lib/format.js";
import { fitCanvas, readColor } from "./dom.js";

export const areaHeight = 62;
export const rowHeight = 14;
const axisHeight = 16;

/**
 * @param {HTMLCanvasElement} canvas its own style says the colours
 * @param {number} width
 * @param {{from_ns: number, to_ns: number}} timeline
 * @param {{values: ArrayLike<number>, color: string}[]} layers from the bottom up
 * @param {number} most of what is stacked
 */
export function drawArea(canvas, width, timeline, layers, most) {
  const context = prepare(canvas, width, areaHeight);
  const style = getComputedStyle(canvas);
  const height = areaHeight - axisHeight;
  drawAxis(context, style, width, timeline);
  let below = new Float64Array(layers[0].values.length);
  for (const { values, color } of layers) {
    const above = below.map((base, bin) => base + values[bin]);
    drawLayer(context, below, above, most, width, height, color || style.accentColor);
    below = above;
  }
}

function prepare(canvas, width, height) {
  fitCanvas(canvas, width, height);
  const context = canvas.getContext("2d");
  const ratio = devicePixelRatio || 1;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

function drawAxis(context, style, width, { from_ns, to_ns }) {
  const span = to_ns - from_ns;
  const step = niceTimeStep(span, width / 110);
  const relative = span < 600e9;
  context.font = `10.5px ${style.fontFamily}`;
  context.fillStyle = style.color;
  context.strokeStyle = style.borderTopColor;
  context.lineWidth = 1;
  context.beginPath();
  const first = relative ? 0 : Math.ceil(from_ns / step) * step - from_ns;
  for (let at = first; at <= span; at += step) {
    const x = Math.round((at / span) * width) + 0.5;
    context.moveTo(x, 0);
    context.lineTo(x, areaHeight - axisHeight + 3);
    const text = relative ? axisDuration(at) : timeOfDay(from_ns + at);
    if (x + context.measureText(text).width + 4 < width) context.fillText(text, x + 3, areaHeight - 4);
  }
  context.moveTo(0, areaHeight - axisHeight + 0.5);
  context.lineTo(width, areaHeight - axisHeight + 0.5);
  context.stroke();
}

function drawLayer(context, below, above, most, width, height, color) {
  const step = width / above.length;
  const y = (value) => height - (value / most) * (height - 4);
  context.beginPath();
  for (let bin = 0; bin < above.length; bin++) {
    context.lineTo(bin * step, y(above[bin]));
    context.lineTo((bin + 1) * step, y(above[bin]));
  }
  for (let bin = above.length - 1; bin >= 0; bin--) {
    context.lineTo((bin + 1) * step, y(below[bin]));
    context.lineTo(bin * step, y(below[bin]));
  }
  context.fillStyle = color;
  context.globalAlpha = 0.85;
  context.fill();
  context.globalAlpha = 1;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height of what is in sight
 * @param {{rows: any[], timeline: any, chosen: string[], scroll: number}} what
 */
export function drawHeat(canvas, width, height, { rows, timeline, chosen, scroll }) {
  const context = prepare(canvas, width, height);
  const ramp = makeRamp(getComputedStyle(canvas));
  for (let i = Math.floor(scroll / rowHeight); i < rows.length && i * rowHeight - scroll < height; i++) {
    const faded = chosen.length > 0 && !chosen.includes(String(rows[i].ids[0]));
    context.globalAlpha = faded ? 0.35 : 1;
    drawHeatRow(context, rows[i], timeline, i * rowHeight - scroll, width, ramp);
  }
  context.globalAlpha = 1;
}

const rampSteps = 24;

/** From the colour of a thread that is there to one that runs all the time. */
export function makeRamp(style) {
  const from = readColor(style.borderTopColor);
  const to = readColor(style.accentColor);
  return Array.from({ length: rampSteps + 1 }, (_, i) => `rgb(${blend(from, to, i / rampSteps).join(" ")})`);
}

/** The root makes little work visible. @param {string[]} ramp @param {number} busy 0..1 */
export function heatColor(ramp, busy) {
  return ramp[Math.max(2, Math.round(Math.sqrt(Math.min(1, busy)) * rampSteps))];
}

function drawHeatRow(context, row, timeline, top, width, ramp) {
  const { bins, bin_ns } = timeline;
  const colorOf = (bin) => {
    if (!(row.heat[bin] > 0)) return row.wall[bin] > 0 ? ramp[0] : null;
    return heatColor(ramp, row.heat[bin] / bin_ns);
  };
  let from = 0;
  for (let bin = 1; bin <= bins; bin++) {
    const color = colorOf(from);
    if (bin < bins && colorOf(bin) === color) continue;
    if (color) {
      context.fillStyle = color;
      const left = Math.round((from / bins) * width);
      context.fillRect(left, top + 1, Math.round((bin / bins) * width) - left, rowHeight - 2);
    }
    from = bin;
  }
}
