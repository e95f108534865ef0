// The flame graph: the whole of a selection, as finely as a first look needs, and what
// is looked at more closely put into it. Both are of one generation when they are shown.

import { get } from "../api.js";
import { decodeFlame } from "../lib/flame-model.js";
import { Resource } from "./resource.js";

export const firstNodes = 50_000; // what a first look loads
const mostNodes = 1_000_000; // what a closer look may load

/** @extends {Resource<import("../lib/flame-model.js").FlameModel>} */
export class FlameResource extends Resource {
  constructor() {
    super("flamegraph", decodeFlame);
    this.whole = { of: "", answer: /** @type {any} */ (null) };
  }

  /** @param {any} params with `min_ns`, a closer look at the node `root` ("": at all) */
  async ask({ root, min_ns: minNs, ...selection }, signal, generation) {
    if (minNs > 0 && root === "")
      return decodeFlame(await get(this.route, { ...selection, min_ns: minNs, max_nodes: mostNodes }, signal));
    const whole = await this.askWhole(selection, signal, generation);
    if (!(minNs > 0)) return decodeFlame(whole);
    const [closer, { graft }] = await Promise.all([
      get(this.route, { ...selection, root, min_ns: minNs, max_nodes: mostNodes }, signal), import("../lib/graft.js")]);
    return decodeFlame(graft(whole, closer));
  }

  async askWhole(selection, signal, generation) {
    const of = `${generation} ${JSON.stringify(selection)}`;
    if (this.whole.of !== of)
      this.whole = { of, answer: await get(this.route, { ...selection, min_ns: 0, max_nodes: firstNodes }, signal) };
    return this.whole.answer;
  }
}
