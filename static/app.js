// The page: the bar, one of four pages, and what may lie over them. What is shown follows
// from the state (model/store.js) and the answers (model/data.js); nothing is kept here.

import { effect, html, render } from "./vendor/preact.js";
import { describeSessions } from "./lib/selection.js";
import { chosen, retryAll, search } from "./model/data.js";
import { paused } from "./model/live.js";
import { redo, setState, state, undo } from "./model/store.js";
import { Explore, zoomOut } from "./pages/explore.js";
import { takeToken } from "./token.js";
import { closeDialog, openDialog, openedDialog, openedMenu, openedSource, typedAhead } from "./ui/dialogs.js";
import { keepFocus, toMain } from "./ui/focus.js";
import { lazy } from "./ui/parts.js";
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
  palette: lazy(() => import("./ui/palette.js").then((dialog) => dialog.Palette), ""),
  share: lazy(() => import("./ui/share.js").then((dialog) => dialog.Share), ""),
  filter: lazy(() => import("./ui/filter.js").then((dialog) => dialog.Filter), ""),
};

const Menu = lazy(() => import("./ui/menu.js").then((view) => view.Menu), "");
const Source = lazy(() => import("./ui/source.js").then((view) => view.Source), "");

/** The flame graph on screen, for keys that walk it. */
const graph = { current: /** @type {any} */ (null) };

function App() {
  const Page = pages[state.value.page];
  const Opened = dialogs[openedDialog.value];
  return html`<header id="topbar"><${Topbar} step=${stepMatch} /></header>
    <${Page} graph=${graph} />
    ${Opened && html`<${Opened} />`}
    ${openedSource.value && html`<${Source} />`}
    <aside aria-label="Menu">${openedMenu.value && html`<${Menu} />`}</aside>`;
}

function stepMatch(direction) {
  const { found } = search.peek();
  if (found) graph.current?.step(found.nodes, direction);
}

async function withFunction(id) {
  const { functionActions, functionAtHand } = await import("./ui/actions.js");
  const entry = functionAtHand();
  if (entry) functionActions(entry).find((action) => action.id === id)?.run();
}

function back() {
  if (graph.current) graph.current.escape();
  else zoomOut();
}

/** With nothing focused, Tab goes on in the page. */
function goTo(page) {
  setState({ page });
  requestAnimationFrame(() => document.activeElement === document.body && toMain());
}

/** To a part of the page, as it is now. */
const focusOn = (selector) => () => /** @type {HTMLElement|null} */ (document.querySelector(selector))?.focus();

const keys = {
  "/": () => searchFocus.value++,
  "?": () => openDialog("help"),
  n: () => stepMatch(1),
  N: () => stepMatch(-1),
  m: () => setState({ metric: state.peek().metric === "cpu" ? "wall" : "cpu" }),
  t: () => setState({ invert: !state.peek().invert, zoom: "" }),
  s: () => openDialog("sessions"),
  e: () => openDialog("share"),
  d: () => import("./model/sides.js").then(({ compareShown }) => compareShown()),
  l: () => (paused.value = !paused.peek()),
  f: () => withFunction("focus"),
  i: () => withFunction("ignore"),
  h: () => withFunction("hide"),
  c: () => withFunction("collapse"),
  w: () => withFunction("sandwich"),
  g: focusOn("#right [role=treegrid]"),
  a: focusOn("#left :is([role=treegrid], .virtual-rows [tabindex='0'])"),
  r: focusOn(".timeline-overlay input"),
  Escape: back,
  Backspace: back,
};

/** Keys of every page. */
const pageKeys = {
  "?": keys["?"],
  1: () => goTo("explore"),
  2: () => goTo("compare"),
  3: () => goTo("sql"),
  4: () => goTo("setup"),
};

/** What else a page's keys do. */
const keysOf = {
  explore: keys,
  compare: Object.fromEntries(["g", "a", "m", "t", "e", "Escape", "Backspace"].map((key) => [key, keys[key]])),
};

const controlKeys = {
  k: () => openDialog("palette"),
  z: undo,
  Z: redo,
  y: redo,
};

/** Keys at a dialog before it is there; they are not for what has the focus meanwhile. */
function typeAhead(event) {
  const { key } = event;
  if (!openedDialog.peek() || event.altKey || document.querySelector("dialog[open]")) return;
  if (key === "Escape") closeDialog();
  else if (openedDialog.peek() !== "palette" || event.ctrlKey || event.metaKey || (key.length > 1 && key !== "Enter")) return;
  else typedAhead.value += key === "Enter" ? "\n" : key;
  event.preventDefault();
  event.stopPropagation();
}

function onKey(event) {
  if (event.defaultPrevented || event.altKey || openedDialog.peek() || document.querySelector("dialog[open]")) return;
  const [target] = event.composedPath(); // the editor of the SQL page is in a shadow tree
  const typing = target.closest?.("input, textarea, select, .cm-editor") && !["checkbox", "range"].includes(target.type);
  const control = event.ctrlKey || event.metaKey;
  if (typing && !(control && event.key === "k")) return;
  const run = (control ? controlKeys : { ...pageKeys, ...keysOf[state.peek().page] })[event.key];
  if (!run) return;
  event.preventDefault();
  run();
}

keepFocus();
addEventListener("keydown", typeAhead, true);
addEventListener("keydown", onKey);
addEventListener("hashchange", () => takeToken() && retryAll());
effect(() => {
  const names = { explore: chosen.value.length ? state.value.app || describeSessions(chosen.value) : "", compare: "Compare", sql: "SQL", setup: "Setup" };
  const name = names[state.value.page];
  document.title = name ? `${name} · proflite` : "proflite";
});

render(html`<${App} />`, document.getElementById("app"));
