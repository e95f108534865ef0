// The page in a real browser, over made-up answers: what people do with it, what it
// shows when there is nothing to show, and that it stays accessible and fast.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { openBrowser } from "./chromium.js";
import { startMock, token } from "./mock-server.js";

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let browser;
before(async () => (browser = await openBrowser({ reducedMotion: "reduce" })));
after(() => browser.close());

/** Opens a scenario, runs the test's body, then wants no error in the console. */
function page(name, scenario, body, { query = "", expectErrors = false, secret = token } = {}) {
  test(name, { timeout: 60_000 }, async () => {
    const mock = await startMock(scenario);
    browser.errors.length = 0;
    const { page } = browser;
    await page.goto("about:blank");
    await page.goto(`${mock.url}${query}#t=${secret}`);
    try {
      await body(page, mock);
      if (!expectErrors) assert.deepEqual(browser.errors, []);
    } finally {
      await page.goto("about:blank"); // a stream that is cut off would be an error
      mock.close();
    }
  });
}

async function ready(page) {
  for (const part of ["#left [role=row], #left .notice", ".thread-label", "#right [role=row], #right .notice, .scope"])
    await page.waitForSelector(part, { state: "attached" });
}

const search = (page) => new URL(page.url()).searchParams;
const graph = "#flame canvas";

async function clickGraph(page, x, row) {
  await page.click(graph, { position: { x, y: row * 18 + 9 } });
}

page("shows the latest recording and takes the token out of the address", "normal", async (page, mock) => {
  await ready(page);
  assert.equal(new URL(page.url()).hash, "");
  assert.match(await page.textContent("#topbar .session-button"), /renderd · 48211/);
  assert.match(await page.textContent("#summary"), /90\.3 s wall time in 9,120 samples.*3 lost/);
  assert.equal(await page.locator(".thread-label").count(), 16, "busiest 15 and the folded rest");
  assert.match(await page.locator(".thread-label").last().textContent(), /\+6 idle/);
  assert.ok(mock.requests.some((url) => url.includes("flamegraph?session=1&metric=wall")));
  await page.reload();
  await ready(page);
});

page("zooms by click, keeps it in the URL, goes back by Back and by Esc", "normal", async (page) => {
  await ready(page);
  await clickGraph(page, 100, 2);
  const zoomed = search(page).get("zoom");
  assert.ok(zoomed);
  assert.match(await page.textContent(".details"), /Scheduler::dispatch/);
  await clickGraph(page, 100, 4);
  assert.notEqual(search(page).get("zoom"), zoomed);
  await page.goBack();
  assert.equal(search(page).get("zoom"), zoomed);
  await page.keyboard.press("Escape");
  assert.equal(search(page).get("zoom"), null);
});

page("a zoomed view can be linked to", "normal", async (page) => {
  await ready(page);
  await clickGraph(page, 100, 3);
  const url = page.url();
  const level = await page.getAttribute('[role="row"][aria-selected="true"]', "aria-level");
  await page.goto("about:blank");
  await page.goto(url);
  await ready(page);
  assert.equal(await page.getAttribute('[role="row"][aria-selected="true"]', "aria-level"), level);
});

page("walks the graph by keyboard, for screen readers too", "normal", async (page) => {
  await ready(page);
  await page.focus('[role="treegrid"]');
  for (const key of ["ArrowDown", "ArrowDown", "ArrowRight"]) await page.keyboard.press(key);
  const row = page.locator('[role="row"][aria-selected="true"]');
  assert.equal(await row.getAttribute("aria-level"), "3");
  assert.equal(await page.getAttribute('[role="treegrid"]', "aria-activedescendant"), await row.getAttribute("id"));
  assert.match(await page.textContent(".flame-status"), /of all/);
  await page.keyboard.press("ArrowUp");
  assert.match(await row.textContent(), /start_thread total 5\d\.\d%/);
  await page.keyboard.press("Space");
  assert.ok(search(page).get("zoom"));
  await page.keyboard.press("Backspace");
  assert.equal(search(page).get("zoom"), null);
});

page("sorts the graph by name", "normal", async (page) => {
  await ready(page);
  const shown = () => page.locator("#flame canvas").evaluate((canvas) => canvas.toDataURL().length);
  const before = await shown();
  await page.click("text=Sort by name");
  assert.equal(search(page).get("order"), "name");
  await page.waitForFunction((before) => document.querySelector("#flame canvas").toDataURL().length !== before, before);
  await page.focus("#flame [role=treegrid]");
  for (const key of ["Home", "ArrowDown", "ArrowDown"]) await page.keyboard.press(key);
  const rows = await page.locator('#flame [role=row][aria-level="2"] [role=gridcell]:first-child').allTextContents();
  assert.deepEqual(rows, [...rows].sort());
});

page("colours boxes by module, file, whose code, own time", "normal", async (page) => {
  await ready(page);
  const shown = () => page.locator("#flame canvas").evaluate((canvas) => canvas.toDataURL());
  const seen = new Set([await shown()]);
  for (const color of ["file", "code", "self"]) {
    await page.selectOption(".tabs-option select", color);
    assert.equal(search(page).get("color"), color);
    await page.waitForFunction((seen) => !seen.includes(document.querySelector("#flame canvas").toDataURL()), [...seen]);
    seen.add(await shown());
  }
  await page.goBack();
  assert.equal(await page.inputValue(".tabs-option select"), "code");
});

page("searches text and regular expressions, steps through matches", "normal", async (page) => {
  await ready(page);
  await page.keyboard.press("/");
  await page.keyboard.type("longest_match");
  await page.waitForFunction(() => /% in 1 function/.test(document.querySelector(".search-result").textContent));
  assert.equal(await page.locator(".top-table [data-key]").count(), 1);
  assert.equal(search(page).get("q"), "longest_match");
  await page.keyboard.press("Enter");
  assert.match(await page.locator('[role="row"][aria-selected="true"]').textContent(), /longest_match/);
  await page.keyboard.press("n");
  assert.match(await page.locator('[role="row"][aria-selected="true"]').textContent(), /longest_match/);
  await page.fill(".search input", "/mal+oc|free/");
  await page.waitForFunction(() => /functions/.test(document.querySelector(".search-result").textContent));
  await page.fill(".search input", "/(/");
  await page.waitForSelector(".search-result.error");
  await page.press(".search input", "Escape");
  assert.equal(search(page).get("q"), null);
});

