// A long list of rows of one height: only those in sight are made.

import { html, useEffect, useLayoutEffect, useRef, useState } from "../vendor/preact.js";
import { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from "../vendor/virtual-core.js";

/**
 * @param {{count: number, rowHeight: number, render: (index: number) => any, reveal?: number,
 *          class?: string, children?: any, [attribute: string]: any}} props
 *   `reveal`: index of a row to scroll to when it changes, -1 none; `children` stand above
 *   the rows and stay in sight
 */
export function VirtualList({ count, rowHeight, render, reveal = -1, class: kind, children, ...attributes }) {
  const scroller = useRef(null);
  const [, redraw] = useState(0);
  const list = useRef(null);
  const options = {
    count, getScrollElement: () => scroller.current, estimateSize: () => rowHeight, overscan: 8,
    observeElementRect, observeElementOffset, scrollToFn: elementScroll, onChange: () => redraw((n) => n + 1),
  };
  list.current ??= new Virtualizer(options);
  list.current.setOptions(options);
  useLayoutEffect(() => list.current._didMount(), []);
  useLayoutEffect(() => list.current._willUpdate());
  useEffect(() => {
    if (reveal >= 0) list.current.scrollToIndex(reveal, { align: "auto" });
  }, [reveal]);
  const rows = list.current.getVirtualItems();
  return html`<div ref=${scroller} class=${`virtual ${kind ?? ""}`} ...${attributes}>
    ${children}
    <div class="virtual-space" role="presentation" style=${{ height: `${list.current.getTotalSize()}px` }}>
      <div class="virtual-rows" role="presentation" style=${{ transform: `translateY(${rows[0]?.start ?? 0}px)` }}>
        ${rows.map((row) => render(row.index))}
      </div>
    </div>
  </div>`;
}
