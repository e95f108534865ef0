// Numbers for people. Plain functions from values to text; no DOM.

const groups = new Intl.NumberFormat("en-US");

/** @param {number} value integer, with thousands separators */
export function count(value) {
  return groups.format(Math.round(value));
}

/** `1 sample`, `2 samples`. @param {number} value @param {string} noun */
export function plural(value, noun) {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** Three significant digits, no trailing zeros lost: 1.20, 12.3, 123. */
function three(value) {
  if (value >= 99.95) return value.toFixed(0);
  return value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}

/** @param {number} ns a length of time */
export function duration(ns) {
  if (ns < 0) return `−${duration(-ns)}`;
  if (ns === 0) return "0 s";
  if (ns < 999.5) return `${Math.round(ns)} ns`;
  if (ns < 999.5e3) return `${three(ns / 1e3)} µs`;
  if (ns < 999.5e6) return `${three(ns / 1e6)} ms`;
  const seconds = ns / 1e9;
  if (seconds < 120) return `${three(seconds)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${whole % 60}s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 2880) return `${Math.floor(minutes / 60)}h ${minutes % 60}m`;
  const hours = Math.round(seconds / 3600);
  return `${Math.floor(hours / 24)}d ${hours % 24}h`;
}

/** Round lengths on an axis: `5 s`, not `5.00 s`. @param {number} ns */
export function axisDuration(ns) {
  return duration(ns).replace(/\.0+ |(\.\d*?)0+ /, "$1 ");
}

/**
 * A share of a whole; what the whole is, the caller says beside it.
 * @param {number} part
 * @param {number} whole
 */
export function percent(part, whole) {
  if (!(whole > 0)) return "–";
  const value = (part / whole) * 100;
  if (value === 0) return "0%";
  if (value < 0.01) return "<0.01%";
  if (value < 9.995) return `${value.toFixed(2)}%`;
  return `${value.toFixed(1)}%`;
}

/** @param {number} value */
export function bytes(value) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : three(value)} ${units[unit]}`;
}

const two = (value) => String(value).padStart(2, "0");

/** Local time of day. @param {number} unixNs @param {boolean} fine with ms */
export function timeOfDay(unixNs, fine = false) {
  const date = new Date(unixNs / 1e6);
  const text = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return fine ? `${text}.${String(date.getMilliseconds()).padStart(3, "0")}` : text;
}

/** Local date, ISO order. @param {number} unixNs */
export function day(unixNs) {
  const date = new Date(unixNs / 1e6);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** `today 13:04:11` or `2026-11-21 13:04:11`. */
export function moment(unixNs, nowMs = Date.now()) {
  const today = day(nowMs * 1e6) === day(unixNs);
  return `${today ? "today" : day(unixNs)} ${timeOfDay(unixNs)}`;
}

/**
 * Half width of a 95 % interval around a share seen in so many samples (Wilson's, so
 * that shares near 0 and 1 do not look certain).
 * @param {number} share 0..1
 * @param {number} samples
 * @returns {number} 0..1
 */
export function margin(share, samples) {
  if (samples <= 0) return 1;
  const z = 1.96;
  const spread = (share * (1 - share)) / samples + (z * z) / (4 * samples * samples);
  return (z * Math.sqrt(spread)) / (1 + (z * z) / samples);
}

/** Last part of a path. @param {string} path */
export function basename(path) {
  return path.slice(path.lastIndexOf("/") + 1);
}

/**
 * Round steps for an axis: at most `most` of them cover `span`.
 * @param {number} span
 * @param {number} most
 */
export function niceStep(span, most) {
  if (!(span > 0)) return 1;
  const rough = span / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(rough));
  for (const factor of [1, 2, 5]) if (power * factor >= rough) return power * factor;
  return power * 10;
}

/**
 * Like niceStep, for seconds: minutes and hours are divided as clocks are.
 * @param {number} spanNs
 * @param {number} most
 */
export function niceTimeStep(spanNs, most) {
  const rough = spanNs / Math.max(1, most) / 1e9;
  const clock = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800];
  clock.push(21600, 43200, 86400);
  if (rough <= 1 || rough > 86400) return niceStep(spanNs, most);
  return clock.find((step) => step >= rough) * 1e9;
}
