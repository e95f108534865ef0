// How to get profiles in, what became of those that came, and what they take up.

import { html, signal, useEffect } from "../vendor/preact.js";
import { get } from "../api.js";
import { bytes, count, moment, plural } from "../lib/format.js";
import { explainReason } from "../lib/reasons.js";
import { snippets } from "../lib/snippets.js";
import { defaultState, formatState } from "../lib/state.js";
import { generation } from "../model/data.js";
import { ask } from "../model/sql.js";
import { Notice } from "../ui/notice.js";
import { IconButton, Loading, Tabs } from "../ui/parts.js";
import { errorNotice } from "../ui/problems.js";

const questions = {
  keys: "SELECT project_id, public_key FROM project_key ORDER BY project_id, id",
  outcomes: `SELECT category, outcome, coalesce(reason, ''), count(*), max(ts_ns) FROM outcome GROUP BY 1, 2, 3 ORDER BY outcome = 'accepted' DESC, 4 DESC`,
  refused: `SELECT o.ts_ns, o.project_id, o.category, o.outcome, coalesce(o.reason, ''), o.chunk_uuid FROM outcome o
  WHERE o.outcome <> 'accepted' ORDER BY o.ts_ns DESC LIMIT 100`,
  rejected: "SELECT received_ns, project_id, kind, coalesce(error, '') FROM inbox WHERE state = 'rejected' ORDER BY id DESC LIMIT 100",
  waiting: "SELECT count(*), min(received_ns) FROM inbox WHERE state = 'new'",
  symbols: `SELECT kind, name, coalesce(nullif(debug_id, ''), build_id), bytes, has_debug, origin, added_ns FROM symbol_file
  WHERE complete = 1 ORDER BY added_ns DESC LIMIT 200`,
  sources: "SELECT kind, place FROM symbol_source ORDER BY project_id, position",
  oldest: "SELECT min(start_ns) FROM part",
  sums: "SELECT level, count(*), min(bucket) * level FROM rolled WHERE state IN (1, 2) GROUP BY 1 ORDER BY 1",
  losses: `SELECT s.app, l.reason, sum(l.count) FROM loss l JOIN session s ON s.id = l.session_id GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 50`,
  storage: `SELECT s.app, date(p.start_ns / 1000000000, 'unixepoch'), count(DISTINCT p.session_id), count(*), sum(p.bytes)
  FROM part p JOIN session s ON s.id = p.session_id GROUP BY 1, 2 ORDER BY 2 DESC, 5 DESC LIMIT 400`,
};

/** Name of a question -> rows, or why there are none. */
const answers = signal(/** @type {Record<string, {rows?: any[][], error?: Error}>} */ ({}));

async function load(name) {
  try {
    const rows = name === "forward" ? (await get("health")).forward : (await ask(questions[name])).rows;
    answers.value = { ...answers.value, [name]: { rows } };
  } catch (error) {
    answers.value = { ...answers.value, [name]: { error } };
  }
}

/** One after the other: each takes a process of the server's, and it allows few. */
async function loadAll(round) {
  for (const name of [...Object.keys(questions), "forward"]) {
    if (round.over) return;
    await load(name);
  }
}

export function Setup() {
  const now = generation.value;
  useEffect(() => {
    const round = { over: false };
    loadAll(round);
    return () => void (round.over = true);
  }, [now]);
  return html`<main id="setup"><div class="setup-page">
    <h1 class="visually-hidden">Setup</h1>
    <${Ways} />
    <section aria-labelledby="setup-health"><h2 id="setup-health">What came in</h2><${Health} /></section>
    <section aria-labelledby="setup-symbols"><h2 id="setup-symbols">Symbol files</h2><${Symbols} /></section>
    <section aria-labelledby="setup-forward"><h2 id="setup-forward">Forwarding</h2><${Forward} /></section>
    <section aria-labelledby="setup-lost"><h2 id="setup-lost">What was lost while recording</h2><${Losses} /></section>
    <section aria-labelledby="setup-storage"><h2 id="setup-storage">Storage</h2><${Storage} /></section>
  </div></main>`;
}

/* ---- ways in ---- */

const way = signal("record");

