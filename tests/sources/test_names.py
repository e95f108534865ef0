#!/usr/bin/env python3
"""JavaScript and Android profiles become readable: a live SDK's of a bundled and minified
program, chunks by hand with every way a frame may fail to be found, methods of Android
before and after their mapping is there."""
import base64
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "ingest"), str(HERE.parent / "sdk")]
from modules import install # noqa: E402
from support import KEY, PROFLITE, Server, check, chunk, envelope, finish, item # noqa: E402

MAPPING = HERE.parent / "fixtures" / "maps" / "mapping.txt"
BUILD = "f1e2d3c4-0000-4000-8000-00000000000a"
RELEASES = ["11111111-2222-4333-8444-00000000000%d" % i for i in (1, 2)]


def proflite(server, *arguments, code=0):
    done = subprocess.run([PROFLITE, "--db", server.db, *map(str, arguments)],
                          capture_output=True, text=True, timeout=120)
    check(done.returncode == code, f"{arguments}: {done.returncode} {done.stderr}")
    return done.stdout


def redo(server):
    server.settle()
    for _ in range(20): # the server's own pass may hold the lease
        done = subprocess.run([PROFLITE, "--db", server.db, "process", "--redo"],
                              capture_output=True, text=True, timeout=120)
        if done.returncode == 0:
            return server.settle()
    return check(False, f"process --redo: {done.stderr}")


FRAMES = """
    SELECT DISTINCT f.function, f.file, f.line, f.module, f.in_app, f.inlined, f.depth,
           r.status, r.column, f.stack_id
    FROM sample a JOIN chunk c ON c.id = a.chunk_id
         JOIN stack_frame f ON f.stack_id = a.stack_id JOIN frame r ON r.id = f.frame_id
    WHERE c.uuid = ? ORDER BY f.stack_id, f.depth"""


def frames(server, number):
    return [dict(r) for r in server.sql(FRAMES, f"{number:032x}")]


def everything(server):
    """All names and states, to see that a second run changes nothing."""
    return [tuple(r) for table in ("frame_name", "function", "frame_raw", "chunk", "module")
            for r in server.sql(f"SELECT * FROM {table}")]


# ---- JavaScript ----

def frame(line=1, column=11, function="n", path="/app/dist/out.js", **changes):
    made = {"function": function, "abs_path": path, "filename": path, "lineno": line,
            "colno": column, "module": "app.dist:out"}
    made.update(changes)
    return {k: v for k, v in made.items() if v is not None}


def script_chunk(number, platform, made, images, debug_meta=True):
    changes = {"platform": platform, "frames": made, "stacks": [list(range(len(made)))],
               "samples": [{"timestamp": 1795345189 + number + i / 100, "thread_id": "1",
                            "stack_id": 0} for i in range(3)]}
    if debug_meta:
        changes["debug_meta"] = {"images": images}
    return chunk(number, **changes)


def image(path, debug_id=RELEASES[0]):
    return {"type": "sourcemap", "code_file": path, "debug_id": debug_id}


def source_map(folder, name, debug_id, source, function):
    # function n(e){…}: n is `function`, on line 8 of `source`; nothing after column 30.
    path = folder / name
    path.write_text(json.dumps({
        "version": 3, "debugId": debug_id, "sources": [source], "names": [function, "item"],
        "mappings": "AAOA,SAASA,EAAEC,iBAAiB"}))
    return path


