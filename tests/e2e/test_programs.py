"""Programs nobody here wrote: same bytes, same status, complete stacks."""
import os
import pathlib
import shutil
from support import PROFLITE, check, complete_share, functions, main, record, run, sessions, sql

LIMIT = 0.95


def compare(folder, name, command, hot=None, stdin=None, flags=()):
    db = folder / f"{name}.db"
    plain = run(*command, stdin=open(stdin, "rb") if stdin else None)
    done = record(db, *command, flags=flags, stdin=open(stdin, "rb") if stdin else None)
    check(done.returncode == plain.returncode, f"{name}: status {done.returncode}, alone {plain.returncode}: {done.stderr[-300:]}")
    check(done.stdout == plain.stdout, f"{name}: {len(done.stdout)} bytes of output, alone {len(plain.stdout)}")
    extra = [l for l in done.stderr.splitlines() if not l.startswith(b"proflite")]
    check(extra == plain.stderr.splitlines(), f"{name}: stderr {done.stderr[-300:]}")
    rows = sessions(db)
    samples = sum(r["samples"] for r in rows)
    lost = sum(r["lost"] for r in rows)
    check(samples > 60, f"{name}: {samples} samples")
    check(lost <= 0.05 * samples, f"{name}: lost {lost} of {samples}")
    share, others = complete_share(db)
    print(f"     {name}: {samples} samples, lost {lost}, complete {100 * share:.2f} %, else {dict(list(others.items())[:4])}")
    check(share >= LIMIT, f"{name}: complete {100 * share:.1f} %: {others}")
    if hot:
        top, total = functions(db)
        got = sum(f["self_ns"] for n, f in top.items() if any(h in n or h in f["module"] for h in hot))
        check(got > 0.2 * total, f"{name}: {hot} have {100 * got / max(1, total):.1f} %: {list(top)[:8]}")
    return db


def sample_file(folder, megabytes):
    """Something real to compress: this machine's own libraries, over and over."""
    path = folder / "input"
    source = []
    for root in ("/usr/lib/x86_64-linux-gnu", "/usr/lib", "/usr/bin"):
        for name in sorted(os.listdir(root)):
            full = os.path.join(root, name)
            if os.path.isfile(full) and not os.path.islink(full) and os.access(full, os.R_OK):
                source.append(full)
    left = megabytes << 20
    with open(path, "wb") as out:
        while left > 0:
            for full in source:
                data = open(full, "rb").read(left)
                out.write(data)
                left -= len(data)
                if left <= 0:
                    break
    return path


def test_zstd(folder):
    path = sample_file(folder, 200)
    compare(folder, "zstd", ["zstd", "-q", "-T2", "-6", "-c", path], hot=["ZSTD", "libzstd", "zstd"])


def test_xz(folder):
    path = sample_file(folder, 24)
    compare(folder, "xz", ["xz", "-T2", "-1", "--block-size=4MiB", "-c", path], hot=["liblzma", "lzma"])


def test_sqlite3(folder):
    query = ("WITH RECURSIVE c(n, x) AS (SELECT 1, 1 UNION ALL SELECT n + 1, (x * 1103515245 + 12345) % 2147483648 "
             "FROM c WHERE n < 8000000) SELECT count(*), sum(x % 7), max(x) FROM c")
    db = compare(folder, "sqlite3", ["sqlite3", ":memory:", query], hot=["sqlite3"])
    roots = sql(db, "SELECT DISTINCT function AS f FROM stack_frame WHERE depth = 0")
    check("_start" in {r["f"] for r in roots}, f"the entry of a stripped program is named: {roots}")


STRIPPED = """
static __attribute__((noinline, noclone)) unsigned helper(unsigned x)
{
    for (int i = 0; i < 200; i++)
        x = x * 1664525u + 1013904223u;
    return x ^ x >> 16;
}
static __attribute__((noinline, noclone)) unsigned walk(unsigned n)
{
    volatile unsigned work = 0;
    unsigned sum = 1;
    while (n--) {
        sum += helper(sum);
        sum ^= helper(sum + 1);
        for (int i = 0; i < 2500; i++)
            work += sum;
        sum -= helper(sum * 3);
        sum ^= helper(work);
    }
    return sum;
}
int main(int argc, char **argv)
{
    (void)argv;
    return walk(argc * 300000u) == 42;
}
"""


