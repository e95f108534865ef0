// The page: the bar, one of four pages, and what may lie over them. What is shown follows
// from the state (model/store.js) and the answers (model/data.js); nothing is kept here.

import { effect, html, render } from "./vendor/preact.js";
import { describeSessions } from "./lib/selection.js";
import { chosen, flame, retryAll, search } from "./model/data.js";
import { paused } from "./model/live.js";
import { redo, setState, state, undo } from "./model/store.js";
import { Explore, zoomOut } from "./pages/explore.js";
import { takeToken } from "./token.js";
import { functionActions, functionAtHand } from "./ui/actions.js";
import { openDialog, openedDialog } from "./ui/dialogs.js";
import { Menu } from "./ui/menu.js";
import { Palette } from "./ui/palette.js";
import { lazy } from "./ui/parts.js";
import { Source } from "./ui/source.js";
import { searchFocus, Topbar } from "./ui/topbar.js";

/** What is not on the first screen is loaded when it is first opened. */
const pages = {
  explore: Explore,
  compare: lazy(() => import("./pages/compare.js").then((page) => page.Compare), "the page"),
  sql: lazy(() => import("./pages/sql.js").then((page) => page.Sql), "the page"),
  setup: lazy(() => import("./pages/setup.js").then((page) => page.Setup), "the page"),
};
const dialogs = {
  sessions: lazy(() => import("./ui/sessions.js").then((dialog) => dialog.Sessions), ""),
  help: lazy(() => import("./ui/help.js").then((dialog) => dialog.Help), ""),
  palette: Palette, // at once: people type ahead
  share: lazy(() => import("./ui/share.js").then((dialog) => dialog.Share), ""),
  filter: lazy(() => import("./ui/filter.js").then((dialog) => dialog.Filter), ""),
};

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
  if (event.defaultPrevented || event.altKey || document.querySelector("dialog[open]") || openedDialog.peek()) return;
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
