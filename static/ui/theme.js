// Light, dark, or as the system says. CSS does the rest (css/tokens.css); canvases read
// `shownTheme` and draw again when it changes.

import { computed, signal } from "../vendor/preact.js";

const order = ["auto", "light", "dark"];
const system = matchMedia("(prefers-color-scheme: dark)");
const systemDark = signal(system.matches);
system.addEventListener("change", () => (systemDark.value = system.matches));

/** What was chosen. */
export const theme = signal(/** @type {"auto"|"light"|"dark"} */ (document.documentElement.dataset.theme ?? "auto"));

/** What is on screen. */
export const shownTheme = computed(() => (theme.value === "auto" ? (systemDark.value ? "dark" : "light") : theme.value));

export function nextTheme() {
  const next = /** @type {any} */ (order[(order.indexOf(theme.value) + 1) % order.length]);
  if (next === "auto") {
    delete document.documentElement.dataset.theme;
    localStorage.removeItem("proflite-theme");
  } else {
    document.documentElement.dataset.theme = next;
    localStorage.setItem("proflite-theme", next);
  }
  theme.value = next;
}
