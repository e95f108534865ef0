#!/usr/bin/env python3
"""Native chunks of others: images and their files, found by any id; leaves and callers;
what is said of images that cannot be used; names that come with a later upload."""
import collections
import json
import pathlib
import random
import subprocess
import tempfile

from support import PROFLITE, Server, check, chunk, envelope, finish, item

BASE = 0x7f0000000000
SOURCE = r"""
__attribute__((noinline, visibility("default"))) int shared(int x)
{
    __asm__ volatile("shared_leaf: nop\n .globl shared_leaf");
    return x * 2;
}
static inline __attribute__((always_inline)) int inner(int x)
{
    __asm__ volatile("inner_leaf: nop\n .globl inner_leaf"); /* line: inner */
    return x + 1;
}
static inline __attribute__((always_inline)) int middle(int x)
{
    return inner(x) + 2; /* line: middle */
}
__attribute__((noinline, visibility("default"))) int outer(int x)
{
    int y = shared(x);
    __asm__ volatile("after_call: nop\n .globl after_call"); /* line: after */
    return middle(y) + y; /* line: outer */
}
"""


class Library:
    """A stripped library, its debug file, and where its marks are."""

    def __init__(self, folder, source=SOURCE):
        self.source = folder / "shop.c"
        self.path, self.debug = folder / "libshop.so", folder / "libshop.so.debug"
        self.source.write_text(source)
        for command in (["cc", "-O1", "-g", "-fPIC", "-shared", "-Wl,--build-id=sha1",
                         self.source, "-o", self.path],
                        ["objcopy", "--only-keep-debug", self.path, self.debug]):
            subprocess.run(command, check=True)
        names = subprocess.run(["nm", self.path], capture_output=True, text=True, check=True)
        self.at = {row.split()[2]: int(row.split()[0], 16) for row in names.stdout.splitlines()
                   if len(row.split()) == 3}
        notes = subprocess.run(["readelf", "-n", self.path], capture_output=True, text=True).stdout
        self.build_id = notes.split("Build ID: ")[1].split()[0]
        raw = bytes.fromhex(self.build_id)
        guid = (raw[3::-1] + raw[5:3:-1] + raw[7:5:-1] + raw[8:16]).hex()
        self.debug_id = "-".join((guid[:8], guid[8:12], guid[12:16], guid[16:20], guid[20:]))
        subprocess.run(["strip", self.path], check=True)

    def line(self, tag):
        return 1 + [f"line: {tag}" in row for row in SOURCE.splitlines()].index(True)

    def image(self, **changes):
        image = {"type": "elf", "code_file": "/srv/libshop.so", "code_id": self.build_id,
                 "debug_id": self.debug_id, "image_addr": hex(BASE), "image_size": 0x10000}
        image.update(changes)
        return {key: value for key, value in image.items() if value is not None}


def native(number, library, image, platform="rust", **changes):
    """Two stacks: a leaf with inlined calls, and one leaf called from another place. The
    mark after the call is a caller in one and a leaf in the other."""
    at = library.at
    addresses = [at["inner_leaf"], at["outer"] + 1, at["shared_leaf"], at["after_call"], 0x5000_0000]
    frames = [{"instruction_addr": hex(BASE + a)} for a in addresses]
    frames[4]["instruction_addr"] = "0x123456"
    return chunk(number, platform=platform, frames=frames, stacks=[[0, 4], [2, 3, 4], [3, 4]],
                 samples=[{"timestamp": 1795345189 + tick / 10, "thread_id": "1", "stack_id": tick % 3}
                          for tick in range(6)],
                 debug_meta={"images": [image]}, **changes)


def statuses(server, number):
    """(status of the image, of its module, those of the frames in it)"""
    image = server.sql("""SELECT i.status AS image, m.status AS module, i.module_id
        FROM image i JOIN chunk c ON c.id = i.chunk_id LEFT JOIN module m ON m.id = i.module_id
        WHERE c.uuid = ?""", f"{number:032x}")
    frames = server.sql("SELECT DISTINCT status FROM frame_name n JOIN frame_raw r ON r.id = n.frame_id"
                        " WHERE r.module_id = ? AND n.depth = 0 ORDER BY 1",
                        image[0]["module_id"] or -1 if image else -1)
    return (image[0]["image"], image[0]["module"], [f[0] for f in frames]) if image else None


def proflite(server, *args):
    done = subprocess.run([PROFLITE, "--db", server.db, *args], capture_output=True, text=True)
    check(done.returncode == 0, f"{args}: {done}")


