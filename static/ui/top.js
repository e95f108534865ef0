// The table of functions by their own and their total weight. Pointing at a row lights
// its function up in the graph; a click selects it.

import { functionKey } from "../lib/flame-model.js";
import { basename, duration, percent, plural } from "../lib/format.js";
import { fitName, nameVariants, shortName } from "../lib/names.js";
import { fill, h } from "./dom.js";
import { sourcePlace } from "./tooltip.js";

const firstRows = 100;
const labelLength = 34; // letters a row has room for: the end of a name tells most

/**
 * @typedef {object} TopProps
 * @property {any} top        answer of GET top
 * @property {((text: string) => boolean)|null} test  the search
 * @property {"self"|"total"|"name"} sort
 * @property {string} selected  key of a function
 * @property {string} pointed   key of a function pointed at in the graph
 */

/**
 * @param {any} answer of GET top; adds what the table needs of each function, and leaves
 *   out those that have no weight in this metric
 */
export function decodeTop(answer) {
  answer.functions = answer.functions.filter((entry) => entry.total_ns > 0);
  for (const entry of answer.functions) {
    entry.key = functionKey(entry.function, entry.module, entry.file);
    entry.short = shortName(entry.function);
    entry.label = fitName(nameVariants(entry.short), labelLength);
  }
  return answer;
}

/**
 * @param {HTMLElement} root
 * @param {{sortBy: (column: string) => void, select: (key: string) => void,
 *          hover: (key: string) => void}} actions
 */
export function createTop(root, actions) {
  const columns = [["name", "Function"], ["self", "Self"], ["total", "Total"]];
  const heads = new Map(columns.map(([id, title]) => [id, h("th", { scope: "col", class: id === "name" ? "" : "number" },
    h("button", { type: "button", onclick: () => actions.sortBy(id) }, title))]));
  const body = h("tbody", {
    onmouseover: (event) => actions.hover(event.target.closest("tr")?.dataset.key ?? ""),
    onmouseleave: () => actions.hover(""),
    onclick: (event) => {
      const row = event.target.closest("tr[data-key]");
      if (row) actions.select(row.dataset.key);
    },
  });
  const foot = h("div", { class: "top-foot muted" });
  root.append(h("div", { class: "top-scroller", tabindex: "0", role: "group", "aria-label": "Table of functions" },
    h("table", { class: "top-table" }, h("thead", {}, h("tr", {}, ...heads.values())), body)), foot);
  let shown = firstRows;
  let last = {};

  /** @param {TopProps} props */
  function update(props) {
    if (props.top !== last.top || props.test !== last.test) shown = firstRows;
    const same = ["top", "test", "sort"].every((name) => props[name] === last[name]);
    last = props;
    if (!same) fillRows();
    mark();
  }

  function fillRows() {
    const { top, test, sort } = last;
    for (const [id, head] of heads)
      head.setAttribute("aria-sort", id !== sort ? "none" : id === "name" ? "ascending" : "descending");
    const found = top.functions.filter((entry) => !test || test(entry.function) || (entry.module && test(entry.module)));
    found.sort(orders[sort]);
    fill(body, found.slice(0, shown).map((entry) => row(entry, top)),
      found.length === 0 && h("tr", {}, h("td", { colspan: 3, class: "muted" }, test ? "No function here matches the search." : "No functions.")));
    const more = found.length - shown;
    fill(foot, test ? `${plural(found.length, "function")} of ${top.functions.length} match` : plural(found.length, "function"),
      more > 0 && h("button", { type: "button", onclick: () => showMore() }, `Show ${Math.min(more, 400)} more`));
  }

  function showMore() {
    shown += 400;
    fillRows();
    mark();
  }

  function mark() {
    for (const element of body.rows) {
      const selected = element.dataset.key === last.selected;
      if (selected && !element.classList.contains("selected")) element.scrollIntoView({ block: "nearest" });
      element.classList.toggle("selected", selected);
      element.classList.toggle("pointed", element.dataset.key === last.pointed);
    }
  }

  return { update };
}

const orders = {
  self: (a, b) => b.self_ns - a.self_ns || b.total_ns - a.total_ns,
  total: (a, b) => b.total_ns - a.total_ns || b.self_ns - a.self_ns,
  name: (a, b) => (a.short < b.short ? -1 : a.short > b.short ? 1 : b.self_ns - a.self_ns),
};

function row(entry, top) {
  const origin = [basename(entry.module ?? ""), sourcePlace(entry.file, entry.line)].filter(Boolean).join(" · ");
  return h("tr", { "data-key": entry.key, class: entry.in_app === 0 ? "system" : "" },
    h("th", { scope: "row", class: "top-name", title: entry.function },
      h("button", { type: "button", class: "code", "data-focus": entry.key }, entry.label), h("span", { class: "muted" }, origin)),
    weight(entry.self_ns, top.total_ns, "bar-self"),
    weight(entry.total_ns, top.total_ns, "bar-total"));
}

function weight(ns, whole, kind) {
  return h("td", { class: "number top-weight" },
    h("span", { class: `bar ${kind}`, style: { width: `${whole > 0 ? Math.min(100, (ns / whole) * 100) : 0}%` } }),
    h("span", { class: "top-percent" }, percent(ns, whole)),
    h("span", { class: "muted" }, duration(ns)));
}