page("chooses a time range by dragging and by keyboard", "normal", async (page, mock) => {
  await ready(page);
  const box = await page.locator(".timeline-area-canvas").boundingBox();
  await page.mouse.move(box.x + 100, box.y + 20);
  await page.mouse.down();
  await page.mouse.move(box.x + 300, box.y + 20, { steps: 3 });
  assert.match(await page.textContent(".timeline-range-text"), /cores/);
  await page.mouse.up();
  assert.match(search(page).get("range"), /^\d{19}-\d{19}$/);
  await page.waitForFunction(() => document.querySelectorAll(".chip:not(.chip-add)").length === 1);
  assert.ok(mock.requests.some((url) => /flamegraph\?.*from=\d{19}&to=\d{19}/.test(url)));
  assert.ok(!mock.requests.some((url) => /timeline\?.*from=/.test(url)), "the timeline stays whole");
  await page.click('.timeline-buttons [aria-label^="Spread"]');
  await page.waitForFunction(() => location.search.includes("window="));
  await page.click('.chip:has-text("timeline")');
  await page.waitForFunction(() => !location.search.includes("window="));
  await page.click('.chip:has-text("time")');
  await page.waitForFunction(() => !location.search.includes("range="));
  await page.focus('[aria-label="Start of the time range"]');
  await page.keyboard.press("ArrowRight");
  await page.waitForFunction(() => location.search.includes("range="));
});

page("figures, threads, graph and table follow a range while it is dragged", "normal", async (page, mock) => {
  await ready(page);
  await page.waitForSelector('.timeline-legend [data-code="app"]');
  assert.match(await page.textContent(".timeline-legend"), /^in-appsystem$/);
  assert.match(await page.getAttribute(".timeline-area-canvas", "aria-label"), /in all, 75\.0% in-app, 25\.0% system; at most/);
  const shown = async () => [await page.textContent(".summary-totals b"), await page.textContent(".thread-label"), await page.textContent(".top-table [data-key]"),
    await page.locator("#flame canvas").evaluate((canvas) => canvas.toDataURL().length)];
  const box = await page.locator(".timeline-area-canvas").boundingBox();
  await page.mouse.move(box.x + 100, box.y + 20);
  await page.waitForTimeout(300); // what is dragged over is loaded when somebody comes near
  const [before, asked] = [await shown(), mock.requests.length];
  await page.mouse.down();
  await page.mouse.move(box.x + 300, box.y + 20, { steps: 3 });
  await page.waitForFunction((old) => document.querySelector(".summary-totals b").textContent !== old, before[0]);
  await page.waitForTimeout(100);
  await page.mouse.move(box.x + 302, box.y + 20);
  await page.waitForTimeout(100);
  const during = await shown();
  during.forEach((text, i) => assert.notEqual(text, before[i]));
  assert.match(await page.textContent(".timeline-range-text"), /cores · in-app \d.* · system \d/);
  assert.deepEqual(mock.requests.slice(asked), [], "nothing is asked for while it moves");
  assert.equal(search(page).get("range"), null);
  await page.mouse.up();
  await page.waitForFunction((old) => document.querySelector(".summary-totals b").textContent !== old, during[0]);
  assert.ok(mock.requests.slice(asked).some((url) => /flamegraph\?.*from=\d{19}/.test(url)));
});

page("rows of threads get more room by keyboard and pointer, and keep it", "normal", async (page) => {
  await ready(page);
  const height = () => page.locator(".timeline-threads").evaluate((element) => element.clientHeight);
  const usual = await height();
  await page.focus(".timeline-grip");
  for (const key of ["ArrowDown", "ArrowDown", "ArrowUp"]) await page.keyboard.press(key);
  assert.equal(await height(), usual + 14);
  const box = await page.locator(".timeline-grip").boundingBox();
  await page.mouse.move(box.x + 300, box.y + 4);
  await page.mouse.down();
  await page.mouse.move(box.x + 300, box.y + 4 + 42);
  await page.mouse.up();
  assert.equal(await height(), usual + 56);
  await page.reload();
  await ready(page);
  assert.equal(await height(), usual + 56);
  assert.equal(await page.getAttribute(".timeline-grip", "aria-valuemax"), "16");
  await page.evaluate(() => localStorage.removeItem("proflite-rows"));
});

page("a crash is a flag, which leads to its process", "normal", async (page) => {
  await ready(page);
  const flags = page.locator(".timeline-flag.end");
  assert.deepEqual(await flags.allTextContents(), ["crashed", "killed"]);
  await flags.first().click();
  await page.waitForFunction(() => location.search.includes("session=7"));
}, { query: "?recording=rec-1" });

page("chooses threads", "normal", async (page, mock) => {
  await ready(page);
  await page.click(".thread-label:nth-child(1)");
  await page.click(".thread-label:nth-child(3)", { modifiers: ["Control"] });
  assert.equal(search(page).get("thread").split(",").length, 2);
  await page.waitForFunction(() => document.querySelectorAll('[aria-pressed="true"].thread-label').length === 2);
  assert.ok(mock.requests.some((url) => /top\?session=1&thread=\d+%2C\d+/.test(url)));
  await page.click('.thread-label:has-text("+6 idle")');
  assert.equal(await page.locator(".thread-label").count(), 22, "21 threads and the button that folds them");
});

page("the keyboard focus stays where it was when a list is made anew", "normal", async (page) => {
  await ready(page);
  const second = page.locator(".thread-label").nth(1);
  const name = await second.textContent();
  await second.focus();
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelectorAll('[aria-pressed="true"].thread-label').length === 1);
  assert.equal(await page.evaluate(() => document.activeElement.textContent), name);
});

page("switches between wall and CPU time", "normal", async (page, mock) => {
  await ready(page);
  await page.keyboard.press("m");
  await page.waitForFunction(() => document.querySelector("#summary").textContent.includes("CPU time"));
  assert.equal(search(page).get("metric"), "cpu");
  assert.ok(mock.requests.some((url) => url.includes("metric=cpu")));
});

