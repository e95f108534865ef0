// Source maps read by proflite (map_host) and by @jridgewell/trace-mapping: the same
// answer at every position of real libraries, bundled and minified in several ways.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import inspector from "node:inspector/promises";
import os from "node:os";
import path from "node:path";
import { FlattenMap, originalPositionFor } from "@jridgewell/trace-mapping";
import * as esbuild from "esbuild";
import { minify } from "terser";

const [host] = process.argv.slice(2);
const here = import.meta.dirname;
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "proflite-maps-"));
let failed = 0, positions = 0;

function compare(name, code, map) {
  const files = [path.join(folder, `${name}.js`), path.join(folder, `${name}.map`)];
  fs.writeFileSync(files[0], code);
  fs.writeFileSync(files[1], typeof map === "string" ? map : JSON.stringify(map));
  const done = spawnSync(host, files, { encoding: "utf8", maxBuffer: 1 << 30 });
  if (done.status !== 0) throw new Error(`${name}: ${done.stderr}`);
  const ours = done.stdout.split("\n");
  const trace = new FlattenMap(typeof map === "string"
    ? map.replace(/^\)\]\}'[^\n]*\n/, "") : map);
  let at = 0, wrong = 0;
  const check = (line, column) => {
    const o = originalPositionFor(trace, { line: line + 1, column });
    const theirs = o.source === null ? "-"
      : [trace.sources[trace.resolvedSources.indexOf(o.source)], o.line, o.column,
        o.name ?? "-"].join("\t");
    if (ours[at] !== theirs && wrong++ < 3)
      console.error(`${name} ${line}:${column}: ${ours[at]} is not ${theirs}`);
    at++;
  };
  const lines = code.split("\n");
  lines.forEach((text, line) => {
    const end = text.length + (line + 1 < lines.length);
    for (let column = 0; column < end; column++) check(line, column);
  });
  for (let past = 0; past < 3; past++)
    check(lines.length - 1 + past, lines.at(-1).length + 1000);
  if (at + 1 !== ours.length) wrong++;
  console.log(`${name}: ${at} positions, ${wrong} differ`);
  positions += at;
  failed += wrong;
}

async function bundle(name, entry, options) {
  const out = path.join(folder, `${name}.out.js`);
  await esbuild.build({ stdin: { contents: entry, resolveDir: here }, bundle: true,
    outfile: out, sourcemap: "linked", logLevel: "error", ...options });
  const made = [fs.readFileSync(out, "utf8"), JSON.parse(fs.readFileSync(`${out}.map`))];
  compare(name, ...made);
  return made;
}

const library = 'import * as p from "preact"; import * as h from "preact/hooks";' +
  ' import * as c from "preact/compat"; console.log(p, h, c);';
const first = await bundle("minified", library, { minify: true });
await bundle("readable", library, { format: "cjs", platform: "node" });
await bundle("plot", 'import u from "uplot"; console.log(u)',
  { minify: true, sourcesContent: false, charset: "utf8" });

const plot = path.join(here, "node_modules/uplot/dist/uPlot.esm.js");
const small = await minify({ "uPlot.esm.js": fs.readFileSync(plot, "utf8") },
  { module: true, sourceMap: { includeSources: true } });
compare("terser", small.code, small.map);

// Indexed: one file after the other, the second on the last line of the first.
const [code, map] = [first[0].replace(/\n$/, ""), first[1]];
const lines = code.split("\n");
compare("indexed", code + small.code, {
  version: 3,
  sections: [
    { offset: { line: 0, column: 0 }, map },
    { offset: { line: lines.length - 1, column: lines.at(-1).length },
      map: JSON.parse(small.map) },
  ],
});

// By hand: segments of one number, out of order, twice at a column; a root; a guard.
const odd = { version: 3, sources: ["a.js", null, "ä\u{1f600}.js"], names: ["x", "y"],
  mappings: "AAAA,C,CAACA,AACCC;;UACFD,NECA,IAAAC;AAAA", ignoreList: [1],
  sourcesContent: ["deep", null, "\\\"\n"], x_google_ignoreList: [0] };
