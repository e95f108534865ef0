#!/usr/bin/env python3
"""The symbol worker beside addr2line and llvm-symbolizer: the same addresses of Debian's
own programs and libraries, with the debug files of their packages.

  truth.py [short]   what make test has (libc6-dbg), some hundred addresses a file
  truth.py long      more files, thousands of addresses

An address agrees with a tool if both say the same functions, inlined ones too, in the
same order, in the same files and lines. The tools do not agree with each other on all:
what differs from one of them is counted by reason, what differs from all is shown.

Neither tool follows all references into the common file that dwz makes of several debug
files: there they say places and no names. gdb does, and says names but no places of
calls. So in a long run the names of gdb at the places of llvm-symbolizer are one more
answer to compare with."""
import collections
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile

BUILD = pathlib.Path(os.environ.get("PROFLITE_BUILD", "build")).resolve()
LIBRARIES = pathlib.Path("/lib/x86_64-linux-gnu")
DEBUG = pathlib.Path("/usr/lib/debug/.build-id")

SHORT = ["libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2", "libresolv.so.2", "libmvec.so.1",
         "libnss_compat.so.2", "libnsl.so.1", "libthread_db.so.1"]
LONG = ["debug/libstdc++.so.6", "libbfd-2.40-system.so", "libopcodes-2.40-system.so", 
        "/usr/bin/x86_64-linux-gnu-ld.bfd", "/usr/bin/x86_64-linux-gnu-as",
        "/usr/bin/x86_64-linux-gnu-objdump", "/usr/bin/x86_64-linux-gnu-readelf"]


def run(*args, text=None):
    return subprocess.run([str(a) for a in args], input=text, capture_output=True, text=True,
                          check=True).stdout


def debug_file(path):
    note = re.search(r"Build ID: (\w+)", run("readelf", "-n", path))
    if not note:
        return None
    found = DEBUG / note[1][:2] / (note[1][2:] + ".debug")
    if "] .debug_info" in run("readelf", "-SW", path):
        return path
    return found if found.exists() else None


def pick(debug, count):
    """Addresses in functions, each as likely as it is long; as recorded ones are. And
    where the functions are."""
    spans, names = [], {}
    for row in run("readelf", "-sW", debug).splitlines():
        part = row.split()
        if len(part) >= 8 and part[3] in ("FUNC", "IFUNC") and part[6] != "UND":
            size = int(part[2], 0)
            if size:
                spans.append((int(part[1], 16), size))
                names[clean_name(part[7])] = spans[-1]
    if not spans:
        return [], {}
    chosen = random.Random(str(debug)).choices(spans, weights=[s for _, s in spans], k=count)
    return sorted({start + random.Random(i).randrange(size)
                   for i, (start, size) in enumerate(chosen)}), names


def parse(text):
    """Blocks of pairs of lines, an empty line after each block."""
    out = []
    for block in text.split("\n\n")[:-1] if text.endswith("\n\n") else text.split("\n\n"):
        rows = block.strip("\n").split("\n") if block.strip("\n") else []
        out.append([(rows[i], rows[i + 1]) for i in range(0, len(rows) - 1, 2)])
    return out


def ours(path, addresses):
    text = run(BUILD / "symbols_look_up", path, text="".join(f"{a:x}\n" for a in addresses))
    out, block = [], []
    for line in text.split("\n")[:-1]:
        if line:
            block.append(line)
        else:
            out.append(list(zip(block[::2], block[1::2])))
            block = []
    return out


def addr2line(debug, addresses):
    """With -a each block begins with its address."""
    text = run("addr2line", "-a", "-i", "-f", "-C", "-e", debug,
               text="".join(f"{a:x}\n" for a in addresses))
    out = []
    for line in text.splitlines():
        if line.startswith("0x") and len(line) == 18:
            out.append([])
        else:
            out[-1].append(line)
    return [list(zip(block[::2], block[1::2])) for block in out]


def llvm(debug, addresses):
    text = run("llvm-symbolizer", f"--obj={debug}", "--inlining", "--demangle",
               "--functions=short", text="".join(f"0x{a:x}\n" for a in addresses))
    return parse(text)


GDB = """
import gdb
for line in open({addresses!r}):
    try:
        block = gdb.block_for_pc(int(line, 16))
    except RuntimeError:
        block = None
    names = []
    while block and not block.is_global and not block.is_static:
        if block.function:
            names.append(block.function.name)
        block = block.superblock
    print("names", *names, sep="\\t")
"""


def with_gdb(path, addresses, places):
    """The places of another tool with gdb's names, where both have as many."""
    with tempfile.TemporaryDirectory(prefix="proflite-truth-") as name:
        wanted, script = pathlib.Path(name, "addresses"), pathlib.Path(name, "names.py")
        wanted.write_text("".join(f"{a:x}\n" for a in addresses))
        script.write_text(GDB.format(addresses=str(wanted)))
        text = run("gdb", "-nx", "-batch", "-ex", f"source {script}", path)
    names = [row.split("\t")[1:] for row in text.splitlines() if row.split("\t")[0] == "names"]
    return [list(zip(row, (place for _, place in frames))) if len(row) == len(frames) else []
            for row, frames in zip(names, places)]


