"""The demo's known shares, and one truth in every answer."""
import os
from support import DEMO, PROFLITE, ask, check, complete_share, functions, main, record, run, sessions, sql

SECONDS = os.environ.get("PROFLITE_DEMO_SECONDS", "20")


SHARES = {"render_tile": 60, "codec_compress": 30, "walk_scene": 10}


def shares(top):
    """Of the three jobs together: on a busy machine the workers also wait where they
    read the clock, which is no job."""
    times = {name: top[name]["total_ns"] if name in top else 0 for name in SHARES}
    return {name: 100 * ns / max(1, sum(times.values())) for name, ns in times.items()}


def folded(db, folder, *flags):
    out = folder / "out.folded"
    done = run(PROFLITE, "--db", db, "flame", "-o", out, *flags)
    check(done.returncode == 0, f"flame -o: {done.stderr}")
    stacks = {}
    for line in out.read_text().splitlines():
        stack, _, value = line.rpartition(" ")
        stacks[stack] = stacks.get(stack, 0) + int(value)
    return stacks


def test_demo(folder):
    db = folder / "demo.db"
    done = record(db, DEMO, SECONDS)
    check(done.returncode == 0, f"record: {done.returncode} {done.stderr}")
    true = {line.split()[0]: float(line.split()[1]) for line in done.stdout.decode().splitlines()}
    check(true.keys() == SHARES.keys(), f"the demo's output: {done.stdout}")
    rows = sessions(db)
    check(len(rows) == 1, f"one session: {rows}")
    check(rows[0]["app"] == "demo" and rows[0]["state"] == "ended", f"{rows[0]}")
    check(rows[0]["threads"] == 3, f"main and two workers: {rows[0]}")
    lost = rows[0]["lost"] / max(1, rows[0]["samples"])
    check(lost < 0.05, f"lost {100 * lost:.1f} %")
    wanted = float(SECONDS) * 3e9
    weight = sql(db, "SELECT sum(weight_ns) AS ns FROM sample")[0]["ns"]
    check(abs(weight - wanted) < 0.05 * wanted, f"{weight / 1e9:.2f} s of three threads' {wanted / 1e9:.0f} s")

    for metric in ("wall", "cpu"):
        top, _ = functions(db, "--metric", metric)
        work = top.get("work")
        if not check(work is not None, f"work in {metric} top: {list(top)[:10]}"):
            continue
        for name, got in shares(top).items():
            check(abs(got - true[name]) < 3 and abs(got - SHARES[name]) < 3,
                  f"{metric}: {name} {got:.1f} %, true {true[name]} %")
        shade = top.get("shade_pixel")
        check(shade is not None and shade["self_ns"] > 0.9 * top["render_tile"]["total_ns"],
              f"the inlined callee has the time: {shade}")
        check(shade and shade["file"].endswith("demo.c") and 30 < shade["line"] < 60, f"{shade}")
        check(top["codec_compress"]["file"].endswith("demo_codec.c"), "file of the library")
        check("libdemo_codec" in top["codec_compress"]["module"], "module of the library")
        walk = top["walk_scene"]
        check(walk["total_ns"] <= work["total_ns"], "recursion is counted once")

    inlined = sql(db, "SELECT count(*) AS n FROM stack_frame WHERE function = 'shade_pixel' AND inlined = 1")
    check(inlined[0]["n"] > 0, "inline frames are in stack_frame")
    names = {r["name"] for r in sql(db, "SELECT name FROM thread")}
    check({"demo", "render 1", "render 2"} <= names, f"thread names: {names}")
    cpu = sql(db, "SELECT sum(cpu_ns) AS ns FROM slot")[0]["ns"]
    check(cpu > 0, "exact CPU time is kept")
    share, others = complete_share(db)
    check(share >= 0.99, f"complete stacks {100 * share:.2f} %: {others}")

    # One truth: flame graph, top, SQL and folded export agree to the sample and the ns.
    truth = sql(db, "SELECT count(*) AS n, sum(weight_ns) AS ns FROM sample")[0]
    _, top = ask(db, "top", "--limit", "0")
    check(top["total_ns"] == truth["ns"] and top["samples"] == truth["n"], f"top {top['total_ns']} sql {truth}")
    check(sum(f["self_ns"] for f in top["functions"]) == truth["ns"], "sum of self in top")
    check(sum(f["self_samples"] for f in top["functions"]) == truth["n"], "samples of self in top")
    _, flame = ask(db, "flame")
    check(flame["total_ns"] == truth["ns"], "flame root")
    check(sum(folded(db, folder).values()) == truth["n"], "folded sums to samples")
    stacks = folded(db, folder, "--unit", "ns")
    check(sum(stacks.values()) == truth["ns"], "folded sums to ns")
    check(any("work;do_job;render_tile;shade_pixel" in s or "work;render_tile;shade_pixel" in s for s in stacks),
          f"a folded stack: {list(stacks)[:3]}")
    shell = run("sqlite3", "-readonly", db, "SELECT count(*), sum(weight_ns) FROM sample")
    check(shell.stdout.decode().strip() == f"{truth['n']}|{truth['ns']}", f"plain shell: {shell}")
    outcomes = sql(db, "SELECT outcome, count(*) AS n, (SELECT count(*) FROM chunk) AS chunks FROM outcome GROUP BY 1")
    check(len(outcomes) == 1 and outcomes[0]["outcome"] == "accepted" and outcomes[0]["n"] == outcomes[0]["chunks"],
          f"one outcome a chunk: {outcomes}")
    svg = folder / "a.svg"
    check(run(PROFLITE, "--db", db, "flame", "-o", svg).returncode == 0, "svg")
    check("shade_pixel" in svg.read_text(), "svg names functions")
    tree = run(PROFLITE, "--db", db, "flame").stdout.decode()
    check("shade_pixel" in tree and "codec_compress" in tree, f"tree: {tree[:300]}")


def test_cpu_mode(folder):
    db = folder / "cpu.db"
    done = record(db, DEMO, "4", flags=("--mode", "cpu", "-F", "200"))
    check(done.returncode == 0, f"{done.stderr}")
    top, total = functions(db)
    check("work" in top, f"{list(top)[:8]}")
    for name, got in shares(top).items():
        check(abs(got - SHARES[name]) < 5, f"{name} {got:.1f} %, true {SHARES[name]} %")
    real = float(done.stdout.split(b" of ")[1].split()[0]) * 1e9
    check(abs(total - real) < 0.1 * real, f"CPU time {total / 1e9:.2f} s, the demo says {real / 1e9:.2f} s")


main([test_demo, test_cpu_mode])
