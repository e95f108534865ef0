// Ask the store in SQL; see the answer as a table, a flame graph or lines over time.

import { html, signal, useEffect, useLayoutEffect, useRef } from "../vendor/preact.js";
import { curlOf } from "../api.js";
import { decodeFlame } from "../lib/flame-model.js";
import { count, plural } from "../lib/format.js";
import { forget, readSaved, save } from "../lib/saved-sql.js";
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
const typed = signal(""); // in the editor; what was run is in the URL
const saved = signal(readSaved(localStorage));
const naming = signal(false); // the query is being given a name
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
  const sql = typed.peek();
  if (sql.trim() === "") return;
  if (sql === state.peek().sql) run(sql);
  else setState({ sql });
}

function edit(text) {
  typed.value = text;
  given.value = { text };
}

export function Sql() {
  const { sql } = state.value;
  useEffect(() => {
    const shown = sql || typed.peek() || examples[1].sql; // a first answer shows what there is
    if (shown !== typed.peek()) edit(shown);
    if (shown !== asked && (sql || !asked)) run(shown);
  }, [sql]);
  return html`<main id="sql">
    <h1 class="visually-hidden">SQL</h1>
    <section class="sql-question" aria-label="Query">
      <div class="sql-bar"><button type="button" class="main" onClick=${runTyped} title="Ctrl-Enter">Run</button>
        <select aria-label="Queries" value="" onChange=${(event) => take(event.currentTarget)}><option value="">Queries …</option>
          ${saved.value.length > 0 && html`<optgroup label="Saved here">${saved.value.map(({ name }) => html`<option value=${`saved ${name}`} key=${name}>${name}</option>`)}</optgroup>`}
          <optgroup label="Examples">${examples.map(({ name }) => html`<option value=${`example ${name}`} key=${name}>${name}</option>`)}</optgroup></select>
        <${Keep} />
        <span class="muted sql-limits">Read only; 2 s and 10,000 rows at most. <kbd>Ctrl</kbd> <kbd>Enter</kbd> runs it.</span><span class="spacer" />
        <${IconButton} name="share" label="Copy as curl" onClick=${() => navigator.clipboard?.writeText(`${curlOf("api/v1/sql")} --data-binary ${shellQuote(typed.peek())}`)} />
        <${IconButton} name="copy" label="Copy as a command" onClick=${() => navigator.clipboard?.writeText(`proflite query ${shellQuote(typed.peek())}`)} /></div>
      <${Editor} given=${given.value} onChange=${(text) => (typed.value = text)} onRun=${runTyped} />
    </section>
    <section class=${`sql-answer ${running.value && answer.value ? "loading" : ""}`} aria-label="Answer"><${Answer} /></section>
  </main>`;
}

/** Saves what is typed under a name; takes a saved query off the list. */
function Keep() {
  const text = typed.value.trim();
  const known = saved.value.find(({ sql }) => sql.trim() === text);
  const input = useRef(null);
  useLayoutEffect(() => naming.value && input.current?.focus(), [naming.value]);
  if (naming.value) {
    const done = (event) => {
      event.preventDefault();
      const name = input.current.value.trim();
      if (name) saved.value = save(localStorage, { name, sql: typed.peek(), show: state.peek().show });
      naming.value = false;
    };
    return html`<form class="sql-name" onSubmit=${done} onKeyDown=${(event) => event.key === "Escape" && (naming.value = false)}>
      <input ref=${input} type="text" aria-label="Name of the query" placeholder="Name" maxlength="80" /><button class="main">Save</button></form>`;
  }
  if (known) return html`<button type="button" class="plain" title="Take it off the saved queries" onClick=${() => (saved.value = forget(localStorage, known.name))}>Forget “${known.name}”</button>`;
  return html`<button type="button" class="plain" disabled=${!text} onClick=${() => (naming.value = true)}>Save …</button>`;
}

function take(select) {
  const [kind, name] = [select.value.split(" ", 1)[0], select.value.slice(select.value.indexOf(" ") + 1)];
  const query = (kind === "saved" ? saved.peek() : examples).find((one) => one.name === name);
  select.value = "";
  if (!query) return;
  edit(query.sql);
  setState({ sql: query.sql, show: query.show });
}

const shellQuote = (sql) => `'${sql.replaceAll("'", "'\\''")}'`;

function Answer() {
  if (problem.value) return html`<div class="pane-hint"><${Notice} ...${{ ...errorNotice(problem.value), actions: [{ label: "Run again", run: runTyped }] }} /></div>`;
  const got = answer.value;
  if (!got) return html`<${Loading} what="the answer" />`;
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

