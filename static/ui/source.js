// The source file of a function, each line with what it weighs.

import { html, useEffect, useState } from "../vendor/preact.js";
import { get } from "../api.js";
import { basename, duration } from "../lib/format.js";
import { openedSource } from "./dialogs.js";
import { Notice } from "./notice.js";
import { Dialog, IconButton, Loading } from "./parts.js";
import { errorNotice } from "./problems.js";
import { VirtualList } from "./virtual.js";

const rowHeight = 18;

export function Source() {
  return openedSource.value && html`<${Opened} key=${openedSource.value.file} ...${openedSource.value} />`;
}

function Opened({ file, line, lines }) {
  const [answer, setAnswer] = useState(/** @type {any} */ (null));
  useEffect(() => {
    get("source", { file }).then(setAnswer, (error) => setAnswer({ error }));
  }, [file]);
  const weights = new Map(lines.filter((one) => one.file === file).map((one) => [one.line, one]));
  const most = Math.max(1, ...[...weights.values()].map((one) => one.total_ns));
  const close = () => (openedSource.value = null);
  return html`<${Dialog} class="source-dialog" label=${`Source of ${basename(file)}`} onClose=${close}>
    <div class="dialog-head"><h2 class="code">${file}</h2><span class="spacer" /><${IconButton} name="close" label="Close" onClick=${close} /></div>
    ${!answer && html`<${Loading} what="the file" />`}
    ${answer?.error && html`<div class="padded"><${Notice} ...${{ ...errorNotice(answer.error), actions: [] }} /></div>`}
    ${answer?.lines && html`<${VirtualList} class="source-lines code" role="table" tabindex="0" aria-label="Lines" count=${answer.lines.length} rowHeight=${rowHeight} reveal=${line - 1} align="center"
      render=${(i) => html`<${Line} key=${i} number=${i + 1} text=${answer.lines[i]} weight=${weights.get(i + 1)} most=${most} chosen=${i + 1 === line} />`} />`}
  <//>`;
}

function Line({ number, text, weight, most, chosen }) {
  const heat = weight ? { opacity: 0.15 + 0.85 * (weight.total_ns / most) } : null;
  return html`<div role="row" class=${`source-line ${chosen ? "chosen" : ""}`}>
    <span role="cell" class="number muted" title=${weight ? `own ${duration(weight.self_ns)}` : null}>${weight ? duration(weight.total_ns) : ""}</span>
    <span role="cell" class="source-heat">${heat && html`<span style=${heat} />`}</span>
    <span role="cell" class="number muted">${number}</span><span role="cell" class="source-text">${text}</span></div>`;
}
