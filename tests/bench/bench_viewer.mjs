#!/usr/bin/env node
// The page in figures, on a store of a million samples and 200,000 merged nodes: what
// loads at first, from a click on a session to its graph, a range being dragged, pan and
// zoom, search; and how long the last hour takes to open where there are 100 times as
// many samples. speedscope and flame-chart-js open the same data in the same Chromium.
//
//   tests/bench/bench_viewer.mjs [BUILD] [FOLDER]
//
// Needs tests/browser/node_modules (tests/browser/run.sh makes it). Installs the two
// peers from npm into BUILD/bench_viewer and makes the stores there (or in FOLDER), the
// large one in a minute or two. Wall times of Chromium without a GPU, medians: run it on
// a quiet machine.
import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { createInterface } from "node:readline";
import { openBrowser } from "../browser/chromium.js";

const here = path.dirname(new URL(import.meta.url).pathname);
const build = path.resolve(process.argv[2] ?? path.join(here, "../../build"));
const home = path.join(build, "bench_viewer");
const stores = path.resolve(process.argv[3] ?? home);
const proflite = path.join(build, "proflite");
const peers = ["speedscope@1.25.0", "flame-chart-js@3.3.0", "esbuild@0.28.2"];
const size = { width: 1400, height: 800 };
const ROUNDS = 7;
const FRAMES = 60;

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const worst = (values) => Math.max(...values);
const ms = (value) => `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`;
const line = (what, got, goal = "", more = "") => console.log(`${what.padEnd(44)}${got.padStart(12)}  ${goal.padEnd(10)}${more}`);

/* ---- what is opened ---- */

function install() {
    fs.mkdirSync(home, { recursive: true });
    const manifest = path.join(home, "package.json");
    if (!fs.existsSync(manifest)) fs.writeFileSync(manifest, '{"private":true}');
    if (!peers.every((one) => fs.existsSync(path.join(home, "node_modules", one.split("@")[0]))))
        execFileSync("npm", ["install", "--silent", ...peers], { cwd: home });
    if (fs.existsSync(path.join(build, "CMakeCache.txt")))
        execFileSync("cmake", ["--build", build, "--target", "proflite", "viewer_store", "--", "--quiet"], { stdio: ["ignore", "ignore", "inherit"] });
}

/** Made anew if it is of another format. */
function store(millions) {
    const db = path.join(stores, `viewer-${millions}M.db`);
    try {
        if (fs.existsSync(db)) return execFileSync(proflite, ["--db", db, "ls"], { stdio: "ignore" }), db;
    } catch {
        for (const side of ["", "-wal", "-shm", "-lock", "-token"]) fs.rmSync(db + side, { force: true });
    }
    execFileSync(path.join(build, "viewer_store"), [db, String(millions)]);
    execFileSync(proflite, ["--db", db, "process"], { stdio: "ignore" }); // else serve does, meanwhile
    return db;
}

async function serve(db) {
    const child = spawn(proflite, ["--db", db, "serve", "--listen", "127.0.0.1:0"], { stdio: ["ignore", "pipe", "inherit"] });
    const url = await new Promise((resolve, reject) => {
        createInterface({ input: child.stdout }).once("line", resolve);
        child.once("exit", (code) => reject(new Error(`serve ended with ${code}`)));
    });
    const [origin, token] = url.split("/#t=");
    const api = async (route) => {
        const answer = await fetch(`${origin}/api/v1/${route}`, { headers: { Authorization: `Bearer ${token}` } });
        if (!answer.ok) throw new Error(`${route}: ${answer.status}`);
        return answer;
    };
    return { origin, token, api, stop: () => child.kill("SIGTERM") };
}

/* ---- in the page ---- */

/** Every draw of the flame graph: when it was through, and how many boxes its graph has. */
function recordDraws() {
    window.flameDraws = [];
    const note = (one) => window.flameDraws.push({ end: one.startTime + one.duration, boxes: one.detail });
    new PerformanceObserver((list) => list.getEntriesByName("flame-draw").forEach(note)).observe({ entryTypes: ["measure"] });
}

/**
 * Until another graph than the one at `began` is drawn: ms from then, a moment of the page's
 * clock, for the first (0) or the second (1) such graph.
 */
const drawnSince = ({ began, which }) => new Promise((resolve) => {
    const look = () => {
        const isNew = (one, i, all) => one.end > began && one.boxes !== all[i - 1]?.boxes;
        const draw = window.flameDraws.filter(isNew)[which];
        if (draw) resolve(draw.end - began);
        else requestAnimationFrame(look);
    };
    look();
});

