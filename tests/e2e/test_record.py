"""Programs that are hard on a profiler: recorded, and not disturbed."""
import os
import shutil
import signal
import subprocess
import time
from support import BUILD, PROFLITE, VICTIM, ask, check, complete_share, functions, main, record, run, sessions, sql


def victim(folder, word, status, flags=()):
    db = folder / f"{word}.db"
    done = record(db, VICTIM, word, flags=flags)
    check(done.returncode == status, f"{word}: status {done.returncode}, not {status}: {done.stderr[-400:]}")
    return db, done


def test_fork(folder):
    db, _ = victim(folder, "fork", 0)
    rows = sessions(db)
    check(len(rows) == 51, f"{len(rows)} sessions of 51")
    children = [r for r in rows if r["samples"] > 0 and r["exit_status"] in range(10, 15)]
    check(len(children) >= 50, f"{len(children)} children with samples and their exit status")
    top, _ = functions(db)
    check("child_work" in top, "the children's work is named")
    parents = sql(db, "SELECT count(*) AS n FROM session WHERE parent_id IS NOT NULL")[0]["n"]
    check(parents == 50, f"{parents} sessions know their parent")


def test_exec(folder):
    db, _ = victim(folder, "exec", 7)
    top, _ = functions(db)
    check("after_exec" in top and "run_exec" in top, f"both programs: {list(top)[:8]}")
    check(len(sessions(db)) == 2, "a session each")


def test_threads(folder):
    db, _ = victim(folder, "threads", 0)
    seen = sql(db, "SELECT count(*) AS n FROM thread")[0]["n"]
    check(seen > 50, f"{seen} threads caught at a tick")
    top, _ = functions(db)
    check("short_thread" in top, "their work is named")


def test_killed(folder):
    for word, number, state in (("sigkill", 9, "killed"), ("sigsegv", 11, "crashed")):
        db, done = victim(folder, word, -number)
        rows = sessions(db)
        check(rows[0]["state"] == state, f"{word}: {rows[0]['state']}")
        check(rows[0]["samples"] > 50, f"{word}: {rows[0]['samples']} samples of 0.7 s")
        check("burn" in functions(db)[0], word)


def test_sleep(folder):
    db, _ = victim(folder, "sleep", 0)
    db, _ = victim(folder, "sleep", 0, flags=("-F", "997"))


def test_signals(folder):
    for word in ("blocked", "sigurg"):
        db, _ = victim(folder, word, 0)
        row = sessions(db)[0]
        check(row["samples"] > 40 and "burn" in functions(db)[0], f"{word}: {row}")


def test_endings(folder):
    db, _ = victim(folder, "pthread_exit", 0)
    check("last_thread" in functions(db)[0], "the last thread's work")
    db, _ = victim(folder, "underscore_exit", 9)
    check(sessions(db)[0]["exit_status"] == 9 and sessions(db)[0]["state"] == "ended", f"{sessions(db)[0]}")


def test_depth(folder):
    db, _ = victim(folder, "depth100", 0)
    share, others = complete_share(db)
    check(share > 0.98, f"100 deep: {share} {others}")
    db, _ = victim(folder, "deep", 0)
    deepest = sql(db, "SELECT max(depth) AS n FROM stack_frame")[0]["n"]
    check(deepest >= 128, f"depth {deepest}")
    cut = sql(db, "SELECT count(*) AS n FROM stack_frame WHERE depth = 0 AND function = '[truncated]'")[0]["n"]
    check(cut > 0, "and says that its root is missing")
    top, total = functions(db)
    check(top["burn"]["self_ns"] + top.get("clock_gettime", {"self_ns": 0})["self_ns"] > 0.9 * total or
          top["burn"]["total_ns"] > 0.9 * total, "the leaf is kept in deep recursion")


def test_names(folder):
    db, _ = victim(folder, "names", 0)
    names = {r["name"] for r in sql(db, "SELECT name FROM thread")}
    check({"victim", "first worker", "second worker"} <= names, f"{names}")


def test_vfork(folder):
    victim(folder, "vfork", 0)


def test_limits(folder):
    """What cannot be recorded goes on undisturbed."""
    victim(folder, "small_files", 7)
    for flags in (), ("--mode", "cpu", "-F", "997"):
        victim(folder, "traced", 7, flags=flags)


def test_private(folder):
    """A process that nobody may look into, as a user without rights where we can."""
    for file in (PROFLITE, BUILD / "libproflite-preload.so", VICTIM):
        shutil.copy(file, folder)  # the build may lie where only root gets
    command = [folder / "proflite", "--db", folder / "in.db", "record", "--", folder / "victim", "private"]
    if os.getuid() == 0:
        command = ["setpriv", "--reuid=65534", "--clear-groups", "--inh-caps=-all", *command]
        os.chmod(folder, 0o777)
    done = run(*command)
    check(done.returncode == 7, f"status {done.returncode}: {done.stderr[-300:]}")
    rows = sql(folder / "in.db", """SELECT thread_id, count(*) AS n FROM sample GROUP BY 1 ORDER BY 2""")
    check(len(rows) == 2 and rows[0]["n"] > 25, f"both threads: {rows}")
    check("private_thread" in functions(folder / "in.db")[0], "the new thread's work")


