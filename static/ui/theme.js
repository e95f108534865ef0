// Light, dark, or as the system says. CSS does the rest (css/tokens.css); canvases ask
// `currentTheme` and redraw when told.

const order = ["auto", "light", "dark"];
const system = matchMedia("(prefers-color-scheme: dark)");

/** @returns {"auto"|"light"|"dark"} */
export function chosenTheme() {
  return /** @type {any} */ (document.documentElement.dataset.theme ?? "auto");
}

/** @returns {"light"|"dark"} what is on screen */
export function currentTheme() {
  const chosen = chosenTheme();
  if (chosen !== "auto") return chosen;
  return system.matches ? "dark" : "light";
}

export function nextTheme() {
  const theme = order[(order.indexOf(chosenTheme()) + 1) % order.length];
  if (theme === "auto") {
    delete document.documentElement.dataset.theme;
    localStorage.removeItem("proflite-theme");
  } else {
    document.documentElement.dataset.theme = theme;
    localStorage.setItem("proflite-theme", theme);
  }
}

/** @param {() => void} changed */
export function watchSystemTheme(changed) {
  system.addEventListener("change", changed);
}
