// The page: URL -> state -> requests -> views, always in that direction. A view never
// changes another one: it changes the state, and everything follows from that.
//
//   setState   writes the URL, then refresh
//   refresh    asks for what the state needs (resource.js skips what it has), then render
//   render     gives every view its props; called again whenever an answer arrives

import { createLive } from "./live.js";
import { decodeFlame, findNode } from "./lib/flame-model.js";
import { describeSessions, apiSelection, chosenSessions, narrowing } from "./lib/selection.js";
import { compileQuery, matchFunctions, matchedNodes } from "./lib/search.js";
import { duration, moment, percent, plural } from "./lib/format.js";
import { nameVariants, shortName } from "./lib/names.js";
import { processNames } from "./lib/threads.js";
import { chooseSessions, defaultState, formatState, parseState } from "./lib/state.js";
import { Resource } from "./resource.js";
import { setToken, takeToken } from "./token.js";
import { createDetails } from "./ui/details.js";
import { createFlameGraph } from "./ui/flamegraph.js";
import { createHelp } from "./ui/help.js";
import { createNotice } from "./ui/notice.js";
import { createSessions } from "./ui/sessions.js";
import { createSummary } from "./ui/summary.js";
import { createTimeline } from "./ui/timeline.js";
import { createTop, decodeTop } from "./ui/top.js";
import { createTopbar } from "./ui/topbar.js";
import { h } from "./ui/dom.js";
import { currentTheme, watchSystemTheme } from "./ui/theme.js";

const timelineBins = 480;
const binAtLeastNs = 100e6; // ten samples at the usual rate: one more or less is no spike
const leastBins = 40;
const firstNodes = 50_000; // what a first look loads
const mostNodes = 1_000_000; // what zooming into hidden boxes may load
const topLimit = 10_000;

const part = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/* ---- data ---- */

const resources = {
  sessions: new Resource("sessions", (answer) => answer.sessions, () => refresh()),
  threads: new Resource("threads", (answer) => answer.threads, () => render()),
  timeline: new Resource("timeline", (answer) => answer, () => render()),
  flame: new Resource("flamegraph", decodeFlame, () => refreshDetail()),
  top: new Resource("top", decodeTop, () => render()),
};

let state = parseState(location.search);
let generation = /** @type {number|string} */ (0);
let pointed = ""; // key of the function under the pointer, in whichever view
/** How finely the graph is asked for; `of` is the selection it was made for. */
let detail = { of: "", minNs: 0 };

/** @param {Partial<import("./lib/state.js").State>} change @param {boolean} replace no new entry for Back */
function setState(change, replace = false) {
  const next = { ...state, ...change };
  const url = location.pathname + formatState(next);
  if (replace) history.replaceState(null, "", url);
  else if (formatState(next) !== formatState(state)) history.pushState(null, "", url);
  state = next;
  refresh();
}

function refresh() {
  resources.sessions.load({}, generation);
  const sessions = resources.sessions.value;
  if (sessions) {
    const chosen = chosenSessions(state, sessions);
    if (chosen.length > 0) loadChosen(chosen, sessions.length);
    live.follow(sessions.length === 0 || chosen.some((session) => session.state === "live"));
  }
  render();
}

function loadChosen(chosen, sessionCount) {
  const selection = apiSelection(state, chosen, sessionCount);
  const windowed = state.windowTo ? { from: state.windowFrom, to: state.windowTo } : {};
  const narrowed = { ...selection, ...windowed, ...narrowing(state), metric: state.metric };
  resources.threads.load(selection, generation);
  resources.timeline.load({ ...selection, ...windowed, bins: binCount(chosen) }, generation);
  resources.top.load({ ...narrowed, limit: topLimit }, generation);
  const of = JSON.stringify(narrowed);
  if (detail.of !== of) detail = { of, minNs: 0 };
  const fineness = detail.minNs ? { min_ns: detail.minNs, max_nodes: mostNodes } : { min_ns: 0, max_nodes: firstNodes };
  resources.flame.load({ ...narrowed, ...fineness }, generation);
}

