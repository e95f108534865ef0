// CPU (or waiting) over time by whose code it is, and below it a heat row for each thread.
// Dragging chooses a time range for everything below, which follows at once; a thread's
// name chooses the thread. Releases and crashes stand as flags where they were.
//
// The canvases are drawn when data, size or theme change; the range is elements laid
// over them, so dragging draws nothing.

import { duration, moment, percent, timeOfDay } from "../lib/format.js";
import { heatOf, meanIn, partsOf, rankThreads, sumIn, sumOf, totalOf } from "../lib/threads.js";
import { fill, h, iconButton, icons } from "./dom.js";
import { moveIn, stopAt } from "./focus.js";
import { drawArea, drawHeat, rowHeight } from "./timeline-draw.js";
import { makeGrip } from "./timeline-grip.js";
import { fillFlags } from "./timeline-flags.js";

const busiest = 15;
const edgeGrip = 5; // px around an edge of the range that grab it

/**
 * @typedef {object} TimelineProps
 * @property {any} timeline   answer of GET timeline
 * @property {any[]} threads  of GET threads
 * @property {Map<number, any>} sessions
 * @property {string[]} chosen  thread ids
 * @property {number} from
 * @property {number} to
 * @property {boolean} zoomed the timeline spans a part only
 * @property {import("../lib/threads.js").Heat} heat
 * @property {any} codes      answer of GET timeline by code; null: not there yet
 * @property {import("../lib/marks.js").Mark[]} marks
 * @property {"light"|"dark"} theme
 */

/**
 * @typedef {object} TimelineActions
 * @property {(from: number, to: number, step?: boolean) => void} setRange  0, 0 clears;
 *   `step`: one of many small ones, not worth an entry for Back
 * @property {() => void} aim  a range may soon be dragged
 * @property {(from: number, to: number) => void} preview  while it is; 0, 0: no more
 * @property {(from: number, to: number) => void} compare  a range with all the rest
 * @property {(ids: string[]) => void} setThreads
 * @property {(heat: import("../lib/threads.js").Heat) => void} setHeat
 * @property {(mark: import("../lib/marks.js").Mark) => void} openMark
 * @property {(from: number, to: number) => void} setWindow  0, 0 is everything
 */

const heats = {
  cpu: { name: "CPU", unit: ["core", "cores"], of: "of a core", title: "Time on a processor" },
  off: { name: "Off-CPU", unit: ["thread", "threads"], of: "of the time waiting", title: "Time not on a processor: waiting" },
  wall: { name: "Wall", unit: ["thread", "threads"], of: "of the time there", title: "Time that passed, waiting included" },
};

const codeTitles = {
  app: "in code of the program itself", system: "in libraries and runtimes", kernel: "in the kernel", unknown: "in code that is not known to be either",
};

/** @param {HTMLElement} root @param {TimelineActions} actions */
export function createTimeline(root, actions) {
  return new Timeline(root, actions);
}

class Timeline {
  constructor(root, actions) {
    this.actions = actions;
    this.expanded = false;
    this.area = h("canvas", { role: "img", class: "timeline-area-canvas", width: 0, height: 0 });
    this.heat = h("canvas", { role: "img", class: "timeline-heat-canvas", width: 0, height: 0 });
    this.labels = h("div", { class: "thread-labels" });
    this.heatSpace = h("div", { class: "timeline-heat" }, this.heat);
    this.scroller = h("div", { class: "timeline-threads" }, this.labels, this.heatSpace);
    this.axisTop = h("span", { class: "muted", title: "Top of the scale" });
    this.buttons = h("span", { class: "timeline-buttons" });
    this.heatChoice = h("select", { "aria-label": "What the timeline shows", onchange: () => this.actions.setHeat(this.heatChoice.value) },
      Object.entries(heats).map(([value, { name, title }]) => h("option", { value, title }, name)));
    this.legend = h("span", { class: "timeline-legend" });
    this.head = h("div", { class: "timeline-head" }, this.heatChoice, this.axisTop, this.legend, this.buttons);
    this.range = h("div", { class: "timeline-range", hidden: true });
    this.rangeText = h("div", { class: "timeline-range-text", hidden: true });
    this.flags = h("div", { class: "timeline-flags" });
    this.slider = { from: this.makeSlider("from"), to: this.makeSlider("to") };
    this.overlay = h("div", { class: "timeline-overlay" }, this.slider.from, this.slider.to, this.range, this.flags, this.rangeText);
    this.grip = makeGrip(this.scroller);
    this.body = h("div", { class: "timeline-body" },
      h("div", { class: "timeline-area" }, this.head, this.area), this.scroller, this.overlay, this.grip.element);
    root.append(this.body);
    this.listen();
  }