function Ways() {
  const [project, key] = answers.value.keys?.rows?.[0] ?? [];
  const dsn = key ? `${location.protocol}//${key}@${location.host}/${project}` : "";
  const all = snippets(dsn, location.host);
  const shown = all.find(({ id }) => id === way.value) ?? all[0];
  return html`<section aria-labelledby="setup-ways"><h2 id="setup-ways">Send profiles here</h2>
    <${Tabs} label="Ways to send profiles" value=${shown.id} options=${all.map(({ id, name }) => [id, name])} onChoose=${(id) => (way.value = id)} />
    <div class="setup-way">${shown.steps.map(({ text, code }) => html`<p key=${text}>${text}</p>${code && html`<${Code} code=${code} />`}`)}</div>
  </section>`;
}

function Code({ code }) {
  return html`<div class="setup-code"><pre class="code" tabindex="0">${code}</pre>
    <${IconButton} name="copy" label="Copy" onClick=${() => navigator.clipboard?.writeText(code)} /></div>`;
}

/* ---- what the store says ---- */

function Rows({ name, columns, empty, row }) {
  const { rows, error } = answers.value[name] ?? {};
  if (error) return html`<${Notice} ...${{ ...errorNotice(error), actions: [{ label: "Retry", run: () => load(name) }] }} />`;
  if (!rows) return html`<${Loading} what="it" />`;
  if (rows.length === 0) return html`<p class="muted">${empty}</p>`;
  return html`<div class="setup-scroll" tabindex="0" role="group" aria-label="Table"><table class="setup-table">
    <thead><tr>${columns.map(([title, kind]) => html`<th scope="col" key=${title} class=${kind ?? ""}>${title}</th>`)}</tr></thead>
    <tbody>${rows.map(row)}</tbody></table></div>
    ${questions[name] && html`<a class="setup-sql" href=${formatState({ ...defaultState(), page: "sql", sql: questions[name] })}>In SQL</a>`}`;
}

const rowsOf = (name) => answers.value[name]?.rows ?? [];

function Health() {
  const [waiting, since] = rowsOf("waiting")[0] ?? [0, 0];
  const refused = rowsOf("refused");
  const rejected = rowsOf("rejected");
  return html`${waiting > 0 && html`<p>${plural(waiting, "request")} on the disk, not looked into yet, since ${moment(Number(since))}.</p>`}
    <${Rows} name="outcomes" empty="Nothing came in yet." columns=${[["Outcome"], ["Reason"], ["Of"], ["Chunks", "number"], ["Latest"]]}
      row=${([category, outcome, reason, n, latest]) => html`<tr key=${category + outcome + reason} class=${outcome === "accepted" ? "" : "bad"}>
        <td>${outcome}</td><td><${Reason} reason=${reason} /></td><td>${category}</td><td class="number">${count(n)}</td><td class="when muted">${moment(Number(latest))}</td></tr>`} />
    ${refused.length > 0 && html`<h3>Each that was not accepted${refused.length === 100 ? ", the latest 100" : ""}</h3>
      <${Rows} name="refused" columns=${[["When"], ["Project", "number"], ["Of"], ["Outcome and reason"], ["Chunk"]]}
        row=${([at, project, category, outcome, reason, id]) => html`<tr key=${id + category}><td class="when muted">${moment(Number(at))}</td><td class="number">${project}</td>
          <td>${category}</td><td>${outcome}${reason && html` · <${Reason} reason=${reason} />`}</td><td class="code muted">${id}</td></tr>`} />`}
    ${rejected.length > 0 && html`<h3>Requests that were taken and could not be read</h3>
      <${Rows} name="rejected" columns=${[["When"], ["Project", "number"], ["Kind"], ["Why"]]}
        row=${([at, project, kind, why], i) => html`<tr key=${i}><td class="when muted">${moment(Number(at))}</td><td class="number">${project}</td><td>${kind}</td><td>${why}</td></tr>`} />`}`;
}

function Reason({ reason }) {
  const text = explainReason(reason);
  return html`<span class="code">${reason || "–"}</span>${text && html`<br /><span class="muted">${text}</span>`}`;
}

