// A whole session without a pointer, over a real store: whatever people come for is
// reached by keys, and the focus is never lost on the way.
//
// PROFLITE names the binary, HOT the program built from hot.c (run.sh sets both).

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { openBrowser } from "./chromium.js";

const proflite = process.env.PROFLITE ?? "proflite";
const folder = mkdtempSync(join(tmpdir(), "proflite-keyboard-"));
const db = join(folder, "test.db");
let server;
let browser;
let page;

before(async () => {
  for (let i = 0; i < 2; i++) execFileSync(proflite, ["--db", db, "record", "--name", "hot", "--", process.env.HOT ?? "./hot", ".6"]);
  server = spawn(proflite, ["--db", db, "serve", "--listen", "127.0.0.1:0"], { stdio: ["ignore", "pipe", "inherit"] });
  const address = await new Promise((resolve) => createInterface({ input: server.stdout }).once("line", resolve));
  browser = await openBrowser({ reducedMotion: "reduce", acceptDownloads: true });
  page = browser.page;
  await page.addInitScript(() => {
    for (const kind of ["pointerdown", "mousemove"]) addEventListener(kind, () => (document.title = "a pointer"), true);
  });
  await page.goto(address);
  await page.waitForSelector("#flame [role=row]", { state: "attached" });
  await page.waitForSelector(".thread-label");
});

after(async () => {
  await browser?.close();
  server?.kill("SIGTERM");
  rmSync(folder, { recursive: true, force: true });
});

/* ---- what a person does and sees ---- */

const param = (name) => new URL(page.url()).searchParams.get(name);
const until = (holds, ...args) => page.waitForFunction(holds, ...args);
const untilParam = (name, pattern) => until(([name, pattern]) => new RegExp(pattern).test(new URLSearchParams(location.search).get(name) ?? ""), [name, pattern]);

/** What has the focus: its name. */
const focused = () => page.evaluate(() => {
  const one = document.activeElement;
  return one === document.body ? "" : `${one.getAttribute("role") ?? one.localName} ${one.getAttribute("aria-label") ?? one.textContent.trim().slice(0, 60)}`;
});

async function press(...keys) {
  for (const key of keys) await page.keyboard.press(key);
}

/** By the Tab key until the focus is on something of that name: at most as many stops as a person bears. */
async function tabTo(pattern, { most = 40, key = "Tab" } = {}) {
  for (let i = 0; i < most; i++) {
    await press(key);
    if (pattern.test(await focused())) return;
  }
  assert.fail(`${pattern} is not among the next ${most} stops; the last one is ${await focused()}`);
}

/** The focus is somewhere, once what the last key did is drawn. */
async function keptFocus(what) {
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(resolve)))));
  assert.notEqual(await focused(), "", `${what}: the focus is lost`);
}

const chips = (count) => until((count) => document.querySelectorAll("button.chip:not(.chip-add)").length === count, count);

/* ---- the session ---- */

test("sessions: one is chosen by typing a part of its name", { timeout: 60_000 }, async () => {
  await press("s");
  await until(() => document.activeElement.getAttribute("aria-label") === "Filter sessions");
  await page.keyboard.type("hot");
  await press("Enter");
  await until(() => !document.querySelector("dialog"));
  assert.match(param("session") ?? "", /^\d+$/);
  await keptFocus("a session chosen");
});

test("a range: its edges move, and it can be given up", { timeout: 60_000 }, async () => {
  await press("r");
  assert.equal(await focused(), "input Start of the time range");
  await press("PageUp", "PageUp", "ArrowRight", "Tab", "PageDown");
  await untilParam("range", "^\\d{19}-\\d{19}$");
  await chips(1);
  await tabTo(/^button .*time/, { most: 3 });
  await press("Enter");
  await chips(0);
  assert.equal(param("range"), null);
  await keptFocus("a chip taken off");
});

test("threads: one stop, arrows go on", { timeout: 60_000 }, async () => {
  await press("r");
  await tabTo(/^button hot/, { most: 2, key: "Shift+Tab" });
  await press("Enter");
  await untilParam("thread", "\\d");
  await keptFocus("a thread chosen");
  await press("Enter");
  await until(() => !location.search.includes("thread="));
});

test("the table: walked by arrows, what the cursor is on is at hand", { timeout: 60_000 }, async () => {
  await press("a");
  assert.match(await focused(), /^button hot_function/);
  await press("ArrowDown");
  await until(() => /^(?!hot_function)./.test(document.activeElement.textContent) && document.activeElement.matches(".top-name button"));
  await press("End", "Home");
  await until(() => document.activeElement.textContent === "hot_function");
  await press("Enter");
  await page.waitForSelector(".details-row");
  await keptFocus("details opened");
  await tabTo(/^button What to do with it/, { most: 3 });
  await press("Enter");
  await page.waitForSelector("[role=menuitem]:focus");
  await press("ArrowDown");
  assert.match(await focused(), /^menuitem Ignore/);
  await press("Escape");
  assert.match(await focused(), /^button What to do with it/);
  await tabTo(/^button hot\.c/, { most: 12 });
  await press("Enter");
  await page.waitForSelector(".source-line.chosen");
  await press("Escape");
  await until(() => !document.querySelector("dialog"));
  assert.match(await focused(), /^button hot\.c/);
  await tabTo(/^button Close/, { most: 12, key: "Shift+Tab" });
  await press("Enter");
  await until(() => !document.querySelector(".details"));
  await keptFocus("details closed");
});