/** One wheel turn or drag a frame: how long drawing takes, and from frame to frame. */
async function frames({ selector, count, pan, x, y }) {
    const canvas = document.querySelector(selector);
    const draws = [];
    const observer = new PerformanceObserver((list) => list.getEntriesByName("flame-draw").forEach((one) => draws.push(one.duration)));
    observer.observe({ entryTypes: ["measure"] });
    const next = () => new Promise(requestAnimationFrame);
    const box = canvas.getBoundingClientRect();
    const at = { clientX: box.left + x, clientY: box.top + y, bubbles: true, cancelable: true, button: 0, buttons: 1, pointerId: 1 };
    const times = [];
    if (pan) canvas.dispatchEvent(new PointerEvent("pointerdown", at));
    await next();
    for (let i = 0; i < count; i++) {
        const began = performance.now();
        if (pan) canvas.dispatchEvent(new PointerEvent("pointermove", { ...at, clientX: at.clientX + (i % 30) * 8 - 120 }));
        else canvas.dispatchEvent(new WheelEvent("wheel", { ...at, ctrlKey: true, deltaY: i < count / 2 ? -60 : 60 }));
        await next(); // what is drawn for it is drawn before
        await new Promise((resolve) => setTimeout(resolve));
        times.push(performance.now() - began);
    }
    if (pan) canvas.dispatchEvent(new PointerEvent("pointerup", at));
    await next();
    observer.disconnect();
    return { draws, times };
}

/** Dragging over the timeline: what each move of the pointer takes, layout and all. */
async function drag(count) {
    const area = document.querySelector(".timeline-area-canvas");
    area.setPointerCapture = () => {};
    const box = area.getBoundingClientRect();
    const event = (type, x) => new PointerEvent(type, { clientX: box.left + x, clientY: box.top + 20, button: 0, buttons: 1, pointerId: 1, bubbles: true });
    area.dispatchEvent(event("pointerdown", 100));
    const times = [];
    for (let i = 0; i < count; i++) {
        await new Promise(requestAnimationFrame);
        const began = performance.now();
        area.dispatchEvent(event("pointermove", 110 + i * 10));
        document.querySelector(".timeline-range").getBoundingClientRect();
        times.push(performance.now() - began);
    }
    area.dispatchEvent(event("pointercancel", 0));
    return times;
}

/** All nodes, decoded, searched by a regular expression, drawn at once. */
async function everyNode({ token, rounds }) {
    const at = (name) => import(new URL(name, location.href).href);
    const { decodeFlame } = await at("/lib/flame-model.js");
    const { compileQuery, matchFunctions, matchedNodes } = await at("/lib/search.js");
    const answer = await (await fetch("/api/v1/flamegraph?min_ns=0&max_nodes=1000000&app=checkout&from=-365d", { headers: { Authorization: `Bearer ${token}` } })).json();
    const decodes = [];
    const searches = [];
    let model;
    let found;
    for (let i = 0; i < rounds; i++) {
        let began = performance.now();
        model = decodeFlame(answer);
        decodes.push(performance.now() - began);
        began = performance.now();
        const { test } = compileQuery(`/gr[ow]+_\\d*${i}\\d*\\(/`);
        found = matchedNodes(model, matchFunctions(model.functions, test));
        searches.push(performance.now() - began);
    }
    return { nodes: model.count, decodes, searches, found: found.nodes.length };
}

/* ---- measuring ours ---- */

async function firstLoad(page, server) {
    await page.goto("about:blank");
    const strangers = [];
    const watch = (request) => new URL(request.url()).origin !== server.origin && strangers.push(request.url());
    page.on("request", watch);
    await page.goto(`${server.origin}/?app=checkout#t=${server.token}`);
    await page.waitForSelector("#flame [role=row]", { state: "attached" });
    await page.waitForTimeout(1500);
    page.off("request", watch);
    const urls = await page.evaluate(() => ["navigation", "resource"].flatMap((type) => performance.getEntriesByType(type).map((one) => one.name.split("#")[0])));
    const files = [...new Set(urls.filter((url) => !url.includes("/api/")))];
    for (const [encoding, goal] of [["gzip", "≤80 kB"], ["br", ""]]) {
        const sizes = await Promise.all(files.map((url) => bytesOf(url, encoding)));
        const sum = (pick) => sizes.reduce((whole, one) => whole + pick(one), 0);
        line(`first load, ${encoding}, ${files.length} files`, `${(sum((one) => one.body) / 1000).toFixed(1)} kB`, goal, `with headers ${(sum((one) => one.body + one.head) / 1000).toFixed(1)} kB`);
    }
    line("requests that leave the host", String(strangers.length), "0");
}

