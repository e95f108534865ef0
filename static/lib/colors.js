// Colours of boxes: the hue says which module (or whatever else was chosen), by a hash, so
// that it is the same in every recording; lightness is constant so that text stays readable on all of them;
// system code has hardly any chroma, so that the program's own stands out.

import { hashString } from "./hash.js";

/**
 * OKLCH to sRGB, clipped.
 * @param {number} l lightness 0..1
 * @param {number} c chroma
 * @param {number} h hue, degrees
 * @returns {[number, number, number]} 0..255
 */
export function oklch(l, c, h) {
  const angle = (h * Math.PI) / 180;
  const a = c * Math.cos(angle);
  const b = c * Math.sin(angle);
  const long = (l + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const medium = (l - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const short = (l - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [
    4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
    -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
    -0.0041960863 * long - 0.7034186147 * medium + 1.707614701 * short,
  ];
  return /** @type {[number, number, number]} */ (linear.map(gamma));
}

function gamma(value) {
  const light = Math.min(1, Math.max(0, value));
  const encoded = light <= 0.0031308 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055;
  return Math.round(encoded * 255);
}

/** As a pixel of a Uint32Array over ImageData (little-endian RGBA). */
export function pixel([red, green, blue]) {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

/** `amount` 0: all of `from`, 1: all of `to`. */
export function blend(from, to, amount) {
  return from.map((value, i) => Math.round(value + (to[i] - value) * amount));
}

const tones = {
  light: { lightness: 0.83, chroma: 0.072, hot: 0.75, hotChroma: 0.13 },
  dark: { lightness: 0.45, chroma: 0.062, hot: 0.5, hotChroma: 0.1 },
};

/**
 * @typedef {object} Palette one pixel value for each function, by what it should say
 * @property {Uint32Array} normal
 * @property {Uint32Array} match   found by a search: system code has its hue, too
 * @property {Uint32Array} dim     not found, or outside of what is zoomed
 * @property {Uint32Array} hot     pointed at
 * @property {number} ground       between boxes
 */

/** @typedef {"module"|"file"|"code"|"self"} ColorBy what the colours of boxes say */

/**
 * @param {{name: string[], module: string[], file?: string[], in_app: (number|null)[]}} functions
 * @param {"light"|"dark"} theme
 * @param {number[]} ground the surface's red, green, blue
 * @param {ColorBy} by
 * @param {ArrayLike<number>} [heat] 0..1 by function, for colours by own time
 * @returns {Palette} with one entry more than there are functions: the root's
 */
export function makePalette(functions, theme, ground, by = "module", heat = []) {
  const size = functions.name.length + 1;
  const palette = {
    normal: new Uint32Array(size),
    match: new Uint32Array(size),
    dim: new Uint32Array(size),
    hot: new Uint32Array(size),
    ground: pixel(/** @type {any} */ (ground)),
  };
  const known = new Map(); // a module has few tones, and few modules many functions
  for (let i = 0; i < size; i++) {
    const name = functions.name[i];
    const pseudo = name === undefined || name.startsWith("[");
    // Neighbours of one colour differ a little, so that their edges show.
    const step = pseudo ? 0 : (hashString(name, 1) % 5) - 2;
    const look = pseudo ? none : looks[by](functions, i, heat[i] ?? 0);
    const key = `${step} ${look.hue} ${look.amount} ${look.asMatch}`;
    if (!known.has(key)) known.set(key, pixelsOf(tonesOf(step, look, tones[theme]), ground));
    const { plain, match, dim, hot } = known.get(key);
    palette.normal[i] = plain;
    palette.match[i] = match;
    palette.dim[i] = dim;
    palette.hot[i] = hot;
  }
  return palette;
}

/** Hue, and how much of a module's chroma there is of it: at rest, and found by a search. */
const none = { hue: 0, amount: 0, asMatch: 0 };
const systemAmount = 1 / 6;
const codeHues = { app: 250, kernel: 25 };

/** @type {Record<ColorBy, (functions: any, i: number, heat: number) => {hue: number, amount: number, asMatch: number}>} */
const looks = {
  module: ({ module, in_app }, i) => ({ hue: moduleHue(module[i] ?? ""), amount: in_app[i] === 0 ? systemAmount : 1, asMatch: 1 }),
  file: ({ file, module, in_app }, i) => ({ hue: moduleHue(file?.[i] || module[i] || ""), amount: in_app[i] === 0 ? systemAmount : 1, asMatch: 1 }),
  code({ module, in_app }, i) {
    const code = (module[i] ?? "").startsWith("[kernel") ? "kernel" : in_app[i] === 1 ? "app" : "";
    return { hue: codeHues[code] ?? 250, amount: code ? 1.2 : in_app[i] === 0 ? systemAmount : 0, asMatch: 1 };
  },
  self: (_, __, heat) => ({ hue: 70 - Math.round(heat * 45), amount: Math.round(heat * 20) / 10, asMatch: 2 }),
};

/** Own time by function, the most of them as 1; the root makes small ones visible. */
export function heatOfFunctions({ fn, self, count, functionCount }) {
  const heat = new Float64Array(functionCount);
  for (let i = 1; i < count; i++) heat[fn[i]] += self[i];
  const most = heat.reduce((a, b) => Math.max(a, b), 1);
  return heat.map((ns) => Math.sqrt(ns / most));
}

const pixelsOf = ({ plain, match, hot }, ground) =>
  ({ plain: pixel(plain), match: pixel(match), hot: pixel(hot), dim: pixel(/** @type {any} */ (blend(plain, ground, 0.78))) });

function tonesOf(step, { hue, amount, asMatch }, tone) {
  const shade = step * 0.009;
  return {
    plain: oklch(tone.lightness + shade, tone.chroma * amount, hue),
    match: oklch(tone.lightness + shade, tone.chroma * Math.max(amount, asMatch), hue),
    hot: oklch(tone.hot + shade, tone.hotChroma * Math.min(1.2, amount === systemAmount ? 0.3 : amount), hue),
  };
}

/** Degrees; the same module has the same hue everywhere. @param {string} module */
export function moduleHue(module) {
  return hashString(module.slice(module.lastIndexOf("/") + 1), 7) % 360;
}
