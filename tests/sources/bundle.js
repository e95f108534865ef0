// Bundle and minify program/ into FOLDER/shop.js, with a source map, and a debug id in
// both and at run time: what Sentry's bundler plugins do.
import fs from "node:fs";
import path from "node:path";
import * as esbuild from "esbuild";

const out = path.join(process.argv[2], "shop.js");
const id = "5ca1ab1e-0000-4000-8000-00000000beef";
await esbuild.build({
  entryPoints: [path.join(import.meta.dirname, "program/main.js")],
  outfile: out, bundle: true, minify: true, platform: "node", format: "cjs",
  sourcemap: "linked", logLevel: "error",
  banner: { js: ";!function(){try{var e=globalThis,n=(new Error).stack;n&&(e._sentryDebugIds"
    + `=e._sentryDebugIds||{},e._sentryDebugIds[n]="${id}")}catch(e){}}();` },
});
fs.appendFileSync(out, `\n//# debugId=${id}\n`);
const map = JSON.parse(fs.readFileSync(`${out}.map`));
fs.writeFileSync(`${out}.map`, JSON.stringify({ ...map, debugId: id, debug_id: id }));
