"""Whoever is killed, at whatever instant: what was captured is in the store after the
next command that opens it, once, with how it ended."""
import os
import pathlib
import random
import shutil
import signal
import struct
import subprocess
import time
from support import BUILD, PROFLITE, check, check_ledger, main, record, run, sessions, sql

MORTAL = BUILD / "tests" / "mortal"
LINKED = BUILD / "tests" / "mortal_linked"
TRUTH = BUILD / "tests" / "truth"
TRUTH_LINKED = BUILD / "tests" / "truth_linked"
SHM = pathlib.Path(f"/dev/shm/proflite-{os.geteuid()}")


def left_behind(db):
    """Folders of recorders of this store that are still there."""
    folder = pathlib.Path(f"{db}-journal.d")
    return [p for p in folder.iterdir()] if folder.exists() else []


def begin(command, **options):
    """Start it and wait until the program says that it has begun."""
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, **options)
    line = process.stdout.readline()
    check(line == "begun\n", f"{command}: {line!r}")
    return process


def start_record(db, *command, **options):
    return begin([PROFLITE, "--db", db, "record", "-F", "997", "--", *command], **options)


def child_of(process):
    text = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return int(text.split()[0])


def wait_until_gone(pid):
    """A killed process takes its time on a busy machine."""
    for _ in range(500):
        try:
            state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return
        if state in "ZX" and len(list(pathlib.Path(f"/proc/{pid}/task").iterdir())) <= 1:
            return
        time.sleep(0.01)


def check_end(db, what, state, died_ns=None, within_s=1.0, begun_ns=None, alone=True):
    """One session in that state, and samples until it died."""
    rows = sessions(db)
    if alone:
        check(len(rows) == 1, f"{what}: {len(rows)} sessions")
    for row in rows:
        check(row["state"] == state, f"{what}: {row['state']}, not {state}")
    check(not left_behind(db), f"{what}: {left_behind(db)} left behind")
    if died_ns:
        last = sql(db, "SELECT max(ts_ns) AS t FROM sample")[0]["t"] or 0
        check(died_ns - last < within_s * 1e9,
              f"{what}: the last sample is {(died_ns - last) / 1e9:.3f} s older than its death")
    if begun_ns:
        first = sql(db, "SELECT min(ts_ns) AS t FROM sample")[0]["t"] or 2**62
        check(first - begun_ns < 0.3e9, f"{what}: the first sample is late")
    check_ledger(db, what)
    done = run(PROFLITE, "--db", db, "check")
    check(done.returncode == 0, f"{what}: check: {done.stdout[-300:]!r}")


def test_program_killed(folder):
    for word, number, state in (("fault", signal.SIGSEGV, "crashed"), ("kill", signal.SIGKILL, "killed")):
        db = folder / f"{word}.db"
        process = start_record(db, MORTAL, "0.6" if word == "fault" else "60", word)
        if word == "kill":
            time.sleep(0.6)
            died_ns = time.time_ns()
            os.kill(child_of(process), signal.SIGKILL)
        process.wait()
        check(process.returncode == -number, f"{word}: {process.returncode}")
        check_end(db, word, state, died_ns if word == "kill" else None, within_s=0.5)


def test_children_killed(folder):
    """Of those that CMD starts, and waits for, the kernel tells from Linux 6.15 on."""
    db = folder / "x.db"
    script = f'for how in 0.3 "0.3 fault"; do {MORTAL} $how; done; {MORTAL} 60 & sleep .4; kill -9 $!; wait; exit 3'
    done = record(db, "sh", "-c", script, flags=("-F", "997"))
    check(done.returncode == 3, f"{done.returncode} {done.stderr[-300:]}")
    ends = {(r["state"], r["exit_status"]) for r in sessions(db) if r["app"] == "mortal"}
    version = tuple(int(n) for n in os.uname().release.split(".")[:2])
    wanted = {("ended", 0), ("crashed", 139), ("killed", 137)} if version >= (6, 15) else {("ended", 0), ("killed", None)}
    check(ends == wanted, f"{ends}, not {wanted}")


def test_nine_signals(folder):
    """Each signal that ends a program: all of it is there, and how it ended."""
    faults = (signal.SIGILL, signal.SIGABRT, signal.SIGFPE, signal.SIGSEGV, signal.SIGBUS)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, *faults):
        db = folder / f"{number}.db"
        process = start_record(db, MORTAL, "60", start_new_session=True)
        time.sleep(0.4)
        died_ns = time.time_ns()
        os.kill(child_of(process), number)
        process.wait()
        check(process.returncode == -number, f"{number}: {process.returncode}")
        check_end(db, f"signal {number}", "crashed" if number in faults else "killed", died_ns,
                  within_s=0.5)


def test_recorder_killed(folder):
    """The program is not disturbed; nothing older than 1 s before is missing."""
    db = folder / "x.db"
    process = start_record(db, MORTAL, "3")
    time.sleep(1.3)
    program = child_of(process)
    died_ns = time.time_ns()
    process.kill()
    process.wait()
    check(pathlib.Path(f"/proc/{program}").exists(), "the program goes on")
    check_end(db, "recorder killed", "abandoned", died_ns)
    check(process.stdout.read() == "ended\n", "the program came to its end")


