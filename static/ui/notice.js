// What stands in a pane when there is nothing to draw there: why, and what to do.

import { html, useState } from "../vendor/preact.js";

/**
 * @typedef {object} NoticeProps
 * @property {string} title
 * @property {string} [text]
 * @property {string} [command]  to be typed in a terminal
 * @property {string} [detail]   small print
 * @property {{label: string, run: () => void}[]} [actions]
 * @property {{label: string, run: (text: string) => void}} [ask]  a field to fill in
 */

/** @param {NoticeProps} props */
export function Notice({ title, text, command, detail, actions = [], ask }) {
  return html`<div class="notice">
    <h2>${title}</h2>
    ${text && html`<p>${text}</p>`}
    ${command && html`<pre class="code">${command}</pre>`}
    ${ask && html`<${AskForm} ...${ask} />`}
    ${actions.length > 0 && html`<div class="notice-actions">${actions.map(({ label, run }, i) =>
      html`<button type="button" key=${label} class=${i === 0 ? "main" : "plain"} onClick=${run}>${label}</button>`)}</div>`}
    ${detail && html`<p class="muted code">${detail}</p>`}
  </div>`;
}

function AskForm({ label, run }) {
  const [text, setText] = useState("");
  const submit = (event) => {
    event.preventDefault();
    if (text.trim()) run(text);
  };
  return html`<form class="notice-actions" onSubmit=${submit}>
    <input type="password" aria-label=${label} placeholder=${label} autocomplete="off" value=${text}
      onInput=${(event) => setText(event.currentTarget.value)} />
    <button class="main">Open</button>
  </form>`;
}