test("search: to the matches in the graph, zoom, and back", { timeout: 60_000 }, async () => {
  await press("/");
  await page.keyboard.type("/^hot_/");
  await until(() => /% in 1 function/.test(document.querySelector(".search-result").textContent));
  await press("Enter");
  assert.match(await focused(), /^treegrid/);
  await press("n", "Space");
  await untilParam("zoom", ".");
  await press("Escape");
  await until(() => !location.search.includes("zoom="));
  await press("/", "Escape");
  assert.match(await focused(), /^treegrid/, "back in the graph");
  assert.equal(param("q"), null);
});

test("transforms of the box under the cursor, undone and done again", { timeout: 60_000 }, async () => {
  const name = () => page.locator('#flame [role="row"][aria-selected="true"] [role="gridcell"]').first().textContent();
  await press("g", "Home");
  for (let i = 0; i < 20 && (await name()) !== "warm_function"; i++) await press("ArrowDown");
  await press("f");
  await untilParam("t", "^focus:warm_function$");
  await chips(1);
  for (const [key, kind] of [["i", "ignore"], ["h", "hide"], ["c", "collapse"]]) {
    await press("Control+z");
    await until(() => !location.search.includes("t="));
    await press("g", "Home");
    await until(() => !document.querySelector("#flame").classList.contains("loading"));
    for (let i = 0; i < 20 && (await name()) !== "warm_function"; i++) await press("ArrowDown");
    await press(key);
    await untilParam("t", `^${kind}:warm_function$`);
  }
  await press("Control+z", "Control+Shift+Z", "Control+z");
  await chips(0);
  await press("t", "t", "m", "m");
  assert.equal(param("invert"), null);
});

test("menu of a box, its callers and callees, the other tabs", { timeout: 60_000 }, async () => {
  await press("g", "Home", "ArrowDown", "ArrowDown", "Enter");
  await page.waitForSelector("[role=menuitem]:focus");
  await press("Escape");
  assert.match(await focused(), /^treegrid/);
  await press("w");
  await page.waitForSelector(".sandwich [role=row]", { state: "attached" });
  await keptFocus("the graph replaced by another");
  await tabTo(/^tab Sandwich/);
  await press("ArrowLeft");
  await page.waitForSelector(".chart-host [role=row]", { state: "attached" });
  assert.match(await focused(), /^tab Chart/);
  await press("ArrowLeft");
  await tabTo(/^tab Top/, { key: "Shift+Tab" });
  await press("ArrowRight");
  await page.waitForSelector(".tree-rows [role=row]");
  await press("a");
  await until(() => document.activeElement.getAttribute("aria-label") === "Call tree");
});

test("a label or transform by the filter dialog", { timeout: 60_000 }, async () => {
  await press("Control+k");
  await page.keyboard.type("filter by");
  await press("Enter");
  await until(() => document.activeElement.getAttribute("aria-label") === "Find a filter");
  await page.keyboard.type("recursion");
  await until(() => document.querySelectorAll(".filter-row").length === 1);
  await press("Tab", "Tab", "Tab", "Space");
  await press("Escape");
  await untilParam("t", "recursion");
  await keptFocus("the dialog closed");
  await press("Control+z");
});

test("export: a file", { timeout: 60_000 }, async () => {
  await press("e");
  await page.waitForSelector(".share-dialog");
  await tabTo(/^button speedscope/, { most: 8 });
  const [file] = await Promise.all([page.waitForEvent("download"), press("Enter")]);
  assert.equal(file.suggestedFilename(), "profile.speedscope.json");
  await press("Escape");
  await until(() => !document.querySelector("dialog"));
});

test("compare, SQL and setup by their numbers, and back", { timeout: 60_000 }, async () => {
  await press("2");
  await page.waitForSelector(".compare-table [data-key]");
  await tabTo(/^input Side A/, { most: 12 });
  await tabTo(/^button Time/, { most: 12 });
  await press("Enter");
  await untilParam("by", "time"); // the two recordings are never of one length
  await tabTo(/^button hot_function/, { most: 12 });
  await press("ArrowDown", "Enter");
  await until(() => document.querySelector("#right [aria-selected=true]").getAttribute("aria-level") > 1);
  await press("3");
  await page.waitForSelector(".sql-editor");
  await until(() => document.querySelector(".sql-editor").shadowRoot?.querySelector(".cm-content"));
  await tabTo(/^button Run/, { most: 2 }); // not through the bar again
  await press("Enter");
  await page.waitForSelector(".sql-table [role=row]");
  await tabTo(/^div/, { most: 6 });
  await press("Control+a");
  await page.keyboard.type("SELECT 42 AS answer /* ? */");
  await press("Control+Enter");
  await until(() => /answer42/.test(document.querySelector(".sql-table")?.textContent));
  await tabTo(/^(table|rowgroup|tab|grid)/, { most: 8 });
  await press("4");
  await page.waitForSelector(".setup-table");
  await tabTo(/^tab Any program/, { most: 12 });
  await press("ArrowRight");
  assert.match(await focused(), /^tab C/);
  await press("1");
  await page.waitForSelector("#flame [role=row]", { state: "attached" });
  await press("?");
  await page.waitForSelector(".help-dialog");
  await press("Escape");
});

test("no pointer was used, and nothing went wrong", () => {
  return page.title().then((title) => {
    assert.match(title, /proflite/);
    const { errors } = browser; // the editor's own, see viewer.test.js
    assert.deepEqual(errors.filter((text) => !/Applying inline style violates/.test(text)), []);
  });
});
