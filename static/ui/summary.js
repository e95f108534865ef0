// The line over the panes: what the figures below are of, what should make the reader
// careful, and every filter and transform as a chip that can be taken off.

import { html } from "../vendor/preact.js";
import { findNode } from "../lib/flame-model.js";
import { count, duration, margin, moment, percent, plural } from "../lib/format.js";
import { nameVariants } from "../lib/names.js";
import { namelessOf } from "../lib/top.js";
import { transformTitle } from "../lib/transforms.js";
import { flame, isLive, shownFlame, shownTop, threads } from "../model/data.js";
import { canRedo, canUndo, redo, setState, state, undo } from "../model/store.js";
import { openDialog } from "./dialogs.js";
import { Icon, IconButton, lazy } from "./parts.js";

const CompareWith = lazy(() => import("./compare-with.js").then((view) => view.CompareWith), "", false);

const fewSamples = 200;
const shownThreads = 3;
const muchNameless = 0.1; // of the whole

export function Summary() {
  const answer = shownFlame.value?.answer;
  return html`
    <p class="summary-totals">${answer && html`<${Totals} answer=${answer} />`}</p>
    <div class="summary-cautions">${answer && warnings(answer).map(([text, title, run]) => (run
      ? html`<button type="button" class="caution" key=${text} title=${title} onClick=${run}>${text}</button>`
      : html`<span class="caution" key=${text} title=${title}>${text}</span>`))}</div>
    <div class="chips">
      ${filters().map(({ name, value, title, off }) => html`<button type="button" class="chip" key=${name + value} title=${title ?? "Remove this filter"}
        onClick=${() => setState(off)}><span class="visually-hidden">Remove filter:</span><span class="muted">${name}</span>
        <span class="chip-value">${value}</span><${Icon} name="close" /></button>`)}
      <button type="button" class="chip chip-add" aria-haspopup="dialog" onClick=${() => openDialog("filter")}>Filter …</button>
      <${CompareWith} />
      ${(canUndo.value || canRedo.value) && html`
        <${IconButton} name="undo" label="Undo (Ctrl-Z)" disabled=${!canUndo.value} onClick=${undo} />
        <${IconButton} name="redo" label="Redo (Ctrl-Shift-Z)" disabled=${!canRedo.value} onClick=${redo} />`}
    </div>`;
}

function Totals({ answer }) {
  const kind = answer.metric === "cpu" ? "CPU time" : "wall time";
  return html`<b>${duration(answer.total_ns)}</b> ${kind} in ${plural(answer.samples, "sample")}
    ${answer.to_ns > answer.from_ns && html`<span class="muted"> · ${duration(answer.to_ns - answer.from_ns)} from ${moment(answer.from_ns)}</span>`}
    ${isLive.value && html`<span class="live">live</span>`}`;
}

/** @returns {[string, string, (() => void)?][]} text, what it means, what can be done about it */
function warnings(answer) {
  /** @type {[string, string, (() => void)?][]} */
  const found = [];
  if (answer.samples > 0 && answer.samples < fewSamples) {
    const points = Math.ceil(margin(0.5, answer.samples) * 100);
    found.push([`Only ${plural(answer.samples, "sample")}: ±${points} points`,
      "With so few samples a share can be off by this many percentage points (95 % interval)."]);
  }
  if (answer.lost > 0)
    found.push([`${count(answer.lost)} lost (${percent(answer.lost, answer.samples + answer.lost)})`,
      "Samples that were taken but could not be kept. They are in no figure below."]);
  const { share, modules } = namelessOf(shownTop.value);
  if (share >= muchNameless)
    found.push([`${percent(share, 1)} without names`,
      `Functions of ${modules.slice(0, 3).join(", ") || "code made at run time"} have no symbols here. Where their files are: proflite symbols add FILE`, () => setState({ page: "setup" })]);
  if (answer.hidden_ns > 0)
    found.push([`${percent(answer.hidden_ns, answer.total_ns)} in boxes not loaded`,
      "The smallest boxes were not sent. They are hatched in the graph; zoom in to load them. The table counts them."]);
  return found;
}

/** @returns {{name: string, value: string, title?: string, off: object}[]} */
function filters() {
  const { thread, label, release, env, from, to, windowFrom, windowTo, zoom, transforms } = state.value;
  const found = [];
  if (thread.length) {
    const names = thread.map((id) => threads.value.value?.find((one) => String(one.id) === id)?.name ?? `#${id}`);
    const more = names.length > shownThreads ? ` +${names.length - shownThreads}` : "";
    found.push({ name: names.length === 1 ? "thread" : "threads", value: names.slice(0, shownThreads).join(", ") + more, off: { thread: [] } });
  }
  for (const text of label) found.push({ name: "label", value: text, off: { label: label.filter((other) => other !== text) } });
  if (release) found.push({ name: "release", value: release, off: { release: "" } });
  if (env) found.push({ name: "environment", value: env, off: { env: "" } });
  if (to) found.push({ name: "time", value: duration(to - from), off: { from: 0, to: 0 } });
  if (windowTo) found.push({ name: "timeline", value: duration(windowTo - windowFrom), off: { windowFrom: 0, windowTo: 0 } });
  transforms.forEach((text, i) => found.push({
    ...transformTitle(text), title: "Take this transform off", off: { transforms: transforms.filter((_, j) => j !== i) },
  }));
  if (zoom) found.push({ name: "zoom", value: zoomName(zoom) || "not in this selection", off: { zoom: "" } });
  return found;
}

function zoomName(zoom) {
  const model = flame.value.value;
  const node = model ? findNode(model, zoom) : -1;
  return node > 0 ? nameVariants(model.functions.name[model.fn[node]]).at(-1) : "";
}