def check_scripts(server, folder):
    url = "https://shop.example/static/out.js"
    cases = [ # name, platform, frame, image's path, status, function, file, line
        ("node", "node", frame(), "/app/dist/out.js", "symbolicated", "total",
         "/app/src/cart.js", 8),
        ("node, file URL", "node", frame(path="file:///app/dist/out.js"),
         "/app/dist/out.js", "symbolicated", "total", "/app/src/cart.js", 8),
        ("image as URL", "node", frame(), "file:///app/dist/out.js", "symbolicated",
         "total", "/app/src/cart.js", 8),
        ("app:", "node", frame(path="app:///dist/out.js"), "app:///dist/out.js",
         "symbolicated", "total", "app:///src/cart.js", 8),
        ("browser", "javascript", frame(path=url + "?v=3"), url, "symbolicated", "total",
         "https://shop.example/src/cart.js", 8),
        ("anonymous", "node", frame(column=12, function=""), "/app/dist/out.js",
         "symbolicated", "", "/app/src/cart.js", 8),
        ("past the end", "node", frame(line=7), "/app/dist/out.js", "invalid_location",
         "n", "/app/dist/out.js", 7),
        ("no column", "node", frame(column=None), "/app/dist/out.js", "no_column", "n",
         "/app/dist/out.js", 1),
        ("not there", "node", frame(path="/app/dist/b.js"), "/app/dist/b.js", None, "n",
         "/app/dist/b.js", 1),
        ("relative in node", "node", frame(path="dist/out.js"), "dist/out.js", None, "n",
         "dist/out.js", 1),
        ("native", "javascript", frame(path="[native code]"), "[native code]", None, "n",
         "[native code]", 1),
        ("no line", "node", frame(line=None), "/app/dist/out.js", None, "n",
         "/app/dist/out.js", None),
        ("no image", "node", frame(), "/app/dist/other.js", None, "n",
         "/app/dist/out.js", 1),
    ]
    missing = "99999999-2222-4333-8444-000000000009"
    for i, (name, platform, made, path, *_) in enumerate(cases):
        debug_id = missing if name == "not there" else RELEASES[0]
        status, _, _ = server.envelope(envelope(item(
            script_chunk(100 + i, platform, [made], [image(path, debug_id)]),
            platform=platform)))
        check(status == 200, name)
    server.settle()
    raw = frames(server, 100)[0]
    check((raw["function"], raw["status"]) == ("n", "missing_sourcemap"), f"before: {raw}")
    proflite(server, "symbols", "add", source_map(folder, "out.js.map", RELEASES[0],
                                                  "../src/cart.js", "total"))
    redo(server)
    for i, (name, _, _, _, status, function, file, line) in enumerate(cases):
        got = frames(server, 100 + i)[0]
        if name == "not there":
            status = "missing_sourcemap"
        if not status: # nothing of ours: normalization may have said something of it
            status = got["status"] if got["status"] != "missing_sourcemap" else None
        check((got["function"], got["file"], got["line"], got["status"])
              == (function, file, line, status), f"{name}: {got}")
    got = frames(server, 100)[0]
    check(got["module"] == "" and got["column"] == 10, f"module, column: {got}")
    check(server.value("SELECT status FROM module WHERE path = '/app/dist/out.js'"
                       " AND debug_id LIKE '11111111%'") == "found", "the map was found")
    flags = server.sql("SELECT symbolicated, normalized, deobfuscated, symbolicator_error"
                       " FROM chunk WHERE uuid = ?", f"{100:032x}")[0]
    check(tuple(flags) == (1, 1, 0, None), f"flags: {tuple(flags)}")


def check_mixed(server):
    """React Native on a phone of Apple's: both kinds of frames in one stack."""
    path = "app:///main.jsbundle"
    made = [frame(path=path, platform="javascript"), {"instruction_addr": "0x104a10010"}]
    server.envelope(envelope(item(script_chunk(120, "cocoa", made, [
        image(path), {"type": "macho", "code_file": "/app/bin", "image_addr": "0x104a10000",
                      "image_size": 4096, "image_vmaddr": "0x1000",
                      "debug_id": "DEB0DEB0-1111-2222-3333-444455556666"}]),
        platform="cocoa")))
    server.settle()
    got = {f["function"]: f["status"] for f in frames(server, 120)}
    check(got.get("total") == "symbolicated" and any("bin+0x" in name for name in got),
          f"mixed: {got}")


def check_releases(server, folder):
    """The same frame of two releases is two frames."""
    for i, debug_id in enumerate(RELEASES):
        server.envelope(envelope(item(script_chunk(
            200 + i, "node", [frame()], [image("/app/dist/out.js", debug_id)]))))
    server.settle()
    proflite(server, "symbols", "add", source_map(
        folder, "second.map", RELEASES[1], "webpack://app/./node_modules/x/i.js", "pay"))
    redo(server)
    first, second = frames(server, 200)[0], frames(server, 201)[0]
    check(first["function"] == "total" and first["in_app"] == 1, f"first: {first}")
    check((second["function"], second["file"], second["in_app"])
          == ("pay", "node_modules/x/i.js", 0), f"second: {second}")
    before = everything(server)
    redo(server)
    check(everything(server) == before, "a second run changes nothing")
    (folder / "broken.map").write_text('{"version":3,"mappings":"!!","sources":["a"]}')
    proflite(server, "symbols", "add", "--uuid", "22222222-2222-4333-8444-000000000001",
             folder / "broken.map")
    server.envelope(envelope(item(script_chunk(210, "node", [frame()], [
        image("/app/dist/out.js", "22222222-2222-4333-8444-000000000001")]))))
    server.settle()
    broken = frames(server, 210)[0]
    check((broken["function"], broken["status"]) == ("n", "malformed_sourcemap"),
          f"broken: {broken}")
    check(server.value("SELECT outcome FROM outcome WHERE chunk_uuid = ?", f"{210:032x}")
          == "accepted", "and kept")


# ---- Android ----

