// The flame graph: the whole of a selection, as finely as a first look needs, and what
// is looked at more closely put into it. Both are of one generation when they are shown.

import { get } from "../api.js";
import { decodeFlame } from "../lib/flame-model.js";
import { Resource } from "./resource.js";

const firstNodes = 10_000; // what is drawn at once
export const secondNodes = 50_000; // what is loaded when that is drawn
const mostNodes = 1_000_000; // what a closer look may load

/** @extends {Resource<import("../lib/flame-model.js").FlameModel>} */
export class FlameResource extends Resource {
  constructor() {
    super("flamegraph", decodeFlame);
    this.whole = { of: "", answer: /** @type {any} */ (null) };
  }

  /** @param {any} answer @param {string} order of siblings */
  async arrange(answer, order) {
    return decodeFlame(order === "name" ? (await import("../lib/by-name.js")).byName(answer) : answer);
  }

  /**
   * @param {any} params with `order` of siblings, and `fine`: -1 a first look, 0 a second one, above that the weight
   *   of the smallest boxes below the node `root` ("": of all)
   */
  async ask({ root, fine, order, ...selection }, signal, generation) {
    if (fine > 0 && root === "")
      return this.arrange(await get(this.route, { ...selection, min_ns: fine, max_nodes: mostNodes }, signal), order);
    const whole = await this.askWhole({ ...selection, min_ns: 0, max_nodes: fine < 0 ? firstNodes : secondNodes }, signal, generation);
    if (fine <= 0) return this.arrange(whole, order);
    const [closer, { graft }] = await Promise.all([
      get(this.route, { ...selection, root, min_ns: fine, max_nodes: mostNodes }, signal), import("../lib/graft.js")]);
    return this.arrange(graft(whole, closer), order);
  }

  async askWhole(params, signal, generation) {
    const of = `${generation} ${JSON.stringify(params)}`;
    if (this.whole.of !== of) this.whole = { of, answer: await get(this.route, params, signal) };
    return this.whole.answer;
  }
}
