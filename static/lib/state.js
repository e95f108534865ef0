// What the page shows, and nothing else, is in its URL: every view can be linked, and
// Back undoes. Defaults are left out, so an untouched page has a bare URL.

/**
 * @typedef {object} State
 * @property {"explore"|"compare"|"sql"|"setup"} page
 * @property {string} app         all sessions of this application, or ""
 * @property {string} recording   all sessions of this recording, or ""
 * @property {string[]} session   session ids, ["all"] for the whole store, [] for the
 *                                latest recording
 * @property {string[]} thread    thread ids; [] is all
 * @property {string[]} label     "key=value", all of them must hold
 * @property {string} release
 * @property {string} env
 * @property {"wall"|"cpu"} metric
 * @property {number} from        Unix ns, 0 is open
 * @property {number} to
 * @property {number} windowFrom  what the timeline spans; 0 is everything
 * @property {number} windowTo
 * @property {number} last        only so many seconds before the sessions' end; 0 is all
 * @property {string[]} transforms in the order they were made: lib/transforms.js
 * @property {string} query       search
 * @property {string} zoom        key of the node that fills the graph
 * @property {string} fn          key of the selected function
 * @property {"self"|"total"|"name"} sort  of the top table
 * @property {"top"|"tree"|"callers"} tab   left
 * @property {"flame"|"chart"|"sandwich"|"scope"} view  right
 * @property {boolean} invert     leaves first
 * @property {"weight"|"name"} order  of siblings in the graph
 * @property {"cpu"|"off"|"wall"} heat  what the timeline shows: running, waiting, both
 * @property {string} a           Compare: what is compared, as text (lib/side-text.js)
 * @property {string} b
 * @property {"share"|"time"} by  Compare: normalised, or absolute
 * @property {"all"|"sure"|"new"|"gone"} only  Compare: which changes are listed
 * @property {"module"|"file"|"code"|"self"} color  what the colours of boxes say
 * @property {string} sql         the SQL page's text
 * @property {"table"|"flame"|"line"} show  how the SQL page draws its answer
 */

const choices = {
  page: ["explore", "compare", "sql", "setup"],
  metric: ["wall", "cpu"],
  sort: ["self", "total", "name"],
  tab: ["top", "tree", "callers"],
  view: ["flame", "chart", "sandwich", "scope"],
  heat: ["cpu", "off", "wall"],
  order: ["weight", "name"],
  by: ["share", "time"],
  only: ["all", "sure", "new", "gone"],
  color: ["module", "file", "code", "self"],
  show: ["table", "flame", "line"],
};

/** @returns {State} */
export function defaultState() {
  return {
    page: "explore", app: "", recording: "", session: [], thread: [], label: [], release: "", env: "",
    metric: "wall", from: 0, to: 0, windowFrom: 0, windowTo: 0, last: 0, transforms: [], query: "", zoom: "", fn: "",
    sort: "self", tab: "top", view: "flame", invert: false, order: "weight", heat: "cpu", a: "", b: "", by: "share", only: "all", color: "module", sql: "", show: "table",
  };
}

/** @param {string} search `location.search` @returns {State} */
export function parseState(search) {
  const params = new URLSearchParams(search);
  const state = defaultState();
  for (const [name, allowed] of Object.entries(choices))
    if (allowed.includes(params.get(name) ?? "")) state[name] = params.get(name);
  for (const name of ["app", "recording", "release", "env", "zoom", "fn", "a", "b", "sql"])
    state[name] = params.get(name) ?? "";
  state.query = params.get("q") ?? "";
  state.session = ids(params, "session", /^(\d+|all)$/);
  state.thread = ids(params, "thread", /^\d+$/);
  state.label = params.getAll("label").filter((text) => text.indexOf("=") > 0);
  state.transforms = params.getAll("t").filter(Boolean);
  state.invert = params.get("invert") === "1";
  state.last = /^\d{1,9}$/.test(params.get("last") ?? "") ? Number(params.get("last")) : 0;
  [state.from, state.to] = range(params.get("range"));
  [state.windowFrom, state.windowTo] = range(params.get("window"));
  return state;
}

function ids(params, name, pattern) {
  return params.getAll(name).flatMap((text) => text.split(",")).filter((id) => pattern.test(id));
}

/** `<from>-<to>`, Unix ns. */
function range(text) {
  const match = /^(\d{1,19})-(\d{1,19})$/.exec(text ?? "");
  if (!match) return [0, 0];
  const [from, to] = [Number(match[1]), Number(match[2])];
  return to > from ? [from, to] : [0, 0];
}

/** @param {State} state @returns {string} "" or "?…" */
export function formatState(state) {
  const parts = [];
  const defaults = defaultState();
  const add = (name, text) => {
    if (text) parts.push(`${name}=${encodeURIComponent(text).replaceAll("%2C", ",")}`);
  };
  const addChoice = (name) => add(name, state[name] === defaults[name] ? "" : state[name]);
  addChoice("page");
  add("app", state.app);
  add("recording", state.recording);
  add("session", state.session.join(","));
  add("thread", state.thread.join(","));
  for (const text of state.label) add("label", text);
  add("release", state.release);
  add("env", state.env);
  addChoice("metric");
  add("range", state.to ? `${state.from}-${state.to}` : "");
  add("window", state.windowTo ? `${state.windowFrom}-${state.windowTo}` : "");
  add("last", state.last ? String(state.last) : "");
  for (const text of state.transforms) add("t", text);
  add("q", state.query);
  add("zoom", state.zoom);
  add("fn", state.fn);
  for (const name of ["sort", "tab", "view"]) addChoice(name);
  add("invert", state.invert ? "1" : "");
  addChoice("order");
  addChoice("heat");
  add("a", state.a);
  add("b", state.b);
  for (const name of ["by", "only", "color"]) addChoice(name);
  add("sql", state.sql);
  addChoice("show");
  return parts.length ? `?${parts.join("&")}` : "";
}

/** Another choice of sessions: what belonged to the old ones does not carry over. */
export function chooseSessions(state, { app = "", recording = "", session = [] }) {
  return {
    ...state, app, recording, session,
    thread: [], from: 0, to: 0, windowFrom: 0, windowTo: 0, last: 0, zoom: "",
  };
}
