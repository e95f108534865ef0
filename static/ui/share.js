// What can be taken away: the link, the command, files.

import { html, signal } from "../vendor/preact.js";
import { curlOf, download, endpointOf } from "../api.js";
import { flame, flameParams, selection, top } from "../model/data.js";
import { flameSql } from "../lib/view-sql.js";
import { closeDialog } from "./dialogs.js";
import { Dialog, IconButton } from "./parts.js";

/** Formats of GET export, as the menu has them. */
const formats = [
  ["folded", "Folded stacks", "folded"], ["svg", "Flame graph, SVG", "svg"],
  ["html", "Flame graph, one HTML file", "html"], ["speedscope", "speedscope", "speedscope.json"],
  ["pprof", "pprof", "pb.gz"], ["firefox", "Firefox Profiler", "firefox.json"],
];

const told = signal("");

async function save(format, ending) {
  told.value = "Making the file …";
  try {
    saveBlob(await download("export", { ...flameParams.peek(), format }), `profile.${ending}`);
    told.value = "";
  } catch (error) {
    told.value = error.message;
  }
}

function savePicture() {
  const canvas = /** @type {HTMLCanvasElement|null} */ (document.querySelector("#right canvas.flame-canvas"));
  if (!canvas) return void (told.value = "There is no graph on screen.");
  canvas.toBlob((blob) => blob && saveBlob(blob, "profile.png"));
}

function saveBlob(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function copy(text) {
  navigator.clipboard?.writeText(text);
  told.value = "Copied.";
}

export function Share() {
  const params = flameParams.value ?? {};
  const lines = [
    ["Link to this view", location.href],
    ["This graph by curl", curlOf(endpointOf("flamegraph", params))],
    ["The table by curl", curlOf(endpointOf("top", top.asked.value ?? {}))],
    ["This selection in SQL", flameSql(selection.value ?? {})],
  ];
  return html`<${Dialog} class="share-dialog" label="Export and link" onClose=${close}>
    <div class="dialog-head"><h2>Export and link</h2><span class="spacer" /><${IconButton} name="close" label="Close" onClick=${close} /></div>
    <div class="padded">
      <div class="share-formats">${formats.map(([id, name, ending]) => html`<button type="button" class="plain" key=${id} data-format=${id}
          disabled=${!flame.value.value} onClick=${() => save(id, ending)}>${name}</button>`)}
        <button type="button" class="plain" data-format="png" onClick=${savePicture}>Picture, PNG</button></div>
      ${lines.map(([name, text]) => html`<div class="share-line" key=${name}><span class="muted">${name}</span><code class="code" tabindex="0">${text}</code>
        <${IconButton} name="copy" label=${`Copy: ${name}`} onClick=${() => copy(text)} /></div>`)}
      <p class="muted" role="status">${told.value}</p>
    </div>
  <//>`;
}

function close() {
  told.value = "";
  closeDialog();
}
