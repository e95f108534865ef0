import { html } from "../vendor/preact.js";
export function Setup() { return html`<main>…</main>`; }
