// A long list of rows of one height: only those in sight are made. Until somebody moves
// it, that needs no library.

import { html, signal, useEffect, useLayoutEffect, useRef, useState } from "../vendor/preact.js";

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
 *          class?: string, children?: any, [attribute: string]: any}} props
 *   `reveal`: index of a row to scroll to when it changes, -1 none; `align` it so; `children` stand above
 *   the rows and stay in sight
 */
export function VirtualList({ count, rowHeight, render, reveal = -1, align = "auto", class: kind, children, ...attributes }) {
  const scroller = useRef(null);
  const [, redraw] = useState(0);
  const list = useRef(null);
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
  const rows = list.current?.getVirtualItems() ?? Array.from({ length: Math.min(count, firstRows) }, (_, index) => ({ index, start: 0 }));
  return html`<div ref=${scroller} class=${`virtual ${kind ?? ""}`} onScroll=${load} onPointerEnter=${load} onFocusIn=${load} ...${attributes}>
    ${children}
    <div class="virtual-space" role="presentation" style=${{ height: `${count * rowHeight}px` }}>
      <div class="virtual-rows" role="presentation" style=${{ transform: `translateY(${rows[0]?.start ?? 0}px)` }}>
        ${rows.map((row) => render(row.index))}
      </div>
    </div>
  </div>`;
}
