// The sheet of shortcuts.

import { html } from "../vendor/preact.js";
import { closeDialog } from "./dialogs.js";
import { Dialog, IconButton } from "./parts.js";

/** @type {[string, [string[], string][]][]} */
const shortcuts = [
  ["Graph", [
    [["click", "Space"], "Zoom to the box"],
    [["right click", "Enter"], "Everything that can be done with it"],
    [["Esc", "Backspace"], "Zoom back out"],
    [["↑", "↓", "←", "→"], "Walk: caller, callee, siblings"],
    [["Home"], "To the root"],
    [["Ctrl wheel"], "Zoom freely; drag to move"],
  ]],
  ["The function at hand", [
    [["f"], "Focus: only stacks with it"],
    [["i"], "Ignore: only stacks without it"],
    [["h"], "Hide its frames"],
    [["c"], "Collapse: one box with all it calls"],
    [["w"], "Who calls it, and what it calls"],
  ]],
  ["Search", [
    [["/"], "Search; /…/ is a regular expression"],
    [["n", "N"], "Next, previous match"],
    [["Ctrl K"], "Find an action or a function"],
  ]],
  ["To a part", [
    [["g"], "The graph"],
    [["a"], "All functions: table or tree; ↑ ↓ walk it"],
    [["r"], "The time range; ← → move its edges"],
    [["1", "2", "3", "4"], "Explore, Compare, SQL, Setup"],
  ]],
  ["Page", [
    [["m"], "Wall or CPU time"],
    [["t"], "Callers first, or callees first"],
    [["s"], "Choose sessions"],
    [["d"], "Compare with something else"],
    [["l"], "Follow the running program, or pause"],
    [["e"], "Export and link"],
    [["Ctrl Z", "Ctrl Shift Z"], "Undo, redo a filter or transform"],
    [["drag"], "In the timeline: choose a time range"],
    [["Shift drag"], "In the timeline: compare a range with the rest"],
    [["Ctrl click"], "On a thread: add it to the choice"],
    [["?"], "This sheet"],
  ]],
];

export function Help() {
  return html`<${Dialog} class="help-dialog" label="Keyboard shortcuts" onClose=${closeDialog}>
    <div class="dialog-head"><h2>Keyboard and pointer</h2><span class="spacer" />
      <${IconButton} name="close" label="Close" onClick=${closeDialog} /></div>
    <div class="help-columns">${shortcuts.map(([title, keys]) => html`<section key=${title}><h3>${title}</h3>
      <dl>${keys.map(([names, what]) => html`<div><dt>${names.map((name) => html`<kbd>${name}</kbd>`)}</dt><dd>${what}</dd></div>`)}</dl></section>`)}</div>
  <//>`;
}
