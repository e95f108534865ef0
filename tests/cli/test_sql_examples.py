"""docs/SQL.md: every example runs in Debian's sqlite3 and in proflite query, with equal rows."""
import contextlib
import csv
import io
import os
import pathlib
import re
import sqlite3
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from support import BUILD, DEMO, PROFLITE, ask, check, main, record, run

DOC = pathlib.Path(__file__).resolve().parent.parent.parent / "docs" / "SQL.md"
MAY_BE_EMPTY = ("FROM label", "FROM loss", "FROM project_key", "FROM outcome")


def recorded(folder):
    db = folder / "x.db"
    for _ in range(2):
        done = record(db, DEMO, "1", flags=["-F", "400", "--name", "demo"])
        check(done.returncode == 0, f"{done.stderr}")
    return db


def examples():
    return re.findall(r"^```sql( extension)?\n(.*?)^```$", DOC.read_text(), re.M | re.S)


def sanitizers():
    """The environment for Debian's sqlite3 to load a table function library made with ASan."""
    needs = subprocess.run(["ldd", str(BUILD / "proflite_sql.so")], capture_output=True, text=True).stdout
    runtimes = re.findall(r"=> (\S*/lib(?:a|ub)san\.so\S*)", needs)
    return {**os.environ, "LD_PRELOAD": " ".join(runtimes), "ASAN_OPTIONS": "detect_leaks=0"} if runtimes else None


ENVIRONMENT = sanitizers()


def shell(db, sql, extension):
    load = ["-cmd", f".load {BUILD / 'proflite_sql'}"] if extension else []
    return subprocess.run(["sqlite3", "-readonly", "-csv", *load, str(db), sql], capture_output=True, timeout=60,
                          env=ENVIRONMENT if extension else None)


def rows(text):
    """Of CSV; numbers as numbers, as the two print reals with different care."""
    def cell(text):
        try:
            return round(float(text), 6)
        except ValueError:
            return text
    return [[cell(c) for c in row] for row in csv.reader(io.StringIO(text.decode()))]


def test_examples(folder):
    db = recorded(folder)
    found = examples()
    check(len(found) >= 25 and sum(bool(e) for e, _ in found) >= 12, f"{len(found)} examples")
    for extension, sql in found:
        theirs = shell(db, sql, extension)
        check(theirs.returncode == 0 and not theirs.stderr, f"{sql}: {theirs.stderr}")
        ours = run(PROFLITE, "query", "--db", db, "--csv", sql)
        check(ours.returncode == 0, f"{sql}: {ours.stderr}")
        check(rows(ours.stdout)[1:] == rows(theirs.stdout), f"{sql}:\n{ours.stdout}\n{theirs.stdout}")
        check(theirs.stdout or any(may in sql for may in MAY_BE_EMPTY), f"nothing: {sql}")


def test_agree(folder):
    db = recorded(folder)
    for flags, words in (([], ""), (["--session", "1"], "1"), (["--thread", "render 1", "--metric", "cpu"],
                                                                'thread:"render 1" metric:cpu')):
        top = ask(db, "top", *flags)[1]
        sums = {
            "pl_functions": "SELECT sum(self_ns) FROM pl_functions({})",
            "pl_flame": "SELECT total_ns FROM pl_flame({}) WHERE id = 0",
            "pl_weights": "SELECT sum(weight_ns) FROM pl_weights({})",
            "pl_timeline": f"SELECT sum({'cpu' if 'cpu' in words else 'wall'}_ns) FROM pl_timeline(7, {{}})",
        }
        if "cpu" not in words:
            sums["pl_samples"] = "SELECT sum(weight_ns) FROM pl_samples({})"
        for name, sql in sums.items():
            answer = shell(db, sql.format("'" + words + "'"), True)
            check(answer.stdout.strip() == str(top["total_ns"]).encode(), f"{name} {words}: {answer}")
    count = shell(db, "SELECT count(*) FROM pl_functions WHERE containing = 'no such'", True)
    check(count.stdout.strip() == b"0", f"{count}")


def test_groups_are_small(folder):
    """What a group is sorted by is a row of numbers: no blob of a part goes along with each sample."""
    db = recorded(folder)
    with contextlib.closing(sqlite3.connect(db)) as longer, longer:
        longer.execute("UPDATE part SET ticks = CAST(ticks || zeroblob(100000) AS BLOB)")
    asked = ("SELECT count(*), sum(n), min(first_ns) > 0 FROM (SELECT thread_id, stack_id, count(*) AS n,"
             " min(ts_ns) AS first_ns, sum(weight_ns) FROM sample GROUP BY 1, 2)")
    done = subprocess.run(["sqlite3", "-readonly", "-cmd", "PRAGMA temp_store = memory", "-cmd",
                           "PRAGMA hard_heap_limit = 16000000", str(db), asked], capture_output=True, timeout=60)
    check(done.returncode == 0 and not done.stderr, f"{done}")
    check(done.stdout.strip().endswith(b"|1"), f"{done.stdout}")


def test_errors(folder):
    db = recorded(folder)
    for sql, words in (("SELECT * FROM pl_functions('nonsense')", b"selects nothing"),
                       ("SELECT * FROM pl_callers", b"name a function"),
                       ("SELECT * FROM pl_diff('1')", b"two selections"),
                       ("SELECT * FROM pl_timeline(0)", b"bins"),
                       ("SELECT * FROM pl_flame WHERE transform = 'x'", b"no transform"),
                       ("SELECT * FROM pl_functions WHERE metric = 'x'", b"wall or cpu"),
                       ("DELETE FROM pl_functions", b"may not be modified")):
        done = shell(db, sql, True)
        check(done.returncode != 0 and words in done.stderr, f"{sql}: {done}")
    done = subprocess.run(["sqlite3", "-cmd", f".load {BUILD / 'proflite_sql'}", ":memory:",
                           "SELECT * FROM pl_functions"], capture_output=True, env=ENVIRONMENT)
    check(b"open the store itself" in done.stderr, f"{done}")


main([test_examples, test_agree, test_groups_are_small, test_errors])
