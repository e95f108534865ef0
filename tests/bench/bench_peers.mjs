#!/usr/bin/env node
// One seeded workload in proflite and in six other forms, as one table: bytes, time
// from samples to the finished file (load), time from the file to a flame graph of all
// of it. CPU times; each also as a ratio to proflite in the same run.
//
//   tests/bench/bench_peers.mjs [BUILD] [MILLIONS] [mixed|busy|idle|hard]
//
// Installs DuckDB from npm into BUILD/bench_peers. Each peer gets the best of it: its
// own flame graph is only the sums of a prefix tree, without names, kept as numbers.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import zlib from "node:zlib";

const here = path.dirname(new URL(import.meta.url).pathname);
const build = path.resolve(process.argv[2] ?? path.join(here, "../../build"));
const millions = process.argv[3] ?? "5";
const load = process.argv[4] ?? "mixed";
const home = path.join(build, "bench_peers");
const data = path.join(home, "data");
const RUNS = 5;

function install() {
    fs.mkdirSync(home, { recursive: true });
    const manifest = path.join(home, "package.json");
    if (!fs.existsSync(manifest)) fs.writeFileSync(manifest, '{"private":true}');
    const wanted = ["@duckdb/node-api@1.5.6-r.1", "pprof-format@2.3.2"];
    if (!fs.existsSync(path.join(home, "node_modules/@duckdb/node-api")))
        execFileSync("npm", ["install", "--silent", ...wanted], { cwd: home });
    execFileSync("cmake", ["--build", build, "--target", "peers_data", "--", "--quiet"], {
        stdio: ["ignore", "ignore", "inherit"],
    });
}

const file = (name) => path.join(data, name);
const bytes = (names) => names.reduce((sum, name) => sum + fs.statSync(file(name)).size, 0);
const matching = (pattern) => fs.readdirSync(data).filter((name) => pattern.test(name));

// CPU of this process, DuckDB's threads included.
async function cpuMs(action) {
    const before = process.cpuUsage();
    const result = await action();
    const spent = process.cpuUsage(before);
    return { ms: (spent.user + spent.system) / 1000, result };
}

async function best(samples, flame) {
    let least = Infinity;
    for (let i = 0; i < RUNS; i++) {
        const { ms, result } = await cpuMs(flame);
        if (Number(result) !== samples) throw new Error(`${result} of ${samples} samples`);
        least = Math.min(least, ms);
    }
    return least;
}

// Adds each node to its parent, which has the smaller number; the total of the roots.
function fold(totals, parents) {
    let all = 0;
    for (let n = totals.length - 1; n >= 0; n--) {
        if (parents[n] >= 0) totals[parents[n]] += totals[n];
        else all += totals[n];
    }
    return all;
}

// A prefix tree made of lists of frames, by maps.
class Tree {
    constructor() {
        this.parents = [];
        this.totals = [];
        this.children = new Map();
    }
    add(frames, from, to, step, weight) {
        let at = -1;
        for (let i = from; i !== to; i += step) {
            const key = at * 1048576 + frames[i];
            let next = this.children.get(key);
            if (next === undefined) {
                next = this.parents.length;
                this.parents.push(at);
                this.totals.push(0);
                this.children.set(key, next);
            }
            at = next;
        }
        this.totals[at] += weight;
    }
    sum() {
        return fold(this.totals, this.parents);
    }
}

async function gzip(names) {
    const { ms } = await cpuMs(() => {
        for (const name of names)
            fs.writeFileSync(file(`${name}.gz`), zlib.gzipSync(fs.readFileSync(file(name))));
    });
    return { ms, size: bytes(names.map((name) => `${name}.gz`)) };
}

const readGz = (name) => zlib.gunzipSync(fs.readFileSync(file(`${name}.gz`)));

function firefoxFlame() {
    const profile = JSON.parse(readGz("firefox.json").toString());
    const { prefix } = profile.shared.stackTable;
    const totals = new Float64Array(prefix.length);
    for (const thread of profile.threads)
        for (const stack of thread.samples.stack) totals[stack]++;
    const parents = prefix.map((parent) => parent ?? -1);
    return fold(totals, parents);
}

function sentryFlame(names) {
    const tree = new Tree();
    for (const name of names) {
        const { samples, stacks } = JSON.parse(readGz(name).toString()).profile;
        const counts = new Float64Array(stacks.length);
        for (const sample of samples) counts[sample.stack_id]++;
        stacks.forEach((frames, i) => tree.add(frames, frames.length - 1, -1, -1, counts[i]));
    }
    return tree.sum();
}

function pprofFlame(names, Profile) {
    const tree = new Tree();
    for (const name of names)
        for (const { locationId, value } of Profile.decode(readGz(name)).sample) {
            const frames = Array.from(locationId, Number);
            tree.add(frames, frames.length - 1, -1, -1, Number(value[0]));
        }
    return tree.sum();
}

