// The dialog that adds a filter or a transform: labels and spans, threads, releases,
// environments.

import { html, useEffect, useState } from "../vendor/preact.js";
import { duration } from "../lib/format.js";
import { plainTransforms, toggleTransform } from "../lib/transforms.js";
import { chosen, labels, threads, wantLabels } from "../model/data.js";
import { setState, state } from "../model/store.js";
import { closeDialog } from "./dialogs.js";
import { Dialog, IconButton } from "./parts.js";

const mostOfAKind = 200;

const labelKeys = () => [...new Set((labels.value.value ?? []).map(({ key }) => key))];

/** @returns {{kind: string, value: string, weight: string, on: boolean, change: object}[]} */
function offers() {
  const { label, release, env, thread, transforms } = state.value;
  const toggled = (list, one) => (list.includes(one) ? list.filter((other) => other !== one) : [...list, one]);
  const distinct = (name) => [...new Set(chosen.value.map((session) => session[name]).filter(Boolean))];
  const metric = state.value.metric === "cpu" ? "cpu_ns" : "weight_ns";
  return [
    ...(labels.value.value ?? []).slice(0, mostOfAKind).map((row) => {
      const text = `${row.key}=${row.value}`;
      return { kind: row.key, value: row.value, weight: duration(row[metric] ?? 0), on: label.includes(text), change: { label: toggled(label, text) } };
    }),
    ...distinct("release").map((value) => ({ kind: "release", value, weight: "", on: value === release, change: { release: value === release ? "" : value } })),
    ...distinct("environment").map((value) => ({ kind: "environment", value, weight: "", on: value === env, change: { env: value === env ? "" : value } })),
    ...[...plainTransforms, ...labelKeys().map((key) => [`labels:${key}`, `Merge by ${key}`])].map(([id, value]) =>
      ({ kind: "transform", value, weight: "", on: transforms.includes(id), change: { transforms: toggleTransform(transforms, id), zoom: "" } })),
    ...(threads.value.value ?? []).slice(0, mostOfAKind).map((one) => ({
      kind: "thread", value: one.name || `#${one.tid}`, weight: duration(one[metric]), on: thread.includes(String(one.id)), change: { thread: toggled(thread, String(one.id)) },
    })),
  ];
}

export function Filter() {
  const [text, setText] = useState("");
  useEffect(() => {
    wantLabels.value = true;
    return () => void (wantLabels.value = false);
  }, []);
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const found = offers().filter(({ kind, value }) => words.every((word) => `${kind} ${value}`.toLowerCase().includes(word)));
  return html`<${Dialog} class="filter-dialog" label="Add a filter or a transform" onClose=${closeDialog}>
    <div class="dialog-head"><h2>Filter and transform</h2>
      <input type="search" placeholder="Find a label, release, thread …" aria-label="Find a filter" value=${text} onInput=${(event) => setText(event.currentTarget.value)} />
      <${IconButton} name="close" label="Close" onClick=${closeDialog} /></div>
    <div class="filter-list" tabindex="0" role="group" aria-label="Filters">
      ${found.map(({ kind, value, weight, on, change }) => html`<label class="filter-row" key=${`${kind}=${value}`}>
        <input type="checkbox" checked=${on} onChange=${() => setState(change)} /><span class="muted">${kind}</span><span class="filter-value" title=${value}>${value}</span><span class="number muted">${weight}</span></label>`)}
      ${labels.value.value?.length === 0 && html`<p class="muted padded">No labels here. A program sets them with proflite_label_set or proflite_span_begin.</p>`}
      ${found.length === 0 && text && html`<p class="muted padded">Nothing fits.</p>`}</div>
  <//>`;
}