def clean_name(name):
    """Of C++ without parameters: tools print them differently; of C the alias that the
    linker knows it by stands for the source's name."""
    name = re.sub(r"@.*", "", name)
    name = re.sub(r"\[abi:\w+\]|\(anonymous namespace\)|\{lambda[^}]*\}(#\d+)?", "~", name)
    while True:
        less = re.sub(r"<[^<>]*>", "", name)
        if less == name:
            break
        name = less
    name = name.split("(")[0].strip().split(" ")[-1]
    name = re.sub(r"\.(part|isra|constprop|cold|localalias|lto_priv)(\.\d+)?", "", name)
    return re.sub(r"^(__GI_|__EI_)?_*", "", name.replace("??", "")).split("::")[-1]


def clean_place(place):
    place = re.sub(r" \(discriminator \d+\)", "", place)
    file, _, rest = place.partition(":")
    line = rest.split(":")[0]
    return os.path.basename(file) or "??", int(line) if line.isdigit() else 0


def clean(frames):
    return [(clean_name(f), *clean_place(p)) for f, p in frames]


def explained(mine, other, aliases):
    """Differences that are none of facts: a line in a file that the function's own
    includes has no number here, where files are those of functions; and of several names
    that a symbol table has for one place any is right."""
    if len(mine) != len(other):
        return None
    why = None
    for a, b in zip(mine, other):
        if a == b:
            continue
        if b[0] in (a[0], "") and not a[2] and a[1] != "??" and a[1] != b[1]:
            why = "line in an included file"
        elif a[1:] == b[1:] == ("??", 0) and aliases.get(a[0], a) == aliases.get(b[0], b):
            why = "another name of the place"
        else:
            return None
    return why


def reason(mine, other):
    """In which way do two answers differ?"""
    if not other or all(row[1] == "??" for row in other):
        return "the tool knows no place"
    if len(mine) != len(other):
        return "depth of inlined calls"
    if [row[0] for row in mine] != [row[0] for row in other]:
        return "names"
    if [row[1] for row in mine] != [row[1] for row in other]:
        return "files"
    return "lines"


def compare(path, count, gdb, totals, reasons):
    debug = debug_file(path)
    if not debug:
        print(f"{path}: no debug file")
        return False
    addresses, aliases = pick(debug, count)
    if not addresses:
        return False
    answers = [ours(path, addresses), addr2line(debug, addresses), llvm(debug, addresses)]
    answers.append(with_gdb(path, addresses, answers[2]) if gdb else answers[2])
    if len({len(a) for a in answers}) != 1:
        print(f"{path}: answers to {[len(a) for a in answers]} of {len(addresses)} addresses")
        return False
    same = collections.Counter()
    for address, *each in zip(addresses, *answers):
        mine, gnu, other, third = (clean(frames) for frames in each)
        same["addr2line"] += mine == gnu
        same["llvm-symbolizer"] += mine == other
        same["either"] += mine in (gnu, other, third)
        same["tools"] += gnu == other
        if mine == gnu == other:
            continue
        if mine != gnu:
            reasons["addr2line", reason(mine, gnu)] += 1
        if mine != other:
            reasons["llvm-symbolizer", reason(mine, other)] += 1
        if mine in (gnu, other):
            continue
        if mine == third:
            reasons["addr2line and llvm-symbolizer", "no name of theirs; gdb's is ours"] += 1
            continue
        why = (explained(mine, gnu, aliases) or explained(mine, other, aliases)
               or explained(mine, third, aliases))
        same["explained"] += why is not None
        if why:
            reasons["all", why] += 1
        else:
            print(f"  {path} {address:#x}\n    ours {each[0]}\n    addr2line {each[1]}\n"
                  f"    llvm {each[2]}\n    gdb's names {each[3]}")
    n = len(addresses)
    print(f"{path.name}: {n} addresses; as addr2line {same['addr2line'] / n:.2%}, as "
          f"llvm-symbolizer {same['llvm-symbolizer'] / n:.2%}, as one of them "
          f"{same['either'] / n:.2%}; they agree on {same['tools'] / n:.2%}")
    totals.update(same)
    totals["n"] += n
    return True


def main():
    long = sys.argv[1:] == ["long"]
    totals, reasons = collections.Counter(), collections.Counter()
    files = 0
    for name in SHORT + (LONG if long else []):
        path = (LIBRARIES / name).resolve()
        if path.exists():
            files += compare(path, 3000 if long else 300, long, totals, reasons)
    n = totals["n"] or 1
    share, more = totals["either"] / n, (totals["either"] + totals["explained"]) / n
    for (tool, why), count in reasons.most_common():
        print(f"unlike {tool}: {count} ({count / n:.3%}) by {why}")
    print(f"{files} files, {totals['n']} addresses, {share:.3%} as one of the tools, "
          f"{more:.3%} with what is explained")
    ok = files >= 5 and more >= .999 and share >= .99
    print(f"{int(ok)} passed, {int(not ok)} failed")
    sys.exit(not ok)


if __name__ == "__main__":
    main()
