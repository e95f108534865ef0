// One screen: timeline, chips, then table, tree or callers beside a graph.

import { html, useEffect, useLayoutEffect, useRef, useState } from "../vendor/preact.js";
import { nodeKey } from "../lib/flame-model.js";
import { duration, percent, plural } from "../lib/format.js";
import { codes, flame, graphPixels, isLive, looked, marks, pointed, preview, search, sessions, shownFlame, shownTop, threads, timeline, top } from "../model/data.js";
import { setState, state } from "../model/store.js";
import { entryOf } from "../ui/actions.js";
import { FlameGraph, Timeline } from "../ui/graph.js";
import { openMenu } from "../ui/dialogs.js";
import { Notice } from "../ui/notice.js";
import { lazy, Loading, Tabs } from "../ui/parts.js";
import { choose, pageProblem, paneProblem } from "../ui/problems.js";
import { Summary } from "../ui/summary.js";
import { shownTheme } from "../ui/theme.js";
import { Top } from "../ui/top.js";

const tabs = [["top", "Top", "Functions by weight"], ["tree", "Tree", "The call tree"], ["callers", "Callers", "Who calls the selected function"]];
const views = [["flame", "Flame", "All samples merged"], ["chart", "Chart", "One thread over time"], ["sandwich", "Sandwich", "Callers above, callees below the selected function"], ["scope", "Heatmap", "Time in columns and cells: patterns, and their graphs"]];

const colors = [["module", "module", "A colour for each module; the system's are grey"], ["file", "file", "A colour for each source file"],
  ["code", "whose code", "The program's own, the system's, the kernel's"], ["self", "own time", "The more time of its own, the redder"]];

const Details = lazy(() => import("../ui/details.js").then((view) => view.Details), "");
const Tree = lazy(() => import("../ui/tree.js").then((view) => view.Tree), "the tree");
const Callers = lazy(() => import("../ui/callers.js").then((view) => view.Callers), "callers");
const Chart = lazy(() => import("../ui/chart.js").then((view) => view.Chart), "the chart");
const Sandwich = lazy(() => import("../ui/sandwich.js").then((view) => view.Sandwich), "callers and callees");

const Scope = lazy(() => import("../ui/scope.js").then((view) => view.Scope), "the heatmap");

/** @param {{graph: {current: any}}} props the flame graph, for keys that walk it */
export function Explore({ graph }) {
  const problem = pageProblem();
  if (problem || !sessions.value.value)
    return html`<main id="explore"><h1 class="visually-hidden">Explore profiles</h1>
      <section id="notice">${problem ? html`<${Notice} ...${problem} />` : html`<${Loading} what="the store" />`}</section></main>`;
  const { tab, view, invert, order, color } = state.value;
  const dim = (resource) => (resource.loading.value && !isLive.value && !preview.value ? "loading" : "");
  return html`<main id="explore">
    <h1 class="visually-hidden">Explore profiles</h1>
    <section id="timeline" class=${timeline.value.value ? dim(timeline) : ""} aria-label="Timeline and threads"><${Times} /></section>
    <section id="summary" aria-label="Selection"><${Summary} /></section>
    <div id="panes">
      <section id="left" class=${dim(tab === "top" ? top : flame)} aria-label="Functions">
        <${Tabs} label="Functions" value=${tab} options=${tabs} onChoose=${(id) => setState({ tab: id })} />
        ${tab === "top" && html`<${Top} />`}${tab === "tree" && html`<${Tree} />`}${tab === "callers" && html`<${Callers} />`}
        ${state.value.fn && html`<${Details} />`}
      </section>
      <section id="right" aria-label="Graph">
        <${Tabs} label="Graph" value=${view} options=${views} onChoose=${(id) => setState({ view: id })}>
          ${view === "flame" && html`<label class="tabs-option"><input type="checkbox" checked=${invert}
            onChange=${() => setState({ invert: !invert, zoom: "" })} /> Callees first</label>
            <label class="tabs-option"><input type="checkbox" checked=${order === "name"}
            onChange=${() => setState({ order: order === "name" ? "weight" : "name" })} /> Sort by name</label>
            <label class="tabs-option">Colour by <select value=${color} onChange=${(event) => setState({ color: event.currentTarget.value })}>
            ${colors.map(([id, name, title]) => html`<option key=${id} value=${id} title=${title}>${name}</option>`)}</select></label>`}
        <//>
        ${view === "flame" && html`<${Flame} graph=${graph} />`}
        ${view === "chart" && html`<${Chart} />`}${view === "sandwich" && html`<${Sandwich} />`}${view === "scope" && html`<${Scope} />`}
      </section>
    </div>
  </main>`;
}