page("chooses sessions: a recording, some of its processes, everything", "normal", async (page, mock) => {
  await ready(page);
  await page.keyboard.press("s");
  await page.click('.session-group:has-text("12 processes")');
  await page.waitForFunction(() => document.querySelector(".session-title").textContent === "cc1 +2");
  assert.equal(search(page).get("recording"), "rec-1");
  assert.ok(mock.requests.some((url) => url.includes("session=2%2C3%2C4")));
  await page.click(".session-button");
  await page.fill(".session-dialog input[type=search]", "crashed");
  assert.equal(await page.locator(".session-table tbody tr").count(), 1);
  await page.click(".session-table th button");
  assert.equal(search(page).get("session"), "7");
  await page.keyboard.press("s");
  await page.click("text=Everything");
  await page.waitForFunction(() => document.querySelector(".session-title").textContent === "Everything");
});

page("sorts and selects in the table", "normal", async (page) => {
  await ready(page);
  await page.click(".top-head >> text=Total");
  assert.equal(search(page).get("sort"), "total");
  const shares = await page.locator(".top-table [data-key] > :nth-child(3) .top-percent").allTextContents();
  const values = shares.map(parseFloat);
  assert.deepEqual(values, [...values].sort((a, b) => b - a));
  await page.click(".top-table [data-key]:nth-child(2)");
  assert.match(await page.textContent(".details"), /Module.*Source.*Self.*Total/);
});

page("tells the function under the pointer at once and in a tooltip", "normal", async (page) => {
  await ready(page);
  await page.hover(graph, { position: { x: 100, y: 45 } });
  assert.match(await page.textContent(".flame-status"), /Scheduler::dispatch .*% of all/);
  await page.waitForSelector(".tooltip:not([hidden])");
  assert.match(await page.textContent(".tooltip"), /std::shared_ptr<renderd::Job>.*total.*self/);
});

page("transforms by menu and key, as chips, with undo and redo", "normal", async (page, mock) => {
  await ready(page);
  const asked = () => mock.requests.filter((url) => /flamegraph\?/.test(url)).at(-1);
  await page.click(graph, { position: { x: 100, y: 45 }, button: "right" });
  await page.waitForSelector("[role=menu]");
  assert.match(await page.textContent("[role=menu]"), /Scheduler::dispatch.*Zoom.*Focus.*Ignore.*Hide.*Collapse/s);
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => new URLSearchParams(location.search).get("t")?.startsWith("focus:renderd::Scheduler"));
  await page.waitForSelector('.chip:has-text("focus")');
  await page.waitForTimeout(100);
  assert.match(asked(), /t=focus%3Arenderd/);
  await page.click(".top-table [data-key]:nth-child(2)");
  await page.mouse.move(640, 20);
  await page.keyboard.press("h");
  await page.waitForFunction(() => document.querySelectorAll(".chip:not(.chip-add)").length === 2);
  assert.equal(search(page).getAll("t").length, 2);
  await page.keyboard.press("Control+z");
  await page.waitForFunction(() => document.querySelectorAll(".chip:not(.chip-add)").length === 1);
  await page.keyboard.press("Control+Shift+Z");
  await page.waitForFunction(() => document.querySelectorAll(".chip:not(.chip-add)").length === 2);
  await page.click('[aria-label^="Undo"]');
  await page.click('.chip:has-text("focus")');
  await page.waitForFunction(() => document.querySelectorAll(".chip:not(.chip-add)").length === 0);
  assert.deepEqual(search(page).getAll("t"), []);
  await page.keyboard.press("t");
  await page.waitForFunction(() => location.search.includes("invert=1"));
  await page.waitForTimeout(100);
  assert.match(asked(), /t=invert/);
});

page("transforms that leave nothing: says so and offers to take them off", "normal", async (page) => {
  await page.click("text=Take off the transforms");
  await ready(page);
}, { query: "?t=ignore:a&t=ignore:b" });

page("the call tree opens, closes and walks by keyboard", "normal", async (page) => {
  await ready(page);
  await page.click("[role=tab] >> text=Tree");
  const rows = page.locator(".tree-rows [role=row]");
  await rows.first().waitFor();
  const first = await rows.count();
  assert.ok(first > 3, `${first} rows: the heaviest path is open`);
  assert.match(await rows.first().textContent(), /all.*100\.0%/);
  await page.focus(".tree-rows");
  await page.keyboard.press("ArrowLeft");
  await page.waitForFunction(() => document.querySelectorAll(".tree-rows [role=row]").length === 1);
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowDown");
  await page.waitForFunction(() => document.querySelector(".tree-rows [aria-selected=true]")?.getAttribute("aria-level") === "2");
  await page.keyboard.press("Space");
  await page.waitForSelector(".details");
  await page.keyboard.press("Enter");
  await page.waitForSelector("[role=menu]");
  await page.keyboard.press("Escape");
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute("role")), "treegrid");
});

page("callers as a tree, and the sandwich", "normal", async (page, mock) => {
  await ready(page);
  await page.click("[role=tab] >> text=Callers");
  await page.click("text=Show start_thread");
  await page.waitForSelector(".tree-rows [role=row]");
  assert.ok(mock.requests.some((url) => /t=callers%3Astart_thread/.test(url)));
  await page.click("[role=tab] >> text=Sandwich");
  await page.waitForFunction(() => document.querySelectorAll(".sandwich canvas").length === 2);
  assert.ok(mock.requests.some((url) => /t=focus%3Astart_thread/.test(url)));
  assert.match(search(page).get("view"), /sandwich/);
});

page("zooming into callees asks for what they hide", "big", async (page, mock) => {
  await ready(page);
  await page.click("[role=tab] >> text=Sandwich");
  await page.click("text=Show ");
  await page.waitForFunction(() => document.querySelectorAll(".sandwich canvas").length === 2);
  await page.focus(".sandwich-half:last-child [role=treegrid]");
  for (const key of ["ArrowDown", "ArrowDown", "Space"]) await page.keyboard.press(key);
  for (let i = 0; i < 200 && !mock.requests.some((url) => /flamegraph\?.*t=focus.*root=\w+/.test(url)); i++) await page.waitForTimeout(20);
  assert.ok(mock.requests.some((url) => /flamegraph\?.*t=focus.*root=\w+/.test(url)));
});