def test_recorder_killed_and_program_ends(folder):
    db = folder / "x.db"
    process = start_record(db, MORTAL, "1")
    time.sleep(0.5)
    process.kill()
    died_ns = time.time_ns()
    check(process.stdout.read() == "ended\n", "the program came to its end")
    process.wait()
    time.sleep(0.2)
    check_end(db, "both gone", "ended", died_ns)


def test_both_killed(folder):
    for i in range(8):
        db = folder / f"{i}.db"
        process = start_record(db, MORTAL, "60")
        time.sleep(random.uniform(0.05, 0.8))
        program = child_of(process)
        died_ns = time.time_ns()
        for pid in random.sample([process.pid, program], 2):
            os.kill(pid, signal.SIGKILL)
        process.wait()
        wait_until_gone(program)
        check_end(db, f"both killed {i}", "killed", died_ns)


def test_linked_killed(folder):
    """Fifty times into one store, each salvaged by the start of the next."""
    db = folder / "x.db"
    lives = []
    for i in range(50):
        process = begin([LINKED, "60"], env={**os.environ, "PROFLITE_DB": str(db)})
        begun_ns = time.time_ns()
        time.sleep(random.uniform(0, 0.3))
        process.kill()
        lives.append((process.pid, begun_ns, time.time_ns()))
        process.wait()
    rows = {row["pid"]: row for row in sessions(db)}
    check(len(rows) == 50, f"{len(rows)} sessions of 50")
    check(not left_behind(db), f"{left_behind(db)} left behind")
    check(all(row["state"] == "killed" for row in rows.values()), f"{[r['state'] for r in rows.values()]}")
    last = {r["pid"]: r["t"] for r in sql(db, """
        SELECT s.pid, max(x.ts_ns) AS t FROM sample x JOIN session s ON s.id = x.session_id GROUP BY 1""")}
    for pid, begun_ns, died_ns in lives:
        if died_ns - begun_ns > 0.1e9:  # else it may have died before its first tick
            check(died_ns - last.get(pid, 0) < 0.5e9, f"{pid}: {(died_ns - last.get(pid, 0)) / 1e9:.3f} s are missing")
    check_ledger(db, "linked, killed")
    run(PROFLITE, "--db", db, "process")
    twice = sql(db, "SELECT count(*) AS n FROM (SELECT chunk_uuid FROM outcome GROUP BY 1, category HAVING count(*) > 1)")
    check(twice[0]["n"] == 0, "one outcome a chunk")
    missing = sql(db, "SELECT count(*) AS n FROM chunk WHERE uuid NOT IN (SELECT chunk_uuid FROM outcome)")
    check(missing[0]["n"] == 0, f"{missing[0]['n']} chunks without an outcome")
    check(run(PROFLITE, "--db", db, "check").returncode == 0, "the store is whole")


def hearts_of(file):
    """{thread: (its last beat, its CPU clock then)}, as truth.c writes them."""
    return {tid: (beat, cpu) for tid, beat, cpu in struct.iter_unpack("3q", file.read_bytes()[:72])}


def check_hearts(db, what, segment, file):
    """All that was captured before the death is there: of a thread that ran after a tick,
    all but at most the sample it was in. `segment` is as it was left (segment.h)."""
    mono, wall = struct.unpack_from("2q", segment, 88)
    last_tick = struct.unpack_from("q", segment, 1192)[0] + wall - mono
    ticks = [r["t"] for r in sql(db, "SELECT x.ts_ns AS t FROM sample x JOIN thread t ON t.id = x.thread_id "
                                     "JOIN session s ON s.id = t.session_id WHERE t.tid = s.pid ORDER BY 1")]
    check(ticks and ticks[-1] >= last_tick - 1000, f"{what}: the last tick is {(last_tick - ticks[-1]) / 1e6 if ticks else 0:.3f} ms older than the sampler's")
    for tid, (beat_ns, _) in hearts_of(file).items():
        last = sql(db, f"SELECT max(x.ts_ns) AS t FROM sample x JOIN thread t ON t.id = x.thread_id WHERE t.tid = {tid}")[0]["t"] or 0
        missing = [t for t in ticks if last < t < beat_ns + wall - mono]
        check(len(missing) <= 1, f"{what}: thread {tid} ran after {len(missing)} ticks that have no sample of it")


def check_hearts_cpu(db, what, file, hz, since_ns, before):
    """CPU mode: all of each thread's CPU time since then, but the periods it was in at both
    ends: one each, and what the kernel's timer, 4 ms, is late by."""
    for tid, (_, cpu_ns) in hearts_of(file).items():
        row = sql(db, f"""SELECT coalesce(sum(x.weight_ns), 0) AS ns,
            (SELECT coalesce(sum(l.count), 0) FROM loss l WHERE l.thread_id = t.id) AS lost
            FROM thread t LEFT JOIN sample x ON x.thread_id = t.id AND x.ts_ns > {since_ns} WHERE t.tid = {tid}""")[0]
        wanted = (cpu_ns - before.get(tid, (0, 0))[1]) * hz / 1e9
        missing = wanted - row["ns"] * hz / 1e9 - row["lost"]
        check(missing <= 3, f"{what}: thread {tid}: {missing:.2f} periods are missing of {wanted:.2f}")


