import { html } from "../vendor/preact.js";
export function Share() { return html`<p>…</p>`; }