function bytesOf(url, encoding) {
    return new Promise((resolve, reject) => http.get(url, { headers: { "Accept-Encoding": encoding } }, (answer) => {
        let body = 0;
        const head = answer.rawHeaders.reduce((sum, text) => sum + text.length + 2, 19);
        answer.on("data", (piece) => (body += piece.length)).on("end", () => resolve({ body, head }));
    }).on("error", reject));
}

async function clickToGraph(page, server) {
    const times = [[], []];
    for (let i = 0; i < ROUNDS; i++) {
        await page.goto(`${server.origin}/?app=warm-up#t=${server.token}`);
        await page.waitForSelector("#flame [role=row]", { state: "attached" });
        await page.keyboard.press("s");
        await page.waitForSelector(".session-table tbody th button");
        const began = page.evaluate(() => new Promise((resolve) => addEventListener("click", (event) => resolve(event.timeStamp), { capture: true, once: true })));
        await page.locator(".session-table tbody th button", { hasText: "checkout" }).click();
        const looks = [0, 1].map(async (which) => page.evaluate(drawnSince, { began: await began, which }));
        for (const which of [0, 1]) times[which].push(await looks[which]);
    }
    return times;
}

/** From a navigation to the graph of the last hour. */
async function openLastHour(page, server) {
    const times = [];
    for (let i = 0; i < ROUNDS; i++) {
        await page.goto("about:blank");
        await page.goto(`${server.origin}/?app=checkout&last=3600#t=${server.token}`);
        times.push(await page.evaluate(drawnSince, { began: 0, which: 0 }));
    }
    return times;
}

/* ---- the peers, each on a server of its own ---- */

function fileServer(files) {
    const server = http.createServer((request, response) => {
        const found = files(decodeURIComponent(request.url.split("?")[0]));
        if (!found) return response.writeHead(404).end();
        response.writeHead(200, { "Content-Type": { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".json": "application/json" }[found.type] ?? "application/octet-stream" }).end(found.body);
    });
    return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve({ url: `http://127.0.0.1:${server.address().port}`, stop: () => (server.closeAllConnections(), server.close()) })));
}

const fromFolder = (folder) => (name) => {
    const file = path.join(folder, name === "/" ? "index.html" : name);
    return file.startsWith(folder) && fs.existsSync(file) ? { type: path.extname(file), body: fs.readFileSync(file) } : null;
};

async function speedscope(page, profile) {
    const folder = path.join(home, "node_modules/speedscope/dist/release");
    const server = await fileServer((name) => (name === "/profile.json" ? { type: ".json", body: profile } : fromFolder(folder)(name)));
    const began = performance.now();
    await page.goto(`${server.url}/index.html#profileURL=${encodeURIComponent(`${server.url}/profile.json`)}`);
    await page.waitForFunction(() => document.querySelector("canvas") && !/Loading|Drag and drop/.test(document.body.textContent), null, { timeout: 180_000, polling: 50 });
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
    const open = performance.now() - began;
    const zoom = await wheelFrames(page);
    server.stop();
    return { open, zoom };
}

/** The same wheel for all three: from the event until the frame after it is through. */
async function wheelFrames(page) {
    const times = [];
    await page.mouse.move(500, 400);
    await page.keyboard.down("Control");
    for (let i = 0; i < 24; i++) {
        const frame = page.evaluate(() => new Promise((resolve) => addEventListener("wheel", () => {
            const began = performance.now();
            requestAnimationFrame(() => setTimeout(() => requestAnimationFrame(() => resolve(performance.now() - began))));
        }, { capture: true, once: true, passive: true })));
        await page.mouse.wheel(0, i < 12 ? -100 : 100);
        times.push(await frame);
    }
    await page.keyboard.up("Control");
    return times;
}

