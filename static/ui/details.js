// The selected function, in the small.

import { duration, margin, percent, plural } from "../lib/format.js";
import { fill, h, iconButton, icons } from "./dom.js";
import { sourcePlace } from "./tooltip.js";

/**
 * @param {HTMLElement} root
 * @param {{search: (text: string) => void, close: () => void}} actions
 */
export function createDetails(root, actions) {
  const element = h("section", { class: "details", hidden: true, "aria-label": "Selected function" });
  root.append(element);
  let shown = null;

  /**
   * @param {object|null} entry of the top table
   * @param {any} top the table's answer
   */
  function update(entry, top) {
    element.hidden = !entry;
    if (entry === shown) return;
    shown = entry;
    if (!entry) return;
    const samples = top.samples;
    const give = margin(entry.total_ns / top.total_ns, samples) * 100;
    fill(element,
      h("div", { class: "details-head" }, h("h2", { class: "code", title: entry.function }, entry.short),
        iconButton(icons.search, "Search for this function", () => actions.search(entry.short)),
        iconButton(icons.copy, "Copy the name", () => navigator.clipboard?.writeText(entry.function)),
        iconButton(icons.close, "Close", actions.close)),
      h("dl", { class: "details-list" },
        item("Module", entry.module || "unknown"),
        item("Source", sourcePlace(entry.file, entry.line, true) || "unknown"),
        item("Self", figures(entry.self_ns, entry.self_samples, top)),
        item("Total", figures(entry.total_ns, entry.total_samples, top),
          give >= 1 && h("span", { class: "muted", title: "95 % interval from the number of samples" }, ` ± ${give.toFixed(0)} points`))));
  }

  return { update };
}

const item = (name, ...value) => [h("dt", {}, name), h("dd", {}, ...value)];

function figures(ns, samples, top) {
  return `${percent(ns, top.total_ns)} of ${duration(top.total_ns)} · ${duration(ns)} · ${plural(samples, "sample")}`;
}
