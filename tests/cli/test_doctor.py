"""doctor: says what works and what does not, and leaves all as it was."""
import json
import os
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from support import PROFLITE, check, main, record, run


def doctor(db, env=None, program=PROFLITE):
    """(exit status, {(area, name): check}, whole document)"""
    done = run(program, "--db", db, "doctor", "--json", env={**os.environ, **(env or {})})
    found = json.loads(done.stdout)
    checks = {(c["area"], c["name"]): c for c in found["checks"]}
    check(len(checks) == len(found["checks"]), "each is said once")
    for verdict, key in (("note", "notes"), ("bad", "bad")):
        count = sum(c["verdict"] == verdict for c in found["checks"])
        check(found[key] == count, f"{key}: {found[key]}, not {count}")
    check(found["schema"] == 1 and found["ok"] == (found["bad"] == 0), f"{found}")
    check(done.returncode == (0 if found["ok"] else 5) and not done.stderr, f"{done.returncode} {done.stderr}")
    return done.returncode, checks


def listing(folder):
    return sorted((p.name, p.stat().st_size) for p in folder.iterdir() if p.suffix not in (".db-wal", ".db-shm"))


def test_sound(folder):
    status, checks = doctor(folder / "none" / "x.db")
    check(status == 0 and "not there yet" in checks["store", "place"]["fix"], f"{checks}")
    check(listing(folder) == [], "no store is made")
    trial = checks["recording", "trial"]
    check(trial["verdict"] == "ok" and int(trial["text"].split(": ")[1].split()[0]) > 10, f"{trial}")
    version = tuple(map(int, checks["libraries", "SQLite"]["text"].split(".")))
    check((version < (3, 51, 3)) == (checks["libraries", "SQLite"]["verdict"] == "note"), f"{checks}")
    for name in ("proflite", "CivetWeb", "libunwind", "libdw", "libcurl", "cJSON", "glibc"):
        check(checks["libraries", name]["text"][0].isdigit(), f"{checks['libraries', name]}")
    db = folder / "x.db"
    record(db, "true")
    before = listing(folder)
    status, checks = doctor(db)
    check(status == 0 and checks["store", "contents"]["text"].startswith("1 session, "), f"{checks}")
    check(checks["store", "owner"]["text"] == "you, mode 0600", f"{checks}")
    check(listing(folder) == before, "nothing is written")
    done = run(PROFLITE, "--db", db, "doctor")
    lines = done.stdout.decode().splitlines()
    check(done.returncode == 0 and lines[0] == "libraries" and lines[-1].startswith("all works here"), f"{lines}")
    check(all(len(line) < 140 for line in lines), f"{max(lines, key=len)}")


def test_trouble(folder):
    db = folder / "x.db"
    record(db, "true")
    os.chmod(db, 0o644)
    check(doctor(db)[1]["store", "owner"]["verdict"] == "note", "others may read it")
    os.link(db, folder / "second")
    status, checks = doctor(db)
    check(status == 5 and "remove the other name" in checks["store", "names"]["fix"], f"{checks}")
    os.unlink(folder / "second")
    os.unlink(f"{db}-lock")
    os.mkfifo(f"{db}-lock")
    check(doctor(db)[1]["store", "format"]["verdict"] == "bad", "a pipe for a lock")
    os.unlink(f"{db}-lock")
    _, checks = doctor(db, {"DEBUGINFOD_URLS": "http://127.0.0.1:1"})
    check("no server is asked" in checks["symbols", "debuginfod"]["fix"], f"{checks}")
    with open(db, "r+b") as out:
        out.seek(100)
        out.write(bytes(3996))
    status, checks = doctor(db)
    check(status == 5 and "damaged" in checks["store", "format"]["text"], f"{checks}")
    text = folder / "text"
    text.write_text("x" * 200)
    check("not an SQLite file" in doctor(text)[1]["store", "format"]["text"], "a text file")


def test_alone(folder):
    """The program without its preload library."""
    shutil.copy(PROFLITE, folder / "proflite")
    status, checks = doctor(folder / "x.db", program=folder / "proflite")
    check(status == 5 and checks["recording", "preload"]["verdict"] == "bad", f"{checks}")
    check(checks["recording", "trial"]["verdict"] == "bad" and "125" in checks["recording", "trial"]["text"], f"{checks}")


main([test_sound, test_trouble, test_alone])
