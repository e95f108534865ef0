// Why there is nothing to show, in words, with what to do about it.

import { chooseSessions, defaultState } from "../lib/state.js";
import { nearestData } from "../lib/nearest.js";
import { chosen, flame, retryAll, sessions, threads, timeline, top } from "../model/data.js";
import { setState, state } from "../model/store.js";
import { setToken } from "../token.js";
import { openDialog } from "./dialogs.js";

/** @typedef {import("./notice.js").NoticeProps} NoticeProps */

/** @returns {NoticeProps|null} what replaces the page */
export function pageProblem() {
  const error = sessions.error.value;
  const all = sessions.value.value;
  if (error?.status === 401) return tokenNotice();
  if (error && !all) return errorNotice(error);
  if (!all) return null;
  if (all.length === 0)
    return {
      title: "Nothing recorded yet",
      text: "Run any program under the recorder; this page shows it when it is stored:",
      command: "proflite record -- ./your-program",
      actions: [{ label: "Other ways to record", run: () => setState({ page: "setup" }) }],
    };
  if (chosen.value.length === 0)
    return {
      title: "This choice holds no session",
      text: "The address names sessions that are not in this store; they may have been removed.",
      actions: [
        { label: "Latest recording", run: () => setState({ ...defaultState() }) },
        { label: "Choose sessions", run: () => openDialog("sessions") },
      ],
    };
  return null;
}

/** @returns {NoticeProps|null} what replaces the graph */
export function paneProblem() {
  const failed = [flame, timeline, threads, top].find((resource) => resource.error.value);
  if (failed) return failed.error.value.status === 401 ? tokenNotice() : errorNotice(failed.error.value);
  const answer = flame.value.value?.answer;
  if (!answer || flame.loading.value || answer.total_ns > 0) return null;
  return emptyNotice();
}

function emptyNotice() {
  const { from, to, windowFrom, windowTo, thread, label, release, env, transforms, metric } = state.value;
  const actions = [];
  const near = (to || windowTo) && nearestData(timeline.value.value, chosen.value, to ? from : windowFrom, to || windowTo);
  const [nearFrom, nearTo] = near || [0, 0];
  if (near && (nearFrom !== from || nearTo !== to))
    actions.push({ label: "Go to the nearest data", run: () => setState({ from: nearFrom, to: nearTo, ...(nearFrom < windowFrom || nearTo > windowTo ? { windowFrom: 0, windowTo: 0 } : {}) }) });
  if (transforms.length) actions.push({ label: "Take off the transforms", run: () => setState({ transforms: [] }) });
  if (to) actions.push({ label: "Show the whole time", run: () => setState({ from: 0, to: 0 }) });
  if (thread.length) actions.push({ label: "Show all threads", run: () => setState({ thread: [] }) });
  if (label.length) actions.push({ label: "Show all labels", run: () => setState({ label: [] }) });
  if (release) actions.push({ label: "Show all releases", run: () => setState({ release: "" }) });
  if (env) actions.push({ label: "Show all environments", run: () => setState({ env: "" }) });
  const other = metric === "cpu" ? "wall" : "cpu";
  actions.push({ label: `Show ${other === "cpu" ? "CPU" : "wall"} time`, run: () => setState({ metric: other }) });
  if (actions.length === 1) actions.push({ label: "Choose other sessions", run: () => openDialog("sessions") });
  const where = [from >= 0 && to && "in this time range", thread.length && "in the chosen threads",
    label.length && `with ${label.join(", ")}`, release && `of release ${release}`, env && `in ${env}`, transforms.length && "left by the transforms"].filter(Boolean).join(", ");
  const what = metric === "cpu" ? "No CPU time" : "No samples";
  const why = metric === "cpu" ? "The program may only have waited." : "";
  return { title: `${what} ${where || "in this session"}`, text: why, actions };
}

/** @returns {NoticeProps} */
export function errorNotice(error) {
  const status = error.status ? `: ${error.status}` : "";
  return { title: error.message, detail: error.endpoint ? `${error.endpoint}${status}` : "", actions: [{ label: "Retry", run: retryAll }] };
}

function tokenNotice() {
  return {
    title: "This tab may not read the store",
    text: "Open the address that proflite serve printed, or paste its token (what follows #t=):",
    ask: { label: "Token", run: (text) => (setToken(text.replace(/^.*#t=/, "")), retryAll()) },
  };
}

/** @param {{app?: string, recording?: string, session?: string[]}} what */
export function choose(what) {
  setState(chooseSessions(state.peek(), what));
}