page("one thread over time", "normal", async (page, mock) => {
  await ready(page);
  await page.click("[role=tab] >> text=Chart");
  await page.waitForSelector(".chart-host canvas");
  assert.match(await page.textContent(".pane-line"), /2,400 samples over 24/);
  await page.hover(".chart-host canvas", { position: { x: 200, y: 45 } });
  await page.waitForFunction(() => /\+.* for /.test(document.querySelector(".chart-host .flame-status").textContent));
  await page.selectOption(".pane-line select", { index: 2 });
  await page.waitForFunction(() => location.search.includes("thread="));
  assert.ok(mock.requests.some((url) => /flamechart\?.*thread=\d+/.test(url)));
});

page("a stretch of the heatmap becomes a graph, by pointer and by keyboard", "normal", async (page, mock) => {
  await ready(page);
  await page.click("[role=tab] >> text=Heatmap");
  await page.waitForSelector(".scope canvas");
  assert.match(await page.textContent("#right .pane-line"), /A column is 500 ms, a cell 12\.5 ms/);
  assert.ok(mock.requests.some((url) => /timeline\?session=1&from=\d+&to=\d+&bins=19[26]0&by=code/.test(url)));
  const box = await page.locator(".scope").boundingBox();
  await page.mouse.move(box.x + box.width * 0.3, box.y + 20);
  assert.match(await page.textContent("#right [role=status]"), /^\+.* cores$/);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.6, box.y + 200, { steps: 3 });
  assert.match(await page.textContent("#right [role=status]"), /7\.\d+ s chosen/);
  await page.mouse.up();
  await page.waitForSelector("#flame canvas");
  const [from, to] = search(page).get("range").split("-").map(Number);
  assert.ok(to - from > 7e9 && to - from < 8e9);
  assert.equal(search(page).get("view"), null);
  await page.goBack();
  await page.waitForSelector(".scope canvas");
  await page.focus(".scope");
  for (const key of ["ArrowRight", "ArrowRight", "Shift+ArrowDown", "Shift+ArrowRight", "Enter"]) await page.keyboard.press(key);
  await page.waitForSelector("#flame canvas");
  const chosen = search(page).get("range").split("-").map(Number);
  assert.equal(Math.round((chosen[1] - chosen[0]) / 12.5e6), 42);
});

page("each key does what the sheet says", "normal", async (page) => {
  await ready(page);
  const went = (pattern) => page.waitForFunction((source) => new RegExp(source).test(decodeURIComponent(location.search)), pattern.source);
  await page.click(".top-table [data-key]:nth-child(2)");
  await page.mouse.move(640, 20);
  for (const [key, kind] of [["f", "focus"], ["i", "ignore"], ["h", "hide"], ["c", "collapse"]]) {
    await page.keyboard.press(key);
    await went(new RegExp(`[?&]t=${kind}:`));
    await page.keyboard.press("Control+z");
    await page.waitForFunction(() => !/[?&]t=/.test(location.search));
    await page.waitForSelector(".details h2");
  }
  await page.keyboard.press("w");
  await went(/view=sandwich/);
  await page.goBack();
  await page.keyboard.press("?");
  await page.waitForSelector(".help-dialog");
  const told = await page.locator(".help-dialog kbd").allTextContents();
  for (const key of ["/", "n", "N", "f", "i", "h", "c", "w", "m", "t", "s", "d", "l", "e", "?", "Esc", "Backspace", "Ctrl K"]) assert.ok(told.includes(key), key);
  await page.keyboard.press("Escape");
  await page.keyboard.press("/");
  await page.keyboard.type("malloc");
  await page.keyboard.press("Enter");
  const first = await page.getAttribute("#flame [role=treegrid]", "aria-activedescendant");
  await page.keyboard.press("n");
  await page.waitForFunction((first) => document.querySelector("#flame [role=treegrid]").getAttribute("aria-activedescendant") !== first, first);
  await page.keyboard.press("N");
  await page.waitForFunction((first) => document.querySelector("#flame [role=treegrid]").getAttribute("aria-activedescendant") === first, first);
  await page.keyboard.press("d");
  await went(/page=compare/);
});

page("finds actions and functions by Ctrl-K", "normal", async (page) => {
  await ready(page);
  await page.keyboard.press("Control+k");
  await page.keyboard.type("merge mod");
  await page.keyboard.press("Enter");
  await page.waitForSelector('.chip:has-text("modules")');
  await page.keyboard.press("Control+k");
  await page.keyboard.type("longest_m");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelector(".details h2")?.textContent === "longest_match");
});

page("filters by label; markup in a label is text", "normal", async (page, mock) => {
  await ready(page);
  await page.click(".chip-add");
  await page.waitForSelector(".filter-row");
  assert.match(await page.textContent(".filter-list"), /<i>acme<\/i>/);
  await page.click('.filter-row:has-text("GET /cart")');
  await page.keyboard.press("Escape");
  await page.waitForSelector('.chip:has-text("span=GET /cart")');
  assert.equal(search(page).get("label"), "span=GET /cart");
  assert.ok(mock.requests.some((url) => /flamegraph\?.*label=span%3DGET/.test(url)));
});

page("merges by the values of a label", "normal", async (page, mock) => {
  await ready(page);
  await page.click(".chip-add");
  await page.click('.filter-row:has-text("Merge by thread")');
  await page.click('.filter-row:has-text("Merge by tenant")');
  await page.keyboard.press("Escape");
  await page.waitForSelector('.chip:has-text("boxes by"):has-text("tenant")');
  assert.deepEqual(search(page).getAll("t"), ["labels:tenant"], "a tree has one first level");
  await page.waitForFunction(() => !document.querySelector("#flame").classList.contains("loading"));
  assert.ok(mock.requests.some((url) => /flamegraph\?.*t=labels%3Atenant/.test(url)));
});

