import assert from "node:assert/strict";
import { test } from "node:test";
import { apiSelection, chosenSessions, describeSessions, groupByRecording, narrowing } from "../../../static/lib/selection.js";
import { chooseSessions, defaultState, formatState, parseState } from "../../../static/lib/state.js";
import { processNames, rankThreads, totalOf } from "../../../static/lib/threads.js";

test("an untouched page has a bare URL", () => {
  assert.equal(formatState(defaultState()), "");
  assert.deepEqual(parseState(""), defaultState());
});

test("state survives the URL", () => {
  const state = { ...defaultState(), app: "a&b=c, ü", thread: ["3", "14"], metric: "cpu", from: 5, to: 90, windowFrom: 1, windowTo: 100, query: "/x+y?/", zoom: "k1", fn: "k2", sort: "total" };
  assert.deepEqual(parseState(formatState(state)), state);
  const sessions = { ...defaultState(), session: ["1", "2"] };
  assert.equal(formatState(sessions), "?session=1,2");
  assert.deepEqual(parseState("?session=1&session=2"), sessions);
});

test("nonsense in the URL is left out", () => {
  const state = parseState("?session=x,7,../&thread=a&metric=heap&range=9-3&window=1-&sort=evil");
  assert.deepEqual(state, { ...defaultState(), session: ["7"] });
});

test("other sessions take their threads, ranges and zoom with them", () => {
  const state = chooseSessions({ ...defaultState(), app: "x", thread: ["1"], to: 5, zoom: "z", query: "keep" }, { session: ["3"] });
  assert.deepEqual(state, { ...defaultState(), session: ["3"], query: "keep" });
});

const sessions = [
  { id: 1, app: "make", recording_id: "A", pid: 10, samples: 5, start_ns: 0, end_ns: 50 },
  { id: 2, app: "cc1", recording_id: "A", pid: 11, samples: 90, start_ns: 5, end_ns: 40 },
  { id: 3, app: "xz", recording_id: "B", pid: 12, samples: 70, start_ns: 100, end_ns: 150 },
  { id: 4, app: "empty", recording_id: "C", pid: 13, samples: 0, start_ns: 200, end_ns: 210 },
];

test("which sessions a state means", () => {
  const ids = (change) => chosenSessions({ ...defaultState(), ...change }, sessions).map((session) => session.id).sort();
  assert.deepEqual(ids({}), [3], "the latest recording that has samples");
  assert.deepEqual(ids({ recording: "A" }), [1, 2]);
  assert.deepEqual(ids({ app: "cc1" }), [2]);
  assert.deepEqual(ids({ session: ["4", "1"] }), [1, 4]);
  assert.deepEqual(ids({ session: ["all"] }), [1, 2, 3, 4]);
  assert.deepEqual(ids({ session: ["99"] }), []);
  assert.deepEqual(chosenSessions(defaultState(), []), []);
});

test("recordings are listed latest first, their busiest session first", () => {
  const groups = groupByRecording(sessions);
  assert.deepEqual(groups.map((group) => group.id), ["C", "B", "A"]);
  assert.deepEqual(groups[2].sessions.map((session) => session.id), [2, 1]);
  assert.equal(describeSessions(groups[2].sessions), "cc1 +1");
  assert.equal(describeSessions([sessions[0], sessions[0]]), "make · 2 processes");
  assert.equal(describeSessions([{ ...sessions[0], pid: 0 }]), "make", "an SDK tells no process");
});

test("what is asked of the server", () => {
  const state = defaultState();
  assert.deepEqual(apiSelection(state, sessions.slice(0, 2), 4), { session: "1,2" });
  assert.deepEqual(apiSelection(state, sessions, 4), {}, "all sessions need no filter");
  assert.deepEqual(apiSelection({ ...state, app: "xz" }, [sessions[2]], 4), { app: "xz" });
  assert.deepEqual(narrowing({ ...state, thread: ["4"], from: 1, to: 2 }), { thread: "4", from: 1, to: 2 });
});

const series = Array.from({ length: 20 }, (_, i) => ({ thread_id: i, name: i < 2 ? "worker" : `t${i}`, wall_ns: [10, 10], cpu_ns: [i < 5 ? 10 - i : 0, 0] }));
const threads = series.map(({ thread_id, name }) => ({ id: thread_id, session_id: 1, tid: 100 + thread_id, name }));

test("the busiest threads show, the rest folds, the chosen one stays", () => {
  const byId = new Map([[1, sessions[0]]]);
  const { rows, folded } = rankThreads(series, threads, byId, 4, ["19"]);
  assert.deepEqual(rows.map((row) => row.ids[0]), [0, 1, 2, 3, 19]);
  assert.equal(rows[0].label, "worker 100", "equal names are told apart");
  assert.equal(rows[2].label, "t2");
  assert.equal(folded.ids.length, 15);
  assert.match(folded.label, /^\+15 (idle|more)$/);
  assert.equal(rankThreads(series, threads, byId, 19).folded, null, "one thread does not fold alone");
});

test("a process is called as its first thread is", () => {
  const threads = [{ session_id: 1, tid: 10, name: "make" }, { session_id: 1, tid: 99, name: "io" }];
  assert.deepEqual([...processNames(threads, sessions)], [[1, "make"]]);
});

test("the last so many seconds", () => {
  assert.equal(parseState("?last=3600").last, 3600);
  assert.equal(formatState({ ...defaultState(), last: 900 }), "?last=900");
  for (const text of ["?last=-1", "?last=1e9", "?last=x"]) assert.equal(parseState(text).last, 0);
});

test("CPU of all threads in cores", () => {
  assert.deepEqual([...totalOf(series, 2, 10)], [4, 0]);
  const one = [{ wall_ns: [10, 10], cpu_ns: [4, 12] }];
  assert.deepEqual([...totalOf(one, 2, 10, "off")], [0.6, 0], "clocks may differ a little");
  assert.deepEqual([...totalOf(one, 2, 10, "wall")], [1, 1]);
});
