// The flame graph: root on top (or at the bottom, growing up), drawn on a canvas that
// covers only what is visible of a scrolled box. Boxes are painted as pixels
// (lib/flame-spans.js), text over them.
//
// What is zoomed and selected comes in with `update` and goes out through `actions`;
// pointer position, keyboard cursor and free zoom (Ctrl-wheel, drag) live here.

import { heatOfFunctions, makePalette } from "../lib/colors.js";
import { childrenOf, findNode, hiddenStart, nodeAt, nodeKey } from "../lib/flame-model.js";
import { paintMovingRow, paintRow } from "../lib/flame-spans.js";
import { fitCanvas, h, readColor } from "./dom.js";
import { onKey } from "./flame-keys.js";
import { animateTo, startMorph, stillMotion } from "./flame-motion.js";
import { drawHidden, drawLabels, drawOutlines, rowHeight } from "./flame-paint.js";
import { createFlameTree } from "./flame-tree.js";
import { createTooltip } from "./tooltip.js";

const restMs = 120; // a view that stands for so long is looked at

/**
 * @typedef {{ground: number, normal: Uint32Array, match: Uint32Array, dim: Uint32Array,
 *            hot: Uint32Array}} Palette
 *
 * @typedef {object} FlameProps
 * @property {import("../lib/flame-model.js").FlameModel} model
 * @property {"light"|"dark"} theme
 * @property {Uint8Array|null} matches   by function, when there is a search
 * @property {string} zoom               key of the node that fills the width
 * @property {number} hot                function to light up, -1 none
 * @property {string} summary            what the picture shows, for those who do not see it
 * @property {boolean} [up]              the root is at the bottom
 * @property {boolean} [morphs]          boxes move to their places in a newer answer
 * @property {(ground: [number, number, number]) => Palette} [palette]  other colours than by module; the
 *   model's `paint` says which a node has
 * @property {import("../lib/colors.js").ColorBy} [color]  what colours say: "module"
 * @property {(node: number) => string[]} [figures]  what to tell about a box, instead of
 *   its weights
 */

/**
 * @typedef {object} FlameActions
 * @property {(zoom: string, fn: number) => void} zoomTo
 * @property {() => void} back
 * @property {(fn: number) => void} hover   -1: nothing is pointed at
 * @property {(zoom: string, key: string, ns: number) => void} [look]  the view stands: the deepest
 *   node that fills it, and how much of that is in sight
 * @property {(event: MouseEvent|{clientX: number, clientY: number, preventDefault: () => void},
 *             node: number) => void} menu
 */

/**
 * @param {HTMLElement} root
 * @param {FlameActions} actions
 */
export function createFlameGraph(root, actions) {
  return new FlameGraph(root, actions);
}

class FlameGraph {
  constructor(root, actions) {
    this.actions = actions;
    this.canvas = h("canvas", { role: "img", class: "flame-canvas", width: 0, height: 0 });
    this.space = h("div", { class: "flame-space" }, this.canvas);
    this.scroller = h("div", { class: "flame-scroller", tabindex: "-1" }, this.space);
    this.tree = createFlameTree((key, event) => onKey(this, key, event));
    this.status = h("div", { class: "flame-status code" });
    this.tooltip = createTooltip();
    this.frame = h("div", { class: "flame-frame" }, this.scroller, this.tree.element);
    root.append(this.frame, this.status, this.tooltip.element);
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.view = { from: 0, to: 1 };
    this.home = this.view; // the zoomed node's range
    this.focus = 0;
    this.cursor = 0;
    this.hover = null;
    this.morph = null; // where boxes come from, while they move
    this.labels = new Map(); // function -> name variants
    this.listen();
  }

