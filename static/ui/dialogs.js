// Which dialog is open: one at a time.

import { signal } from "../vendor/preact.js";

/** @typedef {""|"sessions"|"help"|"palette"|"share"|"filter"} DialogName */

export const openedDialog = signal(/** @type {DialogName} */ (""));

/** @param {DialogName} name */
export function openDialog(name) {
  openedDialog.value = openedDialog.peek() === name ? "" : name;
}

export function closeDialog() {
  openedDialog.value = "";
}
