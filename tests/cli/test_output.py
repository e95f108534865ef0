"""What ls, top, flame and query print: shapes, agreement, escaping, terminals."""
import csv
import gzip
import io
import json
import os
import pathlib
import pty
import select
import signal
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from support import PROFLITE, ask, check, main, record, run

WORK = [os.path.realpath(sys.executable), "-c", "t = 0\nfor i in range(6000000): t += i * i % 7\nprint(t)"]


def recorded(folder):
    db = folder / "x.db"
    done = record(db, *WORK, flags=["--name", "na\033me \"q\""])
    check(done.returncode == 0, f"{done.stderr}")
    return db


def plain(db, *args, **options):
    done = run(PROFLITE, "--db", db, *args, **options)
    check(done.returncode == 0 and not done.stderr, f"{args}: {done.returncode} {done.stderr}")
    return done.stdout.decode()


def terminal(*args, columns=100, env=None):
    """What the command shows on a terminal of that width."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execvpe("sh", ["sh", "-c", 'stty cols $0 rows 50; exec "$@"', str(columns), *map(str, args)],
                   {**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8", **(env or {})})
    out = b""
    while True:
        try:
            piece = os.read(fd, 65536)
        except OSError:
            break
        if not piece:
            break
        out += piece
    os.close(fd)
    os.waitpid(pid, 0)
    return out.decode()


def test_ls(folder):
    db = recorded(folder)
    status, listed = ask(db, "ls")
    row = listed["sessions"][0]
    check(status == 0 and listed["schema"] == 1 and len(listed["sessions"]) == 1, f"{listed}")
    for key in ("id", "uuid", "app", "pid", "recording_id", "start_ns", "end_ns", "threads", "samples", "lost",
                "bytes", "state"):
        check(key in row, f"ls has {key}: {row}")
    check(row["app"] == "na\033me \"q\"" or "\033" not in row["app"], f"{row['app']!r}")
    check(row["state"] == "ended" and row["exit_status"] == 0 and row["samples"] > 20, f"{row}")
    lines = plain(db, "ls").splitlines()
    check(lines[0].split() == ["id", "app", "pid", "start", "duration", "threads", "samples", "lost", "state", "mode"],
          f"{lines[0]}")
    check("\033" not in lines[1] and " wall" in lines[1], f"{lines[1]!r}")
    again = recorded(folder)
    ids = [r["id"] for r in ask(again, "ls")[1]["sessions"]]
    check(len(ids) == 2 and ids[0] > ids[1], f"newest first: {ids}")
    for flags in (["--session", str(ids[0])], ["--from", "-1h"], ["--session", f"{ids[0]},{ids[1]}", "--to", "now"]):
        check(ask(db, "ls", *flags)[0] == 0, f"{flags}")
    status, none = ask(db, "ls", "--app", "nobody")
    check(status == 1 and none == {"schema": 1, "sessions": []}, f"{status} {none}")


def test_check(folder):
    db = recorded(folder)
    status, sound = ask(db, "check")
    check(status == 0 and sound["ok"] and sound["findings"] == [] and sound["checked"]["findings"] == 0, f"{sound}")
    samples = ask(db, "query", "SELECT sum(n) AS n FROM slot")[1][0]["n"]
    check(sound["checked"]["samples"] == samples > 20 and sound["checked"]["outcomes"] > 0, f"{sound}")
    check(plain(db, "check").startswith("ok: 0 findings in 1 session, "), "sound")
    run("sqlite3", db, "UPDATE slot SET n = n + 1; DELETE FROM outcome")
    status, broken = ask(db, "check")
    kinds = {f["kind"] for f in broken["findings"]}
    check(status == 3 and not broken["ok"] and kinds == {"slot", "outcome"}, f"{status} {broken}")
    done = run(PROFLITE, "--db", db, "check")
    lines = done.stdout.decode().splitlines()
    check(done.returncode == 3 and not done.stderr and lines[-1].startswith("damaged: "), f"{done}")
    check(len(lines) == len(broken["findings"]) + 1 and any("says (n)" in l for l in lines), f"{lines}")


def test_gc(folder):
    db = recorded(folder)
    samples = ask(db, "query", "SELECT sum(n) AS n FROM slot")[1][0]["n"]
    status, old = ask(db, "gc", "--keep", "1d")
    check(status == 0 and old["samples"] == 0 and old["parts"] == 0 and old["fits"], f"{status} {old}")
    status, would = ask(db, "gc", "--keep", "0s", "--dry-run")
    check(status == 0 and would["samples"] == samples and would["dry_run"] and would["bytes"] > 0, f"{would}")
    check(plain(db, "gc", "--keep", "0s", "--dry-run").startswith("would free about "), "dry run")
    check(ask(db, "query", "SELECT sum(n) AS n FROM slot")[1][0]["n"] == samples, "a dry run takes nothing")
    run("sqlite3", db, "UPDATE chunk SET finished = 0")
    done = run(PROFLITE, "--db", db, "gc", "--keep", "0s")
    check(done.returncode == 0 and b"proflite" in done.stderr and b" process" in done.stderr, f"waiting: {done}")
    run("sqlite3", db, "UPDATE chunk SET finished = 1")
    done = run(PROFLITE, "--db", db, "gc", "--keep", "7d", "--max-size", "1K")
    check(done.returncode == 5 and b"1,024" in done.stderr and done.stdout.startswith(b"freed "), f"{done}")
    check(ask(db, "ls") == (1, {"schema": 1, "sessions": []}), "the session went with its samples")
    check(ask(db, "check")[0] == 0, "sound")


def test_top(folder):
    db = recorded(folder)
    status, top = ask(db, "top")
    rows = top["functions"]
    check(status == 0 and top["samples"] > 20 and rows, f"{top}")
    check(sum(r["self_ns"] for r in rows) == top["total_ns"], "self adds up")
    check(sum(r["self_samples"] for r in rows) == top["samples"], "samples add up")
    check([r["self_ns"] for r in rows] == sorted((r["self_ns"] for r in rows), reverse=True), "by self")
    total = [r["total_ns"] for r in ask(db, "top", "--sort", "total")[1]["functions"]]
    check(total == sorted(total, reverse=True) and total[0] > rows[0]["self_ns"], "by total")
    check(len(ask(db, "top", "--limit", "3")[1]["functions"]) == 3, "--limit")
    check(plain(db, "top") == plain(db, "top"), "same bytes")
    lines = plain(db, "top").splitlines()
    check(" wall time, " in lines[0] and " lost" in lines[0], f"{lines[0]}")
    check(lines[1].split() == ["self", "total", "function", "file:line", "module"], f"{lines[1]}")
    check(len(lines) == len(rows) + 2, f"{len(lines)} lines for {len(rows)} functions")
    status, none = ask(db, "top", "--app", "nobody")
    check(status == 1 and none["functions"] == [] and none["samples"] == 0, f"{none}")


def pprof_sums(text):
    """Sums of each value of the samples, read by profile.proto's field numbers."""
    def fields(data):
        at = 0
        def number():
            nonlocal at
            shift = value = 0
            while True:
                byte = data[at]
                at += 1
                value |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    return value
        while at < len(data):
            key = number()
            value = number()
            if key & 7 == 2:
                value, at = data[at:at + value], at + value
            yield key >> 3, value

    def numbers(data):
        value = shift = 0
        for byte in data:
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                yield value
                value = shift = 0

    samples = [v for f, v in fields(text) if f == 2]
    values = [list(numbers(v)) for s in samples for f, v in fields(s) if f == 2]
    return [sum(column) for column in zip(*values)]