def art_trace(methods):
    """Each method calls the next; 10 ms."""
    text = "*version\n3\nclock=dual\n*threads\n1\tmain\n*methods\n" + "".join(
        f"0x{4 * i + 4:x}\t{method}\n" for i, method in enumerate(methods)) + "*end\n"
    data = text.encode() + (b"SLOW" + struct.pack("<HHQH", 3, 32, 0, 14)).ljust(32, b"\0")
    for i in range(len(methods)):
        data += struct.pack("<HIII", 1, 4 * i + 4, i * 500, i * 1000)
    data += struct.pack("<HIII", 1, 4 | 1, 5000, 10000)
    return base64.b64encode(data).decode().rstrip("=")


METHODS = ["android.os.Looper\tloop\t()V\tLooper.java",
           "a.b\tc\t([I)I\tSourceFile\t7", # with a line: two calls deep
           "a.b\tc\t([ILa/c;)I\tSourceFile", # an overload, by its signature
           "a.b\tzz\t(La/c;[La/b;)Z\tSourceFile", # only the class is known
           "a.z\tq\t(V\tSourceFile"] # malformed
WORDS = ["android.os.Looper.loop()", "a.b.c(int[]): int", "a.b.c(int[], a.c): int",
         "a.b.zz(a.c, a.b[]): boolean", "a.z.q(V"]
NAMES = ["android.os.Looper.loop()", "com.example.shop.Cart.total(int[]): int",
         "com.example.shop.Log.write(java.lang.String)",
         "com.example.shop.Cart.total(int[], com.example.shop.Cart$Item): int",
         "com.example.shop.Cart.zz(com.example.shop.Cart$Item, com.example.shop.Cart[]):"
         " boolean", "a.z.q(V"]


def android(number, build_id, **changes):
    document = chunk(number, platform="android", sampled_profile=art_trace(METHODS),
                     timestamp=1795345000 + number, build_id=build_id, profile=None)
    document.update(changes)
    return {k: v for k, v in document.items() if v is not None}


def deepest(server, number):
    """The longest stack, by name."""
    rows = frames(server, number)
    stack = max(rows, key=lambda r: r["depth"])["stack_id"]
    return [r for r in rows if r["stack_id"] == stack]


def check_android(server):
    legacy = {"profile_id": f"{301:032x}", "platform": "android",
              "sampled_profile": art_trace(METHODS), "build_id": BUILD,
              "transaction_name": "Main", "transaction_id": "1" * 32, "trace_id": "2" * 32,
              "timestamp": "2026-11-22T10:58:39Z"}
    java = [{"module": "a.b", "function": "c", "lineno": 7, "filename": "SourceFile"},
            {"module": "a.b", "function": "f", "filename": "SourceFile"},
            {"module": "java.lang.Thread", "function": "run", "lineno": 5,
             "filename": "Thread.java"}]
    posts = [item(android(300, BUILD), platform="android"), item(legacy, "profile"),
             item(android(302, None), platform="android"),
             item(android(303, "not a build"), platform="android")]
    for number, platform in ((304, "android"), (305, "java")):
        made = script_chunk(number, platform, java, [{"type": "proguard", "uuid": BUILD}])
        made["profile"]["stacks"] = [[0, 1, 2]]
        posts.append(item(made, platform=platform))
    for post in posts:
        server.envelope(envelope(post))
    server.settle()
    for number in (300, 301, 302, 303):
        got = [f["function"] for f in deepest(server, number)]
        check(got == WORDS, f"signatures of {number}: {got}")
        flags = [tuple(r) for r in server.sql(
            "SELECT deobfuscated, normalized, finished FROM chunk WHERE uuid = ?",
            f"{number:032x}")]
        check(flags == [(1, 1, 1)], f"flags of {number}: {flags}")
    proflite(server, "symbols", "add", "--uuid", BUILD, MAPPING)
    redo(server)
    for number in (300, 301):
        got = deepest(server, number)
        check([f["function"] for f in got] == NAMES, f"names of {number}: {got}")
        check([f["inlined"] for f in got] == [0, 0, 1, 0, 0, 0], f"inlined: {got}")
        check([f["status"] for f in got][::2] == ["missing", "deobfuscated", "partial"],
              f"status: {got}")
        check([f["in_app"] for f in got][:3] == [0, 1, 1], f"in_app: {got}")
        check((got[1]["file"], got[1]["line"]) == ("Cart.kt", 24), f"line: {got[1]}")
    for number in (302, 303):
        got = [f["function"] for f in deepest(server, number)]
        check(got == WORDS, f"no mapping for {number}: {got}")
    for number in (304, 305):
        got = [(f["module"], f["function"], f["file"], f["line"], f["inlined"])
               for f in frames(server, number)]
        check(got == [("java.lang.Thread", "run", "Thread.java", 5, 0),
                      ("com.example.shop.Cart", "f", "SourceFile", None, 0),
                      ("com.example.shop.Cart", "total", "Cart.kt", 24, 0),
                      ("com.example.shop.Log", "write", "", 70, 1)], f"{number}: {got}")
    before = everything(server)
    redo(server)
    check(everything(server) == before, "a second run changes nothing (Android)")


