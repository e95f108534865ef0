// A stand-in for `proflite serve`: the viewer's files under the same content policy, and
// made-up answers. Tests start it in-process; by hand:
//
//   node mock-server.js [SCENARIO] [PORT]
//
// Scenarios: normal, empty, error, few, big (200,000 nodes), live, idle (no CPU time),
// releases, long (40 hours).

import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { decodeFlame, findNode } from "../../static/lib/flame-model.js";
import { makeSessions, makeThreads, makeTimeline, makeTree, prune, topOf } from "./mock-data.js";

const root = fileURLToPath(new URL("../../static/", import.meta.url));
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml" };

const scenarios = {
  normal: { size: 1500, samples: 9120 },
  few: { size: 60, samples: 42 },
  big: { size: 120_000, samples: 3_000_000, bushy: true },
  live: { size: 800, samples: 4200 },
  idle: { size: 300, samples: 2000 },
  empty: { size: 1, samples: 0 },
  error: { size: 1, samples: 0 },
  long: { size: 300, samples: 2000 },
  releases: { size: 300, samples: 2000 },
};

export const token = "test-token";

/** @returns {Promise<{url: string, close: () => void, requests: string[], world: any, filled: () => any}>} */
export async function startMock(scenario = "normal", port = 0) {
  const world = makeWorld(scenario);
  const requests = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url, "http://localhost");
    requests.push(request.url);
    if (url.pathname.startsWith("/api/v1/")) answerApi(world, request, url, response);
    else answerFile(url, response);
  });
  await new Promise((resolve) => server.listen(port, "127.0.0.1", () => resolve(undefined)));
  const address = /** @type {any} */ (server.address());
  return { url: `http://127.0.0.1:${address.port}/`, requests, world, filled: () => makeWorld("normal"), close: () => (server.closeAllConnections(), server.close()) };
}

function makeWorld(scenario) {
  const start = Date.now() * 1e6 - 120e9;
  const sessions = scenario === "empty" ? [] : makeSessions(start, scenario === "live" ? "live" : "ended", scenario === "releases" ? ["1.0", "1.1", "2.0-rc1"] : []);
  if (scenario === "long") sessions[0].start_ns -= 40 * 3600e9;
  const tree = makeTree({ seed: 42, ...scenarios[scenario] });
  return { scenario, sessions, threads: makeThreads(sessions, 5), tree, generation: 1, failing: scenario === "error" };
}

function answerFile(url, response) {
  const path = normalize(join(root, url.pathname === "/" ? "index.html" : url.pathname));
  if (!path.startsWith(root) || !existsSync(path) || !statSync(path).isFile()) {
    response.writeHead(404).end("not found");
    return;
  }
  response.writeHead(200, {
    "Content-Type": types[extname(path)] ?? "application/octet-stream",
    "Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache",
  });
  createReadStream(path).pipe(response);
}

function answerApi(world, request, url, response) {
  const send = (status, body) => response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
  const fail = (status, code, message) => send(status, { error: { code, message } });
  if (request.headers.authorization !== `Bearer ${token}`) return fail(401, "unauthorized", "token required");
  const route = url.pathname.slice("/api/v1/".length);
  if (world.failing && route !== "sessions") return fail(500, "io", "disk I/O error while reading chunk 17");
  if (route === "events") return streamEvents(world, response);
  const app = url.searchParams.get("app");
  if (app) url.searchParams.set("session", world.sessions.filter((one) => one.app === app).map((one) => one.id).join(","));
  if (route === "sql") return readBody(request).then((body) => send(200, answerSql(world, JSON.parse(body).sql)));
  if (!routes[route]) return fail(404, "not_found", "no such endpoint");
  if (world.delayMs) return setTimeout(() => send(200, routes[route](world, url.searchParams)), world.delayMs);
  return send(200, routes[route](world, url.searchParams));
}

