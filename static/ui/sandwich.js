// The selected function in the middle: who calls it grows upward, what it calls hangs
// below, both of its own time.

import { computed, html, signal } from "../vendor/preact.js";
import { decodeFlame } from "../lib/flame-model.js";
import { duration } from "../lib/format.js";
import { closer } from "../model/closer.js";
import { callees, callers, pointed, selected } from "../model/data.js";
import { state } from "../model/store.js";
import { entryOf } from "./actions.js";
import { NoFunction } from "./callers.js";
import { FlameGraph } from "./graph.js";
import { openMenu } from "./dialogs.js";
import { Notice } from "./notice.js";
import { Loading } from "./parts.js";
import { errorNotice } from "./problems.js";
import { shownTheme } from "./theme.js";

/** What is zoomed in each half: a matter of looking closer, not of what is shown. */
const zooms = { callers: signal(""), callees: signal("") };

const closerLook = (what, resource) => {
  const answer = closer("flamegraph", () => ({ params: resource.asked.value, model: resource.value.value, zoom: zooms[what].value }));
  return computed(() => answer.value && decodeFlame(answer.value));
};
const closers = { callers: closerLook("callers", callers), callees: closerLook("callees", callees) };

export function Sandwich() {
  const entry = selected.value;
  if (!entry) return html`<${NoFunction} />`;
  return html`<div class="sandwich">
    <${Half} what="callers" up=${true} resource=${callers} entry=${entry} />
    <p class="sandwich-name code" title=${entry.function}>${entry.short} <span class="muted">${callees.value.value ? duration(callees.value.value.total[0]) : ""}</span></p>
    <${Half} what="callees" up=${false} resource=${callees} entry=${entry} />
  </div>`;
}

function Half({ what, up, resource, entry }) {
  const model = closers[what].value ?? resource.value.value;
  if (resource.error.value) return html`<div class="pane-hint"><${Notice} ...${errorNotice(resource.error.value)} /></div>`;
  if (!model) return html`<${Loading} what=${what} />`;
  const zoom = zooms[what];
  const actions = {
    zoomTo: (key, fn) => {
      zoom.value = key;
      if (model.functionKeys[fn]) pointed.value = model.functionKeys[fn];
    },
    back: () => (zoom.value = ""),
    hover: (fn) => (pointed.value = model.functionKeys[fn] ?? ""),
    menu: (event, node) => openMenu(event, entryOf(model.fn[node], "", model)),
  };
  const summary = `${what === "callers" ? "Callers" : "Callees"} of ${entry.short}: ${duration(model.total[0])}`;
  return html`<div class=${`sandwich-half ${resource.loading.value ? "loading" : ""}`}>
    <${FlameGraph} actions=${actions} model=${model} matches=${null} theme=${shownTheme.value} color=${state.value.color} zoom=${zoom.value} up=${up}
      hot=${model.functionKeys.indexOf(pointed.value)} summary=${summary} /></div>`;
}

