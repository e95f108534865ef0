// What lies over the page, before any of it is loaded: which dialog is open (one at a
// time), which menu, which source file.

import { signal } from "../vendor/preact.js";

/** @typedef {""|"sessions"|"help"|"palette"|"share"|"filter"} DialogName */

export const openedDialog = signal(/** @type {DialogName} */ (""));

/** What was typed at a dialog that is on its way. */
export const typedAhead = signal("");

/** @param {DialogName} name */
export function openDialog(name) {
  typedAhead.value = "";
  openedDialog.value = openedDialog.peek() === name ? "" : name;
}

export function closeDialog() {
  openedDialog.value = "";
}

/** @type {import("../vendor/preact.js").Signal<{entry: import("./actions.js").Entry, x: number, y: number, back: HTMLElement|null}|null>} */
export const openedMenu = signal(null);

/**
 * The menu of what can be done with a function.
 * @param {MouseEvent|{clientX: number, clientY: number, preventDefault: () => void}} event where
 * @param {import("./actions.js").Entry} entry
 */
export function openMenu(event, entry) {
  event.preventDefault();
  const back = /** @type {HTMLElement} */ (document.activeElement);
  openedMenu.value = { entry, x: event.clientX, y: event.clientY, back };
}

/** @type {import("../vendor/preact.js").Signal<{file: string, line: number, lines: any[]}|null>} */
export const openedSource = signal(null);

/** @param {string} file @param {number} line to be seen @param {any[]} lines of GET function */
export function openSource(file, line, lines) {
  openedSource.value = { file, line, lines };
}