def test_stripped(folder):
    """Without symbols a function is one row all the same, with them again it has its name."""
    db, source, full, prog = (folder / name for name in ("stripped.db", "prog.c", "full", "prog"))
    source.write_text(STRIPPED)
    built = run("cc", "-O1", "-Wl,--build-id", "-o", full, source)
    check(built.returncode == 0, f"cc: {built.stderr}")
    run("strip", "-s", "-o", prog, full, check=True)
    starts = {line.split()[2]: int(line.split()[0], 16) for line in run("nm", full).stdout.decode().splitlines() if " t " in line or " T " in line}
    check(record(db, prog).returncode == 0, "the stripped program runs")

    def check_rows(wanted):
        top, total = functions(db)
        ours = {name: f for name, f in top.items() if f["module"] == str(prog)}
        check(set(wanted) <= set(ours) <= set(wanted) | {"_start"}, f"one row a function: {list(ours)}, not {wanted}")
        spent = [ours.get(name, {"self_ns": 0})["self_ns"] for name in wanted]
        check(all(ns > 0.1 * total for ns in spent[:2]), f"both have their share of {total}: {spent}")
        check(all(f["in_app"] for f in ours.values()), f"the program's own: {ours}")
        found = sql(db, f"SELECT DISTINCT function AS f FROM function_weight WHERE module = '{prog}'")
        check({r["f"] for r in found} == set(ours), f"function_weight says the same: {found}")

    check_rows([f"prog+{starts[name]:#x}" for name in ("helper", "walk", "main")])
    shutil.copy(full, prog)
    done = run(PROFLITE, "--db", db, "process", "--redo")
    check(done.returncode == 0, f"redo: {done.stderr}")
    check_rows(["helper", "walk", "main"])


def test_python3(folder):
    code = "import hashlib\nd=b'x'\nt=0\nfor i in range(15000000):\n t+=i*i%7\nfor i in range(60000):\n d=hashlib.sha256(d*20).digest()\nprint(t,d.hex())"
    compare(folder, "python3", ["python3", "-c", code], hot=["python", "_PyEval", "libcrypto", "libpython", "_hashlib"])


def test_node(folder):
    code = ("function fib(n){return n<2?n:fib(n-1)+fib(n-2)}"
            "let t=0;for(let i=0;i<12;i++)t+=fib(34);console.log(t, JSON.stringify(Array(5).fill(t)))")
    compare(folder, "node", ["node", "-e", code])


def test_perf_map(folder):
    """Code made at run time has the names its compiler wrote, also after the program."""
    code = "function fib(n){return n<2?n:fib(n-1)+fib(n-2)} let t=0;for(let i=0;i<14;i++)t+=fib(34);console.log(t)"
    db = compare(folder, "node", ["node", "--perf-basic-prof", "--no-logfile-per-isolate", f"--logfile={folder}/v8.log", "-e", code])
    top, total = functions(db)
    spent = sum(f["self_ns"] for name, f in top.items() if "fib" in name)
    check(spent > 0.05 * total, f"of all threads' time fib has {100 * spent / total:.1f} %: {list(top)[:8]}")
    for row in sql(db, "SELECT DISTINCT pid FROM session"):
        pathlib.Path(f"/tmp/perf-{row['pid']}.map").unlink(missing_ok=True)
    done = run(PROFLITE, "--db", db, "process", "--redo")
    check(done.returncode in (0, 5), f"redo: {done.returncode} {done.stderr}")
    again, _ = functions(db)
    check(any("fib" in name for name in again), f"still named without the file: {list(again)[:8]}")


def test_pipeline(folder):
    path = sample_file(folder, 40)
    script = f"cat {path} | gzip -1 | gzip -dc | sha256sum; seq 1 2000000 | sort -rn | tail -1; exit 5"
    db = compare(folder, "pipeline", ["bash", "-c", script])
    apps = {r["app"] for r in sessions(db)}
    check({"gzip", "sha256sum", "sort"} <= apps, f"the whole tree: {apps}")


main([test_zstd, test_xz, test_sqlite3, test_stripped, test_python3, test_node, test_perf_map, test_pipeline])
