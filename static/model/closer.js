// A closer look at a part of a graph: when what is zoomed hides boxes that could be seen,
// what is below it is asked for by itself, and shown instead of the whole.

import { computed, effect } from "../vendor/preact.js";
import { findNode } from "../lib/flame-model.js";
import { asking, graphPixels } from "./data.js";
import { Resource } from "./resource.js";

/**
 * @param {string} route of the API, which takes `root`
 * @param {() => {params: any, model: import("../lib/flame-model.js").FlameModel|null, zoom: string}} look  what the whole was
 *   asked for with, the whole, and the key of the node that is zoomed
 * @returns {{value: any}} the answer; null: the whole shows all there is to see, or it is on its way
 */
export function closer(route, look) {
  const resource = new Resource(route);
  effect(() => {
    const { params, model, zoom } = look();
    const node = model && zoom ? findNode(model, zoom) : 0;
    const hides = model && node > 0 && (model.hiddenBelow[node] / Math.max(1, model.total[node])) * graphPixels.value > 1;
    resource.load(hides && params ? { ...params, root: zoom } : null, asking.value);
  });
  return computed(() => (resource.loading.value ? null : resource.value.value));
}
