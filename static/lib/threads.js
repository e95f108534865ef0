// Which threads the timeline shows: the busiest, the rest folded into one row.

/**
 * @typedef {object} ThreadRow
 * @property {number[]} ids      one thread, or all the folded ones
 * @property {string} label
 * @property {string} detail     for the tooltip
 * @property {Float64Array|number[]} wall  by bin
 * @property {Float64Array|number[]} cpu
 * @property {ArrayLike<number>} [heat]  what is shown of them
 * @property {number} cpuTotal
 * @property {number} wallTotal
 * @property {boolean} folded
 */

/** @param {any} values numbers @returns {number} */
export const sumOf = (values) => values.reduce((total, value) => total + value, 0);

/**
 * @param {{thread_id: number, name: string, wall_ns: number[], cpu_ns: number[]}[]} series
 * @param {{id: number, session_id: number, tid: number}[]} threads
 * @param {Map<number, import("./selection.js").Session>} sessions by id
 * @param {number} most rows of their own
 * @param {string[]} keep ids that never fold: the chosen ones
 * @returns {{rows: ThreadRow[], folded: ThreadRow|null}}
 */
export function rankThreads(series, threads, sessions, most, keep = []) {
  const known = new Map(threads.map((thread) => [thread.id, thread]));
  const shown = new Set(threads.map((thread) => thread.session_id));
  const apps = new Set([...shown].map((id) => sessions.get(id)?.app)).size;
  const rows = series.map((entry) =>
    threadRow(entry, known.get(entry.thread_id), sessions, apps > 1));
  tellApart(rows);
  rows.sort((a, b) => b.cpuTotal - a.cpuTotal || b.wallTotal - a.wallTotal || a.ids[0] - b.ids[0]);
  if (rows.length <= most + 1) return { rows, folded: null };
  const kept = rows.filter((row, i) => i < most || keep.includes(String(row.ids[0])));
  return { rows: kept, folded: foldRows(rows.filter((row) => !kept.includes(row)), rows) };
}

function threadRow(entry, thread, sessions, manyApps) {
  const session = thread && sessions.get(thread.session_id);
  const name = entry.name || (thread ? `thread ${thread.tid}` : `#${entry.thread_id}`);
  return {
    ids: [entry.thread_id],
    label: manyApps && session && session.app !== name ? `${session.app}/${name}` : name,
    tid: thread?.tid ?? entry.thread_id,
    detail: thread ? `${name}, tid ${thread.tid}${session ? `, ${session.app} ${session.pid}` : ""}` : name,
    wall: entry.wall_ns,
    cpu: entry.cpu_ns,
    cpuTotal: sumOf(entry.cpu_ns),
    wallTotal: sumOf(entry.wall_ns),
    folded: false,
  };
}

/** Threads of the same name get their ids beside it. */
function tellApart(rows) {
  const uses = new Map();
  for (const { label } of rows) uses.set(label, (uses.get(label) ?? 0) + 1);
  for (const row of rows) if (uses.get(row.label) > 1) row.label += ` ${row.tid}`;
}

function foldRows(rest, all) {
  if (rest.length === 0) return null;
  const bins = rest[0].cpu.length;
  const wall = new Float64Array(bins);
  const cpu = new Float64Array(bins);
  for (const row of rest)
    for (let bin = 0; bin < bins; bin++) {
      wall[bin] += row.wall[bin] / rest.length;
      cpu[bin] += row.cpu[bin] / rest.length;
    }
  const cpuTotal = sumOf(rest.map((row) => row.cpuTotal));
  const idle = cpuTotal < 0.01 * sumOf(all.map((row) => row.cpuTotal));
  return {
    ids: rest.flatMap((row) => row.ids),
    label: `+${rest.length} ${idle ? "idle" : "more"}`,
    detail: `${rest.length} threads with less CPU time`,
    wall, cpu, cpuTotal, wallTotal: sumOf(rest.map((row) => row.wallTotal)), folded: true,
  };
}

/**
 * What processes call themselves: the names of their first threads.
 * @param {{session_id: number, tid: number, name: string}[]} threads
 * @param {import("./selection.js").Session[]} sessions
 * @returns {Map<number, string>} by session id, of those whose threads are given
 */
export function processNames(threads, sessions) {
  const pids = new Map(sessions.map((session) => [session.id, session.pid]));
  return new Map(threads.filter((thread) => pids.get(thread.session_id) === thread.tid && thread.name)
    .map((thread) => [thread.session_id, thread.name]));
}

/** @typedef {"cpu"|"off"|"wall"} Heat time on a processor, waiting for one or for something, both */

/** @param {Heat} heat @param {ArrayLike<number>} wall by bin @param {ArrayLike<number>} cpu */
export function heatOf(heat, wall, cpu) {
  if (heat === "cpu") return cpu;
  if (heat === "wall") return wall;
  return Float64Array.from(wall, (ns, bin) => Math.max(0, ns - cpu[bin]));
}

/** Sum over threads for each bin, as time per time: cores, or threads. @param {Heat} heat */
export function totalOf(series, bins, binNs, heat = "cpu") {
  const sums = new Float64Array(bins);
  for (const { wall_ns, cpu_ns } of series) {
    const values = heatOf(heat, wall_ns, cpu_ns);
    for (let bin = 0; bin < bins; bin++) sums[bin] += values[bin] / binNs;
  }
  return sums;
}

/**
 * What of [from, to) is in bins; of a bin that is cut, its part.
 * @param {ArrayLike<number>} values by bin
 * @param {{from_ns: number, bin_ns: number, bins: number}} timeline
 */
export function sumIn(values, { from_ns, bin_ns, bins }, from, to) {
  const [first, last] = [from, to].map((time) => Math.min(bins, Math.max(0, (time - from_ns) / bin_ns)));
  let sum = 0;
  for (let bin = Math.floor(first); bin < last; bin++) sum += values[bin] * (Math.min(bin + 1, last) - Math.max(bin, first));
  return sum;
}

/** The same, on average. */
export function meanIn(values, timeline, from, to) {
  return (sumIn(values, timeline, from, to) * timeline.bin_ns) / Math.max(1, to - from);
}

const codeNames = { app: "in-app", system: "system", kernel: "kernel", unknown: "unknown" };

/**
 * Whose code it is, as layers over the same bins; those without weight are left out.
 * @param {any} codes  answer of GET timeline by code, or null
 * @param {any} timeline by thread
 * @param {Heat} heat
 * @returns {{code: string, name: string, values: Float64Array, sum: number}[]} [] while it is not there
 */
export function partsOf(codes, timeline, heat) {
  if (!codes || codes.bins !== timeline.bins || codes.from_ns !== timeline.from_ns || codes.bin_ns !== timeline.bin_ns) return [];
  return codes.series.map(({ code, wall_ns, cpu_ns }) => {
    const values = totalOf([{ wall_ns, cpu_ns }], codes.bins, codes.bin_ns, heat);
    return { code, name: codeNames[code] ?? code, values, sum: sumOf(values) };
  }).filter(({ sum }) => sum > 0);
}