function binCount(chosen) {
  const from = state.windowTo ? state.windowFrom : Math.min(...chosen.map((session) => session.start_ns));
  const to = state.windowTo || Math.max(...chosen.map((session) => session.end_ns));
  return Math.max(leastBins, Math.min(timelineBins, Math.ceil((to - from) / binAtLeastNs)));
}

/** When what fills the graph hides boxes, ask for as many as its pixels can show. */
function refreshDetail() {
  const model = resources.flame.value;
  if (model && !resources.flame.loading && !resources.flame.error && state.zoom) {
    const focus = findNode(model, state.zoom);
    const wide = part("flame").clientWidth * (devicePixelRatio || 1);
    const whole = focus >= 0 ? model.total[focus] : 0;
    const hides = focus < 0 || (model.hiddenBelow[focus] / whole) * wide > 1;
    const wanted = Math.max(1, Math.floor(whole / (2 * wide)));
    if (hides && model.answer.hidden_ns > 0 && (detail.minNs === 0 || wanted < detail.minNs)) {
      detail = { ...detail, minNs: wanted };
      refresh();
      return;
    }
  }
  render();
}

/* ---- views ---- */

const topbar = createTopbar(part("topbar"), {
  openSessions,
  setMetric: (metric) => setState({ metric }),
  search: (query) => setState({ query }, true),
  step: stepMatch,
  themeChanged: () => render(),
  help: () => help.toggle(),
});
const timeline = createTimeline(part("timeline"), {
  setRange: (from, to, step) => setState({ from, to }, step),
  setThreads: (thread) => setState({ thread }),
  setWindow: (windowFrom, windowTo) => setState({ windowFrom, windowTo }),
});
const summary = createSummary(part("summary"), { clear: clearFilters });
const top = createTop(part("top"), {
  sortBy: (sort) => setState({ sort: /** @type {any} */ (sort) }),
  select: (fn) => setState({ fn: fn === state.fn ? "" : fn }),
  hover: point,
});
const details = createDetails(part("top"), {
  search: (query) => setState({ query }),
  close: () => setState({ fn: "" }),
});
const flame = createFlameGraph(part("flame"), {
  zoomTo: (zoom, fn) => zoomTo(zoom, resources.flame.value?.functionKeys[fn] ?? ""),
  back: zoomOut,
  hover: (fn) => point(resources.flame.value?.functionKeys[fn] ?? ""),
});
const paneNotice = createNotice(part("flame").appendChild(h("div", { class: "pane-notice" })));
const pageNotice = createNotice(part("notice"));
const sessionDialog = createSessions({ choose: (what) => setState(chooseSessions(state, what)) });
const help = createHelp();
const live = createLive((now) => {
  generation = now;
  refresh();
});

function render() {
  const sessions = resources.sessions.value;
  const chosen = sessions ? chosenSessions(state, sessions) : [];
  const problem = pageProblem(sessions, chosen);
  pageNotice.update(problem);
  for (const id of ["timeline", "summary", "panes"]) part(id).hidden = Boolean(problem) || !sessions;
  const search = searchResult();
  renderTopbar(sessions, chosen, search);
  if (problem || !sessions) return;
  renderTimeline(sessions);
  renderSummary(chosen);
  renderTop(search);
  renderFlame(search);
}

/** @type {{key: any, query: string, value: any}} */
let searched = { key: null, query: "", value: null };

/** The search over the graph at hand; worked out once for each of both. */
function searchResult() {
  const model = resources.flame.value;
  if (searched.key === model && searched.query === state.query && searched.value) return searched.value;
  const { test, error } = compileQuery(state.query);
  const matches = test && model ? matchFunctions(model.functions, test) : null;
  const found = matches ? { ...matchedNodes(model, matches), whole: model.total[0] } : null;
  searched = { key: model, query: state.query, value: { test, error, matches, found } };
  return searched.value;
}