def names_of(server, number):
    """What all three stacks are, and where their leaves are."""
    rows = server.sql("""
        SELECT DISTINCT f.function, f.line, f.inlined FROM stack_frame f WHERE f.stack_id IN
          (SELECT s.stack_id FROM sample s JOIN chunk c ON c.id = s.chunk_id WHERE c.uuid = ?)""",
                      f"{number:032x}")
    return {(row["function"], row["line"], row["inlined"]) for row in rows}


def check_names(server, library, number, what):
    names = names_of(server, number)
    for name in (("inner", library.line("inner"), 1), ("middle", library.line("middle"), 1),
                 ("outer", library.line("outer"), 0), ("outer", library.line("after"), 0)):
        check(name in names, f"{what}: {name} in {sorted(names, key=str)}")
    check((("0x123456", None, 0) in names) == bool(number % 2), f"{what}: of rust no root without name")
    # The caller's address is that after the call: the call is the line before.
    check(("outer", library.line("after") - 1, 0) in names, f"{what}: the call itself {names}")


def test_redo(server, library):
    """By build-id, and where only the debug id is said; then the debug file arrives."""
    images = {
        1: library.image(),
        2: library.image(code_id=library.build_id.upper(), code_file="/srv/two.so"),
        3: library.image(code_id=None, code_file="/srv/three.so"),
        4: library.image(code_id=None, debug_id=library.debug_id.upper() + "-0", code_file="/srv/four.so"),
        5: library.image(debug_id=None, code_file="/srv/five.so", image_size=None),
        6: library.image(debug_id=None, id=library.debug_id, code_id=None, code_file="/srv/six.so"),
        7: library.image(debug_id=None, uuid=library.debug_id, code_id=None, code_file="/srv/seven.so"),
    }
    for number, image in images.items():
        platform = "native" if number % 2 else "rust"
        answer = server.envelope(envelope(item(native(number, library, image, platform), platform=platform)))
        check(answer[0] == 200, f"{answer}")
    server.settle()
    for number in images:
        check(statuses(server, number) == ("missing", "missing", ["missing"]),
              f"{number}: {statuses(server, number)}")
        check(server.value("SELECT symbolicated FROM chunk WHERE uuid = ?", f"{number:032x}") == 1,
              f"{number}: done, with what there was")
    proflite(server, "symbols", "add", library.debug)
    proflite(server, "process", "--redo")
    for number in images:
        check(statuses(server, number) == ("found", "found", ["symbolicated"]),
              f"{number}: {statuses(server, number)}")
        check_names(server, library, number, f"chunk {number}")
    weights = server.sql("SELECT sum(weight_ns) AS w, count(*) AS n FROM sample GROUP BY chunk_id")
    check(len({(row["w"], row["n"]) for row in weights}) == 1, "weights stay")
    outcomes = server.sql("SELECT outcome, count(*) AS n FROM outcome GROUP BY 1")
    check([(row[0], row[1]) for row in outcomes] == [("accepted", len(images))], "one outcome each")


def test_statuses(server, library):
    other = "f" * 40
    cases = {
        11: (library.image(code_id=None, debug_id=None), ("unknown_image", "unknown_image", ["unknown_image"])),
        # Not even when the file is here: any file could be meant.
        12: (library.image(code_id=None, debug_id=None, code_file=str(library.debug)),
             ("unknown_image", "unknown_image", ["unknown_image"])),
        13: (library.image(code_id=other, debug_id=None, code_file=str(library.debug)),
             ("missing", "missing", ["missing"])),
        14: (library.image(type="macho", code_id=None), ("unsupported", "unsupported", ["missing"])),
        15: (library.image(type="pe", code_id="5ab38077be000"), ("unsupported", "unsupported", ["missing"])),
        16: (library.image(image_addr="0x10000000", image_size=4096), ("unused", None, [])),
        17: (library.image(code_id=None, debug_id=None, code_file="/tmp/perf-1.map"),
             ("unknown_image", "unknown_image", ["unknown_image"])),
    }
    for number, (image, _) in cases.items():
        server.envelope(envelope(item(native(number, library, image), platform="rust")))
    server.settle()
    for number, (_, expected) in cases.items():
        check(statuses(server, number) == expected, f"{number}: {statuses(server, number)}")


def test_fetching(server, library):
    """A server of debug files that cannot be reached."""
    proflite(server, "symbols", "sources", "uploaded", "http://127.0.0.1:1/", "--project", "42")
    image = library.image(code_id="e" * 40, debug_id=None, code_file="/srv/far.so")
    server.envelope(envelope(item(native(31, library, image), platform="rust")))
    server.settle()
    check(statuses(server, 31) == ("fetching_failed", "fetching_failed", ["missing"]),
          f"{statuses(server, 31)}")


