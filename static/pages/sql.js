// Ask the store in SQL; see the answer as a table, a flame graph or lines over time.

import { html, signal, useEffect } from "../vendor/preact.js";
import { decodeFlame } from "../lib/flame-model.js";
import { count, plural } from "../lib/format.js";
import { examples } from "../lib/sql-examples.js";
import { drawable, isNumber } from "../lib/sql-shapes.js";
import { ask } from "../model/sql.js";
import { setState, state } from "../model/store.js";
import { Editor } from "../ui/editor.js";
import { FlameGraph } from "../ui/graph.js";
import { Lines } from "../ui/lines.js";
import { Notice } from "../ui/notice.js";
import { IconButton, Loading, Tabs } from "../ui/parts.js";
import { errorNotice } from "../ui/problems.js";
import { shownTheme } from "../ui/theme.js";
import { VirtualList } from "../ui/virtual.js";

const shows = [["table", "Table"], ["flame", "Flame graph"], ["line", "Lines"]];
const rowHeight = 24;

const given = signal({ text: "" }); // to the editor
let typed = ""; // in the editor; what was run is in the URL
const answer = signal(/** @type {import("../model/sql.js").SqlAnswer|null} */ (null));
const problem = signal(/** @type {any} */ (null));
const running = signal(false);
let asked = ""; // what `answer` is of

async function run(sql) {
  asked = sql;
  running.value = true;
  try {
    const got = await ask(sql);
    if (asked !== sql) return;
    answer.value = got;
    problem.value = null;
  } catch (error) {
    if (asked === sql) problem.value = error;
  }
  if (asked === sql) running.value = false;
}

function runTyped() {
  if (typed.trim() === "") return;
  if (typed === state.peek().sql) run(typed);
  else setState({ sql: typed });
}

function edit(text) {
  typed = text;
  given.value = { text };
}

export function Sql() {
  const { sql } = state.value;
  useEffect(() => {
    if (!sql && !typed) edit(examples[1].sql);
    if (!sql) return;
    if (sql !== typed) edit(sql);
    if (sql !== asked) run(sql);
  }, [sql]);
  return html`<main id="sql">
    <h1 class="visually-hidden">SQL</h1>
    <section class="sql-question" aria-label="Query">
      <div class="sql-bar"><button type="button" class="main" onClick=${runTyped} title="Ctrl-Enter">Run</button>
        <select aria-label="Examples" value="" onChange=${(event) => take(event.currentTarget)}><option value="">Examples …</option>
          ${examples.map(({ name }, i) => html`<option value=${i} key=${name}>${name}</option>`)}</select>
        <span class="muted">Read only; 2 s and 10,000 rows at most. <kbd>Ctrl</kbd> <kbd>Enter</kbd> runs it.</span><span class="spacer" />
        <${IconButton} name="copy" label="Copy as a command" onClick=${() => navigator.clipboard?.writeText(`proflite query ${shellQuote(typed)}`)} /></div>
      <${Editor} given=${given.value} onChange=${(text) => (typed = text)} onRun=${runTyped} />
    </section>
    <section class=${`sql-answer ${running.value && answer.value ? "loading" : ""}`} aria-label="Answer"><${Answer} /></section>
  </main>`;
}

function take(select) {
  const example = examples[Number(select.value)];
  select.value = "";
  if (!example) return;
  edit(example.sql);
  setState({ sql: example.sql, show: example.show });
}

const shellQuote = (sql) => `'${sql.replaceAll("'", "'\\''")}'`;

function Answer() {
  if (problem.value) return html`<div class="pane-hint"><${Notice} ...${{ ...errorNotice(problem.value), actions: [{ label: "Run again", run: runTyped }] }} /></div>`;
  const got = answer.value;
  if (!got) return running.value ? html`<${Loading} what="the answer" />` : html`<div class="pane-hint"><${Notice} title="Nothing asked yet" text="Run the query, or take an example." /></div>`;
  const can = drawable(got);
  const options = shows.filter(([id]) => can[id]);
  const show = can[state.value.show] ? state.value.show : "table";
  const size = `${plural(got.rows.length, "row")}${got.truncated ? ", cut off there" : ""} in ${count(got.elapsed_ms)} ms`;
  return html`<${Tabs} label="Shown as" value=${show} options=${options} onChoose=${(id) => setState({ show: id })}><span class="muted">${size}</span><//>
    ${show === "table" && html`<${Table} answer=${got} />`}
    ${show === "flame" && html`<${Flame} answer=${can.flame} />`}
    ${show === "line" && html`<${Lines} data=${can.line} theme=${shownTheme.value} />`}`;
}

function Table({ answer: { columns, rows } }) {
  if (rows.length === 0) return html`<div class="pane-hint"><${Notice} title="No rows" text="The query is fine; nothing in the store fits it." /></div>`;
  const numeric = columns.map((_, i) => rows.every((row) => row[i] === null || isNumber(row[i])));
  const widths = columns.map((name, i) => Math.min(60, Math.max(name.length, ...rows.slice(0, 200).map((row) => String(row[i] ?? "").length))) + 2);
  const template = { gridTemplateColumns: widths.map((width) => `minmax(${Math.min(width, 12)}ch, ${width}fr)`).join(" ") };
  const cells = (values, role) => values.map((value, i) => html`<div role=${role} key=${i} class=${numeric[i] ? "number" : ""} title=${value === null ? "NULL" : String(value)}>${value === null ? html`<span class="muted">NULL</span>` : String(value)}</div>`);
  return html`<${VirtualList} class="sql-table code" role="table" aria-label="Rows" tabindex="0" count=${rows.length} rowHeight=${rowHeight} aria-rowcount=${rows.length + 1}
    render=${(i) => html`<div role="row" key=${i} aria-rowindex=${i + 2} style=${template}>${cells(rows[i], "cell")}</div>`}>
    <div role="row" class="sql-head" style=${template}>${cells(columns, "columnheader")}</div><//>`;
}

const zoom = signal("");

function Flame({ answer: flame }) {
  const model = decoded(flame);
  const actions = { zoomTo: (key) => (zoom.value = key), back: () => (zoom.value = ""), hover: () => {}, menu: (event) => event.preventDefault() };
  return html`<div class="sql-flame"><${FlameGraph} actions=${actions} model=${model} matches=${null} theme=${shownTheme.value} zoom=${zoom.value} hot=${-1}
    summary=${`Flame graph of the answer: ${plural(model.functionCount, "function")}`} /></div>`;
}

let lastFlame = { answer: null, model: null };

function decoded(flame) {
  if (lastFlame.answer !== flame) lastFlame = { answer: flame, model: decodeFlame(flame) };
  return lastFlame.model;
}