def test_last_beat(folder):
    """A program killed at any instant, alone or with its recorder, or one that records
    itself: what its threads did until then, as they noted it themselves."""
    cases = [(who, mode, hz) for who in ("program", "both", "linked") for mode, hz in
             (("wall", 101), ("wall", 997), ("cpu", 101))]
    for i, (who, mode, hz) in enumerate(cases):
        what, db, file = f"{who} {mode} {hz}", folder / f"{i}.db", folder / f"{i}.hearts"
        if who == "linked":
            process = begin([TRUTH_LINKED, "heart", file], env={**os.environ, "PROFLITE_DB": str(db),
                                                                 "PROFLITE_MODE": mode, "PROFLITE_HZ": str(hz)})
            pids = [process.pid]
        else:
            process = begin([PROFLITE, "--db", db, "record", "--mode", mode, "-F", str(hz), "--", TRUTH, "heart", file])
            pids = [child_of(process)] + [process.pid] * (who == "both")
        time.sleep(0.2)
        since_ns, before = time.time_ns(), hearts_of(file)
        time.sleep(random.uniform(0, 0.5))
        segment = next(SHM.glob(f"*/{pids[0]}-*.seg")).open("rb")
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        process.wait()
        wait_until_gone(pids[0])
        check_end(db, what, "killed")
        if mode == "wall":
            check_hearts(db, what, segment.read(4096), file)
        else:
            check_hearts_cpu(db, what, file, hz, since_ns, before)


def test_salvager_killed(folder):
    db = folder / "x.db"
    process = start_record(db, MORTAL, "60")
    time.sleep(1)
    program = child_of(process)
    process.kill()
    died_ns = time.time_ns()
    os.kill(program, signal.SIGKILL)
    process.wait()
    wait_until_gone(program)
    for i in range(25):
        salvager = subprocess.Popen([str(PROFLITE), "--db", str(db), "ls"],
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.002 + 0.001 * i)
        salvager.kill()
        salvager.wait()
    check_end(db, "salvager killed", "killed", died_ns)


def test_no_journal(folder):
    """Where none can be kept, recording goes on and says so; one that is cut while
    it is written harms nobody."""
    db = folder / "x.db"
    (folder / "x.db-journal.d").write_text("in the way")
    done = record(db, MORTAL, "0.4", flags=("-F", "997"))
    check(done.returncode == 0 and b"journal" in done.stderr, f"says so: {done.stderr!r}")
    check(sessions(db)[0]["samples"] > 300, f"{sessions(db)[0]['samples']} samples")
    db = folder / "cut.db"
    process = start_record(db, MORTAL, "1")
    for _ in range(10):
        time.sleep(0.05)
        for journal in pathlib.Path(f"{db}-journal.d").glob("*/*.journal"):
            os.truncate(journal, 0)
    check(process.stdout.read() == "ended\n" and process.wait() == 0, "undisturbed")
    check_end(db, "journal cut", "ended")


def test_full_disk(folder):
    """No room for journal and store: the program goes on; what was captured before is
    written when there is room again, and what came after is counted."""
    if os.geteuid() != 0 or not shutil.which("mount"):
        print("  (needs root)")
        return
    disk = folder / "disk"
    disk.mkdir()
    if run("mount", "-t", "tmpfs", "-o", "size=400k,mode=700", "none", disk).returncode:
        print("  (no mount here)")
        return
    try:
        db = disk / "x.db"
        process = start_record(db, MORTAL, "1")
        filler = disk / "filler"
        time.sleep(0.3)
        with open(filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 1024)
            except OSError:
                pass
        check(process.stdout.read() == "ended\n" and process.wait() == 0, "undisturbed")
        check("kept" in process.stderr.read(), "says that it is kept")
        filler.unlink()
        run("mount", "-o", "remount,size=20m", disk)
        check_end(db, "full disk", "ended")
        check(sessions(db)[0]["samples"] > 200, f"{sessions(db)[0]['samples']} samples")
    finally:
        run("umount", disk)


def test_of_others(folder):
    """A folder that is not ours alone is not touched."""
    db = folder / "x.db"
    process = start_record(db, MORTAL, "60")
    time.sleep(0.3)
    program = child_of(process)
    process.kill()
    os.kill(program, signal.SIGKILL)
    process.wait()
    wait_until_gone(program)
    journals = pathlib.Path(f"{db}-journal.d")
    journals.chmod(0o777)
    done = run(PROFLITE, "--db", db, "ls")
    check(done.returncode in (0, 1) and left_behind(db), "left alone")
    journals.chmod(0o700)
    check_end(db, "ours again", "killed")


main([test_program_killed, test_children_killed, test_nine_signals, test_recorder_killed,
      test_recorder_killed_and_program_ends, test_both_killed, test_linked_killed, test_last_beat,
      test_salvager_killed, test_no_journal, test_full_disk, test_of_others])
