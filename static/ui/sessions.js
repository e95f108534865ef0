// The dialog that chooses sessions: a recording as a whole, or any of its processes.

import { html, useState } from "../vendor/preact.js";
import { bytes, count, duration, moment, percent, plural } from "../lib/format.js";
import { groupByRecording } from "../lib/selection.js";
import { processNames } from "../lib/threads.js";
import { chosen, sessions, threads } from "../model/data.js";
import { closeDialog } from "./dialogs.js";
import { Dialog, IconButton } from "./parts.js";
import { choose } from "./problems.js";

const mostRows = 400;
const columns = [["Choose", "col-tick"], ["Application", ""], ["Process", "col-s"], ["Length", "col-s"],
  ["Threads", "col-m"], ["Samples", "col-l"], ["Size", "col-s"], ["State", "col-m"]];

/** @param {{title?: string, onChoose?: (what: object) => void}} props another page may want the choice */
export function Sessions({ title = "Sessions", onChoose = choose }) {
  const all = sessions.value.value ?? [];
  const [text, setText] = useState("");
  const [ticked, setTicked] = useState(() => new Set(chosen.value.length < all.length ? chosen.value.map((session) => String(session.id)) : []));
  const names = processNames(threads.value.value ?? [], all);
  const take = (what) => {
    closeDialog();
    onChoose(what);
  };
  const tick = (id, on) => {
    const next = new Set(ticked);
    if (on) next.add(id);
    else next.delete(id);
    setTicked(next);
  };
  const groups = shownGroups(all, text, names);
  const wanted = () => [...ticked].sort((a, b) => Number(a) - Number(b));
  return html`<${Dialog} class="session-dialog" label="Choose sessions" onClose=${closeDialog}>
    <div class="dialog-head"><h2>${title}</h2>
      <input type="search" placeholder="Filter by name, pid, release or state; Enter takes the first" aria-label="Filter sessions" value=${text}
        onInput=${(event) => setText(event.currentTarget.value)} onKeyDown=${(event) => event.key === "Enter" && groups[0] && take(meant(groups[0]))} />
      <button type="button" class="plain" onClick=${() => take({ session: ["all"] })}>Everything</button>
      <${IconButton} name="close" label="Close" onClick=${closeDialog} /></div>
    <div class="session-list" tabindex="0" role="group" aria-label="Sessions">
      ${groups.map(({ group, shown }) => html`<${Group} key=${group.id} group=${group} shown=${shown} names=${names} ticked=${ticked} tick=${tick} take=${take} />`)}
      ${groups.length === 0 && html`<p class="muted padded">No session fits the filter.</p>`}</div>
    <div class="dialog-foot"><span class="muted">${plural(ticked.size, "session")} ticked</span>
      <button type="button" class="main" disabled=${ticked.size === 0} onClick=${() => take({ session: wanted() })}>Show ticked</button></div>
  <//>`;
}

/** Recordings with the sessions that fit the filter, as many as a dialog can hold. */
function shownGroups(all, text, names) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (session) => {
    const about = `${session.app} ${names.get(session.id) ?? ""} ${session.pid} ${session.state} ${session.release ?? ""} ${session.environment ?? ""}`.toLowerCase();
    return words.every((word) => about.includes(word));
  };
  let room = mostRows;
  const found = [];
  for (const group of groupByRecording(all)) {
    const shown = group.sessions.filter(fits).slice(0, room);
    if (shown.length === 0) continue;
    room -= shown.length;
    found.push({ group, shown });
  }
  return found;
}

/** A recording, or as much of it as is shown. */
const meant = ({ group, shown }) => (shown.length < group.sessions.length || shown.length === 1 ? { session: shown.map(({ id }) => String(id)) } : { recording: group.id });

function Group({ group, shown, names, ticked, tick, take }) {
  const many = group.sessions.length > 1;
  return html`<table class="session-table">
    <caption><button type="button" class="session-group" onClick=${() => take(many ? { recording: group.id } : { session: [String(group.sessions[0].id)] })}>
      <b>${moment(group.start)}</b> ${group.sessions[0].app}
      <span class="muted">${many ? `${count(group.sessions.length)} processes` : ""}</span></button></caption>
    <colgroup>${columns.map(([, kind]) => html`<col class=${kind} />`)}</colgroup>
    <thead class="visually-hidden"><tr>${columns.map(([name]) => html`<th scope="col">${name}</th>`)}</tr></thead>
    <tbody>${shown.map((session) => html`<${Row} key=${session.id} session=${session} process=${names.get(session.id)}
      checked=${ticked.has(String(session.id))} tick=${tick} take=${take} />`)}</tbody>
  </table>`;
}

function Row({ session, process, checked, tick, take }) {
  const id = String(session.id);
  const lost = session.lost > 0 ? ` (${percent(session.lost, session.samples + session.lost)} lost)` : "";
  const told = [process !== session.app && process, session.release, session.environment].filter(Boolean);
  return html`<tr>
    <td class="tick"><input type="checkbox" aria-label=${`${session.app} ${session.pid}`} checked=${checked} onChange=${(event) => tick(id, event.currentTarget.checked)} /></td>
    <th scope="row"><button type="button" title=${[session.app, ...told].join(" ")} onClick=${() => take({ session: [id] })}>${session.app}
      <span class="muted">${told.map((text) => ` ${text}`)}</span></button></th>
    <td class="number muted">${session.pid || "–"}</td>
    <td class="number">${duration(Math.max(0, session.end_ns - session.start_ns))}</td>
    <td class="number">${plural(session.threads, "thread")}</td>
    <td class="number">${count(session.samples)} samples${lost}</td>
    <td class="number muted">${bytes(session.bytes ?? 0)}</td>
    <td class=${`state state-${session.state}`}>${session.state}</td>
  </tr>`;
}
