"""What was recorded against what the kernel says: programs that print the time each of
their threads lived and worked (truth.c)."""
import concurrent.futures
import os
import resource
import time
from support import BUILD, PROFLITE, check, check_ledger, complete_share, functions, main, record, run, sql

TRUTH = BUILD / "tests" / "truth"
LINKED = BUILD / "tests" / "truth_linked"
PLUGIN = BUILD / "tests" / "libplugin.so"
STEP = BUILD / "tests" / "libstep.so"

# Of each thread: its weight and what was lost of it, both as time; its CPU time.
THREADS = """
  SELECT t.name, t.tid, sum(coalesce(x.weight, 0)) AS stored_ns, sum(coalesce(x.cpu_ns, 0)) AS cpu_ns,
         sum(p.period_ns * coalesce((SELECT sum(l.count) FROM loss l
                                     WHERE l.part_id = p.id AND l.thread_id = t.id), 0)) AS lost_ns
  FROM thread t JOIN part p ON p.session_id = t.session_id
  LEFT JOIN slot x ON x.part_id = p.id AND x.thread_id = t.id GROUP BY t.id"""


def run_truth(db, word, argument, mode, hz, linked=False, env=os.environ):
    """Its output as {first word: numbers}."""
    if linked:
        done = run(LINKED, word, argument, env={**env, "PROFLITE_DB": str(db),
                                                "PROFLITE_MODE": mode, "PROFLITE_HZ": str(hz)})
    else:
        done = record(db, TRUTH, word, argument, flags=("--mode", mode, "-F", str(hz)), env=env)
    check(done.returncode == 0, f"{word} {mode}: {done.returncode} {done.stderr[-300:]}")
    out = {}
    for line in done.stdout.decode().splitlines():
        parts = line.split()
        numbers = [int(p) for p in parts if p.lstrip("-").isdigit()]
        out[line[:line.rindex(str(numbers[0])) - 1] if len(numbers) == 1 else " ".join(parts[:-2])] = numbers
    return out


def near(got, wanted, share, ns):
    return abs(got - wanted) <= share * wanted + ns


