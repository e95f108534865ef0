import assert from "node:assert/strict";
import { test } from "node:test";
import { heatOfFunctions, makePalette, moduleHue, oklch, pixel } from "../../../static/lib/colors.js";

test("OKLCH as browsers have it", () => {
  assert.deepEqual(oklch(1, 0, 0), [255, 255, 255]);
  assert.deepEqual(oklch(0, 0, 0), [0, 0, 0]);
  assert.deepEqual(oklch(0.6279, 0.2577, 29.23), [255, 0, 0]);
});

function channels(color) {
  return [color & 255, (color >> 8) & 255, (color >> 16) & 255];
}

function luminance(rgb) {
  const [r, g, b] = rgb.map((value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

const contrast = (a, b) => (Math.max(luminance(a), luminance(b)) + 0.05) / (Math.min(luminance(a), luminance(b)) + 0.05);

const many = { name: Array.from({ length: 300 }, (_, i) => `f${i}`), module: Array.from({ length: 300 }, (_, i) => `/lib/m${i}.so`), in_app: Array.from({ length: 300 }, (_, i) => i % 2) };

for (const [theme, ground, ink] of [["light", [255, 255, 255], oklch(0.25, 0.015, 250)], ["dark", oklch(0.175, 0.008, 255), oklch(0.97, 0.003, 250)]])
  test(`text is readable on every box, ${theme}`, () => {
    const heat = many.name.map((_, i) => i / 299);
    for (const by of /** @type {const} */ (["module", "file", "code", "self"])) {
      const palette = makePalette(many, theme, ground, by, heat);
      for (const kind of ["normal", "match", "hot"])
        for (const color of palette[kind]) assert.ok(contrast(channels(color), ink) >= 4.5, `${by} ${kind} ${channels(color)}`);
    }
  });

test("system code is nearly grey, the program's own is not", () => {
  const palette = makePalette({ name: ["a", "b"], module: ["m", "m"], in_app: [1, 0] }, "light", [255, 255, 255]);
  const spread = (color) => Math.max(...channels(color)) - Math.min(...channels(color));
  assert.ok(spread(palette.normal[0]) > 20);
  assert.ok(spread(palette.normal[1]) < 16);
});

test("colours say what was chosen", () => {
  const functions = { name: ["a", "a", "a", "a"], module: ["m", "m", "/n", "[kernel.kallsyms]"], file: ["x.c", "y.c", "x.c", ""], in_app: [1, 1, 1, 0] };
  const colors = (by, heat) => [...makePalette(functions, "light", [255, 255, 255], by, heat).normal];
  const [module, file, code, self] = [colors("module"), colors("file"), colors("code"), colors("self", [1, 0, 1, 0])];
  assert.ok(module[0] === module[1] && module[0] !== module[2]);
  assert.ok(file[0] === file[2] && file[0] !== file[1]);
  assert.ok(code[0] === code[2] && code[0] !== code[3]);
  assert.ok(self[0] === self[2] && self[1] === self[3] && self[0] !== self[1]);
});

test("heat is own time beside the most of it", () => {
  const model = /** @type {any} */ ({ count: 4, functionCount: 2, fn: [2, 0, 1, 0], self: [0, 60, 25, 40] });
  assert.deepEqual([...heatOfFunctions(model)], [1, 0.5]);
});

test("a module keeps its hue wherever it is installed", () => {
  assert.equal(moduleHue("/usr/lib/libz.so.1"), moduleHue("/opt/lib/libz.so.1"));
  assert.equal(pixel([1, 2, 3]), 0xff030201);
});
