// The call tree as a table: what opens and closes is kept by path, so it survives new
// answers.

import { html, useMemo, useRef, useState } from "../vendor/preact.js";
import { nodeKey } from "../lib/flame-model.js";
import { basename, duration, percent } from "../lib/format.js";
import { fitName, nameOr, nameVariants } from "../lib/names.js";
import { treeRows } from "../lib/tree-rows.js";
import { pointed, search, shownFlame } from "../model/data.js";
import { setState, state } from "../model/store.js";
import { entryOf } from "./actions.js";
import { openMenu } from "./dialogs.js";
import { Icon } from "./parts.js";
import { VirtualList } from "./virtual.js";

const rowHeight = 22;
const labelLength = 42; // letters a name has room for at the root
const leastLabel = 20;

export function Tree() {
  const model = shownFlame.value;
  return model && html`<${CallTree} model=${model} matches=${search.value.matches} entry=${entryOf} label="Call tree" />`;
}

/**
 * @param {{model: import("../lib/flame-model.js").FlameModel, matches?: Uint8Array|null, label: string,
 *          entry: (fn: number, zoom: string) => import("./actions.js").Entry, onChoose?: (fn: string) => void}} props
 */
export function CallTree({ model, matches, label, entry, onChoose = (fn) => setState({ fn }) }) {
  const [choices, setChoices] = useState(() => new Map());
  const [cursor, setCursor] = useState(0);
  const list = useRef(null);
  const rows = useMemo(() => treeRows(model, (key) => choices.get(key)), [model, choices]);
  const at = Math.min(cursor, rows.length - 1);
  const toggle = (row, open = !row.open) => setChoices(new Map(choices).set(nodeKey(model, row.node), open));
  const choose = (row) => row.node > 0 && !row.hidden && onChoose(model.functionKeys[model.fn[row.node]]);
  const onKey = (event) => {
    const row = rows[at];
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: 20, PageUp: -20, Home: -rows.length, End: rows.length };
    if (event.key in moves) setCursor(Math.max(0, Math.min(rows.length - 1, at + moves[event.key])));
    else if (event.key === "ArrowRight" && !row.open) toggle(row, true);
    else if (event.key === "ArrowLeft") row.open ? toggle(row, false) : setCursor(rows.findLastIndex((one, i) => i < at && one.depth < row.depth));
    else if (event.key === " ") choose(row);
    else if (event.key === "Enter" && row.node > 0 && !row.hidden) openMenu(belowRow(event, list.current), entry(model.fn[row.node], nodeKey(model, row.node)));
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return html`<div class="tree" ref=${list}>
    <div class="tree-head muted" aria-hidden="true"><span>Function</span><span class="number">Self</span><span class="number">Total</span></div>
    <${VirtualList} class="tree-rows" count=${rows.length} rowHeight=${rowHeight} reveal=${at}
      role="treegrid" tabindex="0" aria-label=${label} aria-rowcount=${rows.length} aria-activedescendant=${`tree-row-${at}`} onKeyDown=${onKey}
      onMouseLeave=${() => (pointed.value = "")}
      render=${(i) => html`<${Row} key=${i} index=${i} row=${rows[i]} model=${model} matches=${matches} current=${i === at}
        onToggle=${() => toggle(rows[i])} onChoose=${() => (setCursor(i), choose(rows[i]))}
        onMenu=${(event) => (setCursor(i), rows[i].node > 0 && !rows[i].hidden && openMenu(event, entry(model.fn[rows[i].node], nodeKey(model, rows[i].node))))} />`} />
  </div>`;
}

function belowRow(event, host) {
  const row = host.querySelector("[aria-selected=true]")?.getBoundingClientRect() ?? host.getBoundingClientRect();
  return { clientX: row.left + 40, clientY: row.bottom, preventDefault: () => event.preventDefault() };
}

function Row({ row, index, model, matches, current, onToggle, onChoose, onMenu }) {
  const { node, depth, leaf, open, hidden } = row;
  const whole = model.total[0];
  const fn = model.fn[node];
  const indent = { paddingLeft: `${8 + depth * 12}px` };
  if (hidden)
    return html`<div role="row" id=${`tree-row-${index}`} class=${`tree-row muted ${current ? "current" : ""}`} aria-level=${depth + 1} aria-selected=${String(current)}>
      <span role="gridcell" class="tree-name" style=${indent}>not listed: too small</span>
      <span role="gridcell" class="number" /><span role="gridcell" class="number">${percent(hidden, whole)}</span></div>`;
  const key = node === 0 ? "" : model.functionKeys[fn];
  const name = fitName(nameVariants(node === 0 ? model.rootName : nameOr(model.functions.name[fn], model.functions.file[fn])), Math.max(leastLabel, labelLength - 2 * depth));
  const kinds = ["tree-row", current && "current", key && key === state.value.fn && "selected", key && key === pointed.value && "pointed",
    node > 0 && model.functions.in_app[fn] === 0 && "system", matches && node > 0 && (matches[fn] ? "match" : "dim")];
  return html`<div role="row" id=${`tree-row-${index}`} class=${kinds.filter(Boolean).join(" ")} aria-level=${depth + 1} aria-selected=${String(current)}
      aria-expanded=${leaf ? null : String(open)} title=${node > 0 ? model.functions.name[fn] : model.rootName === "all" ? "All samples" : model.rootName}
      onClick=${onChoose} onContextMenu=${onMenu} onMouseOver=${() => (pointed.value = key)} onDblClick=${leaf ? null : onToggle}>
    <span role="gridcell" class="tree-name code" style=${indent}>
      ${leaf ? html`<span class="tree-twist" />` : html`<span class=${`tree-twist ${open ? "open" : ""}`} onClick=${(event) => (event.stopPropagation(), onToggle())}><${Icon} name="right" /></span>`}
      ${name}<span class="muted tree-module"> ${node === 0 ? "" : basename(model.functions.module[fn] ?? "")}</span></span>
    <span role="gridcell" class="number" title=${duration(model.self[node])}>${model.self[node] > 0 ? percent(model.self[node], whole) : ""}</span>
    <span role="gridcell" class="number" title=${duration(model.total[node])}>${percent(model.total[node], whole)}</span>
  </div>`;
}
