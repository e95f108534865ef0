"""symbols: what is added, listed, removed; where names are looked for; exit codes."""
import http.server
import json
import pathlib
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from support import BUILD, PROFLITE, ask, check, main, record, run, sql

FIXTURES = BUILD / "tests" / "symbols"
FULL, STRIPPED = FIXTURES / "fixture_c5.so", FIXTURES / "fixture_stripped.so"
ID = "3d5be0ca-97ee-4dd0-b2f5-0a4b45b1d7c7"
OTHER = "3d5be0ca-97ee-4dd0-b2f5-0a4b45b1d7c8"


def symbols(db, *args):
    return run(PROFLITE, "--db", db, "symbols", *args)


def listed(db):
    return ask(db, "symbols", "ls")[1]["files"]


def build_id(path):
    text = subprocess.run(["readelf", "-n", path], capture_output=True, text=True).stdout
    return text.split("Build ID: ")[1].split()[0]


def test_usage(folder):
    db = folder / "s.db"
    for args in ([], ["nonesuch"], ["add"], ["rm"], ["ls", "x"], ["add", "x", "--uuid", "no"],
                 ["add", "x", "y", "--uuid", ID], ["sources", "relative/folder"],
                 ["sources", "build-id:here"], ["sources", "ftp://host/"],
                 ["sources", "uploaded", "--usual"], ["ls", "--project", "-1"]):
        done = symbols(db, *args)
        check(done.returncode == 2 and not done.stdout, f"{args}: {done.returncode} {done.stderr}")
    check(b"sources?" in symbols(db, "source").stderr, "a hint")
    check(symbols(db, "ls").returncode == 1, "no store")
    for args in (["add", folder / "gone"], ["add", pathlib.Path(__file__)], ["add", FIXTURES / "CMakeFiles"]):
        done = symbols(db, *args)
        check(done.returncode in (1, 3, 4) and not db.exists(), f"{args} makes no store: {done}")


def test_add(folder):
    db = folder / "s.db"
    elf = build_id(FULL)
    raw = bytes.fromhex(elf)
    guid = (raw[3::-1] + raw[5:3:-1] + raw[7:5:-1] + raw[8:16]).hex()
    done = symbols(db, "add", FULL, "--json")
    row = json.loads(done.stdout)["files"][0]
    check(done.returncode == 0 and row["state"] == "added", f"{done}")
    check(row["build_id"] == elf and row["debug_id"].replace("-", "") == guid, f"{row} {guid}")
    done = symbols(db, "add", FULL, FULL)
    check(done.returncode == 0 and done.stdout.count(b"known") == 2, f"again: {done}")
    check(len(listed(db)) == 1, "once")
    check(symbols(db, "add", FULL, "--project", "7").returncode == 0 and len(listed(db)) == 2,
          "of one project")
    check(len(ask(db, "symbols", "ls", "--project", "7")[1]["files"]) == 1, "listed by project")
    check(symbols(db, "add", pathlib.Path(__file__)).returncode == 3, "no symbol file")
    check(symbols(db, "add", STRIPPED, folder / "gone").returncode == 5, "some")
    check(symbols(db, "add", folder / "gone").returncode == 4, "not there")
    (folder / "sub").mkdir()
    check(symbols(db, "add", folder / "sub").returncode == 1, "nothing there")
    check(symbols(db, "add", "/dev/null").returncode == 3, "no file")


def test_folder(folder):
    db, top = folder / "s.db", folder / "in"
    (top / "deep" / "er").mkdir(parents=True)
    (top / "deep" / "er" / "lib.so").write_bytes(FULL.read_bytes())
    (top / "stripped.so").write_bytes(STRIPPED.read_bytes())
    (top / "README").write_text("hello\n")
    (top / "empty").write_text("")
    (top / "loop").symlink_to(top)
    (top / "map.txt").write_text("# R8\ncom.example.Shop -> a.b:\n")
    (top / "a.js").write_text(f"x\n//# debugId={ID}\n//# sourceMappingURL=a.js.map\n")
    (top / "a.js.map").write_text('{"version":3,"sources":[],"names":[],"mappings":"A"}')
    (top / "b.js.map").write_text('{"version":3,"mappings":"A","debugId":"%s"}' % OTHER)
    (top / "c.js.map").write_text('{"version":3,"mappings":"A"}')
    done = symbols(db, "add", top)
    check(done.returncode == 0, f"{done}")
    kinds = sorted((f["kind"], f["name"], f["debug_id"]) for f in listed(db) if f["kind"] != "elf")
    check([k[:2] for k in kinds] == [("minified", "a.js"), ("proguard", "map.txt"),
                                     ("sourcemap", "a.js.map"), ("sourcemap", "b.js.map")], f"{kinds}")
    check(kinds[0][2] == ID and kinds[2][2] == ID and kinds[3][2] == OTHER, f"{kinds}")
    check([f["name"] for f in listed(db) if f["kind"] == "elf"] == ["lib.so"], "elf")
    done = symbols(db, "add", top / "c.js.map")
    check(done.returncode == 3 and b"--uuid" in done.stderr, f"{done}")
    check(symbols(db, "add", top / "c.js.map", "--uuid", ID.upper()).returncode == 0, "given")
    count = len(listed(db))
    check(symbols(db, "rm", ID).returncode == 0, "by its id")
    check(len(listed(db)) == count - 3, "map, code and the one given")
    check(symbols(db, "rm", ID).returncode == 1, "gone")
    check(symbols(db, "rm", build_id(FULL)).returncode == 0, "by build-id")
    check(symbols(db, "rm", str(listed(db)[0]["id"])).returncode == 0, "by number")