const routes = {
  meta: (world) => ({ schema: 1, version: "0.1.0", db: "mock.db", generation: world.generation, sessions: world.sessions.length }),
  sessions: (world) => ({ schema: 1, sessions: world.sessions }),
  threads: (world, params) => ({ schema: 1, threads: world.threads.filter((thread) => inSessions(params, thread.session_id)) }),
  timeline: (world, params) => {
    const sessions = world.sessions.filter((session) => inSessions(params, session.id));
    const threads = world.threads.filter((thread) => inSessions(params, thread.session_id))
      .map((thread) => (world.scenario === "idle" ? { ...thread, busy: 0 } : thread));
    const from = Number(params.get("from") ?? Math.min(...sessions.map((session) => session.start_ns)));
    const to = Number(params.get("to") ?? Math.max(...sessions.map((session) => session.end_ns)));
    const answer = makeTimeline(sessions, threads, Number(params.get("bins")), from, to);
    return params.get("by") === "code" ? byCode(answer) : answer;
  },
  flamegraph: (world, params) => {
    if (params.get("slices")) return slicesOf(world, params);
    const tree = selected(world, params);
    const nodeCount = tree.nodes.parent.length;
    const key = params.get("root") ?? "";
    const { functions, nodes, total_ns, samples, hidden, root } = prune(tree, minNs(tree, params, world.sendAll), findNode(modelOf(tree), key));
    return {
      schema: 1, metric: params.get("metric"), unit: "ns", total_ns, samples, lost: 3,
      ...times(world, params), root, node_count: nodeCount, shown: nodes.parent.length, hidden_ns: hidden, functions, nodes,
    };
  },
  health: () => ({ schema: 1, ok: true, version: "0.1.0", generation: "1", forward: [{ id: 1, target: "https://sentry.example/2", waiting: 3, waiting_bytes: 900, oldest_ns: 1.79e18, sent: 40, sent_bytes: 9e6,
    retries: 2, limited: 1, dead: { http_400: 1 }, paused: true, trouble: "403 Forbidden", next_try_ns: 1.79e18, limits: [{ category: "profile_chunk", until_ns: 1.79e18, reason: "quota" }] }] }),
  labels: (world) => ({ schema: 1, labels: world.sessions.length === 0 ? [] : [
    { key: "span", value: "GET /cart", samples: 900, weight_ns: 9e9, cpu_ns: 4e9 }, { key: "tenant", value: "<i>acme</i>", samples: 300, weight_ns: 3e9, cpu_ns: 1e9 }] }),
  diff: (world, params) => diffOf(world, params),
  function: (world, params) => functionOf(world, params.get("function")),
  source: () => ({ schema: 1, file: "src/tracer.cc", lines: Array.from({ length: 400 }, (_, i) => (i === 209 ? "  <script>alert(1)</script>" : `  line_${i + 1}();`)) }),
  flamechart: (world, params) => chartOf(world, Number(params.get("boxes"))),
  top: (world, params) => topOf(selected(world, params), Number(params.get("limit"))),
};

/** Three parts of four are the program's own. */
function byCode({ series, ...answer }) {
  const sum = (name, part) => Array.from({ length: answer.bins }, (_, bin) => series.reduce((total, one) => total + one[name][bin], 0) * part);
  const parts = { app: 0.75, system: 0.25, kernel: 0, unknown: 0 };
  return { ...answer, series: Object.entries(parts).map(([code, part]) => ({ code, wall_ns: sum("wall_ns", part), cpu_ns: sum("cpu_ns", part) })) };
}

/** All of a node's time is in one slice: the first function's in the first, and so on. */
function slicesOf(world, params) {
  const count = Number(params.get("slices"));
  const tree = selected(world, new URLSearchParams([...params].filter(([name]) => name !== "from" && name !== "to")));
  const { functions, nodes, total_ns, samples } = prune(tree, minNs(tree, params, false));
  const self = nodes.self_ns.map((ns, i) => ns + nodes.hidden_ns[i]);
  return {
    schema: 1, metric: params.get("metric"), unit: "ns", total_ns, samples, lost: 0, ...times(world, params), root: 0, hidden_ns: 0, functions,
    nodes: { ...nodes, self_ns: self, hidden_ns: self.map(() => 0) },
    over_time: { slices: self.map((ns, i) => Array.from({ length: count }, (_, slice) => (slice === nodes.function[i] % count ? ns : 0))) },
  };
}

const models = new WeakMap();

/** As the page sees it: node keys are its. */
function modelOf(tree) {
  if (!models.has(tree)) models.set(tree, decodeFlame(tree));
  return models.get(tree);
}

async function readBody(request) {
  let body = "";
  for await (const piece of request) body += piece;
  return body;
}

