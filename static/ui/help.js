// The sheet of shortcuts.

import { h, iconButton, icons } from "./dom.js";

/** @type {[string, [string[], string][]][]} */
const shortcuts = [
  ["Graph", [
    [["click", "Enter"], "Zoom to the box"],
    [["Esc", "Backspace"], "Zoom back out"],
    [["↑", "↓", "←", "→"], "Walk: caller, callee, siblings"],
    [["Home"], "To the root"],
    [["Ctrl wheel"], "Zoom freely; drag to move"],
  ]],
  ["Search", [
    [["/"], "Search; /…/ is a regular expression"],
    [["n", "N"], "Next, previous match"],
  ]],
  ["Page", [
    [["m"], "Wall or CPU time"],
    [["s"], "Choose sessions"],
    [["drag"], "In the timeline: choose a time range"],
    [["Ctrl click"], "On a thread: add it to the choice"],
    [["?"], "This sheet"],
  ]],
];

export function createHelp() {
  const dialog = h("dialog", { class: "help-dialog", "aria-label": "Keyboard shortcuts" },
    h("div", { class: "dialog-head" }, h("h2", {}, "Keyboard and pointer"), h("span", { class: "spacer" }),
      iconButton(icons.close, "Close", () => dialog.close())),
    h("div", { class: "help-columns" }, shortcuts.map(([title, keys]) => h("section", {}, h("h3", {}, title),
      h("dl", {}, keys.map(([names, what]) => [h("dt", {}, names.map((name) => h("kbd", {}, name))), h("dd", {}, what)]))))));
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  return { toggle: () => (dialog.open ? dialog.close() : dialog.showModal()) };
}