function Symbols() {
  const sources = rowsOf("sources");
  return html`<p>Names of programs built elsewhere, of minified JavaScript and of ProGuard come from files that are added, or from servers that are asked for them${sources.length > 0 &&
    html`: ${sources.map(([kind, place]) => `${kind} ${place}`.trim()).join(", ")}`}.</p>
    <${Code} code="proflite symbols add FILE …" />
    <${Rows} name="symbols" empty="No file was added yet." columns=${[["File"], ["Kind"], ["Debug id"], ["Size", "number"], ["From"], ["Added"]]}
      row=${([kind, name, id, size, hasDebug, origin, at]) => html`<tr key=${name + id}><td class="code">${name}</td><td>${kind}${kind === "elf" && !hasDebug ? ", no DWARF" : ""}</td>
        <td class="code muted">${id}</td><td class="number">${bytes(size)}</td><td>${origin || "added"}</td><td class="when muted">${moment(Number(at))}</td></tr>`} />`;
}

function Forward() {
  return html`<${Rows} name="forward" empty="Nothing is sent on from here. proflite forward --to DSN does, or serve --forward DSN." columns=${[["To"], ["State"], ["Sent", "number"], ["Waiting", "number"], ["Given up"]]}
    row=${(one) => html`<tr key=${one.id} class=${one.paused || Object.keys(one.dead).length ? "bad" : ""}><td>${one.target}</td><td>${forwardState(one)}</td>
      <td class="number">${count(one.sent)}<br /><span class="muted">${bytes(one.sent_bytes)}</span></td>
      <td class="number">${count(one.waiting)}<br /><span class="muted">${one.waiting ? `since ${moment(one.oldest_ns)}` : ""}</span></td>
      <td>${Object.entries(one.dead).map(([reason, n]) => html`<div key=${reason}><span class="code">${reason}</span> ${count(n)}</div>`)}</td></tr>`} />`;
}

function forwardState({ paused, trouble, limits, next_try_ns: next }) {
  const limited = limits.map((limit) => `${limit.category || "everything"} limited until ${moment(limit.until_ns)}`);
  const again = trouble && next ? `, again ${moment(next)}` : "";
  return [paused && "paused: it refuses us", trouble && `${trouble}${again}`, ...limited].filter(Boolean).join("; ") || "fine";
}

function Losses() {
  return html`<${Rows} name="losses" empty="No sample was lost." columns=${[["Application"], ["Reason"], ["Samples", "number"]]}
    row=${([app, reason, n]) => html`<tr key=${app + reason}><td>${app}</td><td class="code">${reason}</td><td class="number">${count(n)}</td></tr>`} />`;
}

function Storage() {
  const rows = answers.value.storage?.rows ?? [];
  const whole = rows.reduce((sum, row) => sum + row[4], 0);
  return html`<p>${bytes(whole)} of samples and stacks${rows.length > 0 ? ` in ${plural(new Set(rows.map((row) => row[1])).size, "day")}` : ""}. <${Kept} /> Nothing is removed by itself; this keeps the samples of a week and sums of a year, and at most two gigabytes:</p>
    <${Code} code="proflite gc --keep 7d --keep-days 365d --max-size 2G" />
    <${Rows} name="storage" empty="Nothing is stored yet." columns=${[["Day (UTC)"], ["Application"], ["Sessions", "number"], ["Parts", "number"], ["Size", "number"], ["Share", "setup-bar"]]}
      row=${([app, at, sessions, parts, size]) => html`<tr key=${`${at} ${app}`}><td>${at}</td><td>${app}</td><td class="number">${count(sessions)}</td>
        <td class="number">${count(parts)}</td><td class="number">${bytes(size)}</td><td class="setup-bar"><span style=${{ width: `${(100 * size) / Math.max(1, whole)}%` }} /></td></tr>`} />`;
}

/** How far back samples go, and the sums that outlive them. */
function Kept() {
  const oldest = rowsOf("oldest")[0]?.[0];
  const sums = rowsOf("sums").map(([level, , from]) => `by ${Number(level) > 3600 ? "day" : "hour"} back to ${moment(Number(from) * 1e9)}`);
  return html`${oldest && `Samples go back to ${moment(Number(oldest))}${sums.length ? `, sums ${sums.join(", ")}` : ""}.`}`;
}