def check_embedded(server):
    """React Native: JavaScript's profile in the chunk of Android."""
    path = "app:///index.android.bundle"
    js = {"samples": [{"elapsed_since_start_ns": str(i * 2_000_000), "thread_id": "1",
                       "stack_id": i % 2} for i in range(5)],
          "stacks": [[0], [1, 0]],
          "frames": [frame(path=path, module=None),
                     frame(path=path, module=None, function="", column=12)],
          "thread_metadata": {"1": {"name": "JavaScriptThread"}}}
    images = {"images": [image(path), {"type": "proguard", "uuid": BUILD}]}
    for number, document in ((400, js), (401, dict(js, stacks=[[2], [0]])),
                             (402, dict(js, samples=[dict(js["samples"][0], stack_id=7)]))):
        server.envelope(envelope(item(android(
            number, BUILD, js_profile=document, debug_meta=images), platform="android")))
    server.settle()
    redo(server)
    rows = server.sql("""
        SELECT t.name, a.ts_ns - c.start_ns AS at, s.folded FROM sample a
        JOIN thread t ON t.id = a.thread_id JOIN chunk c ON c.id = a.chunk_id
        JOIN stack_folded s ON s.stack_id = a.stack_id
        WHERE c.uuid = ? ORDER BY t.name, a.ts_ns""", f"{400:032x}")
    check([tuple(r)[1:] for r in rows if r["name"] == "JavaScriptThread"] == [
        (i * 2_000_000, "total;" if i % 2 else "total") for i in range(5)],
        f"JavaScript's samples: {[tuple(r) for r in rows]}")
    check(sum(r["name"] == "main" for r in rows) == len(METHODS) + 1,
          "Android's are all there")
    names = {r["function"]: r["status"] for r in frames(server, 400)}
    check(names["total"] == "symbolicated" and names[NAMES[1]] == "deobfuscated",
          f"both are named: {names}")
    for number, reason in ((401, "stacks"), (402, "samples")):
        got = server.sql("SELECT outcome, reason FROM outcome WHERE chunk_uuid = ?",
                         f"{number:032x}")
        check([tuple(r) for r in got] == [("invalid", f"profiling_malformed_{reason}")],
              f"{number}: {[tuple(r) for r in got]}")


# ---- a live SDK ----

def check_live(server, folder):
    """Bundled and minified, with debug ids as Sentry's bundler plugins put them in."""
    sdk = HERE.parent / "sdk" / "node11"
    install(sdk)
    subprocess.run([HERE / "run.sh", "bundle.js", folder / "dist"], check=True, timeout=60)
    done = subprocess.run(
        ["node", folder / "dist" / "shop.js", sdk,
         f"http://{KEY}@127.0.0.1:{server.port}/77"],
        capture_output=True, text=True, timeout=60)
    check(done.returncode == 0, f"the program: {done.stderr[-400:]}")
    server.settle()
    count = """
        SELECT count(*) FROM sample a JOIN chunk c ON c.id = a.chunk_id
        JOIN stack_frame f ON f.stack_id = a.stack_id
        WHERE c.project_id = 77 AND f.function = ? AND f.file LIKE ?"""
    total = server.value("SELECT count(*) FROM sample a JOIN chunk c ON c.id = a.chunk_id"
                         " WHERE c.project_id = 77")
    check(total > 20, f"{total} samples")
    for name in ("totalOfCart", "priceOfItem", "runShop"):
        check(server.value(count, name, "%") == 0, f"{name} is minified")
    proflite(server, "symbols", "add", folder / "dist" / "shop.js.map")
    redo(server)
    for name, file in (("totalOfCart", "%/program/cart.js"),
                       ("priceOfItem", "%/program/cart.js"),
                       ("runShop", "%/program/main.js")):
        found = server.value(count, name, file)
        check(found >= total / 10, f"{name} in {found} of {total}")
    source = (HERE / "program" / "cart.js").read_text().splitlines()
    line = server.value("SELECT line FROM function WHERE name = 'totalOfCart'")
    check(line and "function totalOfCart" in source[line - 1], f"declared at {line}")
    check(server.value("SELECT count(*) FROM frame_raw r JOIN function f"
                       " ON f.id = r.function_id WHERE f.file LIKE '%/dist/shop.js'") > 2,
          "what was captured is still there")


def main():
    with tempfile.TemporaryDirectory() as name, Server() as server:
        folder = pathlib.Path(name)
        check_scripts(server, folder)
        check_mixed(server)
        check_releases(server, folder)
        check_android(server)
        check_embedded(server)
        check_live(server, folder)
        check("ok" in proflite(server, "check"), "check")
    finish()


main()
