// Any selection against any other: what changed, how sure that is, and where.

import { html, useMemo, useState } from "../vendor/preact.js";
import { changesOf, diffPalette, surety } from "../lib/compare.js";
import { findNode, functionKey, nodeKey } from "../lib/flame-model.js";
import { basename, duration, moment, percent, plural } from "../lib/format.js";
import { fitName, nameVariants, shortName } from "../lib/names.js";
import { presets } from "../lib/presets.js";
import { compileQuery } from "../lib/search.js";
import { describeSessions, groupByRecording } from "../lib/selection.js";
import { sideState } from "../lib/side-state.js";
import { sessionsText, word } from "../lib/side-text.js";
import { pointed, sessions } from "../model/data.js";
import { diff, diffModel, sides } from "../model/compare.js";
import { setState, state } from "../model/store.js";
import { entryOf } from "../ui/actions.js";
import { FlameGraph } from "../ui/graph.js";
import { openMenu } from "../ui/dialogs.js";
import { Notice } from "../ui/notice.js";
import { IconButton, Loading, Switch } from "../ui/parts.js";
import { errorNotice } from "../ui/problems.js";
import { shownTheme } from "../ui/theme.js";
import { VirtualList } from "../ui/virtual.js";

const metrics = [["wall", "Wall", "Time that passed, waiting included"], ["cpu", "CPU", "Time on a processor"]];
const measures = [["share", "Share", "Of each side's whole: sides of any length compare"], ["time", "Time", "Absolute time"]];
const kinds = [["all", "All", "Every function with other figures"], ["sure", "Sure", "Unlikely to be chance"], ["new", "New", "Only in B"], ["gone", "Gone", "Only in A"]];
const rowHeight = 36;

/** @param {{graph: {current: any}}} props the graph, for keys that walk it */
export function Compare({ graph }) {
  const { metric, by } = state.value;
  const { a, b } = sides.value;
  return html`<main id="compare">
    <h1 class="visually-hidden">Compare</h1>
    <section class="compare-bar" aria-label="What is compared">
      <${Side} name="A" value=${a} onChange=${(text) => setState({ a: text, b })} />
      <${IconButton} name="swap" label="Swap A and B" onClick=${() => setState({ a: b || "all", b: a || "all" })} />
      <${Side} name="B" value=${b} onChange=${(text) => setState({ a, b: text })} />
      <${Presets} b=${b} />
      <${Switch} label="Metric" value=${metric} options=${metrics} onChoose=${(id) => setState({ metric: id })} />
      <${Switch} label="Measure" value=${by} options=${measures} onChoose=${(id) => setState({ by: id })} />
    </section>
    <${Result} graph=${graph} />
  </main>`;
}

/* ---- sides ---- */

/** What a side can be set to without typing. @returns {[string, string][]} text and name */
function offers() {
  const all = sessions.value.value ?? [];
  const distinct = (name) => [...new Set(all.map((session) => session[name]).filter(Boolean))];
  return [
    ["all", "Everything"],
    ...groupByRecording(all).slice(0, 30).map((group) => /** @type {[string, string]} */ ([sessionsText(group.sessions), `${group.sessions[0].app}, ${moment(group.start)}`])),
    ...distinct("release").map((value) => /** @type {[string, string]} */ ([word("release", value), `release ${value}`])),
    ...distinct("environment").map((value) => /** @type {[string, string]} */ ([word("env", value), `environment ${value}`])),
    ...distinct("app").map((value) => /** @type {[string, string]} */ ([word("app", value), `application ${value}`])),
    ["@-1h..", "the last hour"], ["@-2h..-1h", "the hour before"], ["@-1d..", "the last day"], ["@-2d..-1d", "the day before"],
  ];
}

/** What sessions a side has, if it is made of nothing else. */
function describe(text) {
  const ids = /^\d+(,\d+)*$/.test(text) ? text.split(",") : [];
  const meant = (sessions.value.value ?? []).filter((one) => ids.includes(String(one.id)));
  return meant.length ? `${describeSessions(meant)}, ${moment(Math.min(...meant.map((one) => one.start_ns)))}` : "";
}

