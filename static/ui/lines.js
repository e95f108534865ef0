// Lines over a number or over time.

import { html, useEffect, useRef } from "../vendor/preact.js";
import { stylesheet } from "./parts.js";

/** The library, once it was asked for. @type {Promise<any>|null} */
let library = null;

/**
 * @param {{data: {labels: string[], xs: number[], series: (number|null)[][], time: boolean, name: string},
 *          theme: string, small?: boolean}} props  `small`: without axes and legend
 */
export function Lines({ data, theme, small = false }) {
  const host = useRef(null);
  useEffect(() => {
    const element = host.current;
    let end = () => {};
    let gone = false;
    library ??= Promise.all([import("../vendor/uplot.js"), stylesheet("vendor/uplot.css")]);
    library.then(([{ default: uPlot }]) => {
      if (!gone) end = draw(uPlot, element, data, small);
    });
    return () => {
      gone = true;
      end();
    };
  }, [data, theme]);
  const text = `${data.labels.join(", ")} over ${data.name}: ${data.xs.length} points`;
  return html`<div ref=${host} class=${small ? "lines small" : "lines"} role="img" aria-label=${text} />`;
}

/** @returns {() => void} takes it away again */
function draw(uPlot, element, data, small) {
  const size = () => ({ width: element.clientWidth || 1, height: (element.clientHeight || 1) - (small ? 0 : 34) });
  const plot = new uPlot({ ...options(data, colorsOf(element), small), ...size() }, [data.xs, ...data.series], element);
  const observer = new ResizeObserver(() => plot.setSize(size()));
  observer.observe(element);
  return () => {
    observer.disconnect();
    plot.destroy();
  };
}

/** Tokens as a canvas understands them. */
function colorsOf(element) {
  const before = element.style.color;
  return (name) => {
    element.style.color = `var(${name})`;
    const color = getComputedStyle(element).color;
    element.style.color = before;
    return color;
  };
}

function options(data, color, small) {
  const colors = ["--series-1", "--series-2", "--series-3", "--series-4", "--series-5"].map(color);
  const axis = { stroke: color("--text-muted"), grid: { stroke: color("--line"), width: 1 }, ticks: { stroke: color("--line"), width: 1 } };
  return {
    scales: { x: { time: data.time } },
    legend: { show: !small },
    cursor: { show: !small, points: { size: 6 } },
    axes: small ? [{ show: false }, { show: false }] : [axis, { ...axis, size: 64 }],
    series: [{ label: data.name }, ...data.labels.map((label, i) => ({
      label, stroke: colors[i % colors.length], width: 1.5, spanGaps: false, points: { show: data.xs.length < 60 && !small },
    }))],
  };
}
