"""What the end-to-end tests share: run the real binary, read what it wrote.

Environment: PROFLITE_BUILD, the build folder (CMake sets it)."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

BUILD = pathlib.Path(os.environ.get("PROFLITE_BUILD", "build")).resolve()
PROFLITE = BUILD / "proflite"
VICTIM = BUILD / "tests" / "victim"
DEMO = BUILD / "examples" / "demo"

_failed = []
_checks = 0


def check(condition, message):
    """Count a check; report and go on when it fails."""
    global _checks
    _checks += 1
    if not condition:
        _failed.append(message)
        print(f"FAILED: {message}", file=sys.stderr, flush=True)
    return condition


def run(*args, **options):
    options.setdefault("capture_output", True)
    options.setdefault("timeout", 120)
    return subprocess.run([str(a) for a in args], **options)


def record(db, *command, flags=(), **options):
    """Record it; what is then in the store has to add up."""
    done = run(PROFLITE, "--db", db, "record", *flags, "--", *command, **options)
    if done.returncode < 125 and os.path.isfile(db) and os.access(db, os.R_OK):
        check_ledger(db, f"record {pathlib.Path(str(command[0])).name} {' '.join(map(str, flags))}")
    return done


def ask(db, *args):
    """A command with --json: (exit status, parsed output)."""
    done = run(PROFLITE, "--db", db, *args, "--json")
    try:
        return done.returncode, json.loads(done.stdout)
    except ValueError:
        check(False, f"{args}: no JSON: {done.stdout[:200]!r} {done.stderr[:200]!r}")
        return done.returncode, None


def sql(db, statement):
    status, rows = ask(db, "query", statement)
    check(status == 0, f"query failed ({status}): {statement}")
    return rows or []


def sessions(db):
    return ask(db, "ls")[1]["sessions"]


SLOTS = """
  SELECT s.id AS session, s.mode, s.pid, t.tid, p.tick_count, p.period_ns, coalesce(x.weight, 0) AS weight_ns,
         coalesce(x.cpu_ns, 0) AS cpu_ns, x.weight > 0 AND x.cpu_ns IS NULL AS cpu_unknown,
         coalesce((SELECT sum(l.count) FROM loss l
                   WHERE l.part_id = p.id AND l.thread_id = t.id), 0) AS lost
  FROM part p JOIN session s ON s.id = p.session_id JOIN thread t ON t.session_id = s.id
  LEFT JOIN slot x ON x.part_id = p.id AND x.thread_id = t.id ORDER BY t.id, p.start_ns"""


def check_ledger(db, what):
    """Wall mode: every tick of a thread's life is a sample, the weight of one, or a loss
    with its reason: never more than there were ticks, and exactly those for the first
    thread, which lives as long as its process. CPU mode: so are the periods of CPU time
    of all threads together, but of those that ended before they could be asked for their
    CPU time. Returns what it has added up. Reads the tables alone."""
    total, sessions_cpu = 0, {}
    for row in sql(db, SLOTS):
        known = row["weight_ns"] / row["period_ns"] + row["lost"]
        total += known
        if row["mode"] == "cpu" and row["cpu_unknown"]:
            continue
        if row["mode"] == "cpu":
            of = sessions_cpu.setdefault(row["session"], [0, 0, 0])
            for i, more in enumerate((row["weight_ns"] + row["lost"] * row["period_ns"], row["cpu_ns"],
                                      2 * row["period_ns"])):
                of[i] += more
            continue
        thread = f"{what}: thread {row['tid']} of {row['pid']}: {row['weight_ns'] / row['period_ns']:g} stored + {row['lost']} lost"
        check(known <= row["tick_count"], f"{thread}, more than the {row['tick_count']} ticks")
        if row["tid"] == row["pid"]:
            check(known == row["tick_count"], f"{thread}, not {row['tick_count']} ticks")
    for session, (known_ns, cpu_ns, rounding_ns) in sessions_cpu.items():
        unmet = sql(db, f"SELECT coalesce(sum(l.count * p.period_ns), 0) AS ns FROM loss l JOIN part p ON p.id = l.part_id "
                        f"WHERE p.session_id = {session} AND l.thread_id IS NULL")[0]["ns"]
        check(abs(known_ns + unmet - cpu_ns) <= .05 * cpu_ns + rounding_ns + 20e6,
              f"{what}: session {session}: {known_ns / 1e6:.1f} ms stored or lost, {unmet / 1e6:.1f} lost of nobody, CPU time {cpu_ns / 1e6:.1f} ms")
    twice = sql(db, """
        SELECT count(*) AS n FROM part a JOIN part b ON a.session_id = b.session_id
        AND a.id < b.id AND a.start_ns < b.end_ns AND b.start_ns < a.end_ns""")
    check(twice and twice[0]["n"] == 0, f"{what}: {twice[0]['n'] if twice else '?'} parts overlap: counted twice")
    return total


ROOTS = ("_start", "start_thread", "clone", "__clone", "_dl_start", "__libc_start")


def complete_share(db):
    """(share of samples whose stack reaches the start of its program or thread, what
    the others start with). A stripped program's _start has no name: then libc's
    caller of main is the second frame."""
    rows = sql(db, """
        SELECT f.function AS root, coalesce(g.function, '') AS second, sum(w.n) AS n FROM
          (SELECT stack_id, count(*) AS n FROM sample GROUP BY stack_id) w
          JOIN stack_frame f ON f.stack_id = w.stack_id AND f.depth = 0
          LEFT JOIN stack_frame g ON g.stack_id = w.stack_id AND g.depth = 1
        GROUP BY 1, 2 ORDER BY 3 DESC""")
    total = sum(r["n"] for r in rows)
    others = {}
    for row in rows:
        if not row["root"].startswith(ROOTS) and not row["second"].startswith("__libc_start"):
            others[row["root"]] = others.get(row["root"], 0) + row["n"]
    return (1 - sum(others.values()) / total if total else 0), others


def functions(db, *flags):
    status, top = ask(db, "top", *flags)
    if status != 0 or not top:
        return {}, 0
    out = {}
    for row in top["functions"]:
        out.setdefault(row["function"], row)
    return out, top["total_ns"]


class Scratch:
    """A folder of its own for each test, removed at the end."""

    def __enter__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="proflite-test-"))
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


def main(tests):
    wanted = sys.argv[1:]
    ran = 0
    for test in tests:
        name = test.__name__.removeprefix("test_")
        if wanted and name not in wanted:
            continue
        ran += 1
        before = len(_failed)
        try:
            with Scratch() as folder:
                test(folder)
        except Exception as error:  # a broken test is a failed test
            check(False, f"{name}: {type(error).__name__}: {error}")
        print(f"{'ok  ' if len(_failed) == before else 'FAIL'} {name}", flush=True)
    print(f"{ran} tests, {_checks} checks, {len(_failed)} failed")
    sys.exit(bool(_failed) or not ran)
