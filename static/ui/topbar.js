// The bar: what is looked at, in which metric, the search, theme and help.

import { duration, percent, plural } from "../lib/format.js";
import { fill, h, icon, iconButton, icons } from "./dom.js";
import { chosenTheme, nextTheme } from "./theme.js";

/**
 * @typedef {object} TopbarActions
 * @property {() => void} openSessions
 * @property {(metric: "wall"|"cpu") => void} setMetric
 * @property {(query: string) => void} search
 * @property {(direction: 1|-1) => void} step
 * @property {() => void} themeChanged
 * @property {() => void} help
 */

/** @param {HTMLElement} root @param {TopbarActions} actions */
export function createTopbar(root, actions) {
  const title = h("span", { class: "session-title" });
  const when = h("span", { class: "muted" });
  const sessions = h("button", { type: "button", class: "plain session-button", "aria-haspopup": "dialog", onclick: actions.openSessions },
    h("span", { class: "visually-hidden" }, "Sessions:"), title, when, icon(icons.chevron));
  const metric = metricSwitch(actions.setMetric);
  const search = searchField(actions);
  const theme = iconButton(icons.auto, "Theme", () => {
    nextTheme();
    showTheme(theme);
    actions.themeChanged();
  });
  showTheme(theme);
  root.append(h("a", { class: "brand", href: "./", title: "Latest recording" }, "proflite"), sessions, metric.element,
    h("span", { class: "spacer" }), search.element, theme,
    iconButton(icons.help, "Keyboard shortcuts (?)", actions.help));

  /** @param {{title: string, when: string, metric: string, query: string, found: any, error: string}} props */
  function update(props) {
    title.textContent = props.title;
    when.textContent = props.when;
    metric.update(props.metric);
    search.update(props);
  }

  return { update, focusSearch: search.focus };
}

function showTheme(button) {
  const theme = chosenTheme();
  fill(button, icon(icons[theme]));
  const label = `Theme: ${theme === "auto" ? "as the system" : theme}`;
  button.title = label;
  button.setAttribute("aria-label", label);
}

function metricSwitch(setMetric) {
  const names = { wall: "Wall", cpu: "CPU" };
  const titles = { wall: "Time that passed, waiting included (m)", cpu: "Time on a processor (m)" };
  const buttons = Object.keys(names).map((id) => h("button", {
    type: "button", title: titles[id], "data-metric": id, onclick: () => setMetric(/** @type {any} */ (id)),
  }, names[id]));
  const element = h("div", { class: "switch", role: "group", "aria-label": "Metric" }, buttons);
  return {
    element,
    update: (chosen) => buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.metric === chosen))),
  };
}

function searchField(actions) {
  const input = h("input", {
    type: "search", placeholder: "Search: name or /regex/", "aria-label": "Search functions", spellcheck: "false", autocomplete: "off",
    oninput: () => actions.search(input.value),
    onkeydown: (event) => {
      if (event.key === "Enter") actions.step(event.shiftKey ? -1 : 1);
      else if (event.key === "Escape") {
        if (input.value) actions.search("");
        input.blur();
      } else return;
      event.preventDefault();
      event.stopPropagation();
    },
  });
  const result = h("span", { class: "search-result", role: "status" });
  const step = h("span", { class: "search-step" },
    iconButton(icons.previous, "Previous match (N)", () => actions.step(-1)),
    iconButton(icons.next, "Next match (n)", () => actions.step(1)));
  const element = h("div", { class: "search", role: "search" }, icon(icons.search), input, result, step);

  function update({ query, found, error }) {
    if (input.value !== query && document.activeElement !== input) input.value = query;
    else if (query === "" && input.value.trim() === "") input.value = "";
    input.setAttribute("aria-invalid", String(Boolean(error)));
    step.hidden = !found || found.nodes.length === 0;
    result.classList.toggle("error", Boolean(error));
    result.textContent = error ? error : found ? describe(found) : "";
    result.title = found ? `${plural(found.functions, "function")} in ${plural(found.nodes.length, "place")}: ${duration(found.total)} of ${duration(found.whole)}; a match inside a match counts once` : error;
  }

  return { element, update, focus: () => (input.focus(), input.select()) };
}

function describe(found) {
  if (found.functions === 0) return "no match";
  return `${percent(found.total, found.whole)} in ${plural(found.functions, "function")}`;
}
