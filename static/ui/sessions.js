// The dialog that chooses sessions: a recording as a whole, or any of its processes.

import { bytes, count, duration, moment, percent, plural } from "../lib/format.js";
import { groupByRecording } from "../lib/selection.js";
import { fill, h, iconButton, icons } from "./dom.js";

const mostRows = 400;
const columns = [["Choose", "col-tick"], ["Application", ""], ["Process", "col-s"], ["Length", "col-s"],
  ["Threads", "col-m"], ["Samples", "col-l"], ["Size", "col-s"], ["State", "col-m"]];

/**
 * @param {{choose: (what: {app?: string, recording?: string, session?: string[]}) => void}} actions
 */
export function createSessions(actions) {
  const filter = h("input", { type: "search", placeholder: "Filter by name, pid or state", "aria-label": "Filter sessions", oninput: () => fillList() });
  const list = h("div", { class: "session-list", tabindex: "0", role: "group", "aria-label": "Sessions" });
  const head = h("div", { class: "dialog-head" }, h("h2", {}, "Sessions"), filter,
    h("button", { type: "button", class: "plain", onclick: () => choose({ session: ["all"] }) }, "Everything"),
    iconButton(icons.close, "Close", () => dialog.close()));
  const foot = h("div", { class: "dialog-foot" });
  const dialog = h("dialog", { class: "session-dialog", "aria-label": "Choose sessions" }, head, list, foot);
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  let sessions = [];
  let ticked = new Set();
  let names = new Map(); // of processes, where known

  function choose(what) {
    dialog.close();
    actions.choose(what);
  }

  function open(all, chosen, processes) {
    sessions = all;
    names = processes;
    ticked = new Set(chosen.length < all.length ? chosen.map((session) => String(session.id)) : []);
    filter.value = "";
    fillList();
    fillFoot();
    dialog.showModal();
  }

  function fillList() {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (session) => {
      const text = `${session.app} ${names.get(session.id) ?? ""} ${session.pid} ${session.state} ${session.release ?? ""} ${session.environment ?? ""}`.toLowerCase();
      return words.every((word) => text.includes(word));
    };
    const groups = groupByRecording(sessions.filter(fits));
    let room = mostRows;
    const tables = [];
    for (const group of groups) {
      if (room <= 0) break;
      tables.push(groupTable(group, group.sessions.slice(0, room)));
      room -= group.sessions.length;
    }
    fill(list, tables, groups.length === 0 && h("p", { class: "muted padded" }, "No session fits the filter."),
      room < 0 && h("p", { class: "muted padded" }, `${plural(-room, "more session")}: narrow the filter to see them.`));
  }

  function groupTable(group, shown) {
    const many = group.sessions.length > 1;
    const whole = h("button", { type: "button", class: "session-group", onclick: () => choose(many ? { recording: group.id } : { session: [String(group.sessions[0].id)] }) },
      h("b", {}, moment(group.start)), ` ${group.sessions[0].app}`,
      h("span", { class: "muted" }, many ? `${count(group.sessions.length)} processes` : ""));
    return h("table", { class: "session-table" },
      h("caption", {}, whole),
      h("colgroup", {}, columns.map(([, kind]) => h("col", { class: kind }))),
      h("thead", { class: "visually-hidden" }, h("tr", {}, columns.map(([name]) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, shown.map(sessionRow)));
  }

  function sessionRow(session) {
    const id = String(session.id);
    const process = names.get(session.id);
    const box = h("input", {
      type: "checkbox", "aria-label": `${session.app} ${session.pid}`,
      onchange: () => {
        if (box.checked) ticked.add(id);
        else ticked.delete(id);
        fillFoot();
      },
    });
    box.checked = ticked.has(id);
    const lost = session.lost > 0 ? ` (${percent(session.lost, session.samples + session.lost)} lost)` : "";
    return h("tr", {}, h("td", { class: "tick" }, box),
      h("th", { scope: "row" }, h("button", { type: "button", onclick: () => choose({ session: [id] }) }, session.app,
        process && process !== session.app && h("span", { class: "muted" }, ` ${process}`))),
      h("td", { class: "number muted" }, session.pid),
      h("td", { class: "number" }, duration(Math.max(0, session.end_ns - session.start_ns))),
      h("td", { class: "number" }, plural(session.threads, "thread")),
      h("td", { class: "number" }, `${count(session.samples)} samples${lost}`),
      h("td", { class: "number muted" }, bytes(session.bytes ?? 0)),
      h("td", { class: `state state-${session.state}` }, session.state));
  }

  function fillFoot() {
    fill(foot, h("span", { class: "muted" }, plural(ticked.size, "session") + " ticked"),
      h("button", { type: "button", class: "main", disabled: ticked.size === 0, onclick: () => choose({ session: [...ticked].sort((a, b) => Number(a) - Number(b)) }) }, "Show ticked"));
  }

  return { open };
}