  /** The range for the keyboard: two sliders, seen as the range's edges. */
  makeSlider(end) {
    const label = end === "from" ? "Start of the time range" : "End of the time range";
    return h("input", {
      type: "range", class: "visually-hidden", "aria-label": label, min: 0, max: 200, step: 1,
      oninput: () => this.onSlider(end),
      onfocus: () => (this.range.dataset.focus = end),
      onblur: () => delete this.range.dataset.focus,
    });
  }

  listen() {
    new ResizeObserver(() => this.redraw()).observe(this.body);
    new ResizeObserver(() => this.redraw()).observe(this.scroller);
    this.scroller.addEventListener("scroll", () => this.redraw());
    this.labels.addEventListener("keydown", (event) => this.onLabelKey(event));
    this.body.addEventListener("pointerenter", () => this.actions.aim());
    for (const target of [this.area, this.heatSpace]) {
      target.addEventListener("pointerdown", (event) => this.onPointerDown(event, target));
      target.addEventListener("pointermove", (event) => this.onPointerMove(event));
      target.addEventListener("pointerup", (event) => this.onPointerUp(event));
      target.addEventListener("pointercancel", () => this.onPointerCancel());
      target.addEventListener("pointerleave", () => this.drag || (this.rangeText.hidden = true));
    }
  }

  /** @param {TimelineProps} props */
  update(props) {
    this.props = props;
    const { timeline, threads, sessions, chosen, heat } = props;
    this.kind = heats[heat];
    this.heatChoice.value = heat;
    const { rows, folded } = rankThreads(timeline.series, threads, sessions,
      this.expanded ? Infinity : busiest, chosen);
    this.rows = folded ? [...rows, folded] : rows;
    for (const row of this.rows) row.heat = heatOf(heat, row.wall, row.cpu);
    this.sums = totalOf(timeline.series, timeline.bins, timeline.bin_ns, heat);
    this.parts = partsOf(props.codes, timeline, heat);
    this.fillLabels();
    this.fillLegend();
    this.fillButtons();
    this.placeRange(props.from, props.to);
    this.most = Math.max(1, ...this.sums);
    this.axisTop.textContent = `${this.most.toFixed(this.most < 10 ? 1 : 0)} ${this.unit(this.most)}`;
    this.heatSpace.style.height = `${this.rows.length * rowHeight}px`;
    this.grip.update(this.labels.childElementCount * rowHeight);
    this.redraw();
  }

  fillLabels() {
    const chosen = new Set(this.props.chosen);
    fill(this.labels, this.rows.map((row) => {
      const pressed = !row.folded && chosen.has(String(row.ids[0]));
      return h("button", {
        type: "button", class: "thread-label", title: row.detail, "data-focus": row.folded ? "fold" : row.ids[0],
        "aria-pressed": row.folded ? null : String(pressed),
        "aria-expanded": row.folded ? "false" : null,
        onclick: (event) => (row.folded ? this.expand(true) : this.onThread(row, event)),
      }, h("span", { class: "thread-name" }, row.label),
      h("span", { class: "muted" }, this.weightText(this.weightOf(row))));
    }), this.expanded && this.rows.length > busiest + 1 && h("button", {
      type: "button", class: "thread-label", "aria-expanded": "true", "data-focus": "fold", onclick: () => this.expand(false),
    }, "Fold idle threads"));
    this.stopAtLabel();
  }

  /** One thread is a stop of the Tab key: the one that had the focus, else the chosen one, else the first. */
  stopAtLabel() {
    const labels = /** @type {HTMLElement[]} */ ([...this.labels.children]);
    const stop = labels.find((one) => one === document.activeElement) ?? labels.find((one) => one.ariaPressed === "true") ?? labels[0];
    if (stop) stopAt(labels, stop);
  }

  onLabelKey(event) {
    const labels = /** @type {HTMLElement[]} */ ([...this.labels.children]);
    const next = labels[moveIn(event.key, labels.indexOf(event.target), labels.length)];
    if (!next) return;
    event.preventDefault();
    next.focus();
    stopAt(labels, next);
  }

  fillLegend() {
    const whole = sumOf(this.sums);
    fill(this.legend, this.parts.map(({ code, name, sum }) =>
      h("span", { title: `${percent(sum, whole)} of the ${this.kind.name} time above: ${codeTitles[code]}` }, h("i", { "data-code": code }), name)));
  }

  expand(expanded) {
    this.expanded = expanded;
    this.update(this.props);
  }

  unit(value) {
    return this.kind.unit[value === 1 ? 0 : 1];
  }