def test_mixed(server, library):
    """React Native: frames of JavaScript and native ones, whose addresses carry signatures."""
    start = 0x104a10000
    frames = [{"instruction_addr": hex(start + library.at["inner_leaf"] + (0x7b << 40)), "platform": "cocoa"},
              {"function": "render", "abs_path": "app:///main.jsbundle", "lineno": 3, "colno": 7},
              {"instruction_addr": hex(start + library.at["outer"] + (1 << 36))}]
    document = chunk(41, platform="javascript", frames=frames, stacks=[[0, 1], [2, 1]],
                     samples=[{"timestamp": 1795345189 + t / 10, "thread_id": "1", "stack_id": t % 2}
                              for t in range(4)],
                     debug_meta={"images": [library.image(image_addr=hex(start), code_file="/srv/rn.so")]})
    proflite(server, "symbols", "sources", "--usual", "--project", "42")
    server.envelope(envelope(item(document, platform="javascript")))
    server.settle()
    names = {name for name, _, _ in names_of(server, 41)}
    check({"inner", "middle", "outer", "render"} <= names, f"{names}")
    # The last frame is JavaScript's: nothing is taken off its address, which is nobody's.
    check(hex(start + library.at["outer"] + (1 << 36)) in names, f"{names}")


def test_cocoa_end(server, library):
    """Walks of cocoa end in two frames that are none; one without others is no stack."""
    frames = [{"instruction_addr": hex(BASE + library.at["outer"])}, {"instruction_addr": "0x7f0000000800"},
              {"instruction_addr": "0xffffffffc"}]
    document = chunk(21, platform="cocoa", frames=frames, stacks=[[0, 1, 2], [0, 2, 1], [1, 2]],
                     samples=[{"timestamp": 1795345189 + t / 10, "thread_id": "1", "stack_id": t % 3}
                              for t in range(6)],
                     debug_meta={"images": [library.image(type="macho")]})
    server.envelope(envelope(item(document, platform="cocoa")))
    server.settle()
    rows = server.sql("""SELECT s.stack_id, (SELECT count(*) FROM stack_frame f
            WHERE f.stack_id = s.stack_id) AS depth, count(*) AS n
        FROM sample s JOIN chunk c ON c.id = s.chunk_id WHERE c.uuid = ? GROUP BY 1""", f"{21:032x}")
    check(sorted((r["depth"], r["n"]) for r in rows) == [(1, 2), (1, 2), (3, 2)], f"{[tuple(r) for r in rows]}")


RUST = r"""
__attribute__((noinline, visibility("default"))) int perf_signal_handler(int x)
{
    __asm__ volatile("handler_leaf: nop\n .globl handler_leaf");
    return x * 3;
}
__attribute__((noinline, visibility("default"))) int trampoline(int x) { return perf_signal_handler(x) + 1; }
static inline __attribute__((always_inline)) int inlined(int x) { return trampoline(x) + 2; }
__attribute__((noinline, visibility("default"))) int work(int x)
{
    int y = inlined(x);
    __asm__ volatile("in_work: nop\n .globl in_work");
    return y;
}
__attribute__((noinline, visibility("default"))) int rust_main(int x) { return work(x) + 3; }
"""


def rust(number, library, at, platform="rust", more=()):
    """Stacks as a handler of the profiler's own takes them, leaf first."""
    names = ("handler_leaf", "trampoline", "in_work", "rust_main")
    addresses = [BASE + at[name] + (name not in ("handler_leaf",)) for name in names] + [0x123456, 0x123457]
    handler, caller, work, main, root, other = range(6)
    stacks = [[handler, caller, work, main, root], # what the profiler is
              [handler, caller, work, main],
              [work, main, root],              # seen from elsewhere
              [work, caller, main, other],     # the trampoline as any caller
              [main, handler, caller, main],   # the handler as any caller
              [work, root, main],              # a frame without name next to the root
              [work, root, main, work],        # and within
              [work, root, other],             # two of them
              [main, handler, caller, other, work], # both ends
              [root],                          # nothing would remain: all of it
              [handler, caller, root],
              [handler, caller],
              [handler, work, main, root]]     # no trampoline: who called it goes, as an inlined call
    stacks += more
    return chunk(number, platform=platform, profiler_id=f"{number:032x}", stacks=stacks,
                 frames=[{"instruction_addr": hex(a)} for a in addresses],
                 samples=[{"timestamp": 1795345189 + tick / 8, "thread_id": "1", "stack_id": tick % len(stacks)}
                          for tick in range(len(stacks))],
                 debug_meta={"images": [library.image(code_file=f"/srv/{platform}.so")]})