page("asks in SQL: table, lines, flame graph", "normal", async (page) => {
  await page.waitForSelector(".sql-editor");
  await page.waitForFunction(() => document.querySelector(".sql-editor").shadowRoot?.querySelector(".cm-content")?.textContent.includes("FROM"));
  await page.click("text=Run");
  await page.waitForSelector(".sql-table [role=row]");
  assert.match(await page.textContent(".sql-answer"), /300 rows.*<b>f0<\/b>.*NULL/s);
  await page.selectOption(".sql-bar select", { label: "Samples per second" });
  await page.waitForSelector(".lines canvas");
  await page.selectOption(".sql-bar select", { label: "Flame graph of everything" });
  await page.waitForSelector(".sql-flame canvas");
  assert.match(search(page).get("sql"), /stack_folded/);
  await page.goBack();
  await page.waitForSelector(".lines canvas");
  await page.evaluate(() => document.querySelector(".sql-editor").shadowRoot.querySelector(".cm-content").focus());
  await page.keyboard.press("Control+a");
  await page.keyboard.type("SELECT 'nonsense'");
  await page.keyboard.press("Control+Enter");
  await page.waitForSelector("text=No rows");
  // Chromium keeps the look of text that is typed over in a style attribute, and the
  // policy forbids it, as it should.
  const { errors } = browser;
  errors.splice(0, errors.length, ...errors.filter((text) => !/Applying inline style violates/.test(text)));
}, { query: "?page=sql" });

page("a first query runs by itself; queries are kept under names, in the browser", "normal", async (page) => {
  await page.waitForSelector(".sql-table [role=row]");
  assert.equal(search(page).get("sql"), null);
  await page.selectOption(".sql-bar select", { label: "Samples per second" });
  await page.waitForSelector(".lines canvas");
  await page.click("text=Save …");
  await page.keyboard.type("<i>mine</i>");
  await page.keyboard.press("Enter");
  await page.waitForSelector("text=Forget “<i>mine</i>”");
  await page.selectOption(".sql-bar select", { label: "Functions by self time" });
  await page.waitForSelector("text=Save …");
  await page.reload();
  await page.waitForSelector(".sql-table [role=row]");
  await page.selectOption(".sql-bar select", { label: "<i>mine</i>" });
  await page.waitForSelector(".lines canvas");
  assert.match(search(page).get("sql"), /second/);
  await page.click("text=Forget");
  await page.waitForSelector("text=Save …");
  assert.equal(await page.locator(".sql-bar option", { hasText: "mine" }).count(), 0);
}, { query: "?page=sql" });

page("compares: what changed, both ways, sides by typing, swap", "normal", async (page, mock) => {
  await page.waitForSelector(".compare-table [data-key]");
  assert.ok(mock.requests.some((url) => /diff\?a=2%2C3%2C4.*&b=1&/.test(url) || /diff\?a=2&b=1&/.test(url)), "as the address says");
  assert.match(await page.textContent(".compare-table"), /gone · sure.*new · sure/s);
  assert.match(await page.locator(".compare-table [data-key]").first().textContent(), /[+−]\d/);
  await page.hover("#right canvas", { position: { x: 60, y: 30 } });
  await page.waitForFunction(() => /A .*% → B .*points/.test(document.querySelector("#right .flame-status").textContent));
  await page.click('[aria-label^="Swap"]');
  await page.waitForFunction(() => new URLSearchParams(location.search).get("a") === "1");
  await page.fill('[aria-label="Side B"]', "@-2h..-1h");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => new URLSearchParams(location.search).get("b") === "@-2h..-1h");
  await page.click("text=Time");
  await page.waitForFunction(() => /[+−]?\d.* s/.test(document.querySelector(".compare-change").textContent));
  await page.click(".compare-table [data-key] button");
  await page.waitForFunction(() => document.querySelector("#right [aria-selected=true]").getAttribute("aria-level") > 1);
}, { query: "?page=compare&a=2&b=1" });

page("lists all, sure, new or gone changes, by name; leads from a side to Explore", "normal", async (page, mock) => {
  await page.waitForSelector(".compare-table [data-key]");
  const listed = () => page.textContent(".compare-table .top-foot");
  const all = await listed();
  await page.click('[aria-label="Which changes"] >> text=New');
  await page.waitForFunction((all) => document.querySelector(".compare-table .top-foot").textContent !== all, all);
  assert.equal(search(page).get("only"), "new");
  assert.match(await page.textContent(".compare-table"), /new · sure/);
  assert.equal(await page.locator(".compare-table [data-key]").count(), 1);
  await page.click('[aria-label="Which changes"] >> text=Gone');
  await page.waitForSelector("text=gone · sure");
  await page.fill('[aria-label="Search changes"]', "no such name");
  await page.click("text=List all changes");
  await page.waitForFunction((all) => document.querySelector(".compare-table .top-foot").textContent === all, all);
  await page.goBack();
  await page.waitForFunction(() => location.search.includes("only=gone"));
  await page.keyboard.press("m");
  await page.waitForFunction(() => location.search.includes("metric=cpu"));
  await page.keyboard.press("e");
  assert.match(await page.textContent(".share-dialog"), /curl .*diff\?a=2&b=1.*FROM pl_diff\('2', '1'\)/s);
  await page.keyboard.press("Escape");
  await page.click('[aria-label="Explore side A"]');
  await ready(page);
  assert.equal(search(page).get("session"), "2");
  assert.ok(mock.requests.some((url) => /flamegraph\?session=2&metric=cpu/.test(url)));
}, { query: "?page=compare&a=2&b=1" });

page("zooming into a difference asks for what it hides", "big", async (page, mock) => {
  await page.waitForSelector("#right [role=row]", { state: "attached" });
  await page.focus("#right [role=treegrid]");
  for (const key of ["ArrowDown", "ArrowDown", "Space"]) await page.keyboard.press(key);
  await page.waitForFunction(() => location.search.includes("zoom="));
  await page.waitForFunction(() => document.querySelector("#right canvas"));
  for (let i = 0; i < 100 && !mock.requests.some((url) => /diff\?.*root=/.test(url)); i++) await page.waitForTimeout(20);
  assert.ok(mock.requests.some((url) => /diff\?.*root=\w+/.test(url)));
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => !location.search.includes("zoom="));
}, { query: "?page=compare&a=2&b=1" });

page("compares what is shown with the time before, the weekday before, all threads", "normal", async (page) => {
  await ready(page);
  await page.click(".thread-label:nth-child(1)");
  const offered = () => page.locator('[aria-label="Compare with"] option').allTextContents();
  await page.waitForFunction(() => [...document.querySelectorAll('[aria-label="Compare with"] option')].some((option) => option.textContent === "all threads"));
  assert.ok((await offered()).includes("same weekday before"));
  const thread = search(page).get("thread");
  await page.selectOption('[aria-label="Compare with"]', "threads");
  await page.waitForSelector(".compare-table [data-key]");
  assert.deepEqual([search(page).get("a"), search(page).get("b")], ["1", `1 thread:${thread}`]);
  await page.goBack();
  await ready(page);
  await page.keyboard.press("Control+k");
  await page.keyboard.type("weekday");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => /^app:renderd @\d+\.\.\d+$/.test(new URLSearchParams(location.search).get("a")));
});

