// How the flame graph moves: to what is zoomed, and to a newer answer's places.

const animationMs = 150;
const morphMs = 300;
export const stillMotion = matchMedia("(prefers-reduced-motion: reduce)");

/** How far along a movement is: fast, then slow. @param {number} t 0..1 */
const eased = (t) => 1 - (1 - Math.min(1, Math.max(0, t))) ** 3;

/** @param {{from: number, to: number}} a @param {{from: number, to: number}} b @param {number} amount 0..1 */
const between = (a, b, amount) => ({ from: a.from + (b.from - a.from) * amount, to: a.to + (b.to - a.to) * amount });

/**
 * Boxes that were there move to where they are now; what is zoomed moves along.
 * @param {any} graph the flame graph
 * @param {any} old its properties before
 * @param {{from: number, to: number}} oldView of the old model
 * @param {boolean} free not all of what is zoomed was in it
 */
export async function startMorph(graph, old, oldView, free) {
  const { model, morphs, zoom } = graph.props;
  graph.morph = null;
  if (!morphs || !old || old.zoom !== zoom || old.model.total[0] <= 0) return;
  const scale = model.total[0] / old.model.total[0];
  const origin = { from: oldView.from * scale, to: oldView.to * scale };
  const target = free ? origin : graph.home;
  graph.view = target;
  if (stillMotion.matches) return;
  const { morphFrom } = await import("../lib/flame-morph.js");
  if (graph.props.model !== model || graph.view !== target) return; // meanwhile
  const least = (origin.to - origin.from) / (2 * graph.canvas.width);
  const morph = { ...morphFrom(model, old.model, least), amount: 0 };
  const began = performance.now();
  graph.morph = morph;
  let moved = (graph.view = origin); // until somebody else moves it
  const step = (now) => {
    if (graph.morph !== morph) return;
    const t = (now - began) / morphMs;
    morph.amount = eased(t);
    if (graph.view === moved) graph.view = moved = t >= 1 ? target : between(origin, target, morph.amount);
    if (t >= 1) graph.morph = null;
    graph.draw();
    if (t < 1) requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
}

/** Slide to what fills the view. @param {any} graph @param {{from: number, to: number}} target */
export function animateTo(graph, target) {
  const origin = graph.view;
  const began = performance.now();
  const step = (now) => {
    if (graph.home !== target) return;
    const t = (now - began) / animationMs;
    graph.view = t >= 1 ? target : between(origin, target, eased(t));
    graph.draw();
    if (t < 1) requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
}