def test_sources(folder):
    db = folder / "s.db"
    words = ["/opt/debug", "uploaded", "build-id:/usr/lib/debug", "https://debuginfod.example/"]
    check(symbols(db, "sources", *words, "--project", "2").stdout.decode().split() == words, "set")
    usual = ["uploaded", "build-id:/usr/lib/debug"]
    check(symbols(db, "sources").stdout.decode().split() == usual, "the usual")
    check(symbols(db, "sources", "uploaded").stdout.decode().split() == ["uploaded"], "of all")
    check(symbols(db, "sources", "--project", "3").stdout.decode().split() == ["uploaded"], "as all")
    check(symbols(db, "sources", "--project", "2").stdout.decode().split() == words, "its own")
    check(ask(db, "symbols", "sources", "--project", "2")[1]["own"] is True, "own")
    check(symbols(db, "sources", "--project", "2", "--usual").stdout.decode().split() == ["uploaded"],
          "back")


MAIN = r"""
#include <stdio.h>
#include <time.h>
static volatile unsigned long sum;
static inline __attribute__((always_inline)) void innermost(unsigned long i)
{
    sum += i * i;
}
__attribute__((noinline)) static void grind(void)
{
    for (unsigned long i = 0; i < 300000000; i++)
        innermost(i);
}
int main(void)
{
    grind();
    return sum == 0;
}
"""


def record_stripped(folder, db):
    """A program without names is recorded; its debug file lies beside it."""
    source, program = folder / "main.c", folder / "program"
    source.write_text(MAIN)
    for command in (["cc", "-O2", "-g", "-Wl,--build-id", source, "-o", program],
                    ["objcopy", "--only-keep-debug", program, folder / "program.debug"],
                    ["strip", program]):
        check(run(*command).returncode == 0, f"{command}")
    check(record(db, program, flags=["-F", "397"]).returncode == 0, "recorded")
    return program


