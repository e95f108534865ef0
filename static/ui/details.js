// The selected function: what it weighs and where it is.

import { html } from "../vendor/preact.js";
import { duration, margin, percent, plural } from "../lib/format.js";
import { sourcePlace } from "../lib/place.js";
import { selected, top } from "../model/data.js";
import { setState } from "../model/store.js";
import { openMenu } from "./menu.js";
import { IconButton } from "./parts.js";

export function Details() {
  const entry = selected.value;
  const whole = top.value.value;
  if (!entry || !whole) return null;
  const give = margin(entry.total_ns / whole.total_ns, whole.samples) * 100;
  return html`<section class="details" aria-label="Selected function">
    <div class="details-head"><h2 class="code" title=${entry.function}>${entry.short}</h2>
      <${IconButton} name="menu" label="What to do with it" aria-haspopup="menu" onClick=${(event) => openMenu(event, entry)} />
      <${IconButton} name="copy" label="Copy the name" onClick=${() => navigator.clipboard?.writeText(entry.function)} />
      <${IconButton} name="close" label="Close" onClick=${() => setState({ fn: "" })} /></div>
    <dl class="details-list">
      <dt>Module</dt><dd>${entry.module || "unknown"}</dd>
      <dt>Source</dt><dd>${sourcePlace(entry.file, entry.line, true) || "unknown"}</dd>
      <dt>Self</dt><dd>${figures(entry.self_ns, entry.self_samples, whole)}</dd>
      <dt>Total</dt><dd>${figures(entry.total_ns, entry.total_samples, whole)}
        ${give >= 1 && html`<span class="muted" title="95 % interval from the number of samples"> ± ${give.toFixed(0)} points</span>`}</dd>
    </dl>
  </section>`;
}

function figures(ns, samples, whole) {
  return `${percent(ns, whole.total_ns)} of ${duration(whole.total_ns)} · ${duration(ns)} · ${plural(samples, "sample")}`;
}