  listen() {
    new ResizeObserver(() => this.redraw()).observe(this.scroller);
    this.scroller.addEventListener("scroll", () => this.redraw());
    this.canvas.addEventListener("pointerdown", (event) => this.onPointerDown(event));
    this.canvas.addEventListener("pointermove", (event) => this.onPointerMove(event));
    this.canvas.addEventListener("pointerup", (event) => this.onPointerUp(event));
    this.canvas.addEventListener("pointercancel", () => (this.drag = null));
    this.canvas.addEventListener("pointerleave", () => this.setHover(null));
    this.canvas.addEventListener("contextmenu", (event) => this.onMenu(event));
    this.canvas.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    this.tree.element.addEventListener("focus", () => this.tellCursor());
    this.tree.element.addEventListener("blur", () => (this.actions.hover(-1), this.redraw()));
  }

  /** @param {FlameProps} props */
  update(props) {
    const old = this.props;
    this.props = props;
    const newModel = old?.model !== props.model;
    const newBoxes = old?.model.pathLow !== props.model.pathLow; // else the same, of other widths
    if (newBoxes) this.adoptModel(old?.model);
    if (newBoxes || old.theme !== props.theme || old.palette !== props.palette || old.color !== props.color) this.makeColors();
    const { view, home } = this;
    if (newModel || old.zoom !== props.zoom) this.moveFocus(newModel);
    if (newBoxes || old.zoom !== props.zoom) this.revealRow(props.model.depth[this.focus]);
    if (newBoxes) startMorph(this, old, view, view !== home);
    this.canvas.setAttribute("aria-label", props.summary);
    this.redraw();
  }

  /** The same boxes mean the same paths, whatever their index was before. */
  adoptModel(oldModel) {
    const { model } = this.props;
    if (oldModel) this.cursor = Math.max(0, findNode(model, nodeKey(oldModel, this.cursor)));
    else this.cursor = 0;
    this.hover = null;
    this.tooltip.hide();
    this.labels.clear();
    this.space.style.height = `${model.rowCount * rowHeight}px`;
    if (!oldModel && this.props.up) this.scroller.scrollTop = model.rowCount * rowHeight;
    this.tree.update(model, this.cursor);
  }

  makeColors() {
    const style = getComputedStyle(this.canvas);
    this.ink = style.color;
    this.softInk = getComputedStyle(this.status).color;
    this.accent = style.accentColor;
    const ground = readColor(style.backgroundColor);
    const { model, theme, palette, color } = this.props;
    this.palette = palette ? palette(ground) : makePalette(model.functions, theme, ground, color, color === "self" ? heatOfFunctions(model) : []);
    this.hatch = null;
  }

  moveFocus(atOnce) {
    const { model, zoom } = this.props;
    this.focus = Math.max(0, findNode(model, zoom));
    if (this.focus > 0) this.setCursor(this.focus);
    const from = model.start[this.focus];
    this.home = { from, to: from + Math.max(1, model.total[this.focus]) };
    if (atOnce || stillMotion.matches) this.view = this.home;
    else animateTo(this, this.home);
  }

  /** Scroll so that a row is in sight, with one on each side. */
  revealRow(row) {
    const top = this.placeOf(row) - rowHeight;
    const bottom = this.placeOf(row) + 2 * rowHeight;
    if (top < this.scroller.scrollTop) this.scroller.scrollTop = top;
    else if (bottom > this.scroller.scrollTop + this.scroller.clientHeight)
      this.scroller.scrollTop = bottom - this.scroller.clientHeight;
  }

  /* ---- drawing ---- */

