import { html } from "../vendor/preact.js";
export function Sql() { return html`<main>…</main>`; }