page("nothing to compare: says what is missing", "few", async (page) => {
  await page.waitForSelector("text=Nothing to compare yet");
  assert.match(await page.textContent("#compare"), /none of the same program before it/);
}, { query: "?page=compare" });

page("a function closer: trend, threads, lines, source", "normal", async (page) => {
  await ready(page);
  await page.click(".top-table [data-key]:nth-child(3)");
  await page.waitForSelector(".details-trend canvas");
  assert.match(await page.textContent(".details"), /Rose from 10\.0 % to 30\.0 %.*Threads.*renderd.*Lines.*tracer\.cc:210/s);
  await page.click("text=tracer.cc:210");
  await page.waitForSelector(".source-line.chosen");
  assert.match(await page.textContent(".source-line.chosen"), /5\.00 s210 {2}<script>alert\(1\)<\/script>/);
  await page.keyboard.press("Escape");
  await page.click(".details-row >> nth=1");
  await page.waitForFunction(() => location.search.includes("thread="));
});

page("setup: snippets, what came in, storage", "normal", async (page) => {
  await page.waitForSelector(".setup-table");
  await page.click("[role=tab] >> text=Python");
  assert.match(await page.textContent(".setup-code"), /dsn="http:\/\/0123456789abcdef0123456789abcdef@127\.0\.0\.1:\d+\/1"/);
  await page.waitForFunction(() => document.querySelectorAll(".setup-table").length === 7);
  assert.match(await page.textContent("#setup"), /profiling_malformed_stacks.*A stack names a frame that is not there.*<i>not an envelope<\/i>.*debuginfod https.*renderd\.debug.*sentry\.example.*paused: it refuses us; 403 Forbidden.*profile_chunk limited until.*http_400 1.*ring_full.*Samples go back to .* sums by hour back to.*proflite gc/s);
}, { query: "?page=setup" });

page("export: link, curl, SQL, picture", "normal", async (page) => {
  await ready(page);
  await page.keyboard.press("e");
  assert.match(await page.textContent(".share-dialog"), /curl -H .*flamegraph\?.*session_id IN \(1\)/s);
  const [file] = await Promise.all([page.waitForEvent("download"), page.click('[data-format="png"]')]);
  assert.equal(file.suggestedFilename(), "profile.png");
});

page("loads what was pruned when zoomed into it", "big", async (page, mock) => {
  await ready(page);
  await clickGraph(page, 700, 3);
  await page.waitForFunction(() => document.querySelector("#flame").classList.contains("loading") === false);
  const deeper = mock.requests.filter((url) => /flamegraph\?.*root=\w+&min_ns=[1-9]/.test(url));
  assert.equal(deeper.length, 1);
  const zoom = search(page).get("zoom");
  assert.ok(deeper[0].includes(`root=${zoom}&`), "what is below it, no more");
  await page.waitForFunction(() => document.querySelectorAll("#flame [role=row]").length > 3);
  const rows = await page.locator("#flame [role=row]").allTextContents();
  await page.reload(); // the link shows the same
  await ready(page);
  await page.waitForFunction((rows) => document.querySelectorAll("#flame [role=row]").length === rows, rows.length);
  assert.deepEqual(await page.locator("#flame [role=row]").allTextContents(), rows);
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => !location.search.includes("zoom="));
  // Freely zoomed, too.
  const before = mock.requests.length;
  for (let i = 0; i < 25; i++) {
    await page.mouse.move(900, 420);
    await page.keyboard.down("Control");
    await page.mouse.wheel(0, -120);
    await page.keyboard.up("Control");
  }
  await page.waitForTimeout(400);
  assert.ok(mock.requests.slice(before).some((url) => /flamegraph\?.*min_ns=[1-9]/.test(url)), "a look at a part asks for it");
});

page("what was not sent is told to screen readers, too", "big", async (page) => {
  await ready(page);
  await page.waitForFunction(() => !document.querySelector("#flame").classList.contains("loading"));
  await page.focus("#flame [role=treegrid]");
  const untold = page.locator("#flame [role=row]", { hasText: "not loaded" });
  const cursor = () => document.querySelector("#flame [role=treegrid]").getAttribute("aria-activedescendant");
  for (let i = 0; i < 60 && (await untold.count()) === 0; i++) {
    const old = await page.evaluate(cursor);
    await page.keyboard.press("ArrowDown");
    await page.waitForFunction((old) => document.querySelector("#flame [role=treegrid]").getAttribute("aria-activedescendant") !== old, old);
  }
  assert.match(await untold.textContent(), /boxes not loaded: zoom in to load them total [<\d.]+%, /);
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => /** @type {any} */ (globalThis).axe.run("#flame"));
  assert.deepEqual(violations.map(({ id }) => id), []);
});

page("follows a live recording", "live", async (page) => {
  await ready(page);
  const total = await page.textContent(".summary-totals");
  assert.match(total, /live/);
  await page.waitForFunction((old) => document.querySelector(".summary-totals").textContent !== old, total, { timeout: 8000 });
  await page.keyboard.press("l");
  await page.waitForSelector('.live-button[aria-pressed="false"] >> text=paused');
  await page.keyboard.press("l");
  await page.waitForSelector('.live-button[aria-pressed="true"]');
});

page("in a live recording boxes move to their new places, unless motion is reduced", "live", async (page) => {
  const drawsOfAnUpdate = async (reducedMotion) => {
    await page.emulateMedia({ reducedMotion });
    await page.waitForFunction((old) => document.querySelector(".summary-totals").textContent !== old, await page.textContent(".summary-totals"), { timeout: 8000 });
    return page.evaluate(countDraws);
  };
  await ready(page);
  let draws = 0; // a busy machine may leave out most frames of one movement
  for (let tries = 0; tries < 5 && draws <= 4; tries++) draws = await drawsOfAnUpdate("no-preference");
  assert.ok(draws > 4, `${draws}, not one for each frame`);
  assert.ok(await drawsOfAnUpdate("reduce") <= 4, "one for each update");
});

