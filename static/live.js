// Follows a recording that is going on, or waits for the first one: asks for the store's generation and says when it
// has advanced. Nothing is asked while the tab is hidden.

import { get } from "./api.js";

const everyMs = 1500;

/** @param {(generation: number|string) => void} advanced */
export function createLive(advanced) {
  let timer = 0;
  let last = null;
  let following = false;

  async function tick() {
    timer = 0;
    try {
      if (!document.hidden) {
        const { generation } = await get("meta");
        if (last !== null && generation !== last) advanced(generation);
        last = generation;
      }
    } catch {
      // The next tick asks again; what the page needs reports its own errors.
    }
    if (following) timer = setTimeout(tick, everyMs);
  }

  return {
    /** @param {boolean} on */
    follow(on) {
      if (on === following) return;
      following = on;
      clearTimeout(timer);
      timer = 0;
      if (on) tick();
    },
  };
}