/** Whatever is asked for: something of the shape that the page's own questions have. */
function answerSql(world, sql) {
  const answer = (columns, rows) => ({ schema: 1, columns, rows, truncated: false });
  if (/project_key/.test(sql)) return answer(["project_id", "public_key"], [[1, "0123456789abcdef0123456789abcdef"]]);
  if (/FROM outcome o/.test(sql)) return answer(["ts_ns", "project_id", "category", "outcome", "reason", "chunk_uuid"], [[world.sessions[0]?.end_ns ?? 0, 1, "profile_chunk", "invalid", "profiling_malformed_stacks", "ab".repeat(16)]]);
  if (/'rejected'/.test(sql)) return answer(["received_ns", "project_id", "kind", "error"], [[world.sessions[0]?.end_ns ?? 0, 1, "envelope", "<i>not an envelope</i>"]]);
  if (/'new'/.test(sql)) return answer(["n", "since"], [[0, null]]);
  if (/FROM symbol_file/.test(sql)) return answer(["kind", "name", "id", "bytes", "has_debug", "origin", "added_ns"], [["elf", "renderd.debug", "5d1f8a0c-6f0e-4b7f-a7a9-c1d2e3f40516", 4_200_000, 1, "", world.sessions[0]?.end_ns ?? 0]]);
  if (/FROM symbol_source/.test(sql)) return answer(["kind", "place"], [["uploaded", ""], ["debuginfod", "https://debuginfod.example"]]);
  if (/min\(start_ns\) FROM part/.test(sql)) return answer(["oldest"], [[world.sessions[0]?.start_ns ?? null]]);
  if (/FROM rolled/.test(sql)) return answer(["level", "n", "from"], [[3600, 4, 1.79e9]]);
  if (/FROM outcome/.test(sql)) return answer(["category", "outcome", "reason", "n", "ts"], [["profile_chunk", "accepted", "", 41, world.sessions[0]?.end_ns ?? 0], ["profile_chunk", "invalid", "profiling_malformed_stacks", 2, world.sessions[0]?.end_ns ?? 0]]);
  if (/FROM loss/.test(sql)) return answer(["app", "reason", "samples"], [["renderd", "ring_full", 3]]);
  if (/FROM part/.test(sql)) return answer(["app", "day", "sessions", "parts", "bytes"], world.sessions.slice(0, 3).map((session, i) => [session.app, `2026-11-2${i}`, 1, 4, session.bytes]));
  if (/sqlite_schema/.test(sql)) return answer(["name", "name"], [["session", "id"], ["session", "app"], ["sample", "ts_ns"], ["sample", "weight_ns"]]);
  if (/folded/.test(sql)) return answer(["folded", "weight_ns"], [["main;work;parse", 6e8], ["main;work", 2e8], ["main;wait", 1e8]]);
  if (/second/.test(sql)) return answer(["second", "samples", "on_cpu"], Array.from({ length: 60 }, (_, i) => [1_790_000_000 + i, 100 + (i % 7), 50 + ((i * 3) % 11)]));
  if (/nonsense/.test(sql)) return answer([], []);
  return answer(["function", "module", "self_s", "samples"], Array.from({ length: 300 }, (_, i) => [`<b>f${i}</b>`, i % 2 ? "libc.so.6" : null, 10 / (i + 1), 1000 - i]));
}

/** As the server does: the generation at once, then each change. */
function streamEvents(world, response) {
  let told = null;
  response.writeHead(200, { "Content-Type": "text/event-stream" });
  const tell = () => {
    if (world.scenario === "live") advance(world);
    if (world.generation === told) return;
    told = world.generation;
    response.write(`data: {"generation":"${told}"}\n\n`);
  };
  const timer = setInterval(tell, 500);
  response.on("close", () => clearInterval(timer));
  tell();
}

/** One function over two weeks, with a step up on the tenth day. */
function functionOf(world, name) {
  const end = world.sessions[0].end_ns;
  const buckets = Array.from({ length: 14 }, (_, i) => ({ start_ns: end - (14 - i) * 86400e9, whole_ns: 1e12, whole_samples: 100_000, self_ns: 1e10, total_ns: i < 10 ? 1e11 : 3e11, total_samples: 1000 }));
  return {
    schema: 1, function: name, threads: world.threads.slice(0, 4),
    history: { bucket_ns: 86400e9, buckets, changes: [{ at_ns: buckets[10].start_ns, of: "total", before: 0.1, after: 0.3, p: 0.001, regression: true }] },
    lines: [{ file: "src/tracer.cc", line: 210, self_ns: 3e9, total_ns: 5e9, self_samples: 300, total_samples: 500 }, { file: "src/tracer.cc", line: 212, self_ns: 1e9, total_ns: 1e9, self_samples: 100, total_samples: 100 }],
  };
}