function renderTopbar(sessions, chosen, search) {
  const everything = state.session[0] === "all" && chosen.length > 1;
  const title = state.app || (everything ? "Everything" : describeSessions(chosen));
  const start = Math.min(...chosen.map((session) => session.start_ns));
  topbar.update({
    title: sessions ? title : "…",
    when: chosen.length ? moment(start) : "",
    metric: state.metric, query: state.query, found: search.found, error: search.error,
  });
  document.title = chosen.length ? `${title} · proflite` : "proflite";
}

function renderTimeline(sessions) {
  const { timeline: answer, threads } = resources;
  part("timeline").classList.toggle("loading", answer.loading && answer.value !== null && !isLive());
  if (!answer.value || !threads.value) return;
  timeline.update({
    timeline: answer.value, threads: threads.value, chosen: state.thread, from: state.from, to: state.to,
    sessions: new Map(sessions.map((session) => [session.id, session])),
    zoomed: state.windowTo > 0, theme: currentTheme(),
  });
}

function renderSummary(chosen) {
  const names = state.thread.map((id) =>
    resources.threads.value?.find((thread) => String(thread.id) === id)?.name ?? `#${id}`);
  const model = resources.flame.value;
  const zoomed = model ? findNode(model, state.zoom) : -1;
  const zoomName = zoomed > 0 ? nameVariants(model.functions.name[model.fn[zoomed]]).at(-1) : "";
  summary.update(model?.answer ?? null, state, names, zoomName, chosen.some((session) => session.state === "live"));
}

function renderTop(search) {
  const { value, loading } = resources.top;
  part("top").classList.toggle("loading", loading && !isLive());
  if (!value) return;
  top.update({ top: value, test: search.test, sort: state.sort, selected: state.fn, pointed });
  details.update(value.functions.find((entry) => entry.key === state.fn) ?? null, value);
}

function renderFlame(search) {
  const { value: model, loading } = resources.flame;
  const notice = paneProblem();
  paneNotice.update(notice);
  part("flame").classList.toggle("loading", loading && !isLive());
  part("flame").classList.toggle("failed", Boolean(notice));
  if (!model) return;
  const summary = describeGraph(model);
  if (!isLive()) part("live-region").textContent = summary;
  flame.update({
    model, matches: search.matches, theme: currentTheme(), zoom: state.zoom,
    hot: model.functionKeys.indexOf(pointed || state.fn), summary,
  });
}

function describeGraph(model) {
  const { total_ns, samples, metric, functions } = { ...model.answer };
  const busiest = resources.top.value?.functions[0];
  const text = `Flame graph: ${duration(total_ns)} of ${metric === "cpu" ? "CPU" : "wall"} time in ${plural(samples, "sample")}, ${plural(functions.name.length, "function")}.`;
  if (!busiest) return text;
  return `${text} Most time of its own: ${shortName(busiest.function)}, ${percent(busiest.self_ns, total_ns)}.`;
}

function isLive() {
  const sessions = resources.sessions.value;
  return Boolean(sessions) && chosenSessions(state, sessions).some((session) => session.state === "live");
}

/* ---- nothing to show, and why ---- */

/** @returns {import("./ui/notice.js").Notice|null} what replaces the page */
function pageProblem(sessions, chosen) {
  const { error } = resources.sessions;
  if (error && /** @type {any} */ (error).status === 401) return tokenNotice();
  if (error && !sessions) return errorNotice(error);
  if (!sessions) return null;
  if (sessions.length === 0)
    return {
      title: "Nothing recorded yet",
      text: "Run any program under the recorder; this page shows it when it is stored:",
      command: "proflite record -- ./your-program",
    };
  if (chosen.length === 0)
    return {
      title: "This choice holds no session",
      text: "The address names sessions that are not in this store; they may have been removed.",
      actions: [{ label: "Latest recording", run: () => setState(defaultState()) }, { label: "Choose sessions", run: openSessions }],
    };
  return null;
}