  weightText(ns) {
    return ns > 0 ? duration(ns) : this.props.heat === "cpu" ? "idle" : "–";
  }

  /** While a range is dragged, each thread's weight is that of the range. */
  tellWeights(from, to) {
    const { timeline } = this.props;
    this.rows.forEach((row, i) => {
      const weight = to > 0 ? sumIn(row.heat, timeline, from, to) * (row.folded ? row.ids.length : 1) : this.weightOf(row);
      this.labels.children[i].lastChild.textContent = this.weightText(weight);
    });
  }

  /** Time of what the timeline shows; the folded rows' lines are means. */
  weightOf(row) {
    const { cpuTotal, wallTotal } = row;
    return { cpu: cpuTotal, off: Math.max(0, wallTotal - cpuTotal), wall: wallTotal }[this.props.heat];
  }

  fillButtons() {
    const { from, to, zoomed } = this.props;
    fill(this.buttons,
      to > 0 && iconButton(icons.zoomIn, "Spread the range over the timeline",
        () => this.actions.setWindow(from, to)),
      zoomed && iconButton(icons.zoomOut, "Show the whole time", () => this.actions.setWindow(0, 0)));
  }

  onThread(row, event) {
    const id = String(row.ids[0]);
    const { chosen } = this.props;
    if (event.ctrlKey || event.metaKey || event.shiftKey)
      this.actions.setThreads(chosen.includes(id) ? chosen.filter((other) => other !== id) : [...chosen, id]);
    else this.actions.setThreads(chosen.length === 1 && chosen[0] === id ? [] : [id]);
  }

  /* ---- range ---- */

  timeAt(clientX) {
    const box = this.area.getBoundingClientRect();
    const { from_ns, to_ns } = this.props.timeline;
    const share = Math.min(1, Math.max(0, (clientX - box.left) / box.width));
    return from_ns + share * (to_ns - from_ns);
  }

  shareOf(time) {
    const { from_ns, to_ns } = this.props.timeline;
    return Math.min(1, Math.max(0, (time - from_ns) / (to_ns - from_ns)));
  }

  onPointerDown(event, target) {
    if (event.button !== 0 || !this.props) return;
    target.setPointerCapture(event.pointerId);
    const edge = this.edgeAt(event.clientX);
    const { from, to } = this.props;
    const anchor = edge === "from" ? to : edge === "to" ? from : this.timeAt(event.clientX);
    this.drag = { anchor, x: event.clientX, moved: edge !== null };
  }

  edgeAt(clientX) {
    if (!this.props?.to) return null;
    const box = this.area.getBoundingClientRect();
    const near = (time) => Math.abs(box.left + this.shareOf(time) * box.width - clientX) <= edgeGrip;
    if (near(this.props.to)) return "to";
    return near(this.props.from) ? "from" : null;
  }

  onPointerMove(event) {
    if (!this.props) return;
    if (!this.drag) {
      event.currentTarget.style.cursor = this.edgeAt(event.clientX) ? "ew-resize" : "crosshair";
      this.tellTime(event);
      return;
    }
    if (Math.abs(event.clientX - this.drag.x) > 3) this.drag.moved = true;
    if (this.drag.moved) this.previewRange(...this.draggedRange(event));
  }

  previewRange(from, to) {
    this.placeRange(from, to, true);
    this.tellWeights(from, to);
    this.actions.preview(from, to);
  }

  /** What was previewed holds, or goes. */
  endPreview() {
    this.rangeText.hidden = true;
    this.tellWeights(0, 0);
    this.actions.preview(0, 0);
  }

  draggedRange(event) {
    const time = this.timeAt(event.clientX);
    return [Math.min(time, this.drag.anchor), Math.max(time, this.drag.anchor)].map(Math.round);
  }

  onPointerUp(event) {
    const { drag } = this;
    if (!drag) return;
    const [from, to] = this.draggedRange(event);
    this.drag = null;
    if (drag.moved && to > from && event.shiftKey) {
      this.placeRange(this.props.from, this.props.to);
      this.actions.compare(from, to);
    } else if (drag.moved && to > from) this.actions.setRange(from, to);
    else if (this.props.to) this.actions.setRange(0, 0);
    this.endPreview();
  }

  onPointerCancel() {
    this.drag = null;
    if (!this.props) return;
    this.placeRange(this.props.from, this.props.to);
    this.endPreview();
  }

