// Something loaded from the server: its last good value stays while a newer one is on
// its way, so that views can keep the old picture, dimmed, instead of flashing.

import { get } from "./api.js";

/** @template T */
export class Resource {
  /**
   * @param {string} route
   * @param {(answer: any) => T} decode
   * @param {() => void} changed called whenever anything below changed
   */
  constructor(route, decode, changed) {
    this.route = route;
    this.decode = decode;
    this.changed = changed;
    /** @type {T|null} */
    this.value = null;
    /** @type {import("./api.js").ApiError|Error|null} */
    this.error = null;
    this.loading = false;
    this.key = ""; // what was asked for last
  }

  /**
   * Ask, unless this is what was asked last. A newer question aborts an older one.
   * @param {Record<string, string|number>} params
   * @param {number|string} generation of the data; another one asks again
   */
  async load(params, generation = 0) {
    const key = `${generation} ${JSON.stringify(params)}`;
    if (key === this.key) return;
    this.key = key;
    this.abort?.abort();
    const abort = (this.abort = new AbortController());
    this.loading = true;
    this.changed();
    try {
      const answer = await get(this.route, params, abort.signal);
      if (key !== this.key) return;
      this.value = this.decode(answer);
      this.error = null;
    } catch (error) {
      if (key !== this.key || error.name === "AbortError") return;
      this.error = error;
    }
    this.loading = false;
    this.changed();
  }

  /** Forget what was asked, so that the next load asks again. */
  retry() {
    this.key = "";
  }
}
