// The line over the panes: what the figures below are of, what should make the reader
// careful, and every filter as a chip that can be taken off.

import { count, duration, margin, moment, percent, plural } from "../lib/format.js";
import { fill, h, icon, icons } from "./dom.js";

const fewSamples = 200;

/**
 * @param {HTMLElement} root
 * @param {{clear: (names: string[]) => void}} actions
 */
export function createSummary(root, actions) {
  const totals = h("p", { class: "summary-totals" });
  const cautions = h("div", { class: "summary-cautions" });
  const chips = h("div", { class: "chips" });
  root.append(totals, cautions, chips);

  /**
   * @param {any} answer of GET flamegraph, or null
   * @param {import("../lib/state.js").State} state
   * @param {string[]} threadNames of the chosen threads
   * @param {string} zoomName what is zoomed
   * @param {boolean} live
   */
  function update(answer, state, threadNames, zoomName, live) {
    if (answer) {
      fill(totals, ...describe(answer, live));
      fill(cautions, warnings(answer).map(([text, title]) => h("span", { class: "caution", title }, text)));
    }
    fill(chips, filters(state, threadNames, zoomName).map(([name, value, clears]) => h("button", {
      type: "button", class: "chip", title: "Remove this filter", onclick: () => actions.clear(clears),
    }, h("span", { class: "visually-hidden" }, "Remove filter:"), h("span", { class: "muted" }, name), h("span", { class: "chip-value" }, value), icon(icons.close))));
  }

  return { update };
}

function describe(answer, live) {
  const kind = answer.metric === "cpu" ? "CPU time" : "wall time";
  const parts = [h("b", {}, duration(answer.total_ns)), ` ${kind} in ${plural(answer.samples, "sample")}`];
  if (answer.to_ns > answer.from_ns)
    parts.push(h("span", { class: "muted" }, ` · ${duration(answer.to_ns - answer.from_ns)} from ${moment(answer.from_ns)}`));
  if (live) parts.push(h("span", { class: "live" }, "live"));
  return parts;
}

/** @returns {[string, string][]} text and what it means */
function warnings(answer) {
  /** @type {[string, string][]} */
  const found = [];
  if (answer.samples > 0 && answer.samples < fewSamples) {
    const points = Math.ceil(margin(0.5, answer.samples) * 100);
    found.push([`Only ${plural(answer.samples, "sample")}: ±${points} points`,
      "With so few samples a share can be off by this many percentage points (95 % interval)."]);
  }
  if (answer.lost > 0)
    found.push([`${count(answer.lost)} lost (${percent(answer.lost, answer.samples + answer.lost)})`,
      "Samples that were taken but could not be kept. They are in no figure below."]);
  if (answer.hidden_ns > 0)
    found.push([`${percent(answer.hidden_ns, answer.total_ns)} in boxes not loaded`,
      "The smallest boxes were not sent. They are hatched in the graph; zoom in to load them. The table counts them."]);
  return found;
}

function filters(state, threadNames, zoomName) {
  const found = [];
  if (threadNames.length)
    found.push([threadNames.length === 1 ? "thread" : "threads", threadNames.slice(0, 3).join(", ") + (threadNames.length > 3 ? ` +${threadNames.length - 3}` : ""), ["thread"]]);
  if (state.to) found.push(["time", duration(state.to - state.from), ["from", "to"]]);
  if (state.windowTo) found.push(["timeline", duration(state.windowTo - state.windowFrom), ["windowFrom", "windowTo"]]);
  if (state.zoom) found.push(["zoom", zoomName || "not in this selection", ["zoom"]]);
  return found;
}
