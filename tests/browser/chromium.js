// Debian's Chromium, with a profile of its own that is thrown away.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

/**
 * @param {object} options for the context: viewport, colorScheme, …
 * @returns {Promise<{page: import("playwright-core").Page, errors: string[], close: () => Promise<void>}>}
 *   `errors` fills with what the page logs as errors: broken policy, thrown exceptions
 */
export async function openBrowser(options = {}) {
  const profile = mkdtempSync(join(tmpdir(), "proflite-browser-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", headless: true, args: flags,
    viewport: { width: 1280, height: 800 }, ...options,
  });
  const page = context.pages()[0] ?? (await context.newPage());
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  return {
    page, errors,
    close: async () => {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}
