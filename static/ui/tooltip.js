// What is under the pointer: at once in the status line, after a moment beside it.

import { basename, count, duration, percent, plural } from "../lib/format.js";
import { nameOr, shortName } from "../lib/names.js";
import { sourcePlace } from "../lib/place.js";
import { h } from "./dom.js";

const delayMs = 150;

export function createTooltip() {
  const element = h("div", { class: "tooltip", hidden: true, "aria-hidden": "true" });
  let timer = 0;
  let place = { x: 0, y: 0 };

  function show(model, hit, event, changed, figures) {
    place = { x: event.clientX, y: event.clientY };
    if (changed) {
      clearTimeout(timer);
      const fillIn = () => element.replaceChildren(...content(model, hit, figures));
      if (element.hidden) timer = setTimeout(() => (fillIn(), (element.hidden = false), move()), delayMs);
      else fillIn();
    }
    if (!element.hidden) move();
  }

  /** Beside the pointer, inside the window. */
  function move() {
    const { offsetWidth, offsetHeight } = element;
    const left = Math.min(place.x + 14, innerWidth - offsetWidth - 8);
    const below = place.y + 18;
    const top = below + offsetHeight > innerHeight - 8 ? place.y - offsetHeight - 10 : below;
    element.style.transform = `translate(${Math.max(8, left)}px, ${Math.max(8, top)}px)`;
  }

  function hide() {
    clearTimeout(timer);
    element.hidden = true;
  }

  return { element, show, hide, line };
}

const metricName = (model) => (model.answer.metric === "cpu" ? "CPU" : "wall");

/** `figures`: what a view tells about its boxes instead of weights. */
function content(model, { node, hidden }, figures) {
  const whole = model.total[0];
  const ofWhole = (ns) => `${percent(ns, whole)} of ${duration(whole)} ${metricName(model)}`;
  if (hidden)
    return [
      h("div", { class: "tooltip-name" }, "Too small to be sent"),
      h("div", {}, `${duration(model.hidden[node])}, ${ofWhole(model.hidden[node])}`),
      h("div", { class: "muted" }, "Zoom in to load them."),
    ];
  if (node === 0)
    return [h("div", { class: "tooltip-name" }, model.rootName === "all" ? "All samples" : model.rootName),
      ...(figures ?? [`${duration(whole)} ${metricName(model)}, ${plural(model.samples[0], "sample")}`]).map((text) => h("div", {}, text))];
  const fn = model.fn[node];
  const { name, module, file, line } = model.functions;
  const origin = [basename(module[fn] ?? ""), sourcePlace(file[fn], line[fn]), model.inlined[node] ? "inlined" : ""];
  return [
    h("div", { class: "tooltip-name code" }, nameOr(name[fn])),
    h("div", { class: "muted" }, origin.filter(Boolean).join(" · ")),
    ...(figures ? figures.map((text) => h("div", {}, text)) : weights(model, node, ofWhole)),
  ];
}

function weights(model, node, ofWhole) {
  return [
    h("div", { class: "tooltip-figures" },
      h("span", { class: "muted" }, "total"), h("span", {}, duration(model.total[node])),
      h("span", {}, ofWhole(model.total[node])),
      h("span", { class: "muted" }, "self"), h("span", {}, duration(model.self[node])),
      h("span", {}, percent(model.self[node], model.total[0]))),
    h("div", { class: "muted" }, plural(model.samples[node], "sample")),
  ];
}

/** One line for the status bar. @returns {Node} */
function line(model, { node, hidden }, focus, figures) {
  if (hidden) return h("span", {}, `${duration(model.hidden[node])} in boxes too small to be sent: zoom in to load them`);
  const fn = model.fn[node];
  const name = shortName(node === 0 ? model.rootName : nameOr(model.functions.name[fn], model.functions.file[fn]));
  const parts = figures ? [...figures] : shares(model, node, focus);
  if (node > 0 && model.functions.module[fn]) parts.push(basename(model.functions.module[fn]));
  const source = node > 0 ? sourcePlace(model.functions.file[fn], model.functions.line[fn]) : "";
  if (source) parts.push(source);
  return h("span", {}, h("b", {}, name), `  ${parts.join(" · ")}`);
}

function shares(model, node, focus) {
  const parts = [`${duration(model.total[node])}`, `${percent(model.total[node], model.total[0])} of all`];
  if (focus > 0) parts.push(`${percent(model.total[node], model.total[focus])} of zoomed`);
  return [...parts, `self ${duration(model.self[node])}`, `${count(model.samples[node])} samples`];
}