function Side({ name, value, onChange }) {
  const [typed, setTyped] = useState(/** @type {string|null} */ (null));
  const there = useMemo(() => sideState(value, Date.now() * 1e6), [value]);
  const list = `compare-offers-${name}`;
  const known = offers().find(([text]) => text === value)?.[1] ?? describe(value);
  const take = (text) => {
    setTyped(null);
    if (text !== value) onChange(text);
  };
  return html`<div class="compare-side"><b>${name}</b>
    <input type="text" list=${list} spellcheck="false" autocomplete="off" aria-label=${`Side ${name}`} placeholder="12,13 · @-2h..-1h · release:1.2 · label:tenant=acme"
      value=${typed ?? value} title="Session ids, a time range, KEY:VALUE, or several with blanks between"
      onInput=${(event) => setTyped(event.currentTarget.value)} onChange=${(event) => take(event.currentTarget.value.trim())}
      onKeyDown=${(event) => event.key === "Enter" && take(event.currentTarget.value.trim())} />
    <${IconButton} name="right" label=${`Explore side ${name}`} disabled=${!value || !there} onClick=${() => setState({ ...there, metric: state.peek().metric, transforms: state.peek().transforms })} />
    <span class="muted compare-known">${known}</span>
    <datalist id=${list}>${offers().map(([text, what]) => html`<option key=${text} value=${text}>${what}</option>`)}</datalist></div>`;
}

/** What B is most often compared with. */
function Presets({ b }) {
  const offered = presets(b, sessions.value.value ?? [], Date.now() * 1e6).filter(({ sides }) => sides);
  return html`<select aria-label="Compare B with" value="" disabled=${offered.length === 0}
      onChange=${(event) => setState(offered.find(({ id }) => id === event.currentTarget.value)?.sides ?? {})}>
    <option value="">B with …</option>
    ${offered.map(({ id, name }) => html`<option key=${id} value=${id}>${name}</option>`)}</select>`;
}

/* ---- what came out ---- */

function Result({ graph }) {
  const answer = diff.value.value;
  const { a, b } = sides.value;
  if (diff.error.value) return html`<div class="pane-hint"><${Notice} ...${errorNotice(diff.error.value)} /></div>`;
  if (!(a || b) || a === b || (!a && !state.value.a)) return html`<div class="pane-hint"><${Notice} title="Nothing to compare yet" ...${nothingYet(a, b)} /></div>`;
  if (!answer) return html`<${Loading} what="both sides" />`;
  const empty = [["A", answer.a], ["B", answer.b]].filter(([, side]) => side.samples === 0).map(([name]) => name);
  if (empty.length > 0) return html`<div class="pane-hint"><${Notice} title=${`${empty.join(" and ")} ${empty.length > 1 ? "hold" : "holds"} no samples`} text="Choose other sessions, another time, or wall time." /></div>`;
  return html`<div id="compare-panes" class=${diff.loading.value ? "loading" : ""}>
    <section id="left" aria-label="What changed"><p class="pane-line"><${Wholes} answer=${answer} /></p><${Changes} answer=${answer} /></section>
    <section id="right" aria-label="Graph of the difference"><p class="pane-line muted compare-legend"><span class="compare-less" /> less in B <span class="compare-more" /> more in B${" "}<span>· pale: may be chance · hatched: only on one side · as wide as both together</span></p><${Graph} graph=${graph} /></section>
  </div>`;
}

function nothingYet(a, b) {
  if (a && a === b) return { text: "Both sides are the same." };
  return { text: "The latest recording has none of the same program before it. Choose two sides above, or record again:", command: "proflite record -- ./your-program" };
}

function Wholes({ answer }) {
  return html`<b>A</b> ${duration(answer.a.total_ns)} <span class="muted">in ${plural(answer.a.samples, "sample")}</span> → <b>B</b> ${duration(answer.b.total_ns)} <span class="muted">in ${plural(answer.b.samples, "sample")}</span>`;
}

/** Signed, in points of share or in time. */
function difference(entry, answer, by) {
  if (by === "time") {
    const ns = entry.b.self_ns - entry.a.self_ns;
    return ns === 0 ? "0" : `${ns > 0 ? "+" : ""}${duration(ns)}`;
  }
  const points = (entry.self.share_b - entry.self.share_a) * 100;
  return `${points > 0 ? "+" : points < 0 ? "−" : ""}${Math.abs(points).toFixed(Math.abs(points) < 1 ? 2 : 1)}`;
}

function Changes({ answer }) {
  const { by, only, query } = state.value;
  const rows = useMemo(() => changesOf(answer, by, only, compileQuery(query).test), [answer, by, only, query]);
  return html`<div class="compare-which"><${Switch} label="Which changes" value=${only} options=${kinds} onChoose=${(id) => setState({ only: id })} />
      <input type="search" placeholder="Name or /regex/" aria-label="Search changes" value=${query} onInput=${(event) => setState({ query: event.currentTarget.value }, true)} /></div>
    <${ChangeTable} answer=${answer} rows=${rows} by=${by} />`;
}

