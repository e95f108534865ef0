// The page over the real server and a real recording: a known hot function is read off
// it, and its totals are those of the command line.
//
// PROFLITE names the binary, HOT the program built from hot.c (run.sh sets both).

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { examples } from "../../static/lib/sql-examples.js";
import { openBrowser } from "./chromium.js";

const proflite = process.env.PROFLITE ?? "proflite";
const folder = mkdtempSync(join(tmpdir(), "proflite-real-"));
const db = join(folder, "test.db");
let server;
let browser;
let address;

const run = (...args) => execFileSync(proflite, ["--db", db, ...args], { encoding: "utf8" });

before(async () => {
  run("record", "--", process.env.HOT ?? "./hot", "2");
  server = spawn(proflite, ["--db", db, "serve", "--listen", "127.0.0.1:0"], { stdio: ["ignore", "pipe", "inherit"] });
  address = await firstLine(server);
  browser = await openBrowser();
});

after(async () => {
  await browser?.close();
  server?.kill("SIGTERM");
  rmSync(folder, { recursive: true, force: true });
});

/** The line that `serve` prints: its URL. */
function firstLine(child) {
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).once("line", resolve);
    child.once("exit", (code) => reject(new Error(`serve ended with ${code}`)));
  });
}

/** Bytes of an answer's body as it comes over the wire. */
function sentBytes(url, encoding) {
  return new Promise((resolve, reject) => {
    request(url, { headers: { "Accept-Encoding": encoding } }, (response) => {
      let bytes = 0;
      response.on("data", (piece) => (bytes += piece.length)).on("end", () => resolve(bytes));
    }).on("error", reject).end();
  });
}

test("the first look loads little, and nothing from elsewhere", { timeout: 60_000 }, async () => {
  const { page } = browser;
  await page.goto(address);
  await page.waitForSelector("#flame [role=row]", { state: "attached" });
  await page.waitForLoadState("networkidle");
  const urls = await page.evaluate(() => ["navigation", "resource"].flatMap((type) => performance.getEntriesByType(type).map(({ name }) => name.split("#")[0])));
  assert.deepEqual(urls.filter((url) => new URL(url).origin !== new URL(address).origin), []);
  const files = urls.filter((url) => !url.includes("/api/"));
  for (const [encoding, most] of /** @type {[string, number][]} */ ([["gzip", 80_000], ["br", 72_000]])) {
    const sizes = await Promise.all(files.map((url) => sentBytes(url, encoding)));
    const whole = sizes.reduce((sum, size) => sum + size, 0);
    console.log(`# first load: ${files.length} files, ${whole} bytes as ${encoding}`);
    assert.ok(files.length > 20 && whole < most, `${whole} bytes as ${encoding}`);
  }
});

test("reads the hot function off the page", { timeout: 60_000 }, async () => {
  assert.match(address, /^http:\/\/127\.0\.0\.1:\d+\/#t=\S+$/);
  const { page, errors } = browser;
  await page.goto(address);
  for (const part of [".top-table [data-key]", ".thread-label", "#flame [role=row]"])
    await page.waitForSelector(part, { state: "attached" });
  const first = page.locator(".top-table [data-key]").first();
  assert.match(await first.locator(".top-name button").textContent(), /^hot_function$/);
  assert.match(await first.locator(".top-name span").textContent(), /^hot · hot\.c:\d+$/);
  assert.ok(parseFloat(await first.locator(".top-percent").first().textContent()) > 80);

  await page.focus('[role="treegrid"]');
  const names = [];
  const row = page.locator('[role="row"][aria-selected="true"]');
  for (let depth = 0; depth < 12; depth++) {
    await page.keyboard.press("ArrowDown");
    names.push(await row.locator('[role="gridcell"]').first().textContent());
  }
  const at = names.indexOf("main");
  assert.ok(at >= 0, names.join(" > "));
  assert.deepEqual(names.slice(at, at + 3), ["main", "warm_function", "hot_function"]);
  assert.deepEqual(errors, []);
});

test("the page's totals are those of the command line", { timeout: 60_000 }, async () => {
  const top = JSON.parse(run("top", "--json"));
  const { page } = browser;
  const total = await page.evaluate(async () => {
    const headers = { Authorization: `Bearer ${sessionStorage.getItem("proflite-token")}` };
    return (await (await fetch("api/v1/flamegraph", { headers })).json()).total_ns;
  });
  assert.equal(total, top.total_ns);
  const samples = await page.textContent(".summary-totals");
  assert.ok(samples.includes(`${top.samples.toLocaleString("en-US")} samples`), samples);
});

test("search, metric and range work on real data", { timeout: 60_000 }, async () => {
  const { page, errors } = browser;
  await page.fill(".search input", "hot_function");
  await page.waitForFunction(() => /% in 1 function/.test(document.querySelector(".search-result").textContent));
  await page.fill(".search input", "");
  await page.locator(".search input").blur();
  await page.keyboard.press("m");
  await page.waitForFunction(() => document.querySelector(".summary-totals").textContent.includes("CPU time"));
  const box = await page.locator(".timeline-area-canvas").boundingBox();
  await page.mouse.move(box.x + box.width * 0.3, box.y + 20);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.6, box.y + 20, { steps: 3 });
  await page.mouse.up();
  await page.waitForFunction(() => document.querySelectorAll(".chip:not(.chip-add)").length === 1);
  await page.waitForFunction(() => !document.querySelector("#flame").classList.contains("loading"));
  assert.match(await page.textContent(".top-table [data-key] .top-name button"), /hot_function/);
  assert.deepEqual(errors, []);
});

