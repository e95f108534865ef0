// Ctrl-K: every action and every function, by typing a part of its name.

import { html, useEffect, useLayoutEffect, useRef, useState } from "../vendor/preact.js";
import { shortName } from "../lib/names.js";
import { percent } from "../lib/format.js";
import { plainTransforms } from "../lib/transforms.js";
import { addTransform, functionActions, functionAtHand } from "./actions.js";
import { closeDialog, openDialog, typedAhead } from "./dialogs.js";
import { Dialog } from "./parts.js";
import { nextTheme } from "./theme.js";
import { top } from "../model/data.js";
import { comparisons } from "../model/sides.js";
import { redo, setState, state, undo } from "../model/store.js";

const mostShown = 12;

/** @returns {import("./actions.js").Action[]} */
function pageActions() {
  const { metric, invert, order, page } = state.peek();
  return [
    { id: "metric", label: metric === "cpu" ? "Show wall time" : "Show CPU time", keys: "m", run: () => setState({ metric: metric === "cpu" ? "wall" : "cpu" }) },
    { id: "invert", label: invert ? "Callers first" : "Callees first", keys: "t", run: () => setState({ invert: !invert, zoom: "" }) },
    { id: "order", label: order === "name" ? "Sort the graph by weight" : "Sort the graph by name", run: () => setState({ order: order === "name" ? "weight" : "name" }) },
    ...[["module", "module"], ["file", "file"], ["code", "whose code it is"], ["self", "own time"]].map(([color, name]) =>
      ({ id: `color-${color}`, label: `Colour boxes by ${name}`, run: () => setState({ color: /** @type {any} */ (color) }) })),
    { id: "sessions", label: "Choose sessions", keys: "s", run: () => openDialog("sessions") },
    { id: "filter", label: "Filter by label, release, thread …", run: () => openDialog("filter") },
    ...plainTransforms.map(([id, label]) => ({ id, label, run: () => addTransform(id) })),
    { id: "labels", label: "Merge by a label …", run: () => openDialog("filter") },
    { id: "undo", label: "Undo", keys: "Ctrl Z", run: undo },
    { id: "redo", label: "Redo", keys: "Ctrl Shift Z", run: redo },
    { id: "clear", label: "Take off all filters and transforms", run: () => setState({ thread: [], label: [], release: "", env: "", from: 0, to: 0, transforms: [], zoom: "", invert: false }) },
    ...(page === "explore" ? comparisons().map(({ id, name, sides }) => ({ id: `with-${id}`, label: `Compare with ${name}`, run: () => setState({ page: "compare", zoom: "", ...sides }) })) : []),
    { id: "share", label: "Export and link", keys: "e", run: () => openDialog("share") },
    { id: "theme", label: "Next theme", run: nextTheme },
    { id: "help", label: "Keyboard shortcuts", keys: "?", run: () => openDialog("help") },
    ...[["flame", "Flame graph"], ["chart", "Chart over time"], ["sandwich", "Sandwich"], ["scope", "Heatmap"]].map(([view, label]) =>
      ({ id: `view-${view}`, label: `View: ${label}`, run: () => setState({ page: "explore", view: /** @type {any} */ (view) }) })),
    ...[["top", "Top functions"], ["tree", "Call tree"], ["callers", "Callers"]].map(([tab, label]) =>
      ({ id: `tab-${tab}`, label: `Table: ${label}`, run: () => setState({ page: "explore", tab: /** @type {any} */ (tab) }) })),
    ...[["explore", "Explore"], ["compare", "Compare"], ["sql", "SQL"], ["setup", "Setup"]].filter(([id]) => id !== page).map(([id, label]) =>
      ({ id: `page-${id}`, label: `Page: ${label}`, run: () => setState({ page: /** @type {any} */ (id) }) })),
  ];
}

function offered(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (name) => words.every((word) => name.toLowerCase().includes(word));
  const at = functionAtHand();
  const own = at ? functionActions(at).map((action) => ({ ...action, label: `${shortName(at.function)}: ${action.label}` })) : [];
  const actions = [...own, ...pageActions()].filter((action) => fits(action.label));
  if (words.length === 0) return actions;
  const whole = top.value.peek();
  const functions = (whole?.functions ?? []).filter((entry) => fits(entry.function)).slice(0, mostShown).map((entry) => ({
    id: entry.key, label: entry.short, keys: percent(entry.total_ns, whole.total_ns), run: () => setState({ page: "explore", fn: entry.key }),
  }));
  return [...actions, ...functions].slice(0, 2 * mostShown);
}

export function Palette() {
  const [text, setText] = useState(typedAhead.peek().replace(/\n.*/s, ""));
  const [at, setAt] = useState(0);
  const found = offered(text);
  const current = Math.min(at, found.length - 1);
  const run = (action) => {
    closeDialog();
    action.run();
  };
  const list = useRef(null);
  useLayoutEffect(() => list.current.children[current]?.scrollIntoView({ block: "nearest" }), [current]);
  useEffect(() => {
    if (typedAhead.peek().includes("\n") && found[0]) run(found[0]);
  }, []);
  const onKey = (event) => {
    const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (move) setAt((current + move + found.length) % Math.max(1, found.length));
    else if (event.key === "Enter" && found[current]) run(found[current]);
    else return;
    event.preventDefault();
  };
  return html`<${Dialog} class="palette" label="Find an action or a function" onClose=${closeDialog}>
    <input type="text" role="combobox" aria-expanded="true" aria-controls="palette-list" aria-label="Action or function" placeholder="Action or function"
      aria-activedescendant=${found.length ? `palette-${current}` : null} value=${text} spellcheck="false" autocomplete="off"
      onInput=${(event) => (setText(event.currentTarget.value), setAt(0))} onKeyDown=${onKey} />
    <div ref=${list} id="palette-list" role="listbox" aria-label="Found">${found.map((action, i) => html`<div role="option" key=${action.id} id=${`palette-${i}`}
      aria-selected=${String(i === current)} onClick=${() => run(action)}><span>${action.label}</span>${action.keys && html`<kbd>${action.keys}</kbd>`}</div>`)}</div>
    ${found.length === 0 && html`<p class="muted padded">Nothing fits.</p>`}
  <//>`;
}
