import { html } from "../vendor/preact.js";
export function Chart() { return html`<p>…</p>`; }