/** In the page: how often the graph is drawn in half a second. */
async function countDraws() {
  let draws = 0;
  const observer = new PerformanceObserver((list) => (draws += list.getEntriesByName("flame-draw").length));
  observer.observe({ entryTypes: ["measure"] });
  await new Promise((resolve) => setTimeout(resolve, 500));
  observer.disconnect();
  return draws;
}

page("waiting, and all time, over the threads", "normal", async (page) => {
  await ready(page);
  const label = page.locator(".thread-label").first();
  const running = await label.textContent();
  await page.selectOption('[aria-label="What the timeline shows"]', "off");
  assert.equal(search(page).get("heat"), "off");
  assert.notEqual(await label.textContent(), running);
  assert.match(await page.getAttribute(".timeline-area-canvas", "aria-label"), /^Off-CPU time over .* threads at once$/);
  await page.hover(".timeline-heat-canvas", { position: { x: 300, y: 5 } });
  assert.match(await page.textContent(".timeline-range-text"), /% of the time waiting/);
  await page.selectOption('[aria-label="What the timeline shows"]', "wall");
  assert.match(await label.textContent(), /24\.0 s/);
});

page("releases are flags; one is compared with the one before it", "releases", async (page) => {
  await ready(page);
  const flags = page.locator(".timeline-flag");
  assert.deepEqual(await flags.allTextContents(), ["1.0", "1.1", "2.0-rc1"]);
  assert.equal(await flags.first().isDisabled(), true, "nothing before it");
  await flags.nth(2).click();
  await page.waitForSelector(".compare-table [data-key]");
  assert.equal(search(page).get("a"), "app:renderd release:1.1");
  assert.equal(search(page).get("b"), "app:renderd release:2.0-rc1");
  await page.selectOption('[aria-label="Compare B with"]', "week");
  await page.waitForFunction(() => /@\d+\.\.\d+/.test(new URLSearchParams(location.search).get("a")));
  await page.selectOption('[aria-label="Compare B with"]', "release");
  await page.waitForFunction(() => new URLSearchParams(location.search).get("a") === "app:renderd release:1.1");
}, { query: "?app=renderd" });

page("a range is compared with the one before it, or with all of it", "normal", async (page) => {
  await ready(page);
  const drag = async (modifier, from) => {
    const box = await page.locator(".timeline-area-canvas").boundingBox();
    if (modifier) await page.keyboard.down(modifier);
    await page.mouse.move(box.x + from, box.y + 20);
    await page.mouse.down();
    await page.mouse.move(box.x + from + 200, box.y + 20, { steps: 3 });
    await page.mouse.up();
    if (modifier) await page.keyboard.up(modifier);
  };
  await drag("", 300);
  await page.waitForFunction(() => location.search.includes("range="));
  await page.keyboard.press("d");
  await page.waitForSelector(".compare-table [data-key]");
  assert.match(search(page).get("b"), /^1 @\d{19}\.\.\d{19}$/);
  assert.equal(search(page).get("a").split("..")[1], search(page).get("b").split("@")[1].split("..")[0], "A ends where B begins");
  await page.goBack();
  await ready(page);
  await drag("Shift", 700);
  await page.waitForSelector(".compare-table [data-key]");
  assert.equal(search(page).get("a"), "1");
  assert.match(search(page).get("b"), /^1 @\d{19}\.\.\d{19}$/);
});

page("what has gone on for long opens with its last hour; the time shown can be chosen", "long", async (page, mock) => {
  await ready(page);
  assert.equal(search(page).get("last"), "3600");
  const hour = /flamegraph\?.*from=(\d+)&to=(\d+)/.exec(mock.requests.find((url) => url.includes("v1/flamegraph")));
  assert.equal(Math.round((Number(hour[2]) - Number(hour[1])) / 1e9), 3600);
  assert.deepEqual(await page.locator(".time-choice option").allTextContents(), ["All of it", "Last 5 minutes", "Last 15 minutes", "Last hour", "Last 6 hours", "Last day"]);
  await page.selectOption(".time-choice", { label: "All of it" });
  await page.waitForFunction(() => !location.search.includes("last="));
  await page.waitForFunction(() => !document.querySelector("#flame").classList.contains("loading"));
  assert.ok(mock.requests.some((url) => /flamegraph\?(?!.*from=)/.test(url)));
});

page("empty store: how to record, then shows what came", "empty", async (page, mock) => {
  await page.waitForSelector("text=Nothing recorded yet");
  assert.match(await page.textContent("#notice pre"), /proflite record/);
  Object.assign(mock.world, mock.filled(), { generation: 2 });
  await ready(page);
});

page("no CPU time: offers wall time", "idle", async (page) => {
  await page.click("text=Show wall time");
  await ready(page);
  assert.equal(search(page).get("metric"), null);
}, { query: "?metric=cpu" });

page("a range without data: says so, names the filters and leads to the nearest data", "normal", async (page, mock) => {
  await ready(page);
  const end = mock.world.sessions[0].end_ns;
  const url = new URL(page.url());
  await page.goto(`${url.origin}/?range=${end + 5e9}-${end + 7e9}&label=tenant%3Da`);
  await page.waitForSelector("text=Go to the nearest data");
  assert.match(await page.textContent(".pane-notice"), /No samples in this time range, with tenant=a.*Show all labels/s);
  await page.click("text=Go to the nearest data");
  await page.waitForFunction(() => !document.querySelector(".pane-notice"));
  const [from, to] = search(page).get("range").split("-").map(Number);
  assert.ok(to <= end + 1e8 && to - from > 1e9, `${end - to} ${to - from}`);
});

page("much without names: says of what, and where symbols are added", "normal", async (page, mock) => {
  mock.world.tree.functions.name.forEach((_, i, names) => i % 2 && (names[i] = `renderd+0x${i.toString(16)}`));
  await page.reload();
  await ready(page);
  const caution = page.locator(".caution", { hasText: "without names" });
  assert.match(await caution.getAttribute("title"), /Functions of .*renderd.*proflite symbols add FILE/);
  await caution.click();
  await page.waitForSelector("text=proflite symbols add");
});

page("a session that is gone: offers the latest", "normal", async (page) => {
  await page.click("text=Latest recording");
  await ready(page);
}, { query: "?session=99" });

