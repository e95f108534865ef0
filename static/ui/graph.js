// The canvas views as components: they get their props, and keep what is theirs.

import { html, useLayoutEffect, useRef } from "../vendor/preact.js";
import { createFlameGraph } from "./flamegraph.js";
import { createTimeline } from "./timeline.js";

/** @param {(root: HTMLElement, actions: any) => {update: (props: any) => void}} create */
function canvasView(create, kind) {
  return function View({ actions, handle, ...props }) {
    const root = useRef(null);
    const view = useRef(null);
    const latest = useRef(actions); // the view keeps one object; the page's may change
    latest.current = actions;
    useLayoutEffect(() => {
      const forward = Object.fromEntries(Object.keys(actions).map((name) => [name, (...args) => latest.current[name](...args)]));
      view.current = create(root.current, forward);
      if (handle) handle.current = view.current;
    }, []);
    useLayoutEffect(() => view.current.update(props));
    return html`<div ref=${root} class=${kind} />`;
  };
}

export const FlameGraph = canvasView(createFlameGraph, "flame-host");
export const Timeline = canvasView(createTimeline, "timeline-host");
