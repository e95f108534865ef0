"""The disk fills up, the file may grow no more, cannot be written or is removed while a
program is recorded: the program runs on as if nothing were, what is lost is counted and
said, and recording goes on by itself within seconds of when it can."""
import concurrent.futures
import ctypes
import os
import resource
import subprocess
import sys
import time
from support import BUILD, PROFLITE, ask, check, check_ledger, main, record, run, sql

HOST = BUILD / "linked_host"
STEPS = 10
TICKER = ["sh", "-c", f"echo begun; for i in $(seq {STEPS}); do sleep .25; done; echo ended"]  # each program a session


def may_mount():
    """In a mount namespace of our own, whose mounts go with it."""
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() == 0:
        return libc.unshare(0x20000) == 0 and run("mount", "--make-rprivate", "/").returncode == 0
    if "PROFLITE_TEST_MOUNTS" in os.environ:
        return True
    if run("unshare", "-rm", "true").returncode != 0:
        return False
    os.environ["PROFLITE_TEST_MOUNTS"] = "1"
    os.execvp("unshare", ["unshare", "-rm", sys.executable, *sys.argv])


def small_disk(folder, size="1m"):
    disk = folder / "disk"
    disk.mkdir()
    check(run("mount", "-t", "tmpfs", "-o", f"size={size}", "none", disk).returncode == 0, "no tmpfs")
    return disk


def fill(disk):
    with open(disk / "fill", "wb", buffering=0) as out:
        size = 65536
        while size:
            try:
                if out.write(bytes(size)) < size:
                    size //= 2
            except OSError:
                size //= 2
    return disk / "fill"


def ended_sessions(db):
    return sql(db, "SELECT count(*) AS n FROM session WHERE state = 'ended'")[0]["n"]


def start(db, *command):
    process = subprocess.Popen([PROFLITE, "--db", db, "record", "--", *command], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    check(process.stdout.readline() == "begun\n", "it begins")
    return process


def finish(process, what):
    """As if nothing were; what was said of it."""
    out, said = process.communicate(timeout=60)
    check(process.returncode == 0 and out == "ended\n", f"{what}: {process.returncode} {out!r}")
    return said


def check_sound(db, what):
    status, found = ask(db, "check")
    check(status == 0 and found["ok"], f"{what}: {found}")
    check_ledger(db, what)


def resumes(folder, what, db, trouble, end_trouble):
    """Trouble for a second: nothing is lost, and within 5 s of its end rows come again."""
    process = start(db, *TICKER)
    trouble(process)
    time.sleep(1)
    before = ended_sessions(db)
    end_trouble(process)
    end = time.monotonic() + 5
    while ended_sessions(db) <= before and time.monotonic() < end:
        time.sleep(.1)
    check(ended_sessions(db) > before, f"{what}: nothing is written 5 s after")
    said = finish(process, what)
    check("samples may be lost" in said, f"{what}: {said}")
    check(sql(db, "SELECT count(*) AS n FROM session WHERE app = 'sleep'")[0]["n"] == STEPS, f"{what}: {said}")
    check_sound(db, what)


def full_for_a_while(folder):
    disk = small_disk(folder)
    db = disk / "x.db"
    record(db, "true")
    resumes(folder, "full disk", db, lambda _: fill(disk), lambda _: os.unlink(disk / "fill"))


def full_until_the_end(folder):
    disk = small_disk(folder)
    db = disk / "x.db"
    fill(disk)
    done = record(db, "sh", "-c", "echo ran")
    check(done.returncode == 125 and not done.stdout and b"free some space" in done.stderr, f"no store: {done}")
    os.unlink(disk / "fill")
    record(db, "sleep", ".1")
    before = ask(db, "ls")[1]["sessions"]
    for suffix in ("-wal", "-shm"):  # as SQLite's shell leaves it: there is no room to make them
        os.unlink(f"{db}{suffix}")
    fill(disk)
    check(ask(db, "ls") == (0, {"schema": 1, "sessions": before}), "reading goes on")
    os.unlink(disk / "fill")
    run(PROFLITE, "--db", db, "process")  # which makes them again
    fill(disk)
    done = run(PROFLITE, "--db", db, "record", "--", *TICKER)
    check(done.returncode == 0 and done.stdout == b"begun\nended\n", f"{done}")
    lost = [line for line in done.stderr.decode().splitlines() if " lost, in " in line]
    check(lost and int(lost[0].split(" lost, in ")[0].split()[-1].replace(",", "")) > 200, f"counted: {done.stderr}")
    check(b"disk is full" in done.stderr, f"{done.stderr}")
    check(ask(db, "ls")[1]["sessions"] == before, "what was there is there")
    os.unlink(disk / "fill")
    check(record(db, "true").returncode == 0 and len(ask(db, "ls")[1]["sessions"]) == len(before) + 1, "and goes on")
    check_sound(db, "full to the end")


def linked(folder):
    disk = small_disk(folder)
    db = disk / "x.db"
    done = run(HOST, "full", env={**os.environ, "PROFLITE_DB": str(db)})
    check(done.returncode == 0, f"{done.stdout.decode()}")
    samples = sql(db, "SELECT count(*) AS n FROM sample")[0]["n"]
    check(samples > 40, f"{samples} samples")
    check_sound(db, "linked")


def size_limit(folder):
    db = folder / "x.db"

    def limit(process, most):
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    resumes(folder, "size limit", db, lambda process: limit(process, 4096),
            lambda process: limit(process, resource.RLIM_INFINITY))


def read_only(folder):
    disk = small_disk(folder)
    db = disk / "x.db"
    record(db, "sh", "-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done")
    before = run(PROFLITE, "--db", db, "top", "--json").stdout
    check(run("mount", "-o", "remount,ro", disk).returncode == 0, "no remount")
    check(run(PROFLITE, "--db", db, "top", "--json").stdout == before, "reading goes on as before")
    done = record(db, "sh", "-c", "echo ran")
    check(done.returncode == 125 and not done.stdout and done.stderr.count(b"\n") == 1, f"{done}")
    done = run(HOST, "off", env={**os.environ, "PROFLITE_DB": str(db)})
    check(done.returncode >= 0, "a linked program is not killed")


def removed(folder):
    db = folder / "x.db"
    process = start(db, *TICKER)
    time.sleep(1)
    for suffix in ("", "-wal", "-shm", "-lock"):
        os.unlink(f"{db}{suffix}")
    said = finish(process, "removed")
    check("removed or replaced" in said, f"said: {said}")
    check(ended_sessions(db) >= STEPS // 2, f"{ended_sessions(db)} sessions in the new one")
    check_sound(db, "removed")


CASES = [size_limit, removed]
if may_mount():
    CASES += [full_for_a_while, full_until_the_end, linked, read_only]
else:
    print("without those that mount a disk of their own: not allowed here")


def test_trouble(folder):
    """All at once: they wait, mostly."""
    def one(case):
        own = folder / case.__name__
        own.mkdir()
        case(own)

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        for case, done in [(case, pool.submit(one, case)) for case in CASES]:
            try:
                done.result()
            except Exception as error:
                check(False, f"{case.__name__}: {type(error).__name__}: {error}")


main([test_trouble])
