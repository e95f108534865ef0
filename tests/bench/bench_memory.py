#!/usr/bin/env python3
"""What recording adds to the memory of a program (not a test).

    bench_memory.py BUILD_DIR [RUNS]      default 3 runs, the median is shown

The program of deep.cc with one thread and with 64 busy ones, at 1000 Hz: recorded, and
with the library linked into it, which has drain and SQLite in it. Resident memory more
than that of the same program alone, in MB; "share" is the proportional one: pages that
other processes have mapped, too, count only in part. A linked program is looked at once
more right after it wrote its store; "most" is the highest there ever was.
"""
import os
import statistics
import subprocess
import sys
import tempfile

LIMITS = {1: 3, 64: 8}
MILLIONS = {1: 8, 64: 1}  # steps of each thread


def run(command, **env):
    out = subprocess.run(command, env=dict(os.environ, **env), text=True, check=True,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    return [int(value) for value in out.split()[1:]]


def median(runs, command, **env):
    return [statistics.median(values)
            for values in zip(*(run(command, **env) for _ in range(runs)))]


def measure(build, folder, threads, runs):
    work = [str(threads), str(MILLIONS[threads])]
    deep, store = os.path.join(build, "bench_deep"), os.path.join(folder, "m.db")
    alone = median(runs, [deep] + work)
    recorded = median(runs, [os.path.join(build, "proflite"), "record", "-F", "1000",
                             "-o", store, "--", deep] + work)
    linked = median(runs, [os.path.join(build, "bench_deep_linked")] + work,
                    PROFLITE_DB=store, PROFLITE_HZ="1000")
    most = linked[4] - alone[2]
    for name, values, high in (("recorded", recorded, recorded[2] - alone[2]),
                               ("linked", linked, most),
                               ("linked, wrote", linked[2:], most)):
        print(f"{threads:8}   {name:14}{(values[0] - alone[0]) / 1024:10.2f}"
              f"{(values[1] - alone[1]) / 1024:8.2f}{high / 1024:8.2f}"
              f"{LIMITS[threads]:7}")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    print("memory added, MB\n threads                   resident   share    most  limit")
    with tempfile.TemporaryDirectory(prefix="proflite-bench-") as folder:
        for threads in LIMITS:
            measure(sys.argv[1], folder, threads,
                    int(sys.argv[2]) if len(sys.argv) > 2 else 3)


main()
