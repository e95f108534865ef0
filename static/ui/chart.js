// One thread over time: a box is a call, from when it was first seen until it was gone.

import { html, signal } from "../vendor/preact.js";
import { duration, moment, plural } from "../lib/format.js";
import { chart, chartThread, pointed, threads } from "../model/data.js";
import { setState } from "../model/store.js";
import { entryOf } from "./actions.js";
import { FlameGraph } from "./graph.js";
import { openMenu } from "./dialogs.js";
import { Notice } from "./notice.js";
import { Loading } from "./parts.js";
import { errorNotice } from "./problems.js";
import { shownTheme } from "./theme.js";

const zoom = signal("");

export function Chart() {
  const thread = chartThread.value;
  const model = chart.value.value;
  if (chart.error.value) return html`<div class="pane-hint"><${Notice} ...${errorNotice(chart.error.value)} /></div>`;
  if (!model || !thread) return html`<${Loading} what="the chart" />`;
  const { from_ns: from, to_ns: to, cell_ns: cell, samples } = /** @type {any} */ (model.answer);
  if (samples === 0) return html`<div class="pane-hint"><${Notice} title="No samples of this thread here" text="Choose another time range or thread." /></div>`;
  const actions = {
    zoomTo: (key, fn) => {
      zoom.value = key;
      if (model.functionKeys[fn]) setState({ fn: model.functionKeys[fn] });
    },
    back: () => (zoom.value = ""),
    hover: (fn) => (pointed.value = model.functionKeys[fn] ?? ""),
    menu: (event, node) => openMenu(event, entryOf(model.fn[node], "", model)),
  };
  const figures = (node) => (node === 0 ? [`${duration(to - from)} from ${moment(from)}`] : [`+${duration(model.start[node])} for ${duration(model.total[node])}`]);
  return html`<p class="pane-line muted"><select aria-label="Thread" value=${String(thread.id)} onChange=${(event) => setState({ thread: [event.currentTarget.value] })}>
      ${(threads.value.value ?? []).map((one) => html`<option key=${one.id} value=${String(one.id)}>${one.name || `#${one.tid}`}</option>`)}</select>
    <span> ${plural(samples, "sample")} over ${duration(to - from)}${cell > 0 ? `, one stack for each ${duration(cell)}: choose a shorter time for all` : ""}</span></p>
    <div class=${`chart-host ${chart.loading.value ? "loading" : ""}`}><${FlameGraph} actions=${actions} model=${model} matches=${null} theme=${shownTheme.value} zoom=${zoom.value}
      hot=${model.functionKeys.indexOf(pointed.value)} figures=${figures} summary=${`Thread ${thread.name} over ${duration(to - from)}: ${plural(samples, "sample")}`} /></div>`;
}
