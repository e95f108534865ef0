// The libraries of the viewer, each as one self-contained module, with a manifest.
//
//   npm ci && node build.mjs [FOLDER]     into static/vendor/ unless told otherwise
//
// The result is committed: who builds proflite needs no node. A test makes it again and
// compares every byte (check.sh). Versions are fixed by package-lock.json.

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = resolve(process.argv[2] ?? join(here, "../../static/vendor"));
mkdirSync(out, { recursive: true });

/** The folder of a package from the path of one of its files, scoped or not. */
const packageOf = (input) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1];

const about = (name) => JSON.parse(readFileSync(join(here, "node_modules", name, "package.json"), "utf8"));

function licenseText(name) {
  for (const file of ["LICENSE", "LICENSE.md", "LICENSE.txt"])
    try {
      return readFileSync(join(here, "node_modules", name, file), "utf8").trim();
    } catch {
      // the next spelling
    }
  return "";
}

async function bundle(name) {
  const result = await build({
    absWorkingDir: here,
    entryPoints: [`entry/${name}.js`],
    bundle: true,
    format: "esm",
    minify: true,
    target: "es2022",
    legalComments: "none",
    metafile: true,
    write: false,
  });
  const code = Buffer.from(result.outputFiles[0].contents);
  const packages = [...new Set(Object.keys(result.metafile.inputs).map(packageOf).filter(Boolean))].sort();
  return { file: `${name}.js`, code, packages };
}

function write({ file, code, packages }) {
  writeFileSync(join(out, file), code);
  return {
    file,
    bytes: code.length,
    sha256: createHash("sha256").update(code).digest("hex"),
    packages: packages.map((name) => ({ name, version: about(name).version, license: about(name).license })),
  };
}

const files = [];
for (const name of ["preact", "uplot", "virtual-core", "codemirror"]) files.push(write(await bundle(name)));
files.push(write({
  file: "uplot.css",
  code: readFileSync(join(here, "node_modules/uplot/dist/uPlot.min.css")),
  packages: ["uplot"],
}));

const used = [...new Set(files.flatMap((file) => file.packages.map((one) => one.name)))].sort();
const licenses = used.map((name) => `${name} ${about(name).version} (${about(name).license})\n\n${licenseText(name)}\n`);
writeFileSync(join(out, "LICENSES.txt"), licenses.join(`\n${"-".repeat(72)}\n\n`));
writeFileSync(join(out, "manifest.json"), `${JSON.stringify({ made_by: "packaging/vendor/build.mjs", files }, null, 2)}\n`);
for (const { file, bytes } of files) console.log(`${file}: ${bytes} bytes`);
