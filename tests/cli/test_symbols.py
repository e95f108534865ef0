"""symbols: what is added, listed, removed; where names are looked for; exit codes."""
import json
import pathlib
import subprocess
import sys

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


def test_redo(folder):
    """A stripped program is recorded; its debug file comes later."""
    db, source, program = folder / "r.db", folder / "main.c", folder / "program"
    source.write_text(MAIN)
    for command in (["cc", "-O2", "-g", "-Wl,--build-id", source, "-o", program],
                    ["objcopy", "--only-keep-debug", program, folder / "program.debug"],
                    ["strip", program]):
        check(run(*command).returncode == 0, f"{command}")
    check(record(db, program, flags=["-F", "397"]).returncode == 0, "recorded")
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


if __name__ == "__main__":
    main([test_usage, test_add, test_folder, test_sources, test_redo])
