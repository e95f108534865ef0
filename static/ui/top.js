// The table of functions by their own and their total weight. Pointing at a row lights
// its function up in the graph; a click selects it.

import { html, useMemo } from "../vendor/preact.js";
import { basename, duration, percent, plural } from "../lib/format.js";
import { sourcePlace } from "../lib/place.js";
import { orders } from "../lib/top.js";
import { pointed, search, shownTop } from "../model/data.js";
import { setState, state } from "../model/store.js";
import { openMenu } from "./dialogs.js";
import { VirtualList } from "./virtual.js";

const rowHeight = 36;
const columns = [["name", "Function"], ["self", "Self"], ["total", "Total"]];

export function Top() {
  const answer = shownTop.value;
  const { sort, fn } = state.value;
  const { test } = search.value;
  const rows = useMemo(() => {
    const found = (answer?.functions ?? []).filter((entry) => !test || test(entry.function) || (entry.module && test(entry.module)));
    return found.sort(orders[sort]);
  }, [answer, test, sort]);
  if (!answer) return null;
  const all = answer.functions.length;
  const point = (event) => (pointed.value = event.target.closest("[data-key]")?.dataset.key ?? "");
  return html`<div class="top-table" role="table" aria-label="Functions" aria-rowcount=${rows.length + 1}
      onMouseOver=${point} onFocusIn=${point} onMouseLeave=${() => (pointed.value = "")} onFocusOut=${() => (pointed.value = "")}>
    <div role="rowgroup" class="top-head"><div role="row">${columns.map(([id, title]) => html`<div role="columnheader" key=${id}
        class=${id === "name" ? "" : "number"} aria-sort=${id !== sort ? "none" : id === "name" ? "ascending" : "descending"}>
        <button type="button" onClick=${() => setState({ sort: /** @type {any} */ (id) })}>${title}</button></div>`)}</div></div>
    <${VirtualList} class="top-scroller" role="rowgroup" count=${rows.length} rowHeight=${rowHeight}
      rove=${true}
      reveal=${fn ? rows.findIndex((entry) => entry.key === fn) : -1} aria-label="Table of functions"
      render=${(i) => html`<${Row} key=${rows[i].key} entry=${rows[i]} index=${i} answer=${answer} />`} />
    <div class="top-foot muted">${test ? `${plural(rows.length, "function")} of ${all} match` : plural(all, "function")}</div>
  </div>`;
}

function Row({ entry, index, answer }) {
  const origin = [basename(entry.module ?? ""), sourcePlace(entry.file, entry.line)].filter(Boolean).join(" · ");
  const chosen = entry.key === state.value.fn;
  const marks = [entry.in_app === 0 && "system", chosen && "selected", entry.key === pointed.value && "pointed"];
  return html`<div role="row" data-key=${entry.key} aria-rowindex=${index + 2} class=${marks.filter(Boolean).join(" ")}
      onClick=${() => setState({ fn: chosen ? "" : entry.key })} onContextMenu=${(event) => openMenu(event, entry)}>
    <div role="rowheader" class="top-name" title=${entry.function}>
      <button type="button" class="code" aria-pressed=${String(chosen)}>${entry.label}</button><span class="muted">${origin}</span></div>
    <${Weight} ns=${entry.self_ns} whole=${answer.total_ns} kind="bar-self" />
    <${Weight} ns=${entry.total_ns} whole=${answer.total_ns} kind="bar-total" />
  </div>`;
}

function Weight({ ns, whole, kind }) {
  const width = whole > 0 ? Math.min(100, (ns / whole) * 100) : 0;
  return html`<div role="cell" class="number top-weight"><span class=${`bar ${kind}`} style=${{ width: `${width}%` }} />
    <span class="top-percent">${percent(ns, whole)}</span><span class="muted">${duration(ns)}</span></div>`;
}