def test_export(folder):
    db = recorded(folder)
    _, flame = ask(db, "flame")
    samples, ns = flame["samples"], flame["total_ns"]
    out = lambda *args: run(PROFLITE, "--db", db, "export", "-o", "-", *args).stdout
    folded = out("--format", "folded").decode()
    check(sum(int(l.rpartition(" ")[2]) for l in folded.splitlines()) == samples, "folded")
    check(pprof_sums(gzip.decompress(out("-f", "pprof"))) == [samples, ns], "pprof")
    inverted = pprof_sums(gzip.decompress(out("-f", "pprof", "-t", "invert")))
    check(inverted == [samples, ns], f"pprof, inverted: {inverted}")
    firefox = json.loads(out("-f", "firefox"))
    weights = [w for t in firefox["threads"] for w in t["samples"]["weight"]]
    check(sum(round(w * 1e6) for w in weights) == ns, "firefox")
    names = {r["name"] for r in ask(db, "query", "SELECT DISTINCT name FROM thread")[1]}
    check({t["name"] for t in firefox["threads"]} <= names, f"{names}")
    check(sum(json.loads(out("-f", "speedscope"))["profiles"][0]["weights"]) == ns, "speedscope")
    check(b"<!DOCTYPE html>" in out("-f", "html") and b"</svg>" in out("-f", "svg"), "drawings")
    for name in ("x.folded", "x.svg", "x.html", "x.speedscope.json", "x.pb.gz", "x.firefox.json"):
        check(plain(db, "export", "-o", folder / name) == "", name)
        check((folder / name).stat().st_size > 100, name)
    check((folder / "x.html").read_bytes() == out("-f", "html"), "the ending tells the format")
    done = run(PROFLITE, "--db", db, "export", "-f", "svg", "-o", folder / "none" / "x.svg")
    check(done.returncode == 4 and b"No such file" in done.stderr, f"{done}")
    done = run(PROFLITE, "--db", db, "export", "-o", folder / "nobody.svg", "--app", "nobody")
    check(done.returncode == 1 and not (folder / "nobody.svg").exists(), f"{done}")


