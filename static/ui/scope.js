// The heatmap: time in columns and cells, as dark as the processors were busy. A range of
// cells that is dragged over, or chosen by keyboard, is shown as a graph.

import { html, useLayoutEffect, useRef, useState } from "../vendor/preact.js";
import { axisDuration, duration, plural, timeOfDay } from "../lib/format.js";
import { cellsOf, rangeOfCells, stepCell } from "../lib/scope.js";
import { scope, plan } from "../model/scope.js";
import { setState, state } from "../model/store.js";
import { fitCanvas } from "./dom.js";
import { Notice } from "./notice.js";
import { Loading } from "./parts.js";
import { errorNotice } from "./problems.js";
import { shownTheme } from "./theme.js";
import { heatColor, makeRamp } from "./timeline-draw.js";

const units = { cpu: ["core", "CPU"], off: ["thread", "off-CPU"], wall: ["thread", "wall"] };

export function Scope() {
  const answer = scope.value.value;
  if (scope.error.value) return html`<div class="pane-hint"><${Notice} ...${errorNotice(scope.error.value)} /></div>`;
  const { columns, rows } = plan.value;
  if (!answer || answer.bins !== columns * rows) return html`<${Loading} what="the heatmap" />`;
  const { values, most } = cellsOf(answer, state.value.heat);
  if (most === 0) return html`<div class="pane-hint"><${Notice} title="Nothing to see here" text=${`There is no ${units[state.value.heat][1]} time in what is chosen; the timeline's choice says which time is shown.`} /></div>`;
  return html`<${Map} values=${values} most=${most} plan=${plan.value} />`;
}

function Map({ values, most, plan: shown }) {
  const { columns, rows, cellNs, from } = shown;
  const { heat, from: rangeFrom, to: rangeTo } = state.value;
  const canvas = useRef(null);
  const host = useRef(null);
  const [cursor, setCursor] = useState(-1);
  const [anchor, setAnchor] = useState(-1);
  const [size, setSize] = useState("");
  const theme = shownTheme.value;
  useLayoutEffect(() => {
    const observer = new ResizeObserver(() => setSize(`${host.current.clientWidth} ${host.current.clientHeight}`));
    observer.observe(host.current);
    return () => observer.disconnect();
  }, []);
  useLayoutEffect(() => {
    draw(canvas.current, host.current, { columns, rows, values, most });
  }, [values, most, columns, rows, size, theme]);
  const cellAt = (event) => {
    const box = canvas.current.getBoundingClientRect();
    const part = (at, length) => Math.min(0.9999, Math.max(0, at / length));
    return Math.floor(part(event.clientX - box.left, box.width) * columns) * rows + Math.floor(part(event.clientY - box.top, box.height) * rows);
  };
  const choose = (a, b) => {
    const [from, to] = rangeOfCells(shown, a, b);
    setAnchor(-1);
    setState({ from, to, view: "flame" });
  };
  const onKey = (event) => {
    const to = stepCell(shown, Math.max(0, cursor), event.key);
    if (to >= 0) {
      setAnchor(event.shiftKey ? (anchor < 0 ? Math.max(0, cursor) : anchor) : -1);
      setCursor(cursor < 0 ? 0 : to);
    } else if ((event.key === "Enter" || event.key === " ") && cursor >= 0) choose(anchor < 0 ? cursor : anchor, cursor);
    else if (event.key === "Escape" && anchor >= 0) setAnchor(-1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const marked = anchor >= 0 ? rangeOfCells(shown, anchor, cursor) : [rangeFrom, rangeTo];
  const tell = cursor < 0 ? "" : `+${duration((cursor + 0.5) * cellNs)} · ${timeOfDay(from + cursor * cellNs, true)} · ${values[cursor].toFixed(2)} ${units[heat][0]}s${anchor >= 0 ? ` · ${duration(marked[1] - marked[0])} chosen` : ""}`;
  return html`<p class="pane-line muted">A column is ${axisDuration(rows * cellNs)}, a cell ${axisDuration(cellNs)}; drag over a stretch of time to see its graph</p>
    <div ref=${host} class="scope" tabindex="0" role="group" aria-roledescription="heatmap" onKeyDown=${onKey} onFocus=${() => cursor < 0 && setCursor(0)}
        aria-label=${`Heatmap of ${units[heat][1]} time, ${plural(columns, "column")} of ${plural(rows, "cell")}: arrows move, Shift extends, Enter shows the graph`}
        onPointerDown=${(event) => event.button === 0 && (event.currentTarget.setPointerCapture(event.pointerId), setAnchor(cellAt(event)), setCursor(cellAt(event)))}
        onPointerMove=${(event) => setCursor(cellAt(event))} onPointerUp=${(event) => anchor >= 0 && choose(anchor, cellAt(event))} onPointerCancel=${() => setAnchor(-1)}>
      <canvas ref=${canvas} class="scope-canvas" role="img" aria-label=${`At most ${most.toFixed(2)} ${units[heat][0]}s at once`} />
      ${outlines(shown, marked).map(([column, top, height]) => html`<i key=${column} class="scope-chosen" style=${{ left: `${(100 * column) / columns}%`, width: `${100 / columns}%`, top: `${(100 * top) / rows}%`, height: `${(100 * height) / rows}%` }} />`)}
      ${cursor >= 0 && html`<i class="scope-cursor" style=${{ left: `${(100 * Math.floor(cursor / rows)) / columns}%`, width: `${100 / columns}%`, top: `${(100 * (cursor % rows)) / rows}%`, height: `${100 / rows}%` }} />`}
    </div>
    <div class="flame-status code" role="status">${tell}</div>`;
}

/** What of a range lies in which column, in cells. @returns {[number, number, number][]} column, top, height */
function outlines({ from, cellNs, rows, columns }, /** @type {number[]} */ [start, end]) {
  if (!end) return [];
  const [first, last] = [start, end].map((time) => Math.min(rows * columns, Math.max(0, (time - from) / cellNs)));
  const found = /** @type {[number, number, number][]} */ ([]);
  for (let column = Math.floor(first / rows); column * rows < last; column++) {
    const top = Math.max(0, first - column * rows);
    found.push([column, top, Math.min(rows, last - column * rows) - top]);
  }
  return found;
}

function draw(canvas, host, { columns, rows, values, most }) {
  const { clientWidth: width, clientHeight: height } = host;
  if (width === 0 || height === 0) return;
  fitCanvas(canvas, width, height);
  const context = canvas.getContext("2d");
  const ramp = makeRamp(getComputedStyle(canvas));
  const edge = (index, count, length) => Math.round((index / count) * length);
  context.clearRect(0, 0, canvas.width, canvas.height);
  for (let cell = 0; cell < values.length; cell++) {
    if (!(values[cell] > 0)) continue;
    const [column, row] = [Math.floor(cell / rows), cell % rows];
    const [left, top] = [edge(column, columns, canvas.width), edge(row, rows, canvas.height)];
    context.fillStyle = heatColor(ramp, values[cell] / most);
    context.fillRect(left, top, edge(column + 1, columns, canvas.width) - left - 1, edge(row + 1, rows, canvas.height) - top);
  }
}