compare("odd", "0123456789012345\n\nabcdefghijklmnopqrst\nü\u{1f600}z", odd);
compare("guarded", "0123456789012345\n\n", `)]}'\n${JSON.stringify(odd)}`);

// Names of functions: where V8 says that they begin and how it calls them.
const kinds = `
  function declared(item) { return item + 1; }
  const expression = function (item) { return item + 2; };
  const arrow = item => item + 3;
  const pair = (item, other) => item + other + 4;
  const later = async item => { await item; return 5; };
  const laterPair = async (item, other) => { await item; return other; };
  const laterFunction = async function (item) { await item; return 6; };
  const steps = function* (item) { yield item; };
  function* declaredSteps(item) { yield item; }
  async function declaredLater(item) { await item; }
  class Cart {
    constructor(items) { this.items = items; }
    total(rate) { return this.items.length * rate; }
    get size() { return this.items.length; }
    static of(...items) { return new Cart(items); }
    each = item => item + 7;
  }
  const table = { method(item) { return item + 8; }, field: item => item + 9,
    ["computed"](item) { return item + 10; } };
  Cart.prototype.added = function (item) { return item + 11; };
  const cart = Cart.of(1, 2);
  globalThis.kinds = { Cart, declared, expression, arrow, pair, later, laterPair,
    laterFunction, steps, declaredSteps, declaredLater, total: cart.total,
    size: Object.getOwnPropertyDescriptor(Cart.prototype, "size").get, of: Cart.of,
    each: cart.each, method: table.method, field: table.field,
    computed: table.computed, added: cart.added };`;

async function compareNames(name, code, map) {
  const session = new inspector.Session();
  const file = path.join(folder, `${name}.map`);
  fs.writeFileSync(file, JSON.stringify(map));
  session.connect();
  (0, eval)(code);
  const { result } = await session.post("Runtime.evaluate", { expression: "kinds" });
  const of = await session.post("Runtime.getProperties",
    { objectId: result.objectId, ownProperties: true });
  const places = [], wanted = [];
  for (const { name: original, value } of of.result.filter((p) => p.value.objectId)) {
    const inside = await session.post("Runtime.getProperties",
      { objectId: value.objectId });
    const at = inside.internalProperties.find((p) => p.name === "[[FunctionLocation]]");
    const { lineNumber, columnNumber } = at.value.value;
    const minified = globalThis.kinds[original].name || `n.${original}`; // inferred
    places.push(`${lineNumber} ${columnNumber} ${minified}`);
    wanted.push([original, minified.replace(/^get |^n\./, "")]);
  }
  session.disconnect();
  const done = spawnSync(host, [file], { input: places.join("\n"), encoding: "utf8" });
  const found = done.stdout.trim().split("\n");
  let wrong = 0, renamed = 0;
  wanted.forEach(([original, minified], i) => {
    renamed += minified !== original;
    if ((found[i] === "-" ? minified : found[i]) === original) return;
    console.error(`${name}: ${original}, now ${places[i]}: ${found[i]}`);
    wrong++;
  });
  console.log(`${name}: ${wanted.length} functions, ${renamed} renamed, ${wrong} wrong`);
  failed += wrong + (wanted.length < 19) + (renamed < 8);
}

const built = await esbuild.transform(kinds, { minify: true, sourcemap: true,
  sourcefile: "kinds.js", format: "iife" });
await compareNames("esbuild-names", built.code, JSON.parse(built.map));
const reduced = await minify({ "kinds.js": `(() => {${kinds}})()` },
  { sourceMap: true, mangle: true, compress: { inline: false, reduce_vars: false } });
await compareNames("terser-names", reduced.code, JSON.parse(reduced.map));

fs.rmSync(folder, { recursive: true });
console.log(`${positions} positions, ${failed} differ`);
process.exit(failed || positions < 200000 ? 1 : 0);