def test_flame(folder):
    db = recorded(folder)
    status, flame = ask(db, "flame")
    nodes, names = flame["nodes"], flame["functions"]["name"]
    check(status == 0 and flame["schema"] == 1 and flame["unit"] == "ns", f"{flame.keys()}")
    sizes = {len(column) for column in nodes.values()}
    check(sizes == {flame["shown"]} and nodes["function"][0] == -1, f"{sizes}")
    total = list(nodes["self_ns"])
    for i in range(flame["shown"] - 1, 0, -1):
        check(0 < nodes["parent"][i] <= i, "a parent stands before")
        check(0 <= nodes["function"][i] < len(names), "a function of the list")
        total[i - nodes["parent"][i]] += total[i]
    check(total == nodes["total_ns"] and total[0] == flame["total_ns"], "totals add up")
    _, cut = ask(db, "flame", "--min-percent", "50", "--depth", "4")
    check(cut["shown"] < flame["shown"] and cut["total_ns"] == flame["total_ns"], "--min-percent")
    check(cut["hidden_ns"] == sum(cut["nodes"]["hidden_ns"]), "hidden is counted")
    folded = plain(db, "flame", "-o", "-")
    check(sum(int(l.rpartition(" ")[2]) for l in folded.splitlines()) == flame["samples"], "folded samples")
    folded = plain(db, "flame", "-o", "-", "--unit", "ns")
    check(sum(int(l.rpartition(" ")[2]) for l in folded.splitlines()) == flame["total_ns"], "folded ns")
    svg = folder / "x.svg"
    check(plain(db, "flame", "-o", svg) == "" and svg.read_text().rstrip().endswith("</svg>"), "svg")
    done = run(PROFLITE, "--db", db, "flame", "-o", folder / "none" / "x.svg")
    check(done.returncode == 4 and b"No such file" in done.stderr, f"{done}")
    (folder / "full.svg").symlink_to("/dev/full")
    done = run(PROFLITE, "--db", db, "flame", "-o", folder / "full.svg")
    check(done.returncode == 4 and b"No space" in done.stderr, f"{done}")
    tree = plain(db, "flame")
    check("\033" not in tree and "100.0 %" in tree and "all" in tree, f"{tree[:300]}")


def test_query(folder):
    db = recorded(folder)
    sql = ("SELECT 1 AS i, 9007199254740993 AS big, 0.1 AS r, NULL AS n, x'00ff' AS b, 'a,\"b\"' || char(10, 9, 27) "
           "AS t UNION ALL SELECT 2, -9223372036854775808, 1e999, 'x', x'', '' ORDER BY 1")
    rows = ask(db, "query", sql)[1]
    first = {"i": 1, "big": 9007199254740993, "r": 0.1, "n": None, "b": "00ff", "t": 'a,"b"\n\t\033'}
    check(rows[0] == first, f"{rows[0]}")
    check(rows[1]["big"] == -9223372036854775808 and rows[1]["b"] == "" and rows[1]["r"] == float("inf"), f"{rows[1]}")
    lines = plain(db, "query", "--nl", sql).splitlines()
    check([json.loads(l) for l in lines] == rows, "--nl is the same rows")
    parsed = list(csv.DictReader(io.StringIO(plain(db, "query", "--csv", sql), newline="")))
    check(parsed[0]["t"] == first["t"] and parsed[0]["big"] == "9007199254740993" and parsed[0]["n"] == "", f"{parsed}")
    tsv = plain(db, "query", "--tsv", sql).splitlines()
    check(len(tsv) == 3 and tsv[1].split("\t")[5] == 'a,"b"\\n\\t\033', f"{tsv}")
    table = plain(db, "query", sql).splitlines()
    check(len(table) == 3 and "\033" not in table[1], f"{table}")
    check(plain(db, "query", "--json", "SELECT 1 WHERE 0") == "[]\n", "no rows")
    check(run(PROFLITE, "--db", db, "query", "--json", input=b"SELECT 5 AS five").stdout == b'[\n{"five":5}\n]\n', "stdin")
    many = plain(db, "query", "--csv", "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 5000) "
                                       "SELECT n FROM c").splitlines()
    check(len(many) == 5001 and many[-1] == "5000", f"{len(many)}")
    for bad in ("SELEC 1", "SELECT nothing", "DELETE FROM chunk", ""):
        done = run(PROFLITE, "--db", db, "query", bad)
        check(done.returncode in (2, 3) and done.stderr.count(b"\n") == 1 and not done.stdout, f"{bad}: {done}")
    shell = run("sqlite3", "-readonly", db, "SELECT count(*) FROM sample").stdout.decode().strip()
    check(ask(db, "query", "SELECT count(*) AS n FROM sample")[1] == [{"n": int(shell)}], "as the plain shell")
    slow = ("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 100000) SELECT n FROM c")
    done = run("bash", "-c", f"{PROFLITE} --db {db} query '{slow}' | head -2; echo ${{PIPESTATUS[0]}} >&2")
    check(done.stdout.count(b"\n") == 2 and b"proflite" not in done.stderr, f"SIGPIPE: {done.stderr}")


