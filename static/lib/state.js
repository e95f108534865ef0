// What the page shows, and nothing else, is in its URL: every view can be linked, and
// Back undoes. Defaults are left out, so an untouched page has a bare URL.

/**
 * @typedef {object} State
 * @property {string} app         all sessions of this application, or ""
 * @property {string} recording   all sessions of this recording, or ""
 * @property {string[]} session   session ids, ["all"] for the whole store, [] for the
 *                                latest recording
 * @property {string[]} thread    thread ids; [] is all
 * @property {"wall"|"cpu"} metric
 * @property {number} from        Unix ns, 0 is open
 * @property {number} to
 * @property {number} windowFrom  what the timeline spans; 0 is everything
 * @property {number} windowTo
 * @property {string} query       search
 * @property {string} zoom        key of the node that fills the graph
 * @property {string} fn          key of the selected function
 * @property {"self"|"total"|"name"} sort  of the top table
 */

/** @returns {State} */
export function defaultState() {
  return {
    app: "", recording: "", session: [], thread: [], metric: "wall", from: 0, to: 0,
    windowFrom: 0, windowTo: 0, query: "", zoom: "", fn: "", sort: "self",
  };
}

/** @param {string} search `location.search` @returns {State} */
export function parseState(search) {
  const params = new URLSearchParams(search);
  const state = defaultState();
  state.app = params.get("app") ?? "";
  state.recording = params.get("recording") ?? "";
  state.session = ids(params, "session", /^(\d+|all)$/);
  state.thread = ids(params, "thread", /^\d+$/);
  state.metric = params.get("metric") === "cpu" ? "cpu" : "wall";
  [state.from, state.to] = range(params.get("range"));
  [state.windowFrom, state.windowTo] = range(params.get("window"));
  state.query = params.get("q") ?? "";
  state.zoom = params.get("zoom") ?? "";
  state.fn = params.get("fn") ?? "";
  const sort = params.get("sort");
  if (sort === "total" || sort === "name") state.sort = sort;
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
  const add = (name, text) => {
    if (text) parts.push(`${name}=${encodeURIComponent(text).replaceAll("%2C", ",")}`);
  };
  add("app", state.app);
  add("recording", state.recording);
  add("session", state.session.join(","));
  add("thread", state.thread.join(","));
  add("metric", state.metric === "wall" ? "" : state.metric);
  add("range", state.to ? `${state.from}-${state.to}` : "");
  add("window", state.windowTo ? `${state.windowFrom}-${state.windowTo}` : "");
  add("q", state.query);
  add("zoom", state.zoom);
  add("fn", state.fn);
  add("sort", state.sort === "self" ? "" : state.sort);
  return parts.length ? `?${parts.join("&")}` : "";
}

/** Another choice of sessions: what belonged to the old ones does not carry over. */
export function chooseSessions(state, { app = "", recording = "", session = [] }) {
  return {
    ...state, app, recording, session,
    thread: [], from: 0, to: 0, windowFrom: 0, windowTo: 0, zoom: "",
  };
}