function none(filtered) {
  if (!filtered) return { title: "No change", text: "Every function has the same own time on both sides." };
  return { title: "No change of this kind", text: "Own time of no function fits what is chosen above.", actions: [{ label: "List all changes", run: () => setState({ only: "all", query: "" }) }] };
}

function ChangeTable({ answer, rows, by }) {
  const { only, query } = state.value;
  return html`<div class="top-table compare-table" role="table" aria-label="Functions by change" aria-rowcount=${rows.length + 1} onMouseLeave=${() => (pointed.value = "")}>
    <div role="rowgroup" class="top-head"><div role="row"><div role="columnheader">Function, by change of its own time</div><div role="columnheader" class="number">${by === "time" ? "Change" : "Points"}</div><div role="columnheader" class="number">A → B</div></div></div>
    <${VirtualList} class="top-scroller" role="rowgroup" rove=${true} aria-label="Changes" count=${rows.length} rowHeight=${rowHeight}
      render=${(i) => html`<${ChangeRow} key=${i} entry=${rows[i]} index=${i} answer=${answer} by=${by} />`} />
    ${rows.length === 0 && html`<div class="pane-hint"><${Notice} ...${none(only !== "all" || query !== "")} /></div>`}
    <div class="top-foot muted">${plural(rows.length, "function")} with other figures; own time, at most 2,000 listed</div>
  </div>`;
}

function ChangeRow({ entry, index, answer, by }) {
  const key = functionKey(entry.function, entry.module, entry.file);
  const more = by === "time" ? entry.b.self_ns > entry.a.self_ns : entry.self.share_b > entry.self.share_a;
  const state = entry.state === "both" ? "" : entry.state;
  const from = by === "time" ? duration(entry.a.self_ns) : percent(entry.a.self_ns, answer.a.total_ns);
  const to = by === "time" ? duration(entry.b.self_ns) : percent(entry.b.self_ns, answer.b.total_ns);
  return html`<div role="row" data-key=${key} aria-rowindex=${index + 2} class=${key === pointed.value ? "pointed" : ""} onMouseOver=${() => (pointed.value = key)}
      onContextMenu=${(event) => openMenu(event, { ...entry, key, short: shortName(entry.function) })}>
    <div role="rowheader" class="top-name" title=${entry.function}><button type="button" class="code" onClick=${() => zoomToFunction(key)}>${fitName(nameVariants(shortName(entry.function)), 30)}</button>
      <span class="muted">${[state, surety(entry.self.q), basename(entry.module ?? "")].filter(Boolean).join(" · ")}</span></div>
    <div role="cell" class=${`number compare-change ${more ? "more" : "less"}`}>${difference(entry, answer, by)}</div>
    <div role="cell" class="number compare-both"><span>${from}</span><span>${to}</span></div></div>`;
}

/** Zoom to where the function is heaviest. */
function zoomToFunction(key) {
  const { model } = diffModel.peek();
  const fn = model.functionKeys.indexOf(key);
  let best = -1;
  for (let i = 1; i < model.count; i++) if (model.fn[i] === fn && (best < 0 || model.total[i] > model.total[best])) best = i;
  if (best > 0) setState({ zoom: nodeKey(model, best) });
}

/* ---- graph ---- */

function Graph({ graph }) {
  const { model, a, b, q } = diffModel.value;
  const { by } = state.value;
  const theme = shownTheme.value;
  const palette = useMemo(() => diffPalette(theme), [theme]);
  const show = (weight, side) => (by === "share" ? percent(weight, side) : duration(weight));
  const figures = (node) => {
    const change = by === "share" ? `${b[node] >= a[node] ? "+" : "−"}${(Math.abs(b[node] / b[0] - a[node] / a[0]) * 100).toFixed(2)} points` : `${b[node] >= a[node] ? "+" : ""}${duration(b[node] - a[node])}`;
    const kind = a[node] === 0 ? "new in B" : b[node] === 0 ? "gone in B" : "";
    return [`A ${show(a[node], a[0])} → B ${show(b[node], b[0])}`, change, surety(q[node]), kind].filter(Boolean);
  };
  const actions = {
    zoomTo: (key) => setState({ zoom: key }),
    back: () => setState({ zoom: "" }),
    hover: (fn) => (pointed.value = model.functionKeys[fn] ?? ""),
    menu: (event, node) => openMenu(event, entryOf(model.fn[node], "", model)),
  };
  return html`<${FlameGraph} handle=${graph} actions=${actions} model=${model} matches=${null} theme=${theme} palette=${palette} figures=${figures}
    zoom=${findNode(model, state.value.zoom) > 0 ? state.value.zoom : ""} hot=${model.functionKeys.indexOf(pointed.value)} summary=${`Difference of A and B, ${plural(model.functionCount, "function")}`} />`;
}
