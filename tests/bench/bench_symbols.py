#!/usr/bin/env python3
"""What names cost: 20000 distinct addresses of a file with over 100 MB of DWARF, for the
first time and once their names are in the store, beside addr2line and llvm-symbolizer on
the same addresses in the same run.

  bench_symbols.py BUILD [FILE]     FILE in place of one made of symbols_unit.cc"""
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
COUNT = 20000
PARTS, DWARF_MB = 2, 100


def run(*args, text=None, **options):
    return subprocess.run([str(a) for a in args], input=text, capture_output=True, text=True,
                          check=True, **options).stdout


def dwarf_bytes(path):
    rows = re.findall(r"\] \.z?(debug_\w+)\s+\w+\s+\w+ \w+ (\w+)", run("readelf", "-SW", path))
    return sum(int(size, 16) for _, size in rows)


def make(build):
    """Copies of a few units, each under names of its own, until there is enough."""
    path = build / "bench_symbols.so"
    if path.exists():
        return path
    with tempfile.TemporaryDirectory(dir=build) as name:
        folder = pathlib.Path(name)
        for part in range(PARTS):
            run("c++", "-std=c++17", "-O2", "-g", "-fPIC", f"-DPART={part + 1}", "-c",
                HERE / "symbols_unit.cc", "-o", folder / f"{part}.o")
        objects, size = [], 0
        while size < DWARF_MB * 1_050_000:
            number = len(objects)
            copy = folder / f"copy{number}.o"
            run("objcopy", f"--prefix-symbols=c{number}_", folder / f"{number % PARTS}.o", copy)
            objects.append(copy)
            size += sum(int(s, 16) for s in re.findall(
                r"\] \.debug_(?:info|line|rnglists|loclists|abbrev|aranges)\s+\w+\s+\w+ \w+ (\w+)",
                run("readelf", "-SW", copy)))
        run("c++", "-shared", "-nostdlib", "-Wl,--unresolved-symbols=ignore-all",
            "-Wl,--build-id=sha1", "-o", path, *objects,
            *(f"-Wl,--defsym=c{i}___dso_handle=0" for i in range(len(objects))))
    return path


def pick(path):
    spans = []
    for row in run("readelf", "-sW", path).splitlines():
        part = row.split()
        if len(part) >= 8 and part[3] == "FUNC" and part[6] != "UND" and int(part[2], 0):
            spans.append((int(part[1], 16), int(part[2], 0)))
    rng, chosen = random.Random(1), set()
    weights = [size for _, size in spans]
    while len(chosen) < COUNT:
        for start, size in rng.choices(spans, weights=weights, k=COUNT - len(chosen)):
            chosen.add(start + rng.randrange(size))
    return sorted(chosen, key=lambda _: rng.random())


def timed(*args, text):
    before, start = os.times(), time.monotonic()
    out = run(*args, text=text)
    after = os.times()
    cpu = (after.children_user - before.children_user
           + after.children_system - before.children_system)
    return time.monotonic() - start, cpu, out


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    path = pathlib.Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else make(build)
    build_id = re.search(r"Build ID: (\w+)", run("readelf", "-n", path))[1]
    addresses = pick(path)
    text = "".join(f"{a:#x}\n" for a in addresses)
    print(f"{path.name}: {dwarf_bytes(path) / 1e6:.0f} MB of DWARF, {len(addresses)} addresses")
    with tempfile.TemporaryDirectory(dir=build) as folder:
        out = run(build / "bench_symbols", pathlib.Path(folder) / "b.db", path, build_id, text=text)
    rows = {row.split()[0]: [float(x) for x in row.split()[1:]] for row in out.splitlines()}
    for what in ("cold", "warm"):
        wall, cpu, frames, named = rows[what]
        print(f"proflite process, {what}: {wall:.3f} s ({cpu:.3f} s of CPU), {frames:.0f} frames "
              f"asked for, {named:.0f} named")
    for args in (["addr2line", "-a", "-i", "-f", "-C", "-e", path],
                 ["llvm-symbolizer", f"--obj={path}", "--inlining", "--demangle"]):
        wall, cpu, _ = timed(*args, text=text)
        print(f"{args[0]}: {wall:.3f} s ({cpu:.3f} s of CPU); cold is {wall / rows['cold'][0]:.1f} "
              "times as fast")
    cold, warm = rows["cold"][0], rows["warm"][0]
    print(f"cold {cold:.2f} s of 10, warm {warm:.3f} s of .5")


if __name__ == "__main__":
    main()
