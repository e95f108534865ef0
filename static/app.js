// The page: the bar, one of four pages, and what may lie over them. What is shown follows
// from the state (model/store.js) and the answers (model/data.js); nothing is kept here.

import { effect, html, render } from "./vendor/preact.js";
import { describeSessions } from "./lib/selection.js";
import { chosen, flame, retryAll, search } from "./model/data.js";
import { paused } from "./model/live.js";
import { redo, setState, state, undo } from "./model/store.js";
import { Compare } from "./pages/compare.js";
import { Explore, zoomOut } from "./pages/explore.js";
import { Setup } from "./pages/setup.js";
import { Sql } from "./pages/sql.js";
import { takeToken } from "./token.js";
import { functionActions, functionAtHand } from "./ui/actions.js";
import { openDialog, openedDialog } from "./ui/dialogs.js";
import { Filter } from "./ui/filter.js";
import { Help } from "./ui/help.js";
import { Menu } from "./ui/menu.js";
import { Palette } from "./ui/palette.js";
import { Sessions } from "./ui/sessions.js";
import { Share } from "./ui/share.js";
import { Source } from "./ui/source.js";
import { searchFocus, Topbar } from "./ui/topbar.js";

const pages = { explore: Explore, compare: Compare, sql: Sql, setup: Setup };
const dialogs = { sessions: Sessions, help: Help, palette: Palette, share: Share, filter: Filter };

/** The flame graph on screen, for keys that walk it. */
const graph = { current: /** @type {any} */ (null) };

function App() {
  const Page = pages[state.value.page];
  const Opened = dialogs[openedDialog.value];
  return html`<header id="topbar"><${Topbar} step=${stepMatch} /></header>
    <${Page} graph=${graph} />
    ${Opened && html`<${Opened} />`}
    <${Source} />
    <aside aria-label="Menu"><${Menu} /></aside>`;
}

function stepMatch(direction) {
  const { found } = search.peek();
  if (found) graph.current?.step(found.nodes, direction);
}

function withFunction(id) {
  const entry = functionAtHand();
  if (entry) functionActions(entry).find((action) => action.id === id)?.run();
}

function back() {
  if (graph.current) graph.current.escape();
  else zoomOut();
}

const keys = {
  "/": () => searchFocus.value++,
  "?": () => openDialog("help"),
  n: () => stepMatch(1),
  N: () => stepMatch(-1),
  m: () => setState({ metric: state.peek().metric === "cpu" ? "wall" : "cpu" }),
  t: () => setState({ invert: !state.peek().invert, zoom: "" }),
  s: () => openDialog("sessions"),
  e: () => openDialog("share"),
  d: () => setState({ page: "compare" }),
  l: () => (paused.value = !paused.peek()),
  f: () => withFunction("focus"),
  i: () => withFunction("ignore"),
  h: () => withFunction("hide"),
  c: () => withFunction("collapse"),
  w: () => withFunction("sandwich"),
  Escape: back,
  Backspace: back,
};

const controlKeys = {
  k: () => openDialog("palette"),
  z: undo,
  Z: redo,
  y: redo,
};

function onKey(event) {
  if (event.defaultPrevented || event.altKey || document.querySelector("dialog[open]")) return;
  const typing = event.target.closest?.("input, textarea, select, .cm-editor") && event.target.type !== "checkbox";
  const control = event.ctrlKey || event.metaKey;
  if (typing && !(control && event.key === "k")) return;
  const run = (control ? controlKeys : state.peek().page === "explore" ? keys : { "?": keys["?"] })[event.key];
  if (!run) return;
  event.preventDefault();
  run();
}

addEventListener("keydown", onKey);
addEventListener("hashchange", () => takeToken() && retryAll());
effect(() => {
  const names = { explore: chosen.value.length ? state.value.app || describeSessions(chosen.value) : "", compare: "Compare", sql: "SQL", setup: "Setup" };
  const name = names[state.value.page];
  document.title = name ? `${name} · proflite` : "proflite";
});


render(html`<${App} />`, document.getElementById("app"));
