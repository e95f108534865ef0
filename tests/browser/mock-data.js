// Answers of the API made up for tests of the page: plausible shapes at any size, the
// same for the same seed.

/** Small seeded generator (mulberry32), 0..1. */
export function random(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const app = "/usr/local/bin/renderd";
const named = [
  ["main", app, "src/main.cc", 41, 1],
  ["start_thread", "/usr/lib/x86_64-linux-gnu/libc.so.6", "nptl/pthread_create.c", 442, 0],
  ["renderd::Worker::run()", app, "src/worker.cc", 88, 1],
  ["renderd::Scheduler::dispatch(std::shared_ptr<renderd::Job> const&, std::chrono::duration<long, std::ratio<1l, 1000l>>)", app, "src/scheduler.cc", 120, 1],
  ["void renderd::detail::for_each_tile<renderd::Tile, std::vector<renderd::Tile, std::allocator<renderd::Tile>>>(std::vector<renderd::Tile, std::allocator<renderd::Tile>>&, std::function<void (renderd::Tile&)>)", app, "src/tile.h", 33, 1],
  ["renderd::Tracer::shade(renderd::Ray const&, int) const", app, "src/tracer.cc", 210, 1],
  ["renderd::Tracer::intersect(renderd::Ray const&) const", app, "src/tracer.cc", 152, 1],
  ["renderd::Bvh::walk<renderd::Triangle>(renderd::Ray const&, renderd::Hit&) const", app, "src/bvh.cc", 77, 1],
  ["(anonymous namespace)::luminance(renderd::Color const&)", app, "src/color.cc", 12, 1],
  ["std::vector<renderd::Hit, std::allocator<renderd::Hit>>::emplace_back<renderd::Hit&>(renderd::Hit&)", app, "/usr/include/c++/12/bits/vector.tcc", 111, 0],
  ["operator new(unsigned long)", "/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30", "", 0, 0],
  ["malloc", "/usr/lib/x86_64-linux-gnu/libc.so.6", "malloc/malloc.c", 3287, 0],
  ["_int_malloc", "/usr/lib/x86_64-linux-gnu/libc.so.6", "malloc/malloc.c", 3763, 0],
  ["free", "/usr/lib/x86_64-linux-gnu/libc.so.6", "malloc/malloc.c", 3327, 0],
  ["__memmove_avx_unaligned_erms", "/usr/lib/x86_64-linux-gnu/libc.so.6", "", 0, 0],
  ["__ieee754_pow_fma", "/usr/lib/x86_64-linux-gnu/libm.so.6", "", 0, 0],
  ["deflate_slow", "/usr/lib/x86_64-linux-gnu/libz.so.1.2.13", "deflate.c", 1889, 0],
  ["longest_match", "/usr/lib/x86_64-linux-gnu/libz.so.1.2.13", "deflate.c", 1151, 0],
  ["png_write_row", "/usr/lib/x86_64-linux-gnu/libpng16.so.16.39.0", "", 0, 0],
  ["sqlite3VdbeExec", "/usr/lib/x86_64-linux-gnu/libsqlite3.so.0.8.6", "sqlite3.c", 93440, 0],
  ["sqlite3BtreeNext", "/usr/lib/x86_64-linux-gnu/libsqlite3.so.0.8.6", "sqlite3.c", 74570, 0],
  ["renderd::Cache::lookup(std::basic_string_view<char, std::char_traits<char>>)::{lambda(auto:1 const&)#1}::operator()(renderd::Entry const&) const", app, "src/cache.cc", 59, 1],
  ["<alloc::vec::Vec<T,A> as core::ops::drop::Drop>::drop::h0123456789abcdef", "/usr/lib/libfilter.so", "library/alloc/src/vec/mod.rs", 3021, 0],
  ["futex_wait", "/usr/lib/x86_64-linux-gnu/libc.so.6", "", 0, 0],
  ["renderd+0x41f20", app, "", 0, 1],
];

/** @param {number} size functions wanted; the first are hand-made */
export function makeFunctions(size) {
  const columns = { name: [], file: [], module: [], line: [], in_app: [] };
  for (let i = 0; i < size; i++) {
    const [name, module, file, line, inApp] = named[i] ?? [
      `renderd::stage${i % 37}::Step<${i}, std::pair<int, long>>::apply_${i.toString(36)}(int, char const*)`,
      i % 3 ? app : `/usr/lib/libplugin${i % 11}.so.2`, `src/stage${i % 37}.cc`, 10 + (i % 900), i % 3 ? 1 : 0];
    columns.name.push(name);
    columns.module.push(module);
    columns.file.push(file);
    columns.line.push(line);
    columns.in_app.push(inApp);
  }
  return columns;
}

const period = 9_900_990;

/**
 * A tree of about `size` nodes; weights are whole samples.
 * @returns {{functions: any, nodes: any, total_ns: number, samples: number}}
 */
export function makeTree({ size, samples, seed, bushy = false }) {
  const next = random(seed);
  const functions = makeFunctions(Math.max(25, Math.min(5000, Math.round(size / 8))));
  const nodes = { parent: [], function: [], self_ns: [], total_ns: [], self_samples: [], total_samples: [], inlined: [], hidden_ns: [] };
  const pick = () => Math.floor((next() ** (bushy ? 1 : 2)) * functions.name.length);

  function grow(parent, fn, weight, room, depth) {
    const at = nodes.parent.push(parent < 0 ? 0 : nodes.parent.length - parent) - 1;
    nodes.function.push(fn);
    nodes.inlined.push(depth > 3 && next() < 0.15 ? 1 : 0);
    nodes.hidden_ns.push(0);
    nodes.total_samples.push(weight);
    nodes.total_ns.push(weight * period);
    let left = weight;
    const parts = [];
    const most = bushy ? 6 : depth < 2 ? 3 : 3;
    const selfShare = next() < 0.3 ? 0.3 * next() : 0.03 * next();
    if (depth < 90 && room > 1 && weight > 1) {
      const down = Math.floor(weight * (1 - selfShare));
      const count = 1 + Math.floor(next() * most);
      const cuts = Array.from({ length: count }, () => next() ** 2 + 0.01);
      const whole = cuts.reduce((sum, cut) => sum + cut, 0);
      for (const cut of cuts) parts.push(Math.floor((down * cut) / whole));
    }
    for (const part of parts) left -= part;
    parts.sort((a, b) => b - a);
    for (const part of parts.filter((weight) => weight > 0)) {
      const child = depth === 0 ? (parts.indexOf(part) === 0 ? 1 : 0) : depth === 1 ? 2 + Math.floor(next() * 2) : pick();
      grow(at, child, part, Math.floor((room - 1) * (part / weight)), depth + 1);
    }
    nodes.self_samples[at] = left;
    nodes.self_ns[at] = left * period;
  }
  grow(-1, -1, samples, size * 3, 0);
  return { functions, nodes, total_ns: samples * period, samples };
}

/**
 * Remove subtrees lighter than `minNs`, as the server does; with `root`, an index, all that
 * is neither below that node nor a caller of it.
 */
export function prune(tree, minNs, root = 0) {
  if (minNs <= 0 && root <= 0) return { ...tree, hidden: 0, root };
  const { nodes } = tree;
  const callers = new Set();
  for (let i = root; i > 0; i -= nodes.parent[i]) callers.add(i);
  const out = Object.fromEntries(Object.keys(nodes).map((name) => [name, []]));
  const place = new Int32Array(nodes.parent.length).fill(-1);
  let hidden = 0;
  for (let i = 0; i < nodes.parent.length; i++) {
    const parent = i === 0 ? -1 : i - nodes.parent[i];
    if (i > 0 && place[parent] < 0) continue;
    const below = i - nodes.parent[i] === root || (place[parent] > place[root] && place[root] >= 0);
    if (i > 0 && !callers.has(i) && (nodes.total_ns[i] < minNs || (root > 0 && !below))) {
      out.hidden_ns[place[parent]] += nodes.total_ns[i];
      hidden += nodes.total_ns[i];
      continue;
    }
    place[i] = out.parent.length;
    for (const name of Object.keys(nodes)) out[name].push(nodes[name][i]);
    out.hidden_ns[place[i]] = 0;
    if (i > 0) out.parent[place[i]] = place[i] - place[parent];
  }
  return { ...tree, nodes: out, hidden, root: place[root] };
}

/** Functions by self weight; recursion counted once. */
export function topOf({ functions, nodes, total_ns, samples }, limit) {
  const rows = functions.name.map((name, i) => ({
    function: name, file: functions.file[i], line: functions.line[i], module: functions.module[i],
    in_app: functions.in_app[i], self_ns: 0, total_ns: 0, self_samples: 0, total_samples: 0,
  }));
  const open = [];
  for (let i = 0; i < nodes.parent.length; i++) {
    const depth = i === 0 ? 0 : open.lastIndexOf(i - nodes.parent[i]) + 1;
    open.length = depth;
    const fn = nodes.function[i];
    if (fn >= 0) {
      rows[fn].self_ns += nodes.self_ns[i];
      rows[fn].self_samples += nodes.self_samples[i];
      if (!open.some((above) => nodes.function[above] === fn)) {
        rows[fn].total_ns += nodes.total_ns[i];
        rows[fn].total_samples += nodes.total_samples[i];
      }
    }
    open.push(i);
  }
  const used = rows.filter((row) => row.total_ns > 0).sort((a, b) => b.self_ns - a.self_ns);
  return { schema: 1, total_ns, samples, functions: used.slice(0, limit) };
}

/** Sessions: a recording of one process, one of a build with many. */
export function makeSessions(start, state, releases = []) {
  const base = { release: null, environment: null, mode: "wall", exit_status: 0, lost: 0 };
  const sessions = [
    { ...base, id: 1, uuid: "5d1f8a0c6f0e4b7fa7a9c1d2e3f40516", app: "renderd", pid: 48211, recording_id: "rec-2", state, start_ns: start, end_ns: start + 24e9, threads: 21, samples: 9120, lost: 3, bytes: 41233, exit_status: state === "live" ? null : 0 },
  ];
  for (let i = 0; i < 12; i++)
    sessions.push({ ...base, id: 2 + i, uuid: `0000000000000000000000000000000${i.toString(16)}`, app: i === 0 ? "make" : i % 2 ? "cc1" : "as", pid: 40100 + i, recording_id: "rec-1", state: i === 5 ? "crashed" : i === 7 ? "killed" : "ended", start_ns: start - 3600e9 + i * 1e9, end_ns: start - 3590e9 + i * 1e9, threads: 1, samples: i === 0 ? 40 : 90 + 13 * i, bytes: 3000 + 917 * i });
  releases.forEach((release, i) => sessions.push({ ...sessions[0], id: 20 + i, recording_id: `rec-${3 + i}`, release, start_ns: start + i * 6e9, end_ns: start + i * 6e9 + 5e9, threads: 2 }));
  return sessions;
}

export function makeThreads(sessions, seed) {
  const next = random(seed);
  const threads = [];
  for (const session of sessions)
    for (let i = 0; i < session.threads; i++) {
      const busy = i === 0 ? 0.1 : i < 9 ? 0.95 - i * 0.08 : i < 12 ? 0.02 : 0;
      const span = session.end_ns - session.start_ns;
      threads.push({
        id: session.id * 100 + i, session_id: session.id, tid: session.pid + i,
        name: i === 0 ? session.app : i < 9 ? `render-${i}` : i < 12 ? "io" : `pool-${i}`,
        samples: Math.round(span / period), weight_ns: span, cpu_ns: Math.round(span * busy * (0.9 + next() * 0.1)), busy,
      });
    }
  return threads;
}

export function makeTimeline(sessions, threads, bins, from, to) {
  const binNs = Math.ceil((to - from) / bins);
  const next = random(77);
  const byId = new Map(sessions.map((session) => [session.id, session]));
  const series = threads.map((thread) => {
    const session = byId.get(thread.session_id);
    const wall = new Array(bins).fill(0);
    const cpu = new Array(bins).fill(0);
    const phase = next() * 6;
    for (let bin = 0; bin < bins; bin++) {
      const time = from + bin * binNs;
      if (time < session.start_ns || time > session.end_ns) continue;
      wall[bin] = binNs;
      const share = (time - session.start_ns) / 1e9;
      const wave = 0.5 + 0.5 * Math.sin(share / 2.2 + phase);
      const rest = share > 9 && share < 10.5 ? 0.1 : 1;
      cpu[bin] = Math.round(binNs * Math.min(1, thread.busy * (0.35 + 0.75 * wave) * rest * (0.9 + 0.2 * next())));
    }
    return { thread_id: thread.id, name: thread.name, wall_ns: wall, cpu_ns: cpu };
  });
  return { schema: 1, from_ns: from, to_ns: to, bin_ns: binNs, bins, series };
}
