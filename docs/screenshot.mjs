// node screenshot.mjs URL FILE: the viewer's page as a picture, twice as many pixels.

import { openBrowser } from "../tests/browser/chromium.js";

const [url, file] = process.argv.slice(2);
const { page, close } = await openBrowser({ deviceScaleFactor: 2, colorScheme: "light" });
await page.goto(url);
await page.waitForSelector(".top-table tbody tr[data-key]");
await page.click(".top-table tbody tr:first-child");
await page.mouse.move(640, 20);
await page.waitForTimeout(500); // pending frames
await page.screenshot({ path: file });
await close();
