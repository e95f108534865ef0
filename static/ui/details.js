// The selected function: what it weighs, how that went, on which threads and lines.

import { html, useMemo } from "../vendor/preact.js";
import { basename, duration, margin, moment, percent, plural } from "../lib/format.js";
import { sourcePlace } from "../lib/place.js";
import { detailOf, selected, top } from "../model/data.js";
import { setState, state } from "../model/store.js";
import { Lines } from "./lines.js";
import { openMenu, openSource } from "./dialogs.js";
import { IconButton } from "./parts.js";
import { shownTheme } from "./theme.js";

const mostRows = 5;
const leastBuckets = 4; // fewer say nothing of a trend

export function Details() {
  const entry = selected.value;
  const whole = top.value.value;
  if (!entry || !whole) return null;
  const give = margin(entry.total_ns / whole.total_ns, whole.samples) * 100;
  return html`<section class="details" tabindex="0" aria-label="Selected function">
    <div class="details-head"><h2 class="code" title=${entry.function}>${entry.short}</h2>
      <${IconButton} name="menu" label="What to do with it" aria-haspopup="menu" onClick=${(event) => openMenu(event, entry)} />
      <${IconButton} name="copy" label="Copy the name" onClick=${() => navigator.clipboard?.writeText(entry.function)} />
      <${IconButton} name="close" label="Close" onClick=${() => setState({ fn: "" })} /></div>
    <dl class="details-list">
      <dt>Module</dt><dd>${entry.module || "unknown"}</dd>
      <dt>Source</dt><dd>${sourcePlace(entry.file, entry.line, true) || "unknown"}</dd>
      <dt>Self</dt><dd class="details-weight"><${Bar} ns=${entry.self_ns} whole=${whole.total_ns} />${figures(entry.self_ns, entry.self_samples, whole)}</dd>
      <dt>Total</dt><dd class="details-weight"><${Bar} ns=${entry.total_ns} whole=${whole.total_ns} />${figures(entry.total_ns, entry.total_samples, whole)}
        ${give >= 1 && html`<span class="muted" title="95 % interval from the number of samples"> ± ${plural(Math.round(give), "point")}</span>`}</dd>
    </dl>
    ${detailOf.value.value?.function === entry.function && html`<${Closer} answer=${detailOf.value.value} entry=${entry} />`}
  </section>`;
}

function Bar({ ns, whole }) {
  return html`<span class="bar" style=${{ width: `${Math.min(100, (100 * ns) / Math.max(1, whole))}%` }} />`;
}

function figures(ns, samples, whole) {
  return `${percent(ns, whole.total_ns)} of ${duration(whole.total_ns)} · ${duration(ns)} · ${plural(samples, "sample")}`;
}

function Closer({ answer, entry }) {
  const metric = state.value.metric === "cpu" ? "cpu_ns" : "weight_ns";
  const threads = [...answer.threads].sort((a, b) => b[metric] - a[metric]).filter((one) => one[metric] > 0);
  const lines = [...answer.lines].sort((a, b) => b.total_ns - a.total_ns).filter((one) => one.line > 0);
  return html`<${Trend} history=${answer.history} />
    <div class="details-parts">
      ${threads.length > 1 && html`<div><h3>Threads</h3>${threads.slice(0, mostRows).map((one) => html`<${Row} key=${one.id} name=${one.name || `#${one.tid}`} ns=${one[metric]} whole=${entry.total_ns}
        title="Only this thread" onClick=${() => setState({ thread: [String(one.id)] })} />`)}</div>`}
      ${lines.length > 0 && html`<div><h3>Lines</h3>${lines.slice(0, mostRows).map((one) => html`<${Row} key=${`${one.file}:${one.line}`} name=${basename(one.file)} tail=${`:${one.line}`} ns=${one.total_ns} whole=${entry.total_ns}
        title="Show the source" onClick=${() => openSource(one.file, one.line, answer.lines)} />`)}</div>`}
    </div>`;
}

function Row({ name, tail = "", ns, whole, title, onClick }) {
  return html`<button type="button" class="details-row" title=${title} onClick=${onClick}><${Bar} ns=${ns} whole=${whole} />
    <span>${name}</span><span class="fixed">${tail}</span><span class="fixed">${percent(ns, whole)}</span></button>`;
}

/** Its share over time, and the last time that changed for good. */
function Trend({ history }) {
  const { buckets, changes } = history;
  const data = useMemo(() => ({
    labels: ["share"], name: "time", time: true, xs: buckets.map((one) => one.start_ns / 1e9),
    series: [buckets.map((one) => (one.whole_ns > 0 ? (100 * one.total_ns) / one.whole_ns : null))],
  }), [history]);
  if (buckets.length < leastBuckets) return null;
  const last = changes.findLast((change) => change.of === "total") ?? changes.at(-1);
  return html`<div class="details-trend"><${Lines} data=${data} theme=${shownTheme.value} small=${true} /></div>
    ${last && html`<p class=${last.regression ? "caution" : "muted"}>${last.regression ? "Rose" : "Fell"} from ${(100 * last.before).toFixed(1)} % to ${(100 * last.after).toFixed(1)} % ${last.of === "self" ? "(own time) " : ""}at ${moment(last.at_ns)}</p>`}`;
}
