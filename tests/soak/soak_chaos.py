"""The chaos program (chaos.cpp), alone, recorded and under a flood of signals: it must
do all it does, and exit 0.

    tests/soak/run chaos              until ten million samples were taken
    python3 soak_chaos.py short       half a minute, for ctest"""
import pathlib
import re
import sys
import tempfile
import time
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "e2e"))
from support import BUILD, PROFLITE, check, check_ledger, main, run, sessions

CHAOS = BUILD / "tests" / "chaos"
SHORT = sys.argv[1:] == ["short"]
del sys.argv[1:]
WANTED = 10_000_000
MOST_RUNS = 100 # of two minutes each: no machine takes so long


def done(name, result):
    check(result.returncode == 0, f"{name}: status {result.returncode}: {result.stderr[-300:]}")
    check(result.stdout.count(b": done") == 11, f"{name}: {result.stdout}")


def recorded(mode):
    seconds = 6 if SHORT else 120
    with tempfile.TemporaryDirectory(prefix="proflite-chaos-") as folder:
        db = pathlib.Path(folder) / "db"
        result = run(PROFLITE, "--db", db, "record", "--mode", mode, "-F", "1000", "--", CHAOS, seconds, 12, timeout=seconds * 4 + 60)
        done(mode, result)
        rows = sessions(db)
        print(f"{mode}: {seconds} s, {len(rows)} processes, {sum(r['samples'] for r in rows)} samples, {sum(r['lost'] for r in rows)} lost", flush=True)
        check(sum(r["samples"] for r in rows) > 200, f"{mode}: samples")
        check_ledger(db, mode)


def test_flood(_):
    """The real handler, on threads in the middle of all that, until it has run so often."""
    seconds, wanted, samples, rooted, runs = 8 if SHORT else 120, 1000 if SHORT else WANTED, 0, 0, 0
    begun = time.monotonic()
    while samples < wanted and runs < MOST_RUNS:
        runs += 1
        result = run(CHAOS, seconds, 12, "flood", timeout=seconds * 4 + 60)
        done("flood", result)
        found = re.search(rb"samples: (\d+), rooted (\d+)", result.stdout)
        if not check(found and int(found[1]) > 1000, f"flood: {result.stdout}") or result.returncode:
            return
        samples, rooted = samples + int(found[1]), rooted + int(found[2])
        print(f"flood: run {runs}: {samples} samples, {100 * rooted / samples:.2f} % reach the root", flush=True)
    print(f"flood: {samples} samples of {wanted} wanted, {runs} runs, {time.monotonic() - begun:.0f} s, none of them ended before its time")
    check(samples >= wanted, f"flood: {samples} samples, not {wanted}")


def test_recorded_wall(_):
    recorded("wall")


def test_recorded_cpu(_):
    recorded("cpu")


main([test_recorded_wall, test_recorded_cpu, test_flood])