function Times() {
  const answer = timeline.value.value;
  const { thread, from, to, windowTo, heat } = state.value;
  if (!answer || !threads.value.value) return html`<${Loading} what="the timeline" />`;
  return html`<${Timeline} timeline=${answer} threads=${threads.value.value} chosen=${thread} from=${from} to=${to}
    sessions=${new Map(sessions.value.value.map((session) => [session.id, session]))} zoomed=${windowTo > 0} theme=${shownTheme.value}
    heat=${heat} codes=${codes.value.value} marks=${marks.value} actions=${timelineActions} />`;
}

const sides = () => import("../model/sides.js");

const timelineActions = {
  setRange: (from, to, step) => setState({ from, to }, step),
  setThreads: (thread) => setState({ thread }),
  setWindow: (windowFrom, windowTo) => setState({ windowFrom, windowTo }),
  setHeat: (heat) => setState({ heat }),
  compare: (from, to) => sides().then(({ compareRange }) => compareRange(from, to)),
  openMark: ({ release, session }) => (release ? sides().then(({ compareRelease }) => compareRelease(release)) : choose({ session: [session] })),
  aim: () => previews().then(({ prepare }) => prepare()),
  preview: (from, to) => previewSoon(from, to),
};

const previews = () => import("../model/preview.js");
let pending = { from: 0, to: 0, frame: 0 };

/** One preview a frame: the pointer may move more often. */
function previewSoon(from, to) {
  const before = pending.frame;
  pending = { from, to, frame: before || requestAnimationFrame(() => previews().then(({ show, release }) => {
    const { from, to } = pending;
    pending.frame = 0;
    if (to > 0) show(from, to);
    else release();
  })) };
}

/* ---- the flame graph ---- */

/** What was zoomed before, for one step out. @type {string[]} */
const trail = [];

/** One step out: to what was zoomed before, else to the root. */
export function zoomOut() {
  const { zoom } = state.peek();
  if (!zoom) return;
  let back = trail.pop() ?? "";
  if (back === zoom) back = trail.pop() ?? ""; // Back has been here already
  setState({ zoom: back });
}

function zoomTo(zoom, fn) {
  if (zoom !== state.peek().zoom) trail.push(state.peek().zoom);
  setState({ zoom, fn: shownFlame.peek()?.functionKeys[fn] ?? "" });
}

const flameActions = {
  zoomTo,
  back: zoomOut,
  look: (zoom, key, ns) => (looked.value = { zoom, key, ns }),
  hover: (fn) => (pointed.value = shownFlame.peek()?.functionKeys[fn] ?? ""),
  menu: (event, node) => openMenu(event, entryOf(shownFlame.peek().fn[node], nodeKey(shownFlame.peek(), node), shownFlame.peek())),
};

function Flame({ graph }) {
  const host = useRef(null);
  const model = shownFlame.value;
  const problem = paneProblem();
  const summary = model ? describeGraph(model) : "";
  useLayoutEffect(() => {
    const observer = new ResizeObserver(() => (graphPixels.value = Math.max(1, host.current.clientWidth * (devicePixelRatio || 1))));
    observer.observe(host.current);
    return () => observer.disconnect();
  }, []);
  const dim = flame.loading.value && !isLive.value && !preview.value;
  return html`<div id="flame" ref=${host} class=${[dim && "loading", problem && "failed"].filter(Boolean).join(" ")}>
    ${model ? html`<${FlameGraph} handle=${graph} actions=${flameActions} model=${model} matches=${search.value.matches} theme=${shownTheme.value} color=${state.value.color}
      zoom=${state.value.zoom} morphs=${isLive.value} hot=${model.functionKeys.indexOf(pointed.value || state.value.fn)} summary=${summary} />`
      : !problem && html`<${Loading} what="the graph" />`}
    ${problem && html`<div class="pane-notice"><${Notice} ...${problem} /></div>`}
    ${!isLive.value && !preview.value && html`<${Announce} text=${summary} />`}
  </div>`;
}

/** Says it to those who do not see the picture, once. */
function Announce({ text }) {
  const [told, setTold] = useState("");
  useEffect(() => setTold(text), [text]);
  return html`<div class="visually-hidden" role="status">${told}</div>`;
}

function describeGraph(model) {
  const { total_ns: total, samples, metric } = model.answer;
  const busiest = shownTop.value?.functions[0];
  const text = `Flame graph: ${duration(total)} of ${metric === "cpu" ? "CPU" : "wall"} time in ${plural(samples, "sample")}, ${plural(model.functionCount, "function")}.`;
  if (!busiest) return text;
  return `${text} Most time of its own: ${busiest.short}, ${percent(busiest.self_ns, total)}.`;
}

