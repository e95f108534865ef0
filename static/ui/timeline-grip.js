// The edge below the thread rows: dragged, or moved by arrow keys, it gives them more room
// or less. How much somebody likes is kept in the browser.

import { h } from "./dom.js";
import { rowHeight } from "./timeline-draw.js";

const storageKey = "proflite-rows";
const usualRows = 8.5; // half a row says that there are more
const leastRows = 1;

/** @param {HTMLElement} scroller what is sized */
export function makeGrip(scroller) {
  let wanted = Number(localStorage.getItem(storageKey)) || usualRows * rowHeight;
  let whole = 0; // all rows
  let drag = null;
  const shown = () => Math.min(whole, Math.max(leastRows * rowHeight, wanted));
  const element = h("div", {
    class: "timeline-grip", role: "separator", tabindex: "0", "aria-orientation": "horizontal", "aria-label": "Height of the thread rows", title: "Drag, or press ↑ and ↓, for more or fewer threads",
    onpointerdown: (event) => {
      element.setPointerCapture(event.pointerId);
      drag = { y: event.clientY, height: shown() };
    },
    onpointermove: (event) => drag && resize(drag.height + event.clientY - drag.y),
    onpointerup: () => (drag = null),
    onpointercancel: () => (drag = null),
    onkeydown: (event) => {
      const to = { ArrowDown: shown() + rowHeight, ArrowUp: shown() - rowHeight, Home: leastRows * rowHeight, End: whole }[event.key];
      if (to === undefined) return;
      resize(to);
      event.preventDefault();
      event.stopPropagation();
    },
  });

  function resize(height) {
    wanted = Math.min(whole, Math.max(leastRows * rowHeight, height));
    localStorage.setItem(storageKey, String(Math.round(wanted)));
    place();
  }

  function place() {
    scroller.style.height = `${shown()}px`;
    for (const [name, height] of Object.entries({ min: leastRows * rowHeight, now: shown(), max: whole })) element.setAttribute(`aria-value${name}`, String(Math.round(height / rowHeight)));
    element.hidden = whole <= leastRows * rowHeight;
  }

  /** @param {number} height of all rows */
  function update(height) {
    whole = height;
    place();
  }

  return { element, update };
}