def test_no_thread(folder):
    """No thread to be had for the sampler: the program runs as it would, unrecorded."""
    if os.getuid() != 0:
        return
    for file in (PROFLITE, BUILD / "libproflite-preload.so", VICTIM):
        shutil.copy(file, folder)
    os.chmod(folder, 0o777)
    for limit, wanted in ((1, False), (1000, True)):
        db = folder / f"{limit}.db"
        done = run("setpriv", "--reuid=65534", "--clear-groups", "--inh-caps=-all", folder / "proflite", "--db", db,
                   "record", "--", "prlimit", f"--nproc={limit}", folder / "victim", "exec2")
        check(done.returncode == 7, f"limit {limit}: status {done.returncode}: {done.stderr[-300:]}")
        # What prlimit itself did before it set the limit may have met a tick.
        check(b"nothing recorded" not in done.stderr or not wanted, f"limit {limit}: {done.stderr[-300:]}")
        check(("after_exec" in functions(db)[0]) == wanted, f"limit {limit}: recorded, or not")


def test_own_sigurg(folder):
    """A program that waits for the recorder's signal itself."""
    for flags in (), ("-F", "997"), ("--mode", "cpu", "-F", "101"):
        db, _ = victim(folder, "own_sigurg", 7, flags=flags)
        top, _ = functions(db)
        seen = top.get("burn", {"total_ns": 0})["total_ns"] / 1e9
        most = 1.0 if "cpu" in flags else 20  # it burns .82 s; wall time grows with load
        check(0.4 < seen < most and "after_exec" in top, f"{flags}: {seen} s, {list(top)[:8]}")
        db.unlink()


def test_confined(folder):
    """Programs that have their system calls filtered are sampled until then."""
    for word, least in (("strict", 0.2), ("filter", 0.4)):
        for flags in (), ("--mode", "cpu", "-F", "101"):
            db, _ = victim(folder, word, 5, flags=flags)
            top, _ = functions(db)
            db.unlink()
            seen = top.get("burn", {"total_ns": 0})["total_ns"] / 1e9
            most = least + 0.4 if "cpu" in flags else 20
            check(least < seen < most, f"{word} {flags}: {seen} s")


SANITIZED = """
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
int main(void)
{
    while (clock() < CLOCKS_PER_SEC / 3)
        ;
    free(malloc(100));
    return puts("done") < 0;
}
"""


def test_sanitizers(folder):
    """Their runtimes stand before libc, and want to stand before everything."""
    (folder / "s.c").write_text(SANITIZED)
    for kind in "address", "thread":
        program = folder / kind
        if run("cc", "-g", f"-fsanitize={kind}", "-o", program, folder / "s.c").returncode:
            print(f"no -fsanitize={kind} here")
            continue
        done = record(folder / "s.db", program)
        check(done.returncode == 0 and done.stdout == b"done\n" and done.stderr.startswith(b"proflite: "),
              f"{kind}: {done}")
        rows = [r for r in sessions(folder / "s.db") if r["app"] == kind]
        check(rows and rows[0]["samples"] > 5, f"{kind}: {rows}")


def test_setuid(folder):
    """No thread of ours keeps the rights that the program gave up."""
    if os.getuid() != 0:
        return
    db, _ = victim(folder, "setuid", 0)
    top, _ = functions(db)
    check("after_setuid" in top and "run_setuid" in top, f"recorded before and after: {list(top)[:8]}")


def test_recorder_killed(folder):
    """kill -9 of record harms no program."""
    db = folder / "k.db"
    recorder = subprocess.Popen([PROFLITE, "--db", db, "record", "--", "sh", "-c",
                                 f"{VICTIM} burn; {VICTIM} burn; echo done $? > {folder}/out"],
                                stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    recorder.kill()
    recorder.wait()
    for _ in range(600):
        if (folder / "out").exists() and (folder / "out").read_text():
            break
        time.sleep(0.1)
    check((folder / "out").exists() and (folder / "out").read_text() == "done 0\n", "the program went on")
    again = record(db, VICTIM, "burn")
    check(again.returncode == 0 and "burn" in functions(db)[0], f"the store goes on: {again.stderr}")
    left = run("sqlite3", db, "PRAGMA integrity_check").stdout
    check(left == b"ok\n", f"integrity: {left}")


def test_several_into_one(folder):
    db = folder / "many.db"
    jobs = [subprocess.Popen([PROFLITE, "--db", db, "record", "--name", f"job{i}", "--", VICTIM, "burn"],
                             stderr=subprocess.DEVNULL) for i in range(4)]
    check([j.wait(60) for j in jobs] == [0] * 4, "four recorders, one file")
    apps = {r["app"] for r in sessions(db)}
    check(apps == {"job0", "job1", "job2", "job3"}, f"{apps}")
    one = sql(db, "SELECT count(*) AS n FROM sample")[0]["n"]
    check(ask(db, "top")[1]["samples"] == one and one > 150, f"{one} samples")


def test_stop(folder):
    """TERM to record reaches the program; its status is the program's."""
    db = folder / "t.db"
    recorder = subprocess.Popen([PROFLITE, "--db", db, "record", "--", "sleep", "30"], stderr=subprocess.DEVNULL)
    time.sleep(0.7)
    recorder.send_signal(signal.SIGTERM)
    check(recorder.wait(20) == -signal.SIGTERM, f"{recorder.returncode}")
    rows = sessions(db)
    check(rows[0]["app"] == "sleep" and rows[0]["samples"] > 20 and rows[0]["state"] == "killed", f"{rows}")


main([test_fork, test_exec, test_threads, test_killed, test_sleep, test_signals, test_endings, test_depth,
      test_names, test_vfork, test_setuid, test_limits, test_private, test_no_thread, test_own_sigurg, test_confined, test_sanitizers, test_recorder_killed, test_several_into_one, test_stop])
