// How to get profiles in, what became of those that came, and what they take up.

import { html, signal, useEffect } from "../vendor/preact.js";
import { bytes, count, moment, plural } from "../lib/format.js";
import { snippets } from "../lib/snippets.js";
import { generation } from "../model/data.js";
import { ask } from "../model/sql.js";
import { Notice } from "../ui/notice.js";
import { IconButton, Loading, Tabs } from "../ui/parts.js";
import { errorNotice } from "../ui/problems.js";

const questions = {
  keys: "SELECT project_id, public_key FROM project_key ORDER BY project_id, id",
  outcomes: `SELECT category, outcome, coalesce(reason, ''), count(*), max(ts_ns) FROM outcome GROUP BY 1, 2, 3 ORDER BY outcome = 'accepted' DESC, 4 DESC`,
  losses: `SELECT s.app, l.reason, sum(l.count) FROM loss l JOIN session s ON s.id = l.session_id GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 50`,
  storage: `SELECT s.app, date(p.start_ns / 1000000000, 'unixepoch'), count(DISTINCT p.session_id), count(*), sum(p.bytes)
  FROM part p JOIN session s ON s.id = p.session_id GROUP BY 1, 2 ORDER BY 2 DESC, 5 DESC LIMIT 400`,
};

/** Name of a question -> rows, or why there are none. */
const answers = signal(/** @type {Record<string, {rows?: any[][], error?: Error}>} */ ({}));

async function load(name) {
  try {
    const { rows } = await ask(questions[name]);
    answers.value = { ...answers.value, [name]: { rows } };
  } catch (error) {
    answers.value = { ...answers.value, [name]: { error } };
  }
}

export function Setup() {
  const now = generation.value;
  useEffect(() => Object.keys(questions).forEach(load), [now]);
  return html`<main id="setup"><div class="setup-page">
    <h1 class="visually-hidden">Setup</h1>
    <${Ways} />
    <section aria-labelledby="setup-health"><h2 id="setup-health">What came in</h2><${Health} /></section>
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
    <tbody>${rows.map(row)}</tbody></table></div>`;
}

function Health() {
  return html`<${Rows} name="outcomes" empty="Nothing was processed yet." columns=${[["Outcome"], ["Reason"], ["Of"], ["Chunks", "number"], ["Latest"]]}
    row=${([category, outcome, reason, n, latest]) => html`<tr key=${category + outcome + reason} class=${outcome === "accepted" ? "" : "bad"}>
      <td>${outcome}</td><td class="code">${reason || "–"}</td><td>${category}</td><td class="number">${count(n)}</td><td class="muted">${moment(Number(latest))}</td></tr>`} />`;
}

function Losses() {
  return html`<${Rows} name="losses" empty="No sample was lost." columns=${[["Application"], ["Reason"], ["Samples", "number"]]}
    row=${([app, reason, n]) => html`<tr key=${app + reason}><td>${app}</td><td class="code">${reason}</td><td class="number">${count(n)}</td></tr>`} />`;
}

function Storage() {
  const rows = answers.value.storage?.rows ?? [];
  const whole = rows.reduce((sum, row) => sum + row[4], 0);
  return html`<p>${bytes(whole)} of samples and stacks${rows.length > 0 ? ` in ${plural(new Set(rows.map((row) => row[1])).size, "day")}` : ""}.
      Nothing is removed by itself; this keeps a week, and at most two gigabytes:</p>
    <${Code} code="proflite gc --keep 7d --max-size 2G" />
    <${Rows} name="storage" empty="Nothing is stored yet." columns=${[["Day (UTC)"], ["Application"], ["Sessions", "number"], ["Parts", "number"], ["Size", "number"], ["Share", "setup-bar"]]}
      row=${([app, at, sessions, parts, size]) => html`<tr key=${`${at} ${app}`}><td>${at}</td><td>${app}</td><td class="number">${count(sessions)}</td>
        <td class="number">${count(parts)}</td><td class="number">${bytes(size)}</td><td class="setup-bar"><span style=${{ width: `${(100 * size) / Math.max(1, whole)}%` }} /></td></tr>`} />`;
}
