// Names that are markup, all the way: a hostile chunk and a hostile recording go into a
// real store, and every view, message and exported file that shows them is opened in
// Chromium. No script runs, no element is made of a name, no request leaves the server.
//
// PROFLITE names the binary (run.sh sets it).

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, beforeEach, test } from "node:test";
import { pathToFileURL } from "node:url";
import { openBrowser } from "./chromium.js";

const proflite = process.env.PROFLITE ?? "proflite";
const folder = mkdtempSync(join(tmpdir(), "proflite-hostile-"));
const db = join(folder, "test.db");

/* ---- payloads: each calls ran() in its own way, or loads something ---- */

const calls = ["ran()", "top.ran()", "setTimeout('ran()')", "location='http://evil.example/'"];
const shapes = [
  (js) => `<script>${js}</script>`, (js) => `<img src=x onerror="${js}">`, (js) => `<svg onload=${js}>`, (js) => `"><img src=x onerror=${js}>`,
  (js) => `'><svg/onload=${js}>`, (js) => `</script><script>${js}</script>`, (js) => `</title><script>${js}</script>`, (js) => `<a href="javascript:${js}">x</a>`,
  (js) => `<iframe srcdoc="<script>${js}</script>">`, (js) => `<style>@import 'http://evil.example/${js}'</style>`, (js) => `<details open ontoggle=${js}>`,
  (js) => `<input autofocus onfocus=${js}>`, (js) => `]]><script>${js}</script>`, (js) => `--><script>${js}</script>`, (js) => `&lt;script&gt;${js}&lt;/script&gt;`,
  (js) => `\u0000<script>${js}</script>\u2028`,
];
const payloads = [
  ...shapes.flatMap((shape) => calls.map(shape)),
  "<link rel=stylesheet href=http://evil.example/x.css>", "<img src=http://evil.example/x.png>", "<object data=http://evil.example/>",
  "<base href=http://evil.example/>", '<meta http-equiv=refresh content="0;url=http://evil.example/">', "${ran()}", "{{constructor.constructor('ran()')()}}",
  "javascript:ran()", "__proto__", "constructor", "toString", "\u202Egnp.exe\u202C", "a\r\nSet-Cookie: x=1",
];
const pick = (i) => payloads[i % payloads.length];

/* ---- what is sent ---- */

const now = Date.now() / 1000 - 30;

function chunk() {
  const frames = payloads.map((text, i) => ({ function: text, filename: pick(i + 1), abs_path: pick(i + 2), module: pick(i + 3), package: pick(i + 4), lineno: i + 1, in_app: i % 2 === 0 }));
  const all = frames.map((_, i) => i);
  const stacks = [...all.map((i) => [i, (i + 1) % all.length]), all];
  const samples = stacks.flatMap((_, stack) => [0, 1, 2].map((tick) => ({ timestamp: now + tick / 100, thread_id: String(stack), stack_id: stack })));
  const thread_metadata = Object.fromEntries(stacks.map((_, stack) => [stack, { name: pick(stack + 5) }]));
  return {
    chunk_id: "1".repeat(32), profiler_id: "c".repeat(32), version: "2", platform: "python", release: payloads[1], environment: payloads[3],
    client_sdk: { name: payloads[0], version: payloads[1] }, profile: { samples, stacks, frames, thread_metadata },
  };
}

/** A profile of a transaction: its name is a label. */
function profile() {
  const frames = [{ function: payloads[2], filename: payloads[1], module: payloads[0] }];
  const samples = [0, 1e7, 2e7, 3e7].map((at) => ({ elapsed_since_start_ns: String(at), thread_id: "1", stack_id: 0 }));
  return {
    version: "1", event_id: "2".repeat(32), platform: "python", timestamp: new Date(now * 1000).toISOString(), release: payloads[1], environment: payloads[3],
    os: { name: payloads[0], version: "1" }, device: { architecture: "x86_64" }, runtime: { name: payloads[0], version: "1" },
    transaction: { name: payloads[1], id: "1".repeat(32), trace_id: "2".repeat(32), active_thread_id: "1" },
    profile: { samples, stacks: [[0]], frames, thread_metadata: { 1: { name: payloads[0] } } },
  };
}

const item = (type, body) => `${JSON.stringify({ type })}\n${JSON.stringify(body)}\n`;

