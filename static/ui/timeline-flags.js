// Flags on the timeline: what has room has its text, the rest is a line to point at.

import { fill, h } from "./dom.js";

const flagWidth = 74; // px that a flag with text takes

/**
 * @param {HTMLElement} element where they stand
 * @param {{timeline: {from_ns: number, to_ns: number}, marks: import("../lib/marks.js").Mark[]}} props
 * @param {number} width of the timeline
 * @param {(mark: import("../lib/marks.js").Mark) => void} open
 */
export function fillFlags(element, { timeline: { from_ns, to_ns }, marks }, width, open) {
  let free = 0; // where the next flag has room for its text
  fill(element, marks.filter(({ at_ns }) => at_ns >= from_ns && at_ns <= to_ns).map((mark) => {
    const left = ((mark.at_ns - from_ns) / Math.max(1, to_ns - from_ns)) * width;
    const turned = left + flagWidth > width; // near the end they stand to the left
    const room = (turned ? left - flagWidth : left) >= free;
    if (room) free = turned ? left : left + flagWidth;
    return h("button", {
      type: "button", class: `timeline-flag ${mark.kind}${turned ? " turned" : ""}`, title: mark.title, "aria-label": mark.title, disabled: !mark.open,
      "data-focus": `${mark.kind} ${mark.session ?? mark.text} ${mark.at_ns}`, style: turned ? { right: `${width - left}px` } : { left: `${left}px` }, onclick: () => open(mark),
    }, room && h("span", {}, mark.text));
  }));
}
