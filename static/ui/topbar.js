// The bar: where we are, what is looked at, in which metric, the search, theme and help.

import { html, signal, useLayoutEffect, useRef } from "../vendor/preact.js";
import { duration, moment, percent, plural } from "../lib/format.js";
import { describeSessions } from "../lib/selection.js";
import { chosen, search, sessions, span } from "../model/data.js";
import { following, paused } from "../model/live.js";
import { setState, state } from "../model/store.js";
import { openDialog } from "./dialogs.js";
import { Icon, IconButton, Switch } from "./parts.js";
import { nextTheme, theme } from "./theme.js";

const pages = [["explore", "Explore"], ["compare", "Compare"], ["sql", "SQL"], ["setup", "Setup"]];
const metrics = [["wall", "Wall", "Time that passed, waiting included (m)"], ["cpu", "CPU", "Time on a processor (m)"]];
const themeNames = { auto: "as the system", light: "light", dark: "dark" };

/** Counted up to put the cursor into the search field. */
export const searchFocus = signal(0);

/** @param {{step: (direction: 1|-1) => void}} props */
export function Topbar({ step }) {
  const { page, metric } = state.value;
  return html`
    <a class="brand" href="./" title="Latest recording" onClick=${home}>proflite</a>
    <nav aria-label="Pages">${pages.map(([id, name]) => html`<a key=${id} href=${`?page=${id}`}
      aria-current=${id === page ? "page" : null} onClick=${(event) => go(event, id)}>${name}</a>`)}</nav>
    ${page === "explore" && html`<${SessionButton} />
      <${Switch} label="Metric" value=${metric} options=${metrics} onChoose=${(id) => setState({ metric: id })} />
      <${TimeChoice} />
      <${LiveButton} />`}
    <span class="spacer" />
    ${page === "explore" && html`<${SearchField} step=${step} />`}
    ${(page === "explore" || page === "compare") && html`<${IconButton} name="share" label="Export and link (e)" aria-haspopup="dialog" onClick=${() => openDialog("share")} />`}
    <${IconButton} name=${theme.value} label=${`Theme: ${themeNames[theme.value]}`} onClick=${nextTheme} />
    <${IconButton} name="help" label="Keyboard shortcuts (?)" onClick=${() => openDialog("help")} />`;
}

/** Plain clicks stay in the page; with a modifier the browser opens a tab. */
function go(event, page) {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  setState({ page });
}

function home(event) {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  history.pushState(null, "", location.pathname);
  dispatchEvent(new PopStateEvent("popstate"));
}

/** What the chosen sessions are called. */
export function chosenTitle() {
  if (!sessions.value.value) return "…";
  const everything = state.value.session[0] === "all" && chosen.value.length > 1;
  return state.value.app || (everything ? "Everything" : describeSessions(chosen.value));
}

function SessionButton() {
  const start = Math.min(...chosen.value.map((session) => session.start_ns));
  return html`<button type="button" class="plain session-button" aria-haspopup="dialog" onClick=${() => openDialog("sessions")}>
    <span class="visually-hidden">Sessions:</span><span class="session-title">${chosenTitle()}</span>
    <span class="muted">${chosen.value.length ? moment(start) : ""}</span><${Icon} name="chevron" /></button>`;
}

const lasts = [[0, "All of it"], [300, "Last 5 minutes"], [900, "Last 15 minutes"], [3600, "Last hour"], [21600, "Last 6 hours"], [86400, "Last day"], [604800, "Last week"]];

/** What there is less of than that is not offered. */
function TimeChoice() {
  const { last } = state.value;
  const seconds = (span.value.to - span.value.from) / 1e9;
  const offered = lasts.filter(([value]) => Number(value) < seconds || value === last);
  if (offered.length < 2) return null;
  return html`<select class="time-choice" aria-label="Time shown" value=${String(last)}
    onChange=${(event) => setState({ last: Number(event.currentTarget.value), windowFrom: 0, windowTo: 0, from: 0, to: 0 })}>
    ${offered.map(([value, name]) => html`<option key=${value} value=${String(value)}>${name}</option>`)}</select>`;
}

function LiveButton() {
  if (!following.value) return null;
  const on = !paused.value;
  return html`<button type="button" class="live-button" aria-pressed=${String(on)} title="Follow the running program (l)"
    onClick=${() => (paused.value = on)}><span class=${on ? "live" : "muted"}>${on ? "live" : "paused"}</span></button>`;
}

function SearchField({ step }) {
  const input = useRef(null);
  const { query } = state.value;
  const { found, error } = search.value;
  const wanted = searchFocus.value;
  useLayoutEffect(() => {
    if (!wanted) return;
    searchFocus.value = 0;
    input.current.focus();
    input.current.select();
  }, [wanted]);
  const onKey = (event) => {
    if (event.key === "Enter") step(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape") {
      setState({ query: "" }, true);
      input.current.blur();
      /** @type {HTMLElement|null} */ (document.querySelector("#right [role=treegrid]"))?.focus();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return html`<div class="search" role="search"><${Icon} name="search" />
    <input ref=${input} type="search" placeholder="Search: name or /regex/" aria-label="Search functions" spellcheck="false"
      autocomplete="off" value=${query} aria-invalid=${String(Boolean(error))} onKeyDown=${onKey}
      onInput=${(event) => setState({ query: event.currentTarget.value }, true)} />
    <span class=${`search-result ${error ? "error" : ""}`} role="status" title=${found ? explain(found) : error}>${error || (found ? describe(found) : "")}</span>
    ${found && found.nodes.length > 0 && html`<span class="search-step">
      <${IconButton} name="previous" label="Previous match (N)" onClick=${() => step(-1)} />
      <${IconButton} name="next" label="Next match (n)" onClick=${() => step(1)} /></span>`}
  </div>`;
}

function describe(found) {
  if (found.functions === 0) return "no match";
  return `${percent(found.total, found.whole)} in ${plural(found.functions, "function")}`;
}

function explain(found) {
  return `${plural(found.functions, "function")} in ${plural(found.nodes.length, "place")}: ${duration(found.total)} of ${duration(found.whole)}; a match inside a match counts once`;
}
