"""130 s of real time, recorded in wall and in CPU mode at once: three chunks of one
session, without a seam, and totals that are the kernel's.

    tests/soak/run long"""
import concurrent.futures
import pathlib
import sys
import tempfile
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "e2e"))
from support import BUILD, check, main, record, sql

TRUTH = BUILD / "tests" / "truth"
SECONDS = 130


def recorded(folder, mode):
    db = folder / f"{mode}.db"
    done = record(db, TRUTH, "totals", SECONDS, flags=("--mode", mode), timeout=SECONDS * 4)
    check(done.returncode == 0, f"{mode}: {done.returncode} {done.stderr[-300:]}")
    ids = sql(db, "SELECT count(DISTINCT uuid) AS n FROM session")[0]["n"]
    parts = sql(db, """
        SELECT p.start_ns, p.end_ns, p.period_ns, p.start_ns / 3600000000000 AS hour, count(*) AS samples
        FROM part p JOIN sample s ON s.part_id = p.id GROUP BY p.id ORDER BY 1""")
    empty = sql(db, "SELECT count(*) AS n FROM chunk WHERE id NOT IN (SELECT chunk_id FROM sample)")[0]["n"]
    hours = len({p["hour"] for p in parts})
    check(ids == 1 and empty == 0, f"{mode}: {ids} sessions, {empty} chunks without a sample")
    check(3 <= len(parts) <= 2 + hours, f"{mode}: {len(parts)} parts of {SECONDS} s over {hours} hours")
    longest = max(p["end_ns"] - p["start_ns"] for p in parts)
    check(longest <= 60e9, f"{mode}: a part of {longest / 1e9:.3f} s")
    for before, after in zip(parts, parts[1:]):
        gap_ns = after["start_ns"] - before["end_ns"]
        check(abs(gap_ns) <= (1.5 if mode == "wall" else 20) * before["period_ns"],
              f"{mode}: {gap_ns / 1e6:.3f} ms between two parts")
        print(f"{mode}: {before['samples']} samples in {(before['end_ns'] - before['start_ns']) / 1e9:.3f} s, then {gap_ns / 1e6:.3f} ms")
    told = {line.rsplit(" ", 2)[0]: [int(n) for n in line.rsplit(" ", 2)[1:]] for line in done.stdout.decode().splitlines()}
    for name, (wall_ns, cpu_ns) in told.items():
        rows = sql(db, f"""
            SELECT coalesce(sum(x.weight), 0) AS ns, coalesce(sum(x.cpu_ns), 0) AS cpu_ns,
                   coalesce(sum(p.period_ns * (SELECT sum(l.count) FROM loss l WHERE l.part_id = p.id AND l.thread_id = t.id)), 0) AS lost_ns
            FROM slot x JOIN part p ON p.id = x.part_id JOIN thread t ON t.id = x.thread_id
            WHERE t.name = '{name}' OR '{name}' = 'process'""")[0]
        known_ns, wanted_ns = rows["ns"] + rows["lost_ns"], wall_ns if mode == "wall" else cpu_ns
        print(f"{mode}: {name}: {known_ns / 1e9:.3f} s of {wanted_ns / 1e9:.3f}, CPU {rows['cpu_ns'] / 1e9:.3f} s of {cpu_ns / 1e9:.3f}")
        check(abs(rows["cpu_ns"] - cpu_ns) <= .01 * cpu_ns + 50e6, f"{mode}: {name}: CPU time")
        check(name == "process" or abs(known_ns - wanted_ns) <= .01 * wanted_ns + 50e6, f"{mode}: {name}: time")


def test_long(folder):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(recorded, folder, mode) for mode in ("wall", "cpu")]:
            done.result()


main([test_long])