  /** What is under the pointer. */
  tellTime(event) {
    const { timeline } = this.props;
    const time = this.timeAt(event.clientX);
    const bin = Math.min(timeline.bins - 1, Math.floor((time - timeline.from_ns) / timeline.bin_ns));
    const row = event.currentTarget === this.heatSpace ? this.rows[Math.floor(
      (event.clientY - this.heatSpace.getBoundingClientRect().top) / rowHeight)] : null;
    const parts = [`+${duration(time - timeline.from_ns)}`, timeOfDay(time, true)];
    if (row) parts.push(row.label, `${Math.round((row.heat[bin] / timeline.bin_ns) * 100)}% ${this.kind.of}`);
    else parts.push(`${this.sums[bin]?.toFixed(2)} ${this.unit(0)}`, ...this.parts.map(({ name, values }) => `${name} ${values[bin].toFixed(2)}`));
    this.showText(parts.join(" · "), this.shareOf(time));
  }

  showText(text, share) {
    this.rangeText.hidden = false;
    this.rangeText.textContent = text;
    const width = this.overlay.clientWidth;
    const left = Math.min(width - this.rangeText.offsetWidth - 4, Math.max(4, share * width + 10));
    this.rangeText.style.transform = `translateX(${left}px)`;
  }

  placeRange(from, to, dragging = false) {
    const shown = to > 0;
    this.range.hidden = !shown;
    if (shown) {
      const left = this.shareOf(from);
      this.range.style.left = `${left * 100}%`;
      this.range.style.width = `${(this.shareOf(to) - left) * 100}%`;
    }
    if (dragging) this.showText(this.describe(from, to), this.shareOf(to));
    this.slider.from.value = String(Math.round(shown ? this.shareOf(from) * 200 : 0));
    this.slider.to.value = String(Math.round(shown ? this.shareOf(to) * 200 : 200));
    for (const end of ["from", "to"]) {
      const time = end === "from" ? from : to;
      this.slider[end].setAttribute("aria-valuetext",
        shown ? `${duration(Math.max(0, time - this.props.timeline.from_ns))} after the start` : "not limited");
    }
  }

  describe(from, to) {
    const { timeline } = this.props;
    const parts = this.parts.map(({ name, values }) => ` · ${name} ${meanIn(values, timeline, from, to).toFixed(2)}`);
    return `+${duration(from - timeline.from_ns)} to +${duration(to - timeline.from_ns)} · ${duration(to - from)} · ${meanIn(this.sums, timeline, from, to).toFixed(2)} ${this.unit(0)}${parts.join("")}`;
  }

  onSlider(end) {
    const { from_ns, to_ns } = this.props.timeline;
    const at = { from: Number(this.slider.from.value), to: Number(this.slider.to.value) };
    if (at.from >= at.to) at[end] = end === "from" ? at.to - 1 : at.from + 1;
    const time = (step) => Math.round(from_ns + (step / 200) * (to_ns - from_ns));
    const whole = at.from <= 0 && at.to >= 200;
    this.actions.setRange(whole ? 0 : time(at.from), whole ? 0 : time(at.to), true);
  }

  /* ---- drawing ---- */

  redraw() {
    if (this.scheduled || !this.props) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      fillFlags(this.flags, this.props, this.overlay.clientWidth, this.actions.openMark);
      this.drawArea();
      this.drawHeat();
    });
  }

  drawArea() {
    const width = this.overlay.clientWidth;
    if (width === 0) return;
    const { timeline } = this.props;
    drawArea(this.area, width, timeline, this.layers(), this.most);
    const total = sumOf(this.sums) * timeline.bin_ns;
    const parts = this.parts.map(({ name, sum }) => `, ${percent(sum * timeline.bin_ns, total)} ${name}`).join("");
    this.area.setAttribute("aria-label", `${this.kind.name} time over ${duration(timeline.to_ns - timeline.from_ns)} from ${moment(timeline.from_ns)}: ${duration(total)} in all${parts}; at most ${this.most.toFixed(1)} ${this.unit(this.most)} at once`);
  }

  /** From the bottom up; colours are those of the legend. */
  layers() {
    if (this.parts.length === 0) return [{ values: this.sums, color: "" }];
    return this.parts.map(({ code, values }) => ({ values, color: getComputedStyle(this.legend.querySelector(`[data-code="${code}"]`)).backgroundColor }));
  }

  drawHeat() {
    const width = this.overlay.clientWidth;
    const height = Math.min(this.scroller.clientHeight, this.rows.length * rowHeight);
    if (width === 0 || height <= 0) return;
    const { timeline, chosen } = this.props;
    drawHeat(this.heat, width, height, { rows: this.rows, timeline, chosen, scroll: this.scroller.scrollTop });
    this.heat.setAttribute("aria-label", `${this.kind.name} time by thread: ${this.rows.slice(0, 5).map((row) => `${row.label} ${duration(this.weightOf(row))}`).join(", ")}${this.rows.length > 5 ? " and others" : ""}`);
  }
}
