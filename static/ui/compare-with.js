// From Explore to Compare in one step: what is shown beside the time before, the same
// weekday before, the release before, all threads …

import { html } from "../vendor/preact.js";
import { comparisons } from "../model/sides.js";
import { sessions } from "../model/data.js";
import { setState, state } from "../model/store.js";

export function CompareWith() {
  if (!state.value || !sessions.value.value) return null; // made anew with either
  const offered = comparisons();
  return html`<select class="chip-compare" aria-label="Compare with" title="Compare what is shown with something else (d: with the first)" value="" disabled=${offered.length === 0}
      onChange=${(event) => setState({ page: "compare", zoom: "", ...offered.find(({ id }) => id === event.currentTarget.value)?.sides })}>
    <option value="">Compare …</option>
    ${offered.map(({ id, name }) => html`<option key=${id} value=${id}>${name}</option>`)}</select>`;
}