test("every view answers on real data", { timeout: 60_000 }, async () => {
  const { page, errors } = browser;
  const open = async (query, selector) => {
    await page.goto(new URL(`/${query}`, address).href);
    await page.waitForSelector(selector, { state: "attached" });
    assert.equal(await page.locator(".notice").count(), 0, `${query}: ${await page.locator(".notice").allTextContents()}`);
  };
  await open("", ".top-table [data-key]");
  await page.click(".top-table [data-key]");
  await page.waitForSelector(".details-row");
  const fn = new URL(page.url()).searchParams.get("fn");
  await page.click(".details-row >> text=/hot\\.c:/");
  await page.waitForSelector(".source-line.chosen .source-heat span");
  assert.match(await page.textContent(".source-lines"), /hot_function/);
  await open(`?fn=${fn}&tab=callers&view=sandwich`, ".sandwich [role=row]");
  assert.match(await page.textContent(".tree-rows"), /hot_function.*warm_function.*main/s);
  await open("?tab=tree&view=chart", ".chart-host [role=row]");
  for (const t of ["focus:warm_function", "callers:hot_function", "hide:warm_function", "collapse:warm_function", "recursion", "in_app", "modules", "files", "invert"])
    await open(`?t=${t}`, "#flame [role=row]");
  await open("?page=compare&a=all&b=label:span", ".notice").catch(() => {}); // nothing on one side
  assert.match(await page.textContent("#compare"), /B holds no samples/);
  await page.goto(new URL("/?page=compare&a=all&b=thread_name:hot", address).href); // its only thread: little or nothing differs
  await page.waitForSelector(".compare-table");
  await open("?page=setup", ".setup-table");
  await page.waitForFunction(() => !document.querySelector("#setup .skeleton"));
  assert.match(await page.textContent("#setup"), /accepted.*Nothing is sent on from here/s);
  assert.equal(await page.locator("#setup .notice").count(), 0, "each question is answered");
  assert.deepEqual(errors, []);
});

test("every example of the SQL page runs", { timeout: 60_000 }, async () => {
  const { page, errors } = browser;
  for (const { name, show, sql } of examples) {
    await page.goto(new URL(`/?page=sql&show=${show}&sql=${encodeURIComponent(sql)}`, address).href);
    await page.waitForSelector(".sql-answer [role=tab]");
    assert.match(await page.textContent(".sql-answer .tabs .muted"), /rows? in/, name);
    assert.equal(await page.getAttribute('.sql-answer [role=tab][aria-selected="true"]', "data-id"), show, name);
  }
  assert.deepEqual(errors, []);
});

test("without the token nothing is shown", { timeout: 60_000 }, async () => {
  const { page } = browser;
  await page.evaluate(() => sessionStorage.clear());
  await page.goto(new URL("/", address).href);
  await page.waitForSelector("text=This tab may not read the store");
});
