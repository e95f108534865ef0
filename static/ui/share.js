// What can be taken away: the link, the command, files.

import { html, signal } from "../vendor/preact.js";
import { curlOf, download, endpointOf } from "../api.js";
import { diffSql, flameSql } from "../lib/view-sql.js";
import { diff } from "../model/compare.js";
import { callers, chart, detailOf, flame, flameParams, selection, timeline, top } from "../model/data.js";
import { state } from "../model/store.js";
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

/** What asks for the view on screen, by its name. @returns {[string, string][]} */
function linesOf() {
  const curl = (name, resource) => (resource.asked.value ? [[name, curlOf(endpointOf(resource.route, resource.asked.value))]] : []);
  const { page, view } = state.value;
  const link = ["Link to this view", location.href];
  if (page === "compare") {
    const { a, b } = diff.asked.value ?? {};
    return /** @type {any} */ ([link, ...curl("This comparison by curl", diff), ...(a ? [["This comparison in SQL", diffSql(a, b)]] : [])]);
  }
  return /** @type {any} */ ([
    link,
    ["This graph by curl", curlOf(endpointOf("flamegraph", flameParams.value ?? {}))],
    ...(view === "chart" ? curl("The chart by curl", chart) : []),
    ...(view === "sandwich" ? curl("The callers by curl", callers) : []),
    ...curl("The table by curl", top), ...curl("The timeline by curl", timeline), ...curl("The selected function by curl", detailOf),
    ["This selection in SQL", flameSql(selection.value ?? {})],
  ]);
}

export function Share() {
  const lines = linesOf();
  return html`<${Dialog} class="share-dialog" label="Export and link" onClose=${close}>
    <div class="dialog-head"><h2>Export and link</h2><span class="spacer" /><${IconButton} name="close" label="Close" onClick=${close} /></div>
    <div class="padded">
      <div class="share-formats">${state.value.page === "explore" && formats.map(([id, name, ending]) => html`<button type="button" class="plain" key=${id} data-format=${id}
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