/** @returns {import("./ui/notice.js").Notice|null} what replaces the graph */
function paneProblem() {
  const failed = [resources.flame, resources.timeline, resources.threads, resources.top].find((resource) => resource.error);
  if (failed) return /** @type {any} */ (failed.error).status === 401 ? tokenNotice() : errorNotice(failed.error);
  const answer = resources.flame.value?.answer;
  if (!answer || resources.flame.loading || answer.total_ns > 0) return null;
  return emptyNotice();
}

function emptyNotice() {
  const actions = [];
  if (state.to) actions.push({ label: "Show the whole time", run: () => setState({ from: 0, to: 0 }) });
  if (state.thread.length) actions.push({ label: "Show all threads", run: () => setState({ thread: [] }) });
  const other = state.metric === "cpu" ? "wall" : "cpu";
  actions.push({ label: `Show ${other === "cpu" ? "CPU" : "wall"} time`, run: () => setState({ metric: other }) });
  if (!state.to && !state.thread.length) actions.push({ label: "Choose other sessions", run: openSessions });
  const where = [state.to && "in this time range", state.thread.length && "in the chosen threads"].filter(Boolean).join(", ");
  const what = state.metric === "cpu" ? "No CPU time" : "No samples";
  return { title: `${what} ${where || "in this session"}`, text: state.metric === "cpu" ? "The program may only have waited." : "", actions };
}

function errorNotice(error) {
  return {
    title: error.message,
    detail: error.endpoint ? `GET ${error.endpoint}${error.status ? `: ${error.status}` : ""}` : "",
    actions: [{ label: "Retry", run: retry }],
  };
}

function tokenNotice() {
  return {
    title: "This tab may not read the store",
    text: "Open the address that proflite serve printed, or paste its token (what follows #t=):",
    ask: { label: "Token", run: (text) => (setToken(text.replace(/^.*#t=/, "")), retry()) },
  };
}

function retry() {
  for (const resource of Object.values(resources)) resource.retry();
  refresh();
}

/* ---- actions that need more than one line ---- */

function openSessions() {
  const sessions = resources.sessions.value ?? [];
  const names = processNames(resources.threads.value ?? [], sessions);
  sessionDialog.open(sessions, chosenSessions(state, sessions), names);
}

/** What was zoomed before, for one step out. @type {string[]} */
const zoomTrail = [];

function zoomTo(zoom, fn) {
  if (zoom !== state.zoom) zoomTrail.push(state.zoom);
  setState({ zoom, fn });
  refreshDetail();
}

/** One step out: to what was zoomed before, else to the root. */
function zoomOut() {
  if (!state.zoom) return;
  let zoom = zoomTrail.pop() ?? "";
  if (zoom === state.zoom) zoom = zoomTrail.pop() ?? ""; // Back has been here already
  setState({ zoom });
}

function clearFilters(names) {
  const defaults = defaultState();
  setState(Object.fromEntries(names.map((name) => [name, defaults[name]])));
}

function point(key) {
  if (key === pointed) return;
  pointed = key;
  renderTop(searchResult());
  renderFlame(searchResult());
}

function stepMatch(direction) {
  const { found } = searchResult();
  if (found) flame.step(found.nodes, direction);
}

/* ---- the page as a whole ---- */

const keys = {
  "/": () => topbar.focusSearch(),
  "?": () => help.toggle(),
  n: () => stepMatch(1),
  N: () => stepMatch(-1),
  m: () => setState({ metric: state.metric === "cpu" ? "wall" : "cpu" }),
  s: openSessions,
  Escape: () => flame.escape(),
  Backspace: () => flame.escape(),
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) || document.querySelector("dialog[open]")) return;
  if (!keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
}

addEventListener("keydown", onKey);
addEventListener("popstate", () => {
  state = parseState(location.search);
  refresh();
  refreshDetail();
});
addEventListener("hashchange", () => takeToken() && retry());
watchSystemTheme(() => render());
takeToken();
refresh();
