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
    return run(PROFLITE, "--db", db, "record", *flags, "--", *command, **options)


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