class Debuginfod:
    """A server that answers as it is told to, and counts."""

    def __init__(self):
        outer, self.asked, self.answer = self, [], lambda handler: handler.send_error(404)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(self.path)
                outer.answer(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def send(self, path):
        def answer(handler):
            handler.send_response(200)
            handler.end_headers()
            handler.wfile.write(path.read_bytes())
        self.answer = answer


def drip(over):
    def answer(handler):
        handler.send_response(200)
        handler.end_headers()
        try:
            while not over.wait(.05):
                handler.wfile.write(b"\x7f")
        except OSError:
            pass
    return answer


def test_debuginfod(folder):
    """Asked only if listed, once for what it does not have, and believed only for the very
    file that was asked for."""
    db, server = folder / "d.db", Debuginfod()
    program = record_stripped(folder, db)
    wanted = f"/buildid/{build_id(program)}/debuginfo"

    def redo(*flags, code=0):
        """How often the server was asked for the program, whether its names are known,
        what is said of its module."""
        server.asked.clear()
        done = run(PROFLITE, "--db", db, "process", "--redo", *flags)
        check(done.returncode == code, f"{done}")
        names = {row["function"] for row in sql(db, "SELECT DISTINCT function FROM stack_frame")}
        status = sql(db, "SELECT status FROM module WHERE path LIKE '%/program'")[0]["status"]
        return server.asked.count(wanted), "innermost" in names, status

    check(redo() == (0, False, "found"), "nobody asked for it")
    listed_sources = ["sources", "uploaded", "/nonexistent", server.url + "/"]
    check(symbols(db, *listed_sources).returncode == 0, "listed")
    check(redo() == (1, False, "found"), "it is not there")
    check(redo() == (0, False, "found"), "that is known now")
    for what, answer in (
            ("broken", lambda h: h.send_error(500)),
            ("another file", None),
            ("no file", lambda h: (h.send_response(200), h.end_headers(), h.wfile.write(b"<html>"))),
            ("too large", lambda h: (h.send_response(200), h.send_header("Content-Length", str(1 << 40)),
                                     h.end_headers())),
            ("elsewhere", lambda h: (h.send_response(302), h.send_header("Location", "file:///etc/passwd"),
                                     h.end_headers()))):
        symbols(db, *listed_sources)
        if answer:
            server.answer = answer
        else:
            server.send(FULL)
        check(redo() == (1, False, "found"), f"{what}: nothing")
        check(redo()[0] == 0, f"{what}: not at once again")
    over = threading.Event() # one hangs, one sends a byte now and then
    for what, answer in (("hangs", lambda h: over.wait(60)), ("drips", drip(over))):
        symbols(db, *listed_sources)
        server.answer = answer
        began = time.monotonic()
        asked, named, _ = redo("--timeout", "1", code=5)
        # Without the limit it is the 30 s that all downloads of a run have together.
        check(not named and time.monotonic() - began < 29, f"{what}: not waited for")
        server.answer = lambda h: h.send_error(404)
        again, named, status = redo() # a slow machine may not come to ask in one second
        check((asked + again, named, status) == (1, False, "found"), f"{what}: asked once: {asked}, {again}")
    over.set()
    symbols(db, *listed_sources)
    server.answer = lambda h: h.send_error(503)
    program.unlink()
    check(redo() == (1, False, "found"), "what was found once stays so")
    server.send(folder / "program.debug")
    symbols(db, *listed_sources)
    check(redo() == (1, True, "found"), "there it is, though the program has gone")
    files = listed(db)
    check([f["origin"] for f in files] == [server.url + "/"] and files[0]["has_debug"], f"{files}")
    check(redo() == (0, True, "found"), "and is kept")
    check(symbols(db, "rm", str(files[0]["id"])).returncode == 0, "removed")


def test_redo(folder):
    """A stripped program is recorded; its debug file comes later."""
    db = folder / "r.db"
    record_stripped(folder, db)
    names = """SELECT DISTINCT f.function, f.file, f.line, f.inlined FROM stack_frame f
               WHERE f.module LIKE '%/program' ORDER BY f.depth"""
    before = [row["function"] for row in sql(db, names)]
    check(before and not {"grind", "main", "innermost"} & set(before), f"no names: {before}")
    check(symbols(db, "add", folder / "program.debug").returncode == 0, "added")
    done = run(PROFLITE, "--db", db, "process", "--redo")
    check(done.returncode == 0, f"{done}")
    after = {row["function"]: row for row in sql(db, names)}
    check({"grind", "main", "innermost"} <= set(after), f"names: {sorted(after)}")
    check(after["innermost"]["inlined"] == 1 and after["innermost"]["file"].endswith("main.c"),
          f"{after['innermost']}")
    states = sql(db, "SELECT status FROM module WHERE path LIKE '%/program'")
    check([row["status"] for row in states] == ["found"], f"{states}")
    # And once more: nothing changes.
    rows = sql(db, "SELECT * FROM frame_name ORDER BY frame_id, depth")
    check(run(PROFLITE, "--db", db, "process", "--redo").returncode == 0, "again")
    check(sql(db, "SELECT * FROM frame_name ORDER BY frame_id, depth") == rows, "the same")
    # The same build elsewhere, its debug file gone: what was found for it is known.
    check(symbols(db, "rm", *[str(f["id"]) for f in listed(db)]).returncode == 0, "removed")
    (folder / "program").rename(folder / "moved")
    check(record(db, folder / "moved", flags=["-F", "397"]).returncode == 0, "recorded again")
    moved = sql(db, """SELECT count(*) AS n FROM frame_name n JOIN frame_raw r ON r.id = n.frame_id
        JOIN module m ON m.id = r.module_id JOIN function g ON g.id = n.function_id
        WHERE m.path LIKE '%/moved' AND g.name = 'grind' AND n.status = 'symbolicated'""")
    check(moved[0]["n"] > 0, f"names by build: {moved}")


if __name__ == "__main__":
    main([test_usage, test_add, test_folder, test_sources, test_redo, test_debuginfod])