def totals(folder, mode, hz, linked):
    what = f"{mode} {hz}{' linked' if linked else ''}"
    db = folder / f"{what}.db".replace(" ", "-")
    told = run_truth(db, "totals", "1.6", mode, hz, linked)
    period_ns = 1e9 / hz
    rows = {r["name"]: r for r in sql(db, THREADS)}
    process = told.pop("process", [0, 0])
    check(len(told) == 6 and set(told) <= set(rows), f"{what}: {list(told)} in {list(rows)}")
    for name, (wall_ns, cpu_ns) in told.items():
        row = rows.get(name)
        if not row:
            continue
        known_ns = row["stored_ns"] + row["lost_ns"]
        wanted_ns = wall_ns if mode == "wall" else cpu_ns
        check(near(known_ns, wanted_ns, .02, 3 * period_ns + 10e6),
              f"{what}: {name}: {row['stored_ns'] / 1e6:.1f} ms stored, {row['lost_ns'] / 1e6:.1f} lost, "
              f"the kernel says {wanted_ns / 1e6:.1f}")
        check(row["lost_ns"] <= .1 * wanted_ns + 3 * period_ns, f"{what}: {name}: lost {row['lost_ns'] / 1e6:.1f} ms")
        check(near(row["cpu_ns"], cpu_ns, .02, 2 * period_ns + 5e6),
              f"{what}: {name}: CPU time {row['cpu_ns'] / 1e6:.1f} ms, the kernel says {cpu_ns / 1e6:.1f}")
    if mode == "wall": # deadlines are absolute: no drift, however late some are
        ticks = sql(db, "SELECT tick, ts_ns FROM sample JOIN thread t ON t.id = thread_id JOIN session s ON s.id = t.session_id "
                        "WHERE t.tid = s.pid AND part_id = (SELECT max(id) FROM part) ORDER BY tick")
        drift = (ticks[-1]["ts_ns"] - ticks[0]["ts_ns"]) / (1e9 // hz) - (ticks[-1]["tick"] - ticks[0]["tick"])
        check(abs(drift) <= 1, f"{what}: {drift:.2f} ticks of drift in {len(ticks)}")
    all_ns = sum(r["cpu_ns"] for r in rows.values())
    wanted_ns = sum(cpu for _, cpu in told.values()) if linked else process[1]
    check(near(all_ns, wanted_ns, .05, 50e6), f"{what}: all CPU {all_ns / 1e6:.1f} ms, not {wanted_ns / 1e6:.1f}")
    _, answered_ns = functions(db, "--metric", "cpu")
    check(near(answered_ns, wanted_ns, .05, 50e6), f"{what}: top says {answered_ns / 1e6:.1f} ms of CPU, not {wanted_ns / 1e6:.1f}")
    check_ledger(db, what)
    print(f"     {what}: {all_ns / 1e6:.1f} ms of CPU, the kernel says {wanted_ns / 1e6:.1f}")


def some_at_once(each, folder, *choices):
    """They disturb each other, as programs do."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(each, folder, *choice) for choice in choices]:
            done.result()


def test_totals(folder):
    some_at_once(totals, folder, ("wall", 101, False), ("cpu", 101, False), ("wall", 997, False),
                 ("cpu", 997, False), ("wall", 101, True), ("cpu", 101, True))


def churn(folder, mode, hz, linked):
    """Threads shorter than a tick: those met stand for all."""
    what = f"churn {mode} {hz}{' linked' if linked else ''}"
    db = folder / f"{what}.db".replace(" ", "-")
    told = {name: numbers[0] for name, numbers in run_truth(db, "churn", "2", mode, hz, linked).items()}
    check(told["born"] > 100, f"{what}: {told['born']} threads")
    rows = sql(db, THREADS)
    cpu_ns = sum(r["cpu_ns"] for r in rows)
    # What the threads themselves know lacks their beginnings and ends; what the
    # process has used is with the sampler.
    wanted_ns = told["worked"] if linked else (told["worked"] + told["process"]) / 2
    print(f"     {what}: {told['born']} threads, {len(rows)} met, {cpu_ns / 1e6:.1f} ms of CPU, "
          f"the kernel says {wanted_ns / 1e6:.1f} (threads {told['worked'] / 1e6:.1f}), "
          f"stored {sum(r['stored_ns'] for r in rows) / 1e6:.1f} lost {sum(r['lost_ns'] for r in rows) / 1e6:.1f}, rss {told['rss']}")
    check(near(cpu_ns, wanted_ns, .05, 50e6), f"{what}: all CPU {cpu_ns / 1e6:.1f} ms, not {wanted_ns / 1e6:.1f}")
    check(run(PROFLITE, "--db", db, "process").returncode == 0, f"{what}: process")
    top, answered_ns = functions(db, "--metric", "cpu")
    check(near(answered_ns, wanted_ns, .08, 50e6), f"{what}: top says {answered_ns / 1e6:.1f} ms, not {wanted_ns / 1e6:.1f}")
    spun_ns = top.get("spin_ns", {"total_ns": 0})["total_ns"]
    check(near(spun_ns, told["spun"], .08, 50e6), f"{what}: {spun_ns / 1e6:.1f} ms in spin_ns, not {told['spun'] / 1e6:.1f}")
    if mode == "cpu":
        known_ns = sum(r["stored_ns"] + r["lost_ns"] for r in rows)
        check(near(known_ns, wanted_ns, .05, 50e6), f"{what}: {known_ns / 1e6:.1f} ms known of {wanted_ns / 1e6:.1f}")
    check(told["rss"] < (40 if linked else 10) << 10, f"{what}: {told['rss']} KiB of memory")
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    check(most < 100 << 10, f"{what}: {most} KiB of memory for the recorder")
    check_ledger(db, what)


def test_churn(folder):
    some_at_once(churn, folder, ("wall", 101, False), ("cpu", 101, False), ("wall", 997, False),
                 ("cpu", 997, False), ("wall", 101, True), ("cpu", 101, True))


def plugin(folder, mode, hz):
    db = folder / f"{mode}-{hz}.db"
    done = record(db, TRUTH, "plugin", PLUGIN, flags=("--mode", mode, "-F", str(hz)))
    check(done.returncode == 0, f"{mode} {hz}: {done.returncode} {done.stderr[-300:]}")
    rows = {r["name"]: r for r in sql(db, THREADS)}
    for name in ("when loaded", "when called", "bare loaded", "bare called"):
        row = rows.get(name)
        if check(row, f"{mode} {hz}: thread {name!r} among {list(rows)}"):
            check(near(row["cpu_ns"], 250e6, .04, 2e9 / hz), f"{mode} {hz}: {name}: {row['cpu_ns'] / 1e6:.1f} ms of CPU")
    top, _ = functions(db, "--metric", "cpu")
    for name in ("plugin_loaded_work", "plugin_called_work", "plugin_bare_work"):
        wanted = 500e6 if "bare" in name else 250e6
        got = top.get(name, {"total_ns": 0})["total_ns"]
        check(near(got, wanted, .1, 2e9 / hz), f"{mode} {hz}: {name}: {got / 1e6:.1f} ms")
    share, others = complete_share(db)
    check(share >= .99, f"{mode} {hz}: complete {100 * share:.2f} %: {others}")
    check_ledger(db, f"plugin {mode} {hz}")


def test_plugin(folder):
    """Threads begun in a library that was loaded while recording, and is unloaded."""
    some_at_once(plugin, folder, ("wall", 101), ("cpu", 101), ("wall", 997), ("cpu", 997))


def clock_step(folder, step_s, linked):
    what, db = f"{step_s} s{' linked' if linked else ''}", folder / f"{step_s}{linked}.db"
    env = {**os.environ, "LD_PRELOAD": str(STEP), "STEP_S": str(step_s)}
    begun_ns = time.time_ns()
    run_truth(db, "totals", "1.2", "wall", 101, linked, env)
    ended_ns = time.time_ns()
    row = sql(db, "SELECT start_ns, end_ns FROM session")[0]
    check(begun_ns <= row["start_ns"] and row["end_ns"] <= ended_ns, f"{what}: {row} not in {begun_ns} to {ended_ns}")
    ticks = [r["t"] for r in sql(db, "SELECT ts_ns AS t FROM sample JOIN thread t ON t.id = thread_id JOIN session s ON "
                                     "s.id = t.session_id WHERE t.tid = s.pid ORDER BY sample.part_id, tick")]
    gaps = [b - a for a, b in zip(ticks, ticks[1:])]
    check(len(ticks) > 60 and min(gaps) > 0 and max(gaps) < 1.1e9, f"{what}: {len(ticks)} ticks, gaps {min(gaps)} to {max(gaps)} ns")
    check(begun_ns <= ticks[0] and ticks[-1] <= ended_ns, f"{what}: ticks from {ticks[0]} to {ticks[-1]}")
    late = sql(db, f"SELECT count(*) AS n FROM part WHERE start_ns < {begun_ns} OR end_ns > {ended_ns}")[0]["n"]
    check(late == 0, f"{what}: {late} parts at another time")


def test_clock_step(folder):
    """The machine's clock is set while recording: times go on as they began."""
    some_at_once(clock_step, folder, (86400, False), (-86400, True), (86400, True), (-86400, False))


main([test_totals, test_churn, test_plugin, test_clock_step])
