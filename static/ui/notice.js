// What stands in a pane when there is nothing to draw there: why, and what to do.

import { fill, h } from "./dom.js";

/**
 * @typedef {object} Notice
 * @property {string} title
 * @property {string} [text]
 * @property {string} [command]  to be typed in a terminal
 * @property {string} [detail]   small print
 * @property {{label: string, run: () => void}[]} [actions]
 * @property {{label: string, run: (text: string) => void}} [ask]  a field to fill in
 */

/** @param {HTMLElement} root holds nothing but the notice */
export function createNotice(root) {
  let shown = "";

  /** @param {Notice|null} notice */
  function update(notice) {
    root.hidden = !notice;
    const key = notice ? `${notice.title}\n${notice.text}\n${notice.detail}` : "";
    if (key === shown) return;
    shown = key;
    if (notice) fill(root, content(notice));
  }

  return { update };
}

/** @param {Notice} notice */
function content({ title, text, command, detail, actions = [], ask }) {
  return h("div", { class: "notice" },
    h("h2", {}, title),
    text && h("p", {}, text),
    command && h("pre", { class: "code" }, command),
    ask && askForm(ask),
    actions.length > 0 && h("div", { class: "notice-actions" }, actions.map(({ label, run }, i) =>
      h("button", { type: "button", class: i === 0 ? "main" : "plain", onclick: run }, label))),
    detail && h("p", { class: "muted code" }, detail));
}

function askForm({ label, run }) {
  const input = h("input", { type: "password", "aria-label": label, placeholder: label, autocomplete: "off" });
  const submit = (event) => {
    event.preventDefault();
    if (input.value.trim()) run(input.value);
  };
  return h("form", { class: "notice-actions", onsubmit: submit }, input, h("button", { class: "main" }, "Open"));
}
