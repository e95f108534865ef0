#!/usr/bin/env node
// A real compiler at 1 kHz: one run of cc1plus recorded by proflite and by perf at the
// same time, and proflite's samples as pprof.gz (which keeps no times); bytes a sample.
//
//   tests/bench/bench_cc1plus.mjs [BUILD]
//
// Says so where perf does not work. Wants BUILD/bench_peers (bench_peers.mjs makes it).
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import zlib from "node:zlib";

const here = path.dirname(new URL(import.meta.url).pathname);
const build = path.resolve(process.argv[2] ?? path.join(here, "../../build"));
const home = path.join(build, "bench_peers");
const data = path.join(home, "cc1plus");
const proflite = path.join(build, "proflite");
const HEADERS = ["map", "string", "vector", "regex", "algorithm", "functional", "iostream",
    "thread", "future", "random", "unordered_map", "filesystem"];

function preprocess() {
    const source = HEADERS.map((name) => `#include <${name}>\n`).join("") +
        Array.from({ length: 12 }, (_, i) =>
            `bool f${i}(const std::string &s) { static const std::regex r("a${i}+(b|c)*");` +
            ` std::map<std::string, std::vector<double>> m; m[s].push_back(${i});` +
            ` std::sort(m[s].begin(), m[s].end()); return std::regex_match(s, r); }\n`)
            .join("");
    fs.writeFileSync(path.join(data, "x.cc"), source);
    execFileSync("g++", ["-std=c++17", "-E", "-P", "x.cc", "-o", "x.ii"], { cwd: data });
    const compiler = execFileSync("g++", ["-print-prog-name=cc1plus"]).toString().trim();
    return [compiler, "-quiet", "-std=gnu++17", "-O2", "-fpreprocessed", "x.ii", "-o", "x.s"];
}

function run(compile) {
    const ours = [proflite, "record", "-F", "1000", "-o", "p.db", "--", ...compile];
    const perf = ["perf", "record", "-e", "cpu-clock", "-F", "1000", "--call-graph",
        "dwarf,8192", "-o", "perf.data", "--", ...ours];
    const [name, ...rest] = perf;
    const result = spawnSync(name, rest, { cwd: data });
    const said = `${result.stderr ?? result.error}`;
    const count = /\((?:~)?(\d+) samples\)/.exec(said);
    if (result.status === 0 && count) return +count[1];
    console.log(`perf does not work here: ${said.trim().split("\n").pop()}`);
    execFileSync(ours[0], ours.slice(1), { cwd: data });
    return 0;
}

function query(sql) {
    const json = execFileSync(proflite, ["query", "--json", "--db", "p.db", sql],
        { cwd: data, maxBuffer: 1 << 30 });
    return JSON.parse(json);
}

function pprof() {
    const { Profile, StringTable, Function, Location, Line, Sample, ValueType } =
        createRequire(path.join(home, "x.js"))("pprof-format");
    const strings = new StringTable(), functions = new Map(), stacks = new Map();
    for (const row of query("SELECT stack_id, function FROM stack_frame " +
        "ORDER BY stack_id, depth DESC")) {
        if (!functions.has(row.function)) functions.set(row.function, functions.size + 1);
        if (!stacks.has(row.stack_id)) stacks.set(row.stack_id, []);
        stacks.get(row.stack_id).push(functions.get(row.function));
    }
    const sample = query("SELECT stack_id, count(*) AS n, sum(weight_ns) AS ns FROM sample " +
        "GROUP BY 1").map((row) => new Sample(
        { locationId: stacks.get(row.stack_id), value: [row.n, row.ns] }));
    const ids = [...functions];
    const profile = new Profile({
        sampleType: [["samples", "count"], ["wall", "nanoseconds"]].map(([type, unit]) =>
            new ValueType({ type: strings.dedup(type), unit: strings.dedup(unit) })),
        sample,
        location: ids.map(([, id]) => new Location(
            { id, line: [new Line({ functionId: id })] })),
        function: ids.map(([name, id]) => new Function(
            { id, name: strings.dedup(name) })),
        stringTable: strings,
    });
    fs.writeFileSync(path.join(data, "p.pb.gz"), zlib.gzipSync(profile.encode()));
}

function main() {
    fs.rmSync(data, { recursive: true, force: true });
    fs.mkdirSync(data, { recursive: true });
    const perfSamples = run(preprocess());
    const [{ n, stacks }] = query("SELECT count(*) AS n, count(DISTINCT stack_id) AS stacks " +
        "FROM sample");
    pprof();
    const line = (name, file, samples) => {
        const { size } = fs.statSync(path.join(data, file));
        console.log(`${name.padEnd(24)}${String(size).padStart(12)} bytes` +
            `${(size / samples).toFixed(1).padStart(10)} B/sample`);
    };
    console.log(`cc1plus -O2 at 1 kHz: ${n} samples, ${stacks} distinct stacks`);
    line("proflite, named", "p.db", n);
    line("pprof.gz, no times", "p.pb.gz", n);
    if (perfSamples) line(`perf.data, ${perfSamples} samples`, "perf.data", perfSamples);
    fs.rmSync(data, { recursive: true, force: true });
}

main();