  redraw() {
    if (this.scheduled || !this.props) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      this.draw();
    });
  }

  draw() {
    const { clientWidth, clientHeight } = this.scroller;
    if (!this.props || clientWidth === 0 || clientHeight === 0) return;
    const began = performance.now();
    if (fitCanvas(this.canvas, clientWidth, clientHeight) || !this.image) {
      this.image = new ImageData(this.canvas.width, this.canvas.height);
      this.pixels = new Uint32Array(this.image.data.buffer);
      this.line = new Uint32Array(this.canvas.width);
      this.hatch = null;
    }
    this.ratio = devicePixelRatio || 1;
    const spans = this.paintBoxes();
    this.context.putImageData(this.image, 0, 0);
    drawHidden(this, spans.hatched);
    drawLabels(this, spans.labels);
    drawOutlines(this, document.activeElement === this.tree.element);
    performance.clearMeasures("flame-draw");
    performance.measure("flame-draw", { start: began, detail: this.props.model.total.length });
  }

  /** Top of a row in the scrolled box. */
  placeOf(row) {
    if (!this.props.up) return row * rowHeight;
    const space = Math.max(this.scroller.clientHeight, this.props.model.rowCount * rowHeight);
    return space - (row + 1) * rowHeight;
  }

  rowTop(row) {
    return Math.round((this.placeOf(row) - this.scroller.scrollTop) * this.ratio);
  }

  rowAt(place) {
    return this.props.up ? Math.ceil((this.placeOf(-1) - place) / rowHeight) - 1 : Math.floor(place / rowHeight);
  }

  paintBoxes() {
    const { model } = this.props;
    const { width, height } = this.canvas;
    const spans = { labels: [], hatched: [] };
    const gap = Math.max(1, Math.round(this.ratio));
    const style = { ground: this.palette.ground, gap, labelWidth: 24 * this.ratio };
    const colors = this.functionColors();
    this.pixels.fill(style.ground);
    const [first, last] = this.rowsInSight();
    for (let row = first; row <= last; row++) {
      const palette = row < model.depth[this.focus] ? this.palette.dim : colors;
      if (this.morph) paintMovingRow(model, row, this.view, this.line, palette, style, spans, this.morph, this.morph.amount);
      else paintRow(model, row, this.view, this.line, palette, style, spans);
      const top = this.rowTop(row);
      const end = Math.min(height, top + Math.round(rowHeight * this.ratio) - gap);
      for (let y = Math.max(0, top); y < end; y++)
        this.pixels.set(this.line, y * width);
    }
    return spans;
  }

  /** @returns {[number, number]} first and last row */
  rowsInSight() {
    const { scrollTop, clientHeight } = this.scroller;
    const ends = [this.rowAt(scrollTop), this.rowAt(scrollTop + clientHeight)].sort((a, b) => a - b);
    return [Math.max(0, ends[0]), Math.min(this.props.model.rowCount - 1, ends[1])];
  }

  /** What each function looks like now: matches keep their hue while the rest dims. */
  functionColors() {
    const { matches, hot, palette } = this.props;
    if (palette) return this.palette.normal;
    const { normal, match, dim } = this.palette;
    const colors = matches ? match.map((color, fn) => (matches[fn] ? color : dim[fn])) : normal.slice();
    if (hot >= 0) colors[hot] = this.palette.hot[hot];
    return colors;
  }

  /* ---- pointer ---- */

  hit(event) {
    if (!this.props) return null;
    const weight = this.weightAt(event.offsetX);
    return nodeAt(this.props.model, this.rowAt(event.offsetY + this.scroller.scrollTop), weight);
  }

  weightAt(x) {
    return this.view.from + (x / this.scroller.clientWidth) * (this.view.to - this.view.from);
  }

  onPointerDown(event) {
    if (event.button !== 0) return;
    this.drag = { x: event.clientX, view: this.view, moved: false };
    this.canvas.setPointerCapture(event.pointerId);
  }

  onPointerMove(event) {
    if (!this.drag) return this.setHover(this.hit(event), event);
    const distance = event.clientX - this.drag.x;
    if (Math.abs(distance) > 3) this.drag.moved = true;
    if (this.drag.moved) this.pan(this.drag.view, distance);
  }

  onPointerUp(event) {
    const { drag } = this;
    this.drag = null;
    if (!drag || drag.moved) return;
    const hit = this.hit(event);
    this.tooltip.hide();
    if (hit) this.setCursor(hit.node);
    this.tree.element.focus({ preventScroll: true });
    if (!hit) return;
    if (hit.hidden && hit.node === this.focus) return this.showHidden(hit.node);
    this.actions.zoomTo(nodeKey(this.props.model, hit.node), this.props.model.fn[hit.node]);
  }

  /** What was not sent of the zoomed node's children fills the view, and is asked for. */
  showHidden(node) {
    const { model } = this.props;
    const from = hiddenStart(model, node);
    this.setView(from, from + model.hidden[node]);
  }

  onMenu(event) {
    const hit = this.hit(event);
    event.preventDefault();
    if (!hit || hit.hidden || hit.node === 0) return;
    this.tooltip.hide();
    this.setCursor(hit.node);
    this.tree.element.focus({ preventScroll: true });
    this.actions.menu(event, hit.node);
  }

  setHover(hit, event) {
    const changed = hit?.node !== this.hover?.node || hit?.hidden !== this.hover?.hidden;
    this.hover = hit;
    const figures = hit && !hit.hidden ? this.props.figures?.(hit.node) : undefined;
    if (hit && event) this.tooltip.show(this.props.model, hit, event, changed, figures);
    else this.tooltip.hide();
    if (!changed) return;
    this.status.replaceChildren(hit ? this.tooltip.line(this.props.model, hit, this.focus, figures) : "");
    this.actions.hover(hit && !hit.hidden ? this.props.model.fn[hit.node] : -1);
    this.redraw();
  }

  onWheel(event) {
    if (!event.ctrlKey || !this.props) return;
    event.preventDefault();
    const center = this.weightAt(event.offsetX);
    const factor = Math.exp(event.deltaY * 0.002);
    this.setView(center - (center - this.view.from) * factor, center + (this.view.to - center) * factor);
  }

  pan(view, pixels) {
    const weight = (pixels / this.scroller.clientWidth) * (view.to - view.from);
    this.setView(view.from - weight, view.to - weight);
  }

  /** Keep within the whole, and wide enough to mean something. */
  setView(from, to) {
    const whole = Math.max(1, this.props.model.total[0]);
    const span = Math.min(whole, Math.max(whole * 1e-9, 10, to - from));
    const left = Math.min(Math.max(0, from), whole - span);
    this.view = { from: left, to: left + span };
    this.redraw();
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.tellLook(), restMs);
  }

  /** Free zoom has come to rest. */
  tellLook() {
    if (!this.props || this.view === this.home) return;
    const { model, zoom } = this.props;
    const { from, to } = this.view;
    let node = 0;
    for (let next = 0; next >= 0;) {
      node = next;
      next = childrenOf(model, node).find((child) => model.start[child] <= from && model.start[child] + model.total[child] >= to) ?? -1;
    }
    this.actions.look?.(zoom, nodeKey(model, node), to - from);
  }

  /* ---- the cursor, which keys move (flame-keys.js) ---- */

  setCursor(node) {
    this.cursor = node;
    this.tree.update(this.props.model, node);
  }

  /** Its function lights up everywhere. */
  tellCursor() {
    this.actions.hover(this.cursor > 0 ? this.props.model.fn[this.cursor] : -1);
    this.redraw();
  }

  /** Put the cursor on a node and show it: what is out of sight or too small is zoomed. */
  moveCursor(node) {
    if (node < 0) return;
    const { model } = this.props;
    this.setCursor(node);
    this.revealRow(model.depth[node]);
    const share = model.total[node] / (this.view.to - this.view.from);
    const middle = model.start[node] + model.total[node] / 2;
    const inSight = middle >= this.view.from && middle < this.view.to;
    if (!inSight || share * this.scroller.clientWidth < 4)
      this.actions.zoomTo(nodeKey(model, node), model.fn[node]);
    this.status.replaceChildren(this.tooltip.line(model, { node, hidden: false }, this.focus, this.props.figures?.(node)));
    this.tellCursor();
  }

  /** To the next (1) or previous (-1) of these nodes, seen from the cursor. */
  step(nodes, direction) {
    if (nodes.length === 0) return;
    const after = nodes.findIndex((node) => node > this.cursor);
    const next = direction > 0
      ? nodes[after < 0 ? 0 : after]
      : nodes.findLast((node) => node < this.cursor) ?? nodes.at(-1);
    this.tree.element.focus({ preventScroll: true });
    this.moveCursor(next);
  }

  /** Undo free zoom, else let the page go back. */
  escape() {
    if (this.view !== this.home && this.props) animateTo(this, this.home);
    else this.actions.back();
  }
}
