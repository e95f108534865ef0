// Who calls the selected function, who calls those, and so on: the tree of its callers,
// each with the part of the function's time that came through it.

import { html } from "../vendor/preact.js";
import { duration } from "../lib/format.js";
import { callers, selected, top } from "../model/data.js";
import { setState } from "../model/store.js";
import { entryOf } from "./actions.js";
import { Notice } from "./notice.js";
import { Loading } from "./parts.js";
import { errorNotice } from "./problems.js";
import { CallTree } from "./tree.js";

/** Stands where a view needs a function and none is selected. */
export function NoFunction() {
  const heaviest = top.value.value?.functions[0];
  const actions = heaviest ? [{ label: `Show ${heaviest.short}`, run: () => setState({ fn: heaviest.key }) }] : [];
  return html`<div class="pane-hint"><${Notice} title="No function is selected" text="Click one in the table or in the graph." actions=${actions} /></div>`;
}

export function Callers() {
  const entry = selected.value;
  const model = callers.value.value;
  if (!entry) return html`<${NoFunction} />`;
  if (callers.error.value) return html`<div class="pane-hint"><${Notice} ...${errorNotice(callers.error.value)} /></div>`;
  if (!model) return html`<${Loading} what="callers" />`;
  return html`<p class="pane-line muted">Callers of <b class="code">${entry.short}</b>, of its ${duration(model.total[0])}</p>
    <${CallTree} model=${model} label=${`Callers of ${entry.short}`} entry=${(fn) => entryOf(fn, "", model)} />`;
}
