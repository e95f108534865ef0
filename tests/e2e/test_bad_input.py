"""Wrong arguments and broken files: one clear line, the documented exit code."""
import os
import socket
import subprocess
import time
from support import PROFLITE, VICTIM, check, main, record, run


def refused(status, *args, word=None, **options):
    done = run(PROFLITE, *args, **options)
    lines = done.stderr.decode().strip().splitlines()
    check(done.returncode == status, f"{args}: exit {done.returncode}, not {status}: {lines}")
    check(len(lines) == 1 and lines[0].startswith("proflite"), f"{args}: one clear line: {lines}")
    if word and lines:
        check(word.lower() in lines[0].lower(), f"{args}: says {word!r}: {lines[0]}")
    check(done.stdout == b"" or b"[" in done.stdout or b"{" in done.stdout, f"{args}: stdout {done.stdout[:100]}")


def test_usage(folder):
    db = folder / "x.db"
    refused(2, "nonsense", word="nonsense")
    refused(2, "--db")
    refused(2, "--db", db, "record")
    refused(2, "--db", db, "record", "-F", "0", "--", "true", word="-F")
    refused(2, "--db", db, "record", "-F", "5000", "--", "true")
    refused(2, "--db", db, "record", "--mode", "sideways", "--", "true", word="sideways")
    refused(2, "--db", db, "top", "--nonsense")
    refused(2, "--db", db, "top", "--from", "yesterdayish")
    check(not db.exists(), "wrong usage creates no file")
    help_text = run(PROFLITE, "-h")
    check(help_text.returncode == 0 and b"record" in help_text.stdout, "help")
    version = run(PROFLITE, "--version")
    check(version.returncode == 0 and version.stdout.startswith(b"proflite "), f"{version.stdout}")


def test_files(folder):
    text = folder / "text.db"
    text.write_text("this is a text file, not a database, however long it is.\n" * 50)
    other = folder / "other.db"
    run("sqlite3", other, "CREATE TABLE t(x); INSERT INTO t VALUES(1)")
    before = other.read_bytes()
    for command in (["ls"], ["top"], ["query", "SELECT 1"], ["record", "--", "true"], ["process"]):
        refused(4, "--db", folder, *command, word="folder")
        refused(3, "--db", text, *command)
        refused(3, "--db", other, *command)
    check(text.read_text().startswith("this is"), "the text file is as it was")
    check(other.read_bytes() == before, "the foreign database is as it was")
    refused(1, "--db", folder / "missing.db", "ls")
    refused(1, "--db", folder / "missing.db", "top")
    check(not (folder / "missing.db").exists(), "asking creates no file")


def test_sql(folder):
    db = folder / "s.db"
    record(db, VICTIM, "burn")
    refused(3, "--db", db, "query", "SELEC 1", word="SELEC")
    refused(3, "--db", db, "query", "SELECT nonsense FROM sample", word="nonsense")
    for bad in ("DELETE FROM chunk", "DROP TABLE chunk", f"VACUUM INTO '{folder}/copy.db'",
                f"ATTACH '{folder}/y.db' AS y", "SELECT 1; SELECT 2"):
        refused(3, "--db", db, "query", bad)
    check(not (folder / "copy.db").exists() and not (folder / "y.db").exists(), "nothing was written")
    refused(1, "--db", db, "top", "--app", "nobody")
    run("sqlite3", db, "PRAGMA user_version = 101")
    for command in (["record", "--", "true"], ["process"]):
        refused(3, "--db", db, *command, word="newer")
    check(run(PROFLITE, "--db", db, "top").returncode == 0, "a newer minor version is read")
    run("sqlite3", db, "PRAGMA user_version = 200")
    for command in (["ls"], ["record", "--", "true"]):
        refused(3, "--db", db, *command, word="2.00")


def test_programs(folder):
    db = folder / "p.db"
    refused(127, "--db", db, "record", "--", "no-such-program-here", word="no-such-program-here")
    refused(126, "--db", db, "record", "--", folder)
    plain = folder / "plain"
    plain.write_text("just text")
    refused(126, "--db", db, "record", "--", plain)
    source = folder / "static.c"
    source.write_text("int main(void) { return 3; }\n")
    static = folder / "static"
    if run("gcc", "-static", "-o", static, source).returncode == 0:
        refused(125, "--db", db, "record", "--", static, word="static")
        check(record(db, static, flags=("--anyway",)).returncode == 3, "--anyway runs it")
    setuid = folder / "setuid"
    run("cp", "/bin/true", setuid)
    os.chmod(setuid, 0o4755)
    refused(125, "--db", db, "record", "--", setuid, word="set")


def test_serve(folder):
    db = folder / "s.db"
    record(db, VICTIM, "burn")
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        refused(4, "--db", db, "serve", "--listen", f"127.0.0.1:{port}", word=str(port))
    refused(2, "--db", db, "serve", "--listen", "127.0.0.1:notaport")


def test_permission(folder):
    if os.getuid() != 0:
        return
    os.chmod(folder, 0o755)
    db = folder / "p.db"
    record(db, VICTIM, "burn")
    os.chmod(db, 0o600)
    nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    done = run(*nobody, PROFLITE, "--db", db, "ls")
    lines = done.stderr.decode().strip().splitlines()
    check(done.returncode == 4 and len(lines) == 1 and "ermission" in lines[0], f"{done.returncode} {lines}")
    done = run(*nobody, PROFLITE, "--db", folder / "new.db", "record", "--", "true")
    check(done.returncode in (4, 125) and b"ermission" in done.stderr, f"{done.returncode} {done.stderr}")


def test_full_disk(folder):
    """A store on a full disk: the program is not disturbed, the store stays sound."""
    if os.getuid() != 0:
        return
    mount = folder / "small"
    mount.mkdir()
    if run("mount", "-t", "tmpfs", "-o", "size=600k", "none", mount).returncode != 0:
        return
    try:
        db = mount / "x.db"
        done = record(db, VICTIM, "names")
        (mount / "fill").write_bytes(b"x" * 4096)
        try:
            with open(mount / "fill", "wb") as fill:
                while True:
                    fill.write(b"x" * 4096)
                    fill.flush()
        except OSError:
            pass
        done = record(db, VICTIM, "names")
        check(done.returncode in (0, 125), f"status {done.returncode}: {done.stderr[-300:]}")
        check(b"proflite" in done.stderr, "it says so")
        (mount / "fill").unlink()
        check(run("sqlite3", db, "PRAGMA integrity_check").stdout == b"ok\n", "the store is sound")
        check(record(db, VICTIM, "burn").returncode == 0, "and goes on when there is room")
    finally:
        run("umount", mount)


main([test_usage, test_files, test_sql, test_programs, test_serve, test_permission, test_full_disk])