def folded_of(server, number):
    """Samples by folded stack, as SQL has it and as `flame` draws it."""
    rows = server.sql("""SELECT f.folded, count(*) AS n FROM sample s JOIN chunk c ON c.id = s.chunk_id
        JOIN stack_folded f ON f.stack_id = s.stack_id WHERE c.uuid = ? GROUP BY 1""", f"{number:032x}")
    session = server.value("SELECT session_id FROM chunk WHERE uuid = ?", f"{number:032x}")
    drawn = pathlib.Path(server.db).with_suffix(f".{number}.folded")
    proflite(server, "flame", "--session", str(session), "-o", str(drawn))
    lines = [line.rsplit(" ", 1) for line in drawn.read_text().splitlines()]
    return ({row["folded"]: row["n"] for row in rows}, {stack: int(n) for stack, n in lines}, session)


def trimmed(folded):
    """What Sentry's task makes of a stack; one that would be empty stays."""
    names = whole = folded.split(";")
    if names[-1] == "perf_signal_handler":
        names = names[:-2]
    if len(names) > 1 and "0x" in names[1]:
        names = names[2:]
    elif names and "0x" in names[0]:
        names = names[1:]
    return ";".join(names or whole)


def test_rust(server, folder):
    """The profiler's own frames and roots without a name do not show once names were looked
    for; every answer agrees, weights stay, and so it is however often it is redone."""
    library = Library(folder, RUST)
    seed = random.randrange(10**9)
    print("seed", seed)
    random.seed(seed)
    more = [random.choices(range(6), k=random.randrange(1, 9)) for _ in range(300)]
    for number, platform in ((51, "rust"), (52, "native")):
        server.envelope(envelope(item(rust(number, library, library.at, platform, more), platform=platform)))
    server.settle()
    weights = "SELECT session_id, sum(weight_ns) AS w, count(*) AS n FROM sample GROUP BY 1"
    before = [tuple(row) for row in server.sql(weights)]
    for what in ("without names", "named", "named again"):
        shown, drawn, session = folded_of(server, 51)
        whole, whole_drawn, _ = folded_of(server, 52)
        expected = collections.Counter()
        for stack, count in whole.items():
            expected[trimmed(stack.replace("native.so", "rust.so"))] += count
        check(whole == whole_drawn, f"{what}: of another platform all shows: {whole_drawn}")
        check(shown == expected, f"{what}: {shown}, not {expected}")
        check(drawn == expected, f"{what}: as drawn: {drawn}, not {expected}")
        named = what != "without names"
        check(("rust_main;work" in shown) == named, f"{what}: {shown}")
        top = subprocess.run([PROFLITE, "--db", server.db, "--json", "top", "--session", str(session)],
                             capture_output=True, text=True, check=True).stdout
        functions = {row["function"]: row["self_samples"] for row in json.loads(top)["functions"]}
        leaves = collections.Counter()
        for stack, count in expected.items():
            leaves[stack.split(";")[-1]] += count
        check({name: n for name, n in functions.items() if n} == leaves, f"{what}: {functions}, {leaves}")
        for function in ("perf_signal_handler", "trampoline", "work"):
            with_it = {stack: n for stack, n in expected.items() if function in stack.split(";")}
            found = server.value("SELECT count(*) FROM sample s JOIN stack_frame f ON f.stack_id = s.stack_id"
                                 " AND f.depth = (SELECT min(depth) FROM stack_frame g WHERE g.stack_id ="
                                 " s.stack_id AND g.function = ?) WHERE s.session_id = ?", function, session)
            out = pathlib.Path(server.db).with_suffix(".function.folded")
            done = subprocess.run([PROFLITE, "--db", server.db, "flame", "--session", str(session), "--function",
                                   function, "-o", str(out)], capture_output=True, text=True)
            drawn = out.read_text().splitlines() if done.returncode == 0 else []
            check({line.rsplit(" ", 1)[0]: int(line.rsplit(" ", 1)[1]) for line in drawn} == with_it,
                  f"{what}: with {function}: {drawn}, not {with_it}")
            check(found == sum(with_it.values()), f"{what}: {found} samples of {function} by SQL")
        check([tuple(row) for row in server.sql(weights)] == before, f"{what}: weights stay")
        if what == "without names":
            proflite(server, "symbols", "add", library.debug)
        proflite(server, "process", "--redo")


with tempfile.TemporaryDirectory(prefix="proflite-native-") as name:
    built = Library(pathlib.Path(name))
    with Server() as one:
        test_redo(one, built)
        test_statuses(one, built)
        test_fetching(one, built)
        test_mixed(one, built)
        test_cocoa_end(one, built)
    with Server() as one:
        test_rust(one, pathlib.Path(name))
finish()
