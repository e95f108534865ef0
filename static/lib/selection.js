// From the choice in the URL and the list of sessions to what is asked of the server.

/**
 * @typedef {object} Session one entry of GET sessions
 * @property {number} id
 * @property {string} app
 * @property {string} recording_id
 * @property {number} pid
 * @property {string} mode
 * @property {string} state
 * @property {number} start_ns
 * @property {number} end_ns
 * @property {number} threads
 * @property {number} samples
 * @property {number} lost
 */

/** The recording a session belongs to; a session without one is its own. */
export function recordingOf(session) {
  return session.recording_id || `session-${session.id}`;
}

/**
 * Sessions grouped by recording, latest recording first.
 * @param {Session[]} sessions
 * @returns {{id: string, sessions: Session[], end: number, start: number,
 *            samples: number}[]}
 */
export function groupByRecording(sessions) {
  const groups = new Map();
  for (const session of sessions) {
    const id = recordingOf(session);
    if (!groups.has(id)) groups.set(id, { id, sessions: [], start: Infinity, end: 0, samples: 0 });
    const group = groups.get(id);
    group.sessions.push(session);
    group.start = Math.min(group.start, session.start_ns);
    group.end = Math.max(group.end, session.end_ns);
    group.samples += session.samples;
  }
  const list = [...groups.values()];
  for (const group of list)
    group.sessions.sort((a, b) => b.samples - a.samples || a.id - b.id);
  return list.sort((a, b) => b.end - a.end || b.start - a.start);
}

/**
 * The sessions a state means.
 * @param {import("./state.js").State} state
 * @param {Session[]} sessions
 * @returns {Session[]}
 */
export function chosenSessions(state, sessions) {
  if (state.app) return sessions.filter((session) => session.app === state.app);
  if (state.recording)
    return sessions.filter((session) => recordingOf(session) === state.recording);
  if (state.session[0] === "all") return sessions;
  if (state.session.length) {
    const wanted = new Set(state.session);
    return sessions.filter((session) => wanted.has(String(session.id)));
  }
  return groupByRecording(sessions).find((group) => group.samples > 0)?.sessions
    ?? groupByRecording(sessions)[0]?.sessions ?? [];
}

/** One line for a choice of sessions. @param {Session[]} chosen */
export function describeSessions(chosen) {
  if (chosen.length === 0) return "No sessions";
  const busiest = chosen.reduce((a, b) => (b.samples > a.samples ? b : a));
  if (chosen.length === 1) return busiest.pid > 0 ? `${busiest.app} · ${busiest.pid}` : busiest.app;
  const apps = new Set(chosen.map((session) => session.app)).size;
  return apps === 1 ? `${busiest.app} · ${chosen.length} processes` : `${busiest.app} +${apps - 1}`;
}

/**
 * Parameters of the API for a choice; the same for every route.
 * @param {import("./state.js").State} state
 * @param {Session[]} chosen
 * @param {number} sessionCount in the whole store: all of them need no filter
 * @returns {Record<string, string>}
 */
export function apiSelection(state, chosen, sessionCount) {
  /** @type {Record<string, string>} */
  const params = {};
  if (state.app) params.app = state.app;
  else if (chosen.length < sessionCount)
    params.session = chosen.map((session) => session.id).sort((a, b) => a - b).join(",");
  return params;
}

/** The part that the timeline does not follow, for it shows all of it. */
export function narrowing(state) {
  const params = {};
  if (state.thread.length) params.thread = state.thread.join(",");
  if (state.to) Object.assign(params, { from: state.from, to: state.to });
  if (state.label.length) params.label = state.label;
  if (state.release) params.release = state.release;
  if (state.env) params.env = state.env;
  return params;
}
