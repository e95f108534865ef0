import { html } from "../vendor/preact.js";
export function Compare() { return html`<main>…</main>`; }