/** B is A with every third function a half heavier; one is new and one is gone. */
function diffOf(world, params) {
  const { functions, nodes } = prune(world.tree, minNs(world.tree, params, false), findNode(modelOf(world.tree), params.get("root") ?? ""));
  const factor = (fn) => (fn === 7 ? 0 : fn % 3 === 1 ? 1.5 : 1);
  const selfA = nodes.self_ns.map((ns, i) => (nodes.function[i] === 8 ? 0 : ns));
  const selfB = nodes.self_ns.map((ns, i) => Math.round(ns * factor(nodes.function[i])));
  const sum = (self) => {
    const total = self.map((ns, i) => ns + nodes.hidden_ns[i]);
    for (let i = total.length - 1; i > 0; i--) total[i - nodes.parent[i]] += total[i];
    return total;
  };
  const [totalA, totalB] = [sum(selfA), sum(selfB)];
  const own = functions.name.map((_, fn) => [0, 0, fn]);
  nodes.function.forEach((fn, i) => fn >= 0 && ((own[fn][0] += selfA[i]), (own[fn][1] += selfB[i])));
  const side = (ns) => ({ self_ns: ns, total_ns: ns, self_samples: Math.round(ns / 1e7), total_samples: Math.round(ns / 1e7) });
  const change = (a, b) => ({ share_a: a / totalA[0], share_b: b / totalB[0], z: 4, p: 0.001, q: a === b ? 0.7 : 0.004 });
  return {
    schema: 1, metric: "wall", a: { total_ns: totalA[0], samples: 9000 }, b: { total_ns: totalB[0], samples: 9900 }, lost: 0, left_out_ns: 0,
    functions: own.map(([a, b, fn]) => ({
      function: functions.name[fn], file: functions.file[fn], line: functions.line[fn], module: functions.module[fn], in_app: functions.in_app[fn],
      state: a === 0 ? "new" : b === 0 ? "gone" : "both", a: side(a), b: side(b), self: change(a, b), total: change(a, b),
    })),
    tree: {
      functions: { name: functions.name, file: functions.file, module: functions.module, in_app: functions.in_app },
      nodes: { parent: nodes.parent, function: nodes.function, self_a_ns: selfA, self_b_ns: selfB, total_a_ns: totalA, total_b_ns: totalB, q: nodes.parent.map((_, i) => (i % 3 ? 0.01 : 0.6)), hidden_ns: nodes.hidden_ns },
    },
  };
}

/** Calls of one thread: each box is cut in two, some way down, with a hole now and then. */
function chartOf(world, most) {
  const session = world.sessions[0];
  const boxes = { start: [], length: [], depth: [], function: [] };
  const cut = (from, to, depth) => {
    if (depth > 9 || boxes.depth.length >= most || to - from < 1e6) return;
    boxes.start.push(from - session.start_ns);
    boxes.length.push(to - from);
    boxes.depth.push(depth);
    boxes.function.push((depth * 7 + boxes.depth.length) % world.tree.functions.name.length);
    const middle = from + (to - from) * (0.3 + 0.04 * depth);
    cut(from, middle, depth + 1);
    if (boxes.depth.length % 5) cut(middle, to, depth + 1);
  };
  cut(session.start_ns, session.end_ns, 1);
  const { functions } = world.tree;
  return { schema: 1, from_ns: session.start_ns, to_ns: session.end_ns, cell_ns: 0, samples: 2400, boxes, functions };
}

function inSessions(params, id) {
  const wanted = params.get("session");
  return !wanted || wanted.split(",").includes(String(id));
}

/** Times before the recording hold nothing; a thread, or a range, holds less. */
function selected(world, params) {
  if (world.scenario === "idle" && params.get("metric") === "cpu") return makeTree({ size: 1, samples: 0, seed: 1 });
  if (params.getAll("t").some((text) => text.startsWith("ignore:")) && params.getAll("t").length > 1) return makeTree({ size: 1, samples: 0, seed: 1 });
  if (Number(params.get("from") ?? 0) >= world.sessions[0]?.end_ns) return makeTree({ size: 1, samples: 0, seed: 1 });
  if (world.scenario === "big" && params.get("t")?.startsWith("focus:")) return world.tree;
  if (!["thread", "from", "t", "label"].some((name) => params.get(name)) && params.get("metric") !== "cpu") return world.tree;
  const { size, samples } = scenarios[world.scenario];
  return makeTree({ size: size / 3, samples: Math.round(samples / 3), seed: 43 });
}

/** As many nodes as allowed, the lightest go first; all of them for `sendAll`. */
function minNs(tree, params, sendAll) {
  const most = Number(params.get("max_nodes"));
  const least = Number(params.get("min_ns") ?? 0);
  if (sendAll) return 0;
  if (!most || tree.nodes.parent.length <= most) return least;
  const sorted = Float64Array.from(tree.nodes.total_ns).sort();
  return Math.max(least, sorted[sorted.length - most] + 1);
}

function times(world, params) {
  const chosen = world.sessions.filter((session) => inSessions(params, session.id));
  return {
    from_ns: Number(params.get("from") ?? Math.min(...chosen.map((session) => session.start_ns))),
    to_ns: Number(params.get("to") ?? Math.max(...chosen.map((session) => session.end_ns))),
  };
}

function advance(world) {
  world.generation++;
  world.sessions[0].end_ns += 1e9;
  world.sessions[0].samples += 400;
  world.tree = makeTree({ seed: 42, size: 800, samples: 4200 + world.generation * 400 });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url } = await startMock(process.argv[2] ?? "normal", Number(process.argv[3] ?? 0));
  console.log(`${url}#t=${token}`);
}