async function send(type, body) {
  const url = new URL("/api/1/envelope/?sentry_key=aaaabbbbccccddddeeeeffff00001111", address);
  for (let tries = 0; ; tries++) {
    const answer = await fetch(url, { method: "POST", body: `{}\n${item(type, body)}` });
    if (answer.status === 200) return;
    assert.ok(answer.status === 503 && tries < 20, `${answer.status} ${await answer.text()}`); // busy: as an SDK, once more
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

/** A recording whose program, source file and source lines are markup. */
function record() {
  const source = join(folder, "<img src=x onerror=ran()>.c");
  writeFileSync(source, `/* ${payloads.slice(0, 20).join(" ").replaceAll("*/", "")} */\n${payloads.slice(0, 30).map((text) => `// ${text.replace(/[\0\r\n\\]/g, "")}`).join("\n")}\n${readFileSync("hot.c", "utf8")}`);
  const program = join(folder, "'\"><svg onload=ran()>");
  execFileSync(process.env.CC ?? "cc", ["-g", "-O1", "-w", "-o", program, source]);
  execFileSync(proflite, ["--db", db, "record", "--name", payloads[4], "--", program, "0.3"], { stdio: "ignore" });
}

/** Labels whose keys and values are markup, on all of the recording; nobody else writes now. */
function label() {
  const text = (one) => `'${one.replaceAll("\0", "").replaceAll("'", "''")}'`;
  const rows = payloads.map((one, i) => `(${text(one)}, ${text(pick(i + 7))})`).join(", ");
  execFileSync("sqlite3", ["-bail", db], { input: `.timeout 10000
BEGIN; INSERT OR IGNORE INTO tag (key, value) VALUES ${rows};
    INSERT INTO label_span (part_id, thread_id, first_tick, n, tag_id) SELECT s.part_id, s.thread_id, 0, 1000000, t.id FROM slot s, tag t; COMMIT;` });
}

/* ---- the server and what watches the page ---- */

let server;
let browser;
let address;
let token;
const strangers = [];

before(async () => {
  record();
  label();
  server = spawn(proflite, ["--db", db, "serve", "--listen", "127.0.0.1:0"], { stdio: ["ignore", "pipe", "inherit"] });
  address = await new Promise((resolve) => createInterface({ input: server.stdout }).once("line", resolve));
  token = address.split("#t=")[1];
  await send("profile_chunk", chunk());
  await send("profile", profile());
  browser = await openBrowser({ reducedMotion: "reduce", acceptDownloads: true });
  const { page } = browser;
  await page.addInitScript(() => {
    const seen = /** @type {any} */ (globalThis);
    seen.ranTimes = 0;
    seen.ran = () => seen.ranTimes++;
    seen.violations = [];
    addEventListener("securitypolicyviolation", (event) => seen.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
  });
  page.on("dialog", (dialog) => (strangers.push(dialog.message()), dialog.dismiss()));
  page.on("request", (request) => {
    if (!/^(file|data|blob|about):/.test(request.url()) && new URL(request.url()).origin !== new URL(address).origin) strangers.push(request.url());
  });
});

after(async () => {
  await browser?.close();
  if (server?.exitCode === null) {
    server.kill("SIGTERM");
    await new Promise((resolve) => server.once("exit", resolve)); // its files are its own until then
  }
  rmSync(folder, { recursive: true, force: true });
});

beforeEach(() => (browser.errors.length = 0));

async function api(route) {
  const answer = await fetch(new URL(`/api/v1/${route}`, address), { headers: { Authorization: `Bearer ${token}` } });
  return answer.json();
}

async function open(query, selector) {
  await browser.page.goto("about:blank");
  await browser.page.goto(new URL(`/${query}#t=${token}`, address).href);
  if (selector) await browser.page.waitForSelector(selector, { state: "attached" });
}

/** Nothing of what names can be made to do has happened. */
async function harmless(where) {
  await browser.page.waitForTimeout(60);
  const found = await browser.page.evaluate(() => {
    const { ranTimes, violations } = /** @type {any} */ (globalThis);
    const made = [...document.querySelectorAll("img, iframe, object, embed, base, meta[http-equiv], style, details, a[href^='javascript' i], script:not([src]), [onerror], [onload], [onfocus], [ontoggle]")]
      .filter((element) => !(element.localName === "script" && element.closest("[data-own]")));
    return { ranTimes, violations, made: made.map((element) => element.outerHTML.slice(0, 120)) };
  });
  assert.deepEqual({ where, ...found, strangers }, { where, ranTimes: 0, violations: [], made: [], strangers: [] });
}

/* ---- where names are shown ---- */

test("what came in is what was sent", { timeout: 60_000 }, async () => {
  for (let tries = 0; ; tries++) {
    const { functions } = await api("top?limit=1000");
    const missing = payloads.filter((text) => !functions.some((one) => one.function === text || one.function === text.trim()));
    if (functions.some((one) => one.function === payloads[0]) || tries > 200) {
      // Control characters may be spelled differently; markup may not.
      assert.ok(functions.length > payloads.length / 2 && missing.filter((text) => !/[\0\r\u2028\u202E]/.test(text)).length === 0, `not there: ${missing.slice(0, 5).join(" | ")}`);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
});

test("explore: table, graph, tree, callers, chart, sandwich, details, menus, dialogs", { timeout: 60_000 }, async () => {
  const { page, errors } = browser;
  const app = (await api("sessions")).sessions.find((one) => one.app !== payloads[4]).app;
  for (const query of [`?session=all`, `?app=${encodeURIComponent(app)}&t=modules`, "?session=all&t=files", "?session=all&t=threads", "?session=all&t=invert&tab=tree"]) {
    await open(query, "#flame [role=row]");
    await page.waitForSelector(".top-table [data-key], .tree-rows [role=row]");
    await harmless(query);
  }
  await open("?session=all", ".top-table [data-key]");
  await page.click(".top-table [data-key] >> nth=1");
  await page.waitForSelector(".details h2");
  for (const [tab, view] of [["Tree", "Sandwich"], ["Callers", "Heatmap"], ["Callers", "Chart"], ["Top", "Flame"]]) {
    await page.click(`[role=tab] >> text="${tab}"`);
    await page.click(`[role=tab] >> text="${view}"`);
    await page.waitForTimeout(150);
    await harmless(`${tab}, ${view}`);
  }
  for (let tries = 0; tries < 40 && !(await page.locator(".tooltip:not([hidden])").count()); tries++) {
    await page.hover("#flame canvas", { position: { x: 200 + tries, y: 45 } }); // a finer graph may come in between
    await page.waitForTimeout(250);
  }
  assert.equal(await page.locator(".tooltip:not([hidden])").count(), 1);
  await harmless("tooltip");
  await page.locator(".top-table [data-key]", { hasText: "<script>" }).first().click({ button: "right" });
  await page.waitForSelector("[role=menu]");
  await harmless("menu");
  await page.click("[role=menuitem] >> text=Hide its frames");
  await page.waitForSelector(".chip:not(.chip-add)");
  await harmless("chips");
  for (const [key, selector] of [["s", ".session-dialog table"], ["e", ".share-dialog code"], ["Control+k", ".palette [role=option]"]]) {
    await page.keyboard.press(key);
    await page.waitForSelector(selector);
    if (key === "Control+k") await page.keyboard.type("script");
    await harmless(selector);
    await page.keyboard.press("Escape");
  }
  await page.click(".chip-add");
  await page.waitForFunction(() => /transaction/.test(document.querySelector(".filter-list")?.textContent ?? ""));
  const offered = await page.textContent(".filter-list");
  assert.ok(offered.includes(payloads[1]), "the label's value, the release");
  assert.ok(offered.includes(`${payloads[0]}${pick(7)}`), "a label's key beside its value");
  await harmless("filters");
  await page.locator(".filter-row", { hasText: payloads[0] }).first().click();
  await page.keyboard.press("Escape");
  await page.waitForFunction((key) => new URLSearchParams(location.search).get("label")?.includes(key), payloads[0]);
  await page.waitForSelector('.chip:has-text("label")');
  await harmless("a label's chip");
  await page.selectOption('[aria-label="Compare with"]', "labels");
  await page.waitForSelector(".compare-table, #compare .notice");
  await harmless("a label compared");
  assert.deepEqual(errors, []);
});

test("source: lines and the file's name", { timeout: 60_000 }, async () => {
  const { page } = browser;
  await open(`?app=${encodeURIComponent(payloads[4])}`, ".top-table [data-key]");
  await page.click(".top-table [data-key] >> nth=0");
  await page.click(".details-row >> text=/\\.c:/");
  await page.waitForSelector(".source-line.chosen");
  await page.locator(".source-lines").evaluate((element) => (element.scrollTop = 0));
  await page.waitForFunction(() => document.querySelector(".source-lines").textContent.includes("<script>"));
  await harmless("source");
});

test("the address: every part of the state", { timeout: 60_000 }, async () => {
  const { page } = browser;
  for (const text of [payloads[1], payloads[20], "/(/", "__proto__", "%\u202E"]) {
    const value = encodeURIComponent(text);
    const parts = ["app", "recording", "session", "thread", "release", "env", "metric", "range", "window", "t", "q", "zoom", "fn", "sort", "tab", "view", "heat", "invert"];
    await open(`?${parts.map((name) => `${name}=${value}`).join("&")}&label=k%3D${value}&label=${value}%3Dv`, ".notice, #flame [role=row]");
    await harmless(`explore ${text}`);
    await open(`?session=all&release=${value}&label=k%3D${value}&t=focus:${value}&q=${value}`, ".pane-notice .notice, #flame [role=row]");
    await harmless(`filters ${text}`);
    await open(`?page=compare&a=${value}&b=release:${value}&by=${value}`, "#compare .notice");
    await harmless(`compare ${text}`);
  }
  await page.goto("about:blank");
  await page.goto(new URL(`/#t=${encodeURIComponent(payloads[1])}`, address).href);
  await page.waitForSelector(".notice input");
  await harmless("token");
});

test("compare, SQL, setup, errors of the server", { timeout: 60_000 }, async () => {
  const { page } = browser;
  await open(`?page=compare&a=all&b=release:${encodeURIComponent(`"${payloads[1].replaceAll('"', '\\"')}"`)}`, ".compare-table");
  await harmless("compare");
  const quote = (text, mark) => mark + text.replaceAll("\0", "").replaceAll(mark, mark + mark) + mark;
  const columns = payloads.slice(0, 40).map((text) => `${quote(text, "'")} AS ${quote(text, '"')}`).join(", ");
  await open(`?page=sql&sql=${encodeURIComponent(`SELECT ${columns}`)}`, ".sql-editor");
  await page.click("text=Run");
  await page.waitForSelector(".sql-table [role=row]");
  assert.ok((await page.textContent(".sql-table")).includes(payloads[1]));
  await harmless("SQL");
  await open(`?page=sql&show=flame&sql=${encodeURIComponent(`SELECT f.folded, sum(s.weight_ns) FROM sample s JOIN stack_folded f USING (stack_id) GROUP BY 1`)}`, ".sql-editor");
  await page.click("text=Run");
  await page.waitForSelector(".sql-flame canvas");
  await harmless("SQL as a graph");
  await open(`?page=sql&sql=${encodeURIComponent(`SELECT ${quote(payloads[1], "`")} FROM ${quote(payloads[0], '"')}`)}`, ".sql-editor");
  await page.click("text=Run");
  await page.waitForSelector(".sql-answer .notice");
  assert.match(await page.textContent(".sql-answer .notice"), /<script>|<img/);
  await harmless("an error's message");
  await open("?page=setup", ".setup-table");
  await page.waitForTimeout(200);
  await harmless("setup");
});

test("exported files", { timeout: 60_000 }, async () => {
  const { page } = browser;
  for (const [format, ending] of [["svg", "svg"], ["html", "html"]]) {
    const answer = await fetch(new URL(`/api/v1/export?format=${format}`, address), { headers: { Authorization: `Bearer ${token}` } });
    assert.equal(answer.status, 200);
    const text = await answer.text();
    assert.ok(/&lt;script/.test(text), "it is in the file, as text");
    mkdirSync(join(folder, "out"), { recursive: true });
    const file = join(folder, "out", `x.${ending}`);
    writeFileSync(file, text);
    await page.goto(pathToFileURL(file).href);
    await page.waitForTimeout(300);
    const found = await page.evaluate(() => ({
      ran: /** @type {any} */ (globalThis).ranTimes,
      made: document.querySelectorAll("img, iframe, object, embed, base, meta[http-equiv=refresh], details, input[autofocus], [onerror], [ontoggle], [onfocus], link, a[href^='javascript' i]").length,
    }));
    assert.deepEqual({ format, ...found, strangers }, { format, ran: 0, made: 0, strangers: [] });
  }
});
