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
      mock.close();
    }
  });
}

async function ready(page) {
  for (const part of [".top-table [data-key]", ".thread-label", "#flame [role=row]"])
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
  await page.keyboard.press("Enter");
  assert.ok(search(page).get("zoom"));
  await page.keyboard.press("Backspace");
  assert.equal(search(page).get("zoom"), null);
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
  await page.waitForFunction(() => document.querySelectorAll(".chip").length === 1);
  assert.ok(mock.requests.some((url) => /flamegraph\?.*from=\d{19}&to=\d{19}/.test(url)));
  assert.ok(!mock.requests.some((url) => /timeline\?.*from=/.test(url)), "the timeline stays whole");
  await page.click('.timeline-buttons [aria-label^="Spread"]');
  await page.waitForFunction(() => location.search.includes("window="));
  await page.click('.chip:has-text("timeline")');
  await page.click('.chip:has-text("time")');
  assert.equal(search(page).get("range"), null);
  await page.focus('[aria-label="Start of the time range"]');
  await page.keyboard.press("ArrowRight");
  assert.ok(search(page).get("range"));
});

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

page("loads what was pruned when zoomed into it", "big", async (page, mock) => {
  await ready(page);
  await clickGraph(page, 700, 3);
  await page.waitForFunction(() => document.querySelector("#flame").classList.contains("loading") === false);
  const deeper = mock.requests.filter((url) => /flamegraph\?.*min_ns=[1-9]/.test(url));
  assert.equal(deeper.length, 1);
  assert.match(await page.textContent("#summary"), /boxes not loaded|lost/);
});

page("follows a live recording", "live", async (page) => {
  await ready(page);
  const total = await page.textContent(".summary-totals");
  assert.match(total, /live/);
  await page.waitForFunction((old) => document.querySelector(".summary-totals").textContent !== old, total, { timeout: 8000 });
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
  ["empty", "empty", "", null],
  ["few samples", "few", "", null],
])
  for (const theme of ["light", "dark"])
    page(`accessible: ${name}, ${theme}`, scenario, async (page) => {
      await page.emulateMedia({ colorScheme: /** @type {any} */ (theme), reducedMotion: "reduce" });
      await (scenario === "empty" ? page.waitForSelector(".notice") : ready(page));
      if (act) await act(page);
      await page.waitForTimeout(300);
      await page.evaluate(axeSource);
      const found = await page.evaluate(() => /** @type {any} */ (globalThis).axe.run());
      const brief = found.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.html.slice(0, 120)} ${node.any[0]?.message ?? ""}`).slice(0, 3).join(" | ")}`);
      assert.deepEqual(brief, []);
    }, { query });

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
