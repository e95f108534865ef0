// Something loaded from the server: its last good value stays while a newer one is on
// its way, so that views can keep the old picture, dimmed, instead of flashing.

import { batch, signal } from "../vendor/preact.js";
import { get } from "../api.js";

/** @template T */
export class Resource {
  /**
   * @param {string} route
   * @param {(answer: any) => T} decode
   */
  constructor(route, decode = (answer) => answer) {
    this.route = route;
    this.decode = decode;
    this.value = signal(/** @type {T|null} */ (null));
    this.error = signal(/** @type {(Error & {status?: number, endpoint?: string})|null} */ (null));
    this.loading = signal(false);
    this.asked = signal(/** @type {Record<string, any>|null} */ (null)); // parameters of the last question
    this.key = "";
  }

  /**
   * Ask, unless this is what was asked last. A newer question aborts an older one.
   * @param {Record<string, string|number|string[]>|null} params null: nothing to ask for
   * @param {number|string} generation of the data; another one asks again
   */
  async load(params, generation = 0) {
    const key = params ? `${generation} ${JSON.stringify(params)}` : "";
    if (key === this.key) return;
    this.key = key;
    this.abort?.abort();
    if (!params) return this.clear();
    const abort = (this.abort = new AbortController());
    batch(() => {
      this.loading.value = true;
      this.asked.value = params;
    });
    try {
      const answer = await this.ask(params, abort.signal, generation);
      if (key === this.key) this.settle(answer, null);
    } catch (error) {
      if (key === this.key && error.name !== "AbortError") this.settle(this.value.peek(), error);
    }
  }

  /** @param {any} params @param {AbortSignal} signal @param {number|string} _generation @returns {Promise<T>} */
  async ask(params, signal, _generation) {
    return this.decode(await get(this.route, params, signal));
  }

  settle(value, error) {
    batch(() => {
      this.value.value = value;
      this.error.value = error;
      this.loading.value = false;
    });
  }

  clear() {
    this.asked.value = null;
    this.settle(null, null);
  }
}
