// Opens pages in Debian's Chromium, one after the other, until each is done.
//   visit.mjs URL...
import { openBrowser } from "../../browser/chromium.js";

const browser = await openBrowser();
try {
  for (const url of process.argv.slice(2)) {
    await browser.page.goto(url);
    console.log(JSON.stringify(await browser.page.evaluate(() => window.done)));
  }
  if (browser.errors.length) throw new Error(browser.errors.join("\n"));
} finally {
  await browser.close();
}
