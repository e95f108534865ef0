// A long list of rows of one height: only those in sight are made. Until somebody moves
// it, that needs no library.

import { html, signal, useEffect, useLayoutEffect, useRef, useState } from "../vendor/preact.js";
import { moveIn, stopAt } from "./focus.js";

const firstRows = 60; // fill any screen
const library = signal(/** @type {any} */ (null));

let loading = false;

async function load() {
  if (loading) return;
  loading = true;
  try {
    library.value = await import("../vendor/virtual-core.js");
  } catch {
    loading = false; // the next move tries again
  }
}

/**
 * @param {{count: number, rowHeight: number, render: (index: number) => any, reveal?: number, align?: "auto"|"center",
 *          rove?: boolean, class?: string, children?: any, [attribute: string]: any}} props
 *   `reveal`: index of a row to scroll to when it changes, -1 none; `align` it so; `children` stand above
 *   the rows and stay in sight; `rove`: each row has one button, and arrow keys go from
 *   one to the next
 */
export function VirtualList({ count, rowHeight, render, reveal = -1, align = "auto", rove = false, class: kind, children, ...attributes }) {
  const scroller = useRef(null);
  const [, redraw] = useState(0);
  const list = useRef(/** @type {any} */ (null));
  const core = library.value;
  if (core) {
    const { elementScroll, observeElementOffset, observeElementRect, Virtualizer } = core;
    const options = {
      count, getScrollElement: () => scroller.current, estimateSize: () => rowHeight, overscan: 8,
      observeElementRect, observeElementOffset, scrollToFn: elementScroll, onChange: () => redraw((n) => n + 1),
    };
    list.current ??= new Virtualizer(options);
    list.current.setOptions(options);
  }
  useLayoutEffect(() => list.current?._didMount(), [core]);
  useLayoutEffect(() => list.current?._willUpdate());
  useEffect(() => {
    if (reveal > 0 && !core) load();
    else if (reveal >= 0) list.current?.scrollToIndex(reveal, { align });
  }, [reveal, core]);
  const found = list.current?.getVirtualItems() ?? []; // none before it has measured
  const rows = found.length > 0 ? found : Array.from({ length: Math.min(count, firstRows) }, (_, index) => ({ index, start: 0 }));
  /** Index of the row whose button is the stop of the Tab key, and whether that is to get the focus. */
  const cursor = useRef({ at: 0, taking: false, revealed: -1 });
  if (reveal >= 0 && reveal !== cursor.current.revealed) cursor.current.at = reveal;
  cursor.current.revealed = reveal;
  useLayoutEffect(() => {
    if (!rove) return;
    const buttons = [...scroller.current.querySelectorAll(".virtual-rows button")];
    const stop = buttons[rows.findIndex((row) => row.index === cursor.current.at)];
    stopAt(buttons, stop ?? buttons[0]);
    if (stop && cursor.current.taking) (stop.focus({ preventScroll: true }), (cursor.current.taking = false));
  });
  const onFocusIn = (event) => {
    load();
    const at = [...scroller.current.querySelectorAll(".virtual-rows button")].indexOf(event.target);
    if (rove && at >= 0) cursor.current.at = rows[at].index;
  };
  const onKeyDown = (event) => {
    const next = rove && event.target.closest(".virtual-rows button") ? moveIn(event.key, cursor.current.at, count) : -1;
    if (next < 0) return;
    event.preventDefault();
    cursor.current.at = next;
    cursor.current.taking = true;
    list.current?.scrollToIndex(next, { align: "auto" });
    redraw((n) => n + 1);
  };
  return html`<div ref=${scroller} class=${`virtual ${kind ?? ""}`} onScroll=${load} onPointerEnter=${load} onFocusIn=${onFocusIn} onKeyDown=${onKeyDown} ...${attributes}>
    ${children}
    <div class="virtual-space" role="presentation" style=${{ height: `${count * rowHeight}px` }}>
      <div class="virtual-rows" role="presentation" style=${{ transform: `translateY(${rows[0]?.start ?? 0}px)` }}>
        ${rows.map((row) => render(row.index))}
      </div>
    </div>
  </div>`;
}