async function flameChart(page, answer) {
    const source = `import { FlameChart } from "flame-chart-js";
const answer = await (await fetch("/profile.json")).json();
const { nodes, functions } = answer;
const all = [];
const edge = new Float64Array(nodes.parent.length);
for (let i = 0; i < nodes.parent.length; i++) {
  const above = i - nodes.parent[i];
  const one = { name: functions.name[nodes.function[i]] ?? "all", start: i ? edge[above] : 0, duration: nodes.total_ns[i] / 1e6, children: [] };
  edge[i] = one.start;
  if (i) { edge[above] += one.duration; all[above].children.push(one); }
  all.push(one);
}
const canvas = document.querySelector("canvas");
canvas.width = innerWidth; canvas.height = innerHeight;
globalThis.chart = new FlameChart({ canvas, data: [all[0]] });
requestAnimationFrame(() => requestAnimationFrame(() => (document.title = "drawn")));`;
    const entry = path.join(home, "chart.entry.js");
    fs.writeFileSync(entry, source);
    execFileSync(path.join(home, "node_modules/.bin/esbuild"), [entry, "--bundle", "--format=esm", "--minify", `--outfile=${path.join(home, "chart.js")}`, "--log-level=error"]);
    const server = await fileServer((name) => ({
        "/": { type: ".html", body: '<!doctype html><style>body{margin:0}</style><canvas></canvas><script type="module" src="chart.js"></script>' },
        "/chart.js": { type: ".js", body: fs.readFileSync(path.join(home, "chart.js")) }, "/profile.json": { type: ".json", body: answer },
    })[name]);
    const began = performance.now();
    await page.goto(`${server.url}/`);
    await page.waitForFunction(() => document.title === "drawn", null, { timeout: 180_000, polling: 50 });
    const open = performance.now() - began;
    const zoom = await wheelFrames(page);
    server.stop();
    return { open, zoom };
}

/* ---- all of it ---- */

async function main() {
    install();
    const server = await serve(store(1));
    const browser = await openBrowser({ viewport: size });
    const { page } = browser;
    await page.addInitScript(recordDraws);
    try {
        const about = await (await server.api("flamegraph?app=checkout&max_nodes=50000&min_ns=0")).json();
        console.log(`${about.samples.toLocaleString("en")} samples, ${about.node_count.toLocaleString("en")} merged nodes, ${about.shown.toLocaleString("en")} of them loaded at first; Chromium without GPU, ${size.width}×${size.height}\n`);
        await firstLoad(page, server);
        const [clicks, refined] = await clickToGraph(page, server);
        line("click on a session to its graph", ms(median(clicks)), "≤200 ms", `worst ${ms(worst(clicks))}; ${about.shown.toLocaleString("en")} boxes of it ${ms(median(refined))}`);
        await page.waitForTimeout(500);
        const drags = await page.evaluate(drag, FRAMES);
        line("range drag, a move", ms(median(drags)), "≤16 ms", `worst ${ms(worst(drags))}`);
        for (const [name, pan] of [["zoom", false], ["pan", true]]) {
            const { draws } = await page.evaluate(frames, { selector: "#flame canvas", count: FRAMES, pan, x: 400, y: 200 });
            line(`${name}, a frame`, ms(median(draws)), "≤8 ms", `worst ${ms(worst(draws))}, ${draws.length} frames`);
            await page.keyboard.press("Escape");
            await page.waitForTimeout(400);
        }
        const all = await page.evaluate(everyNode, { token: server.token, rounds: 9 });
        line(`search by /regex/, ${all.nodes.toLocaleString("en")} nodes`, ms(median(all.searches)), "≤5 ms", `${all.found.toLocaleString("en")} found; decoding all ${ms(median(all.decodes))}`);
        const own = await openLastHour(page, server);
        const ownZoom = await wheelFrames(page);
        const large = await serve(store(100));
        const long = await openLastHour(page, large);
        large.stop();
        line("open the page to the graph, last hour", ms(median(own)), "", `worst ${ms(worst(own))}`);
        line("... of 100 times as many samples", ms(median(long)), "as fast", `${(median(long) / median(own)).toFixed(2)}×`);
        console.log("\nthe same data: open to graph, and a turn of the wheel until the next frame is through; ratio to proflite");
        const report = (name, open, zoom, more = "") => line(name, ms(open), "", `${(open / median(own)).toFixed(1)}×   wheel ${ms(median(zoom))}, ${(median(zoom) / median(ownZoom)).toFixed(1)}×${more}`);
        report("proflite", median(own), ownZoom);
        const exported = Buffer.from(await (await server.api("export?format=speedscope&app=checkout")).arrayBuffer());
        const s = await speedscope(page, exported);
        report("speedscope 1.25.0", s.open, s.zoom, `   its file ${(exported.length / 1e6).toFixed(1)} MB`);
        const graph = Buffer.from(await (await server.api("flamegraph?app=checkout&max_nodes=1000000&min_ns=0")).arrayBuffer());
        const f = await flameChart(page, graph);
        report("flame-chart-js 3.3.0", f.open, f.zoom, `   all ${about.node_count.toLocaleString("en")} nodes`);
    } finally {
        await browser.close();
        server.stop();
    }
}

await main();