page("few samples: a caution", "few", async (page) => {
  await ready(page);
  assert.match(await page.textContent(".caution"), /Only 42 samples: ±15 points/);
});

page("an error names the endpoint, and Retry asks again", "error", async (page, mock) => {
  await page.waitForSelector(".pane-notice >> text=disk I/O error");
  assert.match(await page.textContent(".pane-notice"), /GET api\/v1\/flamegraph: 500/);
  mock.world.failing = false;
  await page.click("text=Retry");
  await page.waitForFunction(() => !document.querySelector(".pane-notice").textContent.includes("disk I/O"));
}, { expectErrors: true });

page("a failing reload keeps the old graph", "normal", async (page, mock) => {
  await ready(page);
  mock.world.failing = true;
  await page.keyboard.press("m");
  await page.waitForSelector("#flame.failed .notice");
  assert.ok((await page.locator(".top-table [data-key]").count()) > 10);
}, { expectErrors: true });

page("a wrong token: asks for the right one", "normal", async (page) => {
  await page.fill('input[type="password"]', token);
  await page.click(".notice button");
  await ready(page);
}, { secret: "wrong", expectErrors: true });

page("names are text, whatever they hold", "normal", async (page, mock) => {
  mock.world.tree.functions.name[2] = "<img src=x onerror=alert(1)>";
  mock.world.sessions[0].app = "<b>bold</b>";
  await page.reload();
  await ready(page);
  assert.equal(await page.locator("b", { hasText: "bold" }).count(), 0);
  assert.equal(await page.locator("img").count(), 0);
});

for (const [name, scenario, query, act] of [
  ["explore", "normal", "", null],
  ["a selected function, a search, filters", "normal", "?q=renderd&thread=101", (page) => page.click(".top-table [data-key]:nth-child(2)")],
  ["sessions", "normal", "", (page) => page.keyboard.press("s")],
  ["shortcuts", "normal", "", (page) => page.keyboard.press("?")],
  ["palette", "normal", "", (page) => page.keyboard.press("Control+k")],
  ["filter", "normal", "", (page) => page.keyboard.press("Control+k").then(() => page.keyboard.press("Escape")).then(() => page.click(".chip-add"))],
  ["export", "normal", "", (page) => page.keyboard.press("e")],
  ["menu", "normal", "", (page) => page.click(graph, { position: { x: 100, y: 45 }, button: "right" })],
  ["tree and sandwich", "normal", "?tab=tree&view=sandwich", null],
  ["heatmap, own time", "normal", "?view=scope&color=self", null],
  ["callers and chart", "normal", "?tab=callers&view=chart", null],
  ["source", "normal", "", (page) => page.click(".top-table [data-key]:nth-child(3)").then(() => page.click("text=tracer.cc:210"))],
  ["compare", "normal", "?page=compare&a=2&b=1", null],
  ["sql", "normal", "?page=sql&sql=SELECT+1", null],
  ["setup", "normal", "?page=setup", null],
  ["empty", "empty", "", null],
  ["few samples", "few", "", null],
  ["releases, waiting", "releases", "?app=renderd&heat=off", null],
])
  page(`accessible: ${name}`, scenario, async (page) => {
    await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
    await (scenario === "empty" ? page.waitForSelector(".notice") : query.includes("page=") ? page.waitForTimeout(600) : ready(page));
    if (act) await act(page);
    await page.waitForTimeout(300);
    await page.evaluate(axeSource);
    await wantAccessible(page, {});
    await page.emulateMedia({ colorScheme: "dark", reducedMotion: "reduce" });
    await page.waitForTimeout(100);
    await wantAccessible(page, { runOnly: ["color-contrast"] }); // what else a theme could change
  }, { query });

async function wantAccessible(page, options) {
  const { violations } = await page.evaluate((options) => /** @type {any} */ (globalThis).axe.run({ resultTypes: ["violations"], ...options }), options);
  assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.html.slice(0, 120)} ${node.any[0]?.message ?? ""}`).slice(0, 3).join(" | ")}`), []);
}

page("draws 200,000 nodes quickly", "big", async (page, mock) => {
  mock.world.sendAll = true;
  await page.reload();
  await ready(page);
  await page.waitForFunction(() => document.querySelector("#flame").classList.contains("loading") === false);
  const figures = await page.evaluate(measureModel);
  const draws = await page.evaluate(measureDraws);
  console.log(`# ${figures.nodes} nodes: decode ${figures.decode} ms, search ${figures.search} ms; draw at 1280×800: median ${draws.median} ms, worst ${draws.worst} ms`);
  assert.ok(figures.nodes >= 150_000);
  // The goal is 8 ms; a shared machine gets some room.
  assert.ok(draws.median < 30, `median draw ${draws.median} ms`);
});

/** In the page: all nodes, decoded and searched. */
async function measureModel() {
  const at = (path) => import(new URL(path, location.href).href);
  const { decodeFlame } = await at("lib/flame-model.js");
  const { matchFunctions, matchedNodes } = await at("lib/search.js");
  const headers = { Authorization: `Bearer ${sessionStorage.getItem("proflite-token")}` };
  const answer = await (await fetch("api/v1/flamegraph?session=1&min_ns=0", { headers })).json();
  const began = performance.now();
  const model = decodeFlame(answer);
  const decoded = performance.now();
  matchedNodes(model, matchFunctions(model.functions, (name) => name.includes("apply_1")));
  const searched = performance.now();
  return { nodes: model.count, decode: Math.round(decoded - began), search: Math.round(searched - decoded) };
}

/** In the page: how long the canvas takes, scrolling and zooming. */
async function measureDraws() {
  const times = [];
  new PerformanceObserver((list) => list.getEntries().forEach((entry) => times.push(entry.duration))).observe({ entryTypes: ["measure"] });
  const canvas = document.querySelector("#flame canvas");
  for (let i = 0; i < 40; i++) {
    const init = { ctrlKey: true, deltaY: i < 20 ? -60 : 60, clientX: 700, clientY: 500, bubbles: true, cancelable: true };
    canvas.dispatchEvent(new WheelEvent("wheel", init));
    await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
  }
  times.sort((a, b) => a - b);
  return { median: times[times.length >> 1].toFixed(1), worst: times.at(-1).toFixed(1) };
}