def test_terminal(folder):
    db = recorded(folder)
    shown = terminal(PROFLITE, "--db", db, "top", columns=90)
    lines = shown.replace("\033[1m", "").replace("\033[0m", "").splitlines()
    check("\033[1m" in shown, "a bold header")
    check(all(len(l) <= 90 for l in lines), f"fits: {max(map(len, lines))}")
    check(len(lines) <= 34, f"30 functions: {len(lines)}")
    check("\033" not in terminal(PROFLITE, "--db", db, "top", env={"NO_COLOR": "1"}), "NO_COLOR")
    check("\033" not in terminal(PROFLITE, "--db", db, "ls", env={"TERM": "dumb"}), "TERM=dumb")
    tree = terminal(PROFLITE, "--db", db, "flame", columns=70).replace("\033[1m", "").replace("\033[2m", "")
    check(all(len(l.replace("\033[0m", "")) <= 70 for l in tree.splitlines()), "the tree fits")


def test_shell(folder):
    db = recorded(folder)
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(PROFLITE, [str(PROFLITE), "--db", str(db), "query"])
    out = b""

    def wait_for(text):
        nonlocal out
        out, end = b"", time.monotonic() + 10
        while text not in out and time.monotonic() < end:
            if select.select([fd], [], [], 0.1)[0]:
                out += os.read(fd, 65536)
        check(text in out, f"shell shows {text}: {out}")

    wait_for(b"proflite> ")
    os.write(fd, b"SELECT 40 +\n")
    wait_for(b"...> ")
    os.write(fd, b"2 AS answer;\n")
    wait_for(b"42")
    os.write(fd, b".tables\n")
    wait_for(b"stack_frame")
    os.write(fd, b".schema LOSS\n")
    wait_for(b"reason TEXT")
    check(b"CREATE TABLE loss (\r\n" in out and out.count(b"CREATE TABLE") == 1, f"one table: {out}")
    os.write(fd, b"SELEC;\n")
    wait_for(b"SELEC")
    os.write(fd, b".quit\n")
    check(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, "quits with 0")
    os.close(fd)


def test_process(folder):
    db = recorded(folder)
    before = plain(db, "top", "--json")
    check("nothing to process" in plain(db, "process"), "record did it")
    status, again = ask(db, "process", "--redo")
    check(status == 0 and again["chunks"] >= 1 and again["duplicates"] == again["chunks"], f"{again}")
    check(plain(db, "top", "--json") == before, "a redo changes nothing")


def test_serve(folder):
    db = recorded(folder)
    for number in (signal.SIGINT, signal.SIGTERM):
        server = subprocess.Popen([PROFLITE, "--db", db, "serve", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
        url = server.stdout.readline().strip()
        base, _, token = url.partition("/#t=")
        check(base.startswith("http://127.0.0.1:") and len(token) >= 32, f"{url}")
        for route, command in (("sessions", ["ls"]), ("top?limit=7&metric=cpu", ["top", "-n", "7", "--metric", "cpu"]),
                               ("flamegraph?min_ns=0&from=-1h", ["flame", "--from", "-1h"])):
            request = urllib.request.Request(base + "/api/v1/" + route, headers={"Authorization": "Bearer " + token})
            answer = urllib.request.urlopen(request, timeout=10).read().decode()
            check(json.loads(answer)["schema"] == 1 and answer + "\n" == plain(db, *command, "--json"), f"{route}")
        server.send_signal(number)
        out, err = server.communicate(timeout=20)
        check(server.returncode == 0 and out == "" and err == "", f"{number}: {server.returncode} {out} {err}")


main([test_ls, test_check, test_gc, test_top, test_flame, test_export, test_query, test_terminal, test_shell, test_process, test_serve])
