"""callers, diff, transforms and labels on the command line: agreement with top and flame."""
import json
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from support import DEMO, PROFLITE, ask, check, main, record, run



def recorded(folder, name="x.db", times=2):
    db = folder / name
    for _ in range(times):
        done = record(db, DEMO, "1", flags=["-F", "400"])
        check(done.returncode == 0, f"{done.stderr}")
    return db


def text(db, *args, status=0):
    done = run(PROFLITE, "--db", db, *args)
    check(done.returncode == status, f"{args}: {done.returncode} {done.stderr}")
    return (done.stdout if not status else done.stderr).decode()


def find(top, name):
    return next(f for f in top["functions"] if f["function"] == name)


def weights(tree):
    return tree["nodes"]["total_ns"][0]


def test_callers(folder):
    db = recorded(folder, times=1)
    top = ask(db, "top")[1]
    for name in ("do_job", "shade_pixel", "main"):
        status, both = ask(db, "callers", name)
        row = find(top, name)
        check(status == 0 and both["whole_ns"] == top["total_ns"], f"{both}")
        check(both["total_ns"] == row["total_ns"] == weights(both["callers"]) == weights(both["callees"]), name)
        check(both["self_ns"] == row["self_ns"], name)
    shown = text(db, "callers", "do_job")
    check("Callers" in shown and "Callees" in shown and "work" in shown and "shade_pixel" in shown, shown)
    check("no samples" in text(db, "callers", "no_such_function", status=1), "not found")
    check("name one function" in text(db, "callers", status=2), "usage")


def test_transforms(folder):
    db = recorded(folder, times=1)
    whole = ask(db, "flame")[1]
    for how in ("focus:do_job", "ignore:do_job", "hide:do_job", "collapse:do_job", "recursion", "in_app", "modules",
                "files", "invert", "threads"):
        status, tree = ask(db, "flame", "-t", how)
        check(status == 0 and tree["total_ns"] + tree["left_out_ns"] == whole["total_ns"], how)
    inverted = ask(db, "flame", "--invert")[1]
    leaf = inverted["functions"]["name"][inverted["nodes"]["function"][1]]
    check(leaf == max(ask(db, "top")[1]["functions"], key=lambda f: f["self_ns"])["function"], leaf)
    top = ask(db, "top", "-t", "ignore:do_job")[1]
    check(not any(f["function"] in ("do_job", "shade_pixel") for f in top["functions"]), "ignored")
    check("is no transform" in text(db, "flame", "-t", "nonsense", status=2), "usage")


def test_diff(folder):
    db = recorded(folder)
    status, same = ask(db, "diff", "1", "1")
    check(status == 0 and same["a"] == same["b"] and all(f["self"]["p"] == 1 for f in same["functions"]), "same")
    status, diff = ask(db, "diff", "1", "2")
    for side, session in (("a", 1), ("b", 2)):
        top = ask(db, "top", "--session", session)[1]
        check(diff[side]["total_ns"] == top["total_ns"] and diff[side]["samples"] == top["samples"], side)
        for row in diff["functions"]:
            if row["module"] != "[vdso]" and row[side]["total_ns"]:
                mine = [f for f in top["functions"] if f["function"] == row["function"] and f["module"] == row["module"]
                        and f["file"] == row["file"]]
                check(len(mine) == 1 and mine[0]["self_ns"] == row[side]["self_ns"], f"{row}")
                check(mine[0]["total_ns"] == row[side]["total_ns"], f"{row}")
    check("samples" in text(db, "diff", "1", "2"), "text")
    gone = ask(db, "diff", "all", "thread:\"%s\"" % "no such thread")
    check(gone[0] == 1, f"{gone}")
    check(text(db, "diff", "1", status=2) and text(db, "diff", "nonsense", "2", status=2), "usage")


def test_diff_files(folder):
    db = recorded(folder)
    other = folder / "copy.db"
    text(db, "check")
    for end in ("", "-wal"):
        if pathlib.Path(f"{db}{end}").exists():
            shutil.copy(f"{db}{end}", f"{other}{end}")
    together = ask(db, "diff", "1", "2")[1]
    apart = ask(db, "diff", f"{db} 1", f"{other} 2")[1]
    check(json.dumps(together) == json.dumps(apart), "two files are as good as one")


main([test_callers, test_transforms, test_diff, test_diff_files])
