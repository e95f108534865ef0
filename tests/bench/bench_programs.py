#!/usr/bin/env python3
"""What recording costs a whole program, beside what others cost it (not a test).

    bench_programs.py BUILD_DIR [ROUNDS]      default 3 rounds

Every round runs the program of deep.cc unprofiled and under each profiler in turn, and
compares the CPU time of all processes taking part. What a run costs however long it is
(start, opening files, names for the functions at the end) is measured on short runs and
taken off: the figures are of a long run and a short one, the one less the other. Low
rates drown in the noise of most machines, so what proflite costs at them is also computed:
cost of a sample at 1000 Hz, times samples, and said to be extrapolated. What comes on top
of a bare signal is counted, too: the recorder's own CPU time, which no noise of the
program is in, and the handler's as bench_capture has it. gperftools and perf are measured
where they are installed.
"""
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile

RATES = (100, 250, 1000)
LIMITS = {100: 0.3, 250: 0.8}  # percent; at 1000 Hz .5 points over empty signals
HANDLER_US = 0.31  # net of a sample at depth 60, by bench_capture
THREADS, SHORT, LONG = "2", "2", "14"  # million steps


def libprofiler():
    for folder in ("/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib"):
        path = os.path.join(folder, "libprofiler.so.0")
        if os.path.exists(path):
            return path
    return None


def children_s():
    use = resource.getrusage(resource.RUSAGE_CHILDREN)
    return use.ru_utime + use.ru_stime


class Ways:
    """How to run the program: name and rate -> command and environment."""

    def __init__(self, build, folder):
        self.build, self.folder = build, folder
        self.deep = os.path.join(build, "bench_deep")
        self.profiler = libprofiler()
        self.names = ["empty signals", "proflite wall", "proflite cpu"]
        if self.profiler:
            self.names.append("gperftools")
        if shutil.which("perf"):
            self.names += ["perf fp", "perf dwarf"]

    def command(self, name, hz, work):
        run = [self.deep, THREADS, work]
        env = {}
        if name == "empty signals":
            run += ["signal", str(hz)]
        elif name.startswith("proflite"):
            store = os.path.join(self.folder, "x.db")
            for path in (store, store + "-wal", store + "-shm"):
                if os.path.exists(path):
                    os.unlink(path)
            run = [os.path.join(self.build, "proflite"), "record", "--mode",
                   name.split()[1], "-F", str(hz), "-o", store, "--"] + run
        elif name == "gperftools":
            env = {"LD_PRELOAD": self.profiler, "CPUPROFILE_FREQUENCY": str(hz),
                   "CPUPROFILE": os.path.join(self.folder, "x.prof")}
        elif name.startswith("perf"):
            how = {"fp": "fp", "dwarf": "dwarf,8192"}[name.split()[1]]
            run = ["perf", "record", "-q", "-e", "cpu-clock", "-F", str(hz),
                   "--call-graph", how, "-o", os.path.join(self.folder, "x.data"),
                   "--"] + run
        return run, dict(os.environ, **env)

    def run(self, name, hz, work=LONG):
        """CPU seconds of the whole tree, of those that are not the program's, and samples
        where they are told."""
        command, env = self.command(name, hz, work)
        child = subprocess.Popen(command, env=env, text=True, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE)
        out, said = child.communicate()
        before, Ways.children = Ways.children, children_s()
        if child.returncode:
            sys.exit(f"{' '.join(command)}: status {child.returncode}\n{said}")
        found = re.search(r"([\d,]+) samples", said)
        used = Ways.children - before
        return (used, used - float(out.split()[0]),
                int(found[1].replace(",", "")) if found else 0)

    children = 0.0


def spread(values):
    values = sorted(values)
    quarter = len(values) // 4
    return values[quarter], statistics.median(values), values[-1 - quarter]


def measure(ways, rounds):
    """For each case and round: CPU time beyond that of the unprofiled run, and that."""
    alone = ("unprofiled", 0)
    cases = [(name, hz) for hz in RATES for name in ways.names]
    short = {case: [statistics.median(values)
                    for values in zip(*(ways.run(*case, work=SHORT) for _ in range(3)))]
             for case in [alone] + cases}
    over = {case: [] for case in cases}
    recorder, samples = {case: [] for case in cases}, {case: [] for case in cases}
    for _ in range(rounds):
        for case in cases:
            base = ways.run(*alone)[0] - short[alone][0]
            used, apart, got = ways.run(*case)
            over[case].append((used - short[case][0] - base, base))
            recorder[case].append(apart - short[case][1])
            samples[case].append(got - short[case][2])
    once = {case: short[case][0] - short[alone][0] for case in cases}
    return (cases, over, {c: statistics.median(n) for c, n in samples.items()}, once,
            {c: statistics.median(s) for c, s in recorder.items()})


def print_programs(cases, over, samples, once, _):
    print("\ndeep C++ program, 2 threads, CPU time of all processes over the unprofiled"
          " run beside it\n"
          "                   Hz   over %  (quartiles)       samples  us each"
          "   once, ms")
    for case in cases:
        low, middle, high = spread([100 * extra / alone for extra, alone in over[case]])
        extra = statistics.median(e for e, _ in over[case])
        each = f"{1e6 * extra / samples[case]:9.1f}" if samples[case] else " " * 9
        print(f"{case[0]:16}{case[1]:5}{middle:9.2f}  ({low:6.2f} {high:6.2f})"
              f"{samples[case] or '':>14}{each}{1e3 * once[case]:11.0f}")


def print_extrapolated(over, samples, recorder):
    alone = statistics.median(a for _, a in over[("empty signals", 1000)])
    print("\nextrapolated from the cost of a signal at 1000 Hz (which has the share of"
          " the sampler in it)")
    points = {}
    for name in ("empty signals", "proflite wall"):
        extra = statistics.median(e for e, _ in over[(name, 1000)])
        count = samples[("proflite wall" if name[0] == "e" else name, 1000)]
        each = extra / max(count, 1)
        points[name] = 100 * extra / alone
        line = ", ".join(f"{hz} Hz {100 * each * hz:.2f} %" for hz in LIMITS)
        print(f"{name:16} {1e6 * each:6.1f} us a sample: {line}")
    print("limits: " + ", ".join(f"{hz} Hz {limit} %" for hz, limit in LIMITS.items())
          + f"; at 1000 Hz wall is {points['proflite wall'] - points['empty signals']:+.2f}"
          " points over empty signals, limit .5")
    wall = ("proflite wall", 1000)
    each_us = 1e6 * recorder[wall] / max(samples[wall], 1)
    points = 100 * 1e-6 * (each_us + HANDLER_US) * samples[wall] / alone
    print(f"counted at 1000 Hz: {each_us:.1f} us a sample of the recorder's and"
          f" {HANDLER_US} of the handler's make {points:.2f} points, limit .5")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    build = sys.argv[1]
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with tempfile.TemporaryDirectory(prefix="proflite-bench-") as folder:
        result = measure(Ways(build, folder), rounds)
        print_programs(*result)
        print_extrapolated(result[1], result[2], result[4])


main()