async function duckFlame(connection, sample, node) {
    const weights = await connection.runAndReadAll(
        `SELECT node, count(*)::INTEGER FROM ${sample} GROUP BY node`);
    const tree = await connection.runAndReadAll(`SELECT id, parent FROM ${node}`);
    const ids = tree.getColumns();
    const totals = new Float64Array(ids[0].length + 1);
    const parents = new Int32Array(ids[0].length + 1).fill(-1);
    const [nodes, counts] = weights.getColumns();
    nodes.forEach((n, i) => (totals[n] = counts[i]));
    ids[0].forEach((id, i) => (parents[id] = ids[1][i]));
    return fold(totals, parents);
}

async function duckRows(samples) {
    const { DuckDBInstance } = createRequire(path.join(home, "x.js"))("@duckdb/node-api");
    const csv = (name, columns) => `SELECT * FROM read_csv('${file(`${name}.csv`)}', ` +
        `header=false, columns={${columns}})`;
    const tables = {
        sample: csv("sample", "ts:'BIGINT',thread:'USMALLINT',node:'INTEGER'"),
        node: csv("node", "id:'INTEGER',parent:'INTEGER',frame:'INTEGER'"),
        frame: csv("frame", "id:'INTEGER',name:'VARCHAR'"),
    };
    const table = await cpuMs(async () => {
        const db = await DuckDBInstance.create(file("duck.db"));
        const connection = await db.connect();
        for (const [name, sql] of Object.entries(tables))
            await connection.run(`CREATE TABLE ${name} AS ${sql}`);
        await connection.run("CHECKPOINT");
        connection.closeSync();
        db.closeSync();
    });
    const parquet = await cpuMs(async () => {
        const connection = await (await DuckDBInstance.create(":memory:")).connect();
        for (const [name, sql] of Object.entries(tables))
            await connection.run(`COPY (${sql}) TO '${file(`${name}.parquet`)}' ` +
                "(FORMAT parquet, COMPRESSION zstd)");
        connection.closeSync();
    });
    const stored = await DuckDBInstance.create(file("duck.db"), { access_mode: "READ_ONLY" });
    const inFile = await stored.connect();
    const free = await (await DuckDBInstance.create(":memory:")).connect();
    return [
        ["DuckDB table", bytes(["duck.db"]), table.ms,
            await best(samples, () => duckFlame(inFile, "sample", "node"))],
        ["Parquet, zstd", bytes(matching(/\.parquet$/)), parquet.ms,
            await best(samples, () => duckFlame(free, `'${file("sample.parquet")}'`,
                `'${file("node.parquet")}'`))],
    ];
}

function print(rows, samples) {
    const [, size, write, flame] = rows[0];
    const ratio = (value, own) => `${(value / own).toFixed(1)}x`.padStart(9);
    console.log(`${load}, ${(samples / 1e6).toFixed(1)} M samples; CPU ms; ratio to proflite`);
    console.log(`${"".padEnd(22)}${"B/sample".padStart(9)}${"".padStart(9)}` +
        `${"load ms".padStart(10)}${"".padStart(9)}${"flame ms".padStart(10)}`);
    for (const [name, b, w, f] of rows)
        console.log(`${name.padEnd(22)}${(b / samples).toFixed(3).padStart(9)}` +
            `${ratio(b, size)}${w.toFixed(0).padStart(10)}${ratio(w, write)}` +
            `${f.toFixed(1).padStart(10)}${ratio(f, flame)}`);
    const better = rows.slice(1).flatMap((row) => ["size", "load", "flame graph"]
        .filter((_, i) => row[i + 1] < rows[0][i + 1]).map((what) => `${row[0]} (${what})`));
    console.log(better.length ? `better than proflite: ${better.join(", ")}`
        : "proflite is ahead of every one in size, load and flame graph");
}

async function main() {
    install();
    fs.rmSync(data, { recursive: true, force: true });
    fs.mkdirSync(data);
    const made = Object.fromEntries(
        execFileSync(path.join(build, "peers_data"), [data, millions, load])
            .toString().trim().split("\n").map((line) => {
                const [name, write, flame, samples] = line.split(" ");
                return [name, { write: +write, flame: +flame, samples: +samples }];
            }));
    const { samples } = made.proflite;
    const { Profile } = createRequire(path.join(home, "x.js"))("pprof-format");
    const rows = [
        ["proflite", bytes(["p.db"]), made.proflite.write, made.proflite.flame],
        ["SQLite row per sample", bytes(["rows.db"]), made.rows.write, made.rows.flame],
        ...(await duckRows(samples)),
    ];
    const pprof = matching(/^pprof-.*\.pb$/), sentry = matching(/^sentry-.*\.json$/);
    const packed = [await gzip(pprof), await gzip(["firefox.json"]), await gzip(sentry)];
    rows.push(
        ["pprof.gz a minute", packed[0].size, made.pprof.write + packed[0].ms,
            await best(samples, () => pprofFlame(pprof, Profile))],
        ["Firefox JSON.gz", packed[1].size, made.firefox.write + packed[1].ms,
            await best(samples, firefoxFlame)],
        ["Sentry JSON.gz", packed[2].size, made.sentry.write + packed[2].ms,
            await best(samples, () => sentryFlame(sentry))]);
    print(rows, samples);
    fs.rmSync(data, { recursive: true, force: true });
}

await main();
