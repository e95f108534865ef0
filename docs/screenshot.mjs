// node screenshot.mjs URL FILE: the viewer's page as a picture, twice as many pixels.

import { openBrowser } from "../tests/browser/chromium.js";

const [address, file] = process.argv.slice(2);
const url = new URL(address);
url.search = "?metric=cpu";
const { page, close } = await openBrowser({ deviceScaleFactor: 2, colorScheme: "light" });
await page.goto(url.href);
await page.waitForSelector(".top-table [data-key]");
await page.waitForSelector(".thread-label");
await page.hover(".top-table [data-key]"); // lights it up in the graph
await page.waitForTimeout(500); // pending frames
await page.screenshot({ path: file });
await close();
