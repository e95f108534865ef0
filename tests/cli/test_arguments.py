"""Options, help, hints and exit codes, without a recording."""
import os
import pathlib
import re
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from support import PROFLITE, check, main, record, run

COMMANDS = ["record", "ls", "top", "flame", "callers", "diff", "query", "process", "serve", "dsn",
            "gc", "check", "config", "doctor", "export", "symbols", "forward"]


def says(status, *args, words=(), env=None, **options):
    """Exit status, one line on stderr that starts with our name, nothing on stdout."""
    done = run(PROFLITE, *args, env=env, **options)
    text = done.stderr.decode()
    check(done.returncode == status, f"{args}: exit {done.returncode}, not {status}: {text}")
    check(text.count("\n") == 1 and text.startswith("proflite: "), f"{args}: one line: {text!r}")
    check(done.stdout == b"", f"{args}: stdout {done.stdout[:80]!r}")
    for word in words:
        check(word in text, f"{args}: says {word!r}: {text!r}")


def test_help(folder):
    for args in (["-h"], ["--help"], ["help"]):
        done = run(PROFLITE, *args)
        check(done.returncode == 0 and not done.stderr, f"{args}: {done.stderr}")
        check(all(c.encode() in done.stdout for c in COMMANDS), f"{args}: lists all commands")
        check(b"__" not in done.stdout, "the worker is not for people")
    for command in COMMANDS:
        for args in ([command, "-h"], [command, "--help"], ["help", command]):
            done = run(PROFLITE, *args)
            lines = done.stdout.decode().splitlines()
            check(done.returncode == 0 and not done.stderr, f"{args}: {done.stderr}")
            check(lines and lines[0].startswith(f"proflite {command} "), f"{args}: {lines[:1]}")
            check(len(lines) <= 48, f"{args}: {len(lines)} lines")
            check(sum(l.startswith("  proflite") for l in lines) >= 2, f"{args}: two examples")
            check(all(len(l) <= 88 for l in lines), f"{args}: lines fit")
    bare = run(PROFLITE)
    check(bare.returncode == 2 and not bare.stdout and b"record" in bare.stderr, "bare: help, exit 2")


def test_version(folder):
    check(run(PROFLITE, "--version").stdout.startswith(b"proflite "), "version")
    for args in (["--version", "--json"], ["--json", "--version"], ["ls", "--version", "--json"]):
        check(run(PROFLITE, *args).stdout.startswith(b'{"schema":1,"version":"'), f"{args}")


def test_hints(folder):
    says(2, "recrod", words=["no such command: recrod", "record?"])
    says(2, "qeury", "SELECT 1", words=["query?"])
    says(2, "nonesuch", "main", words=["no such command: nonesuch", "proflite -h"])
    says(2, "help", "nonsense", words=["nonsense"])
    says(2, "top", "--limt", "3", words=["--limt", "--limit?", "top -h"])
    says(2, "ls", "--sesion=3", words=["--session?"])
    says(2, "ls", "-x", words=["-x"])
    says(2, "--nonsense", "ls", words=["--nonsense"])
    says(2, "ls", "--json=yes", words=["takes no value"])


def test_values(folder):
    says(2, "--db", words=["--db"])
    says(2, "--db", "", "ls", words=["--db"])
    says(2, "ls", "extra", words=["extra"])
    says(2, "top", "--limit", "many", words=["many"])
    says(2, "top", "--limit", "-3", words=["-3"])
    says(2, "top", "--sort", "size", words=["size"])
    says(2, "top", "--metric", "memory", words=["memory"])
    says(2, "top", "--from", "whenever", words=["whenever"])
    says(2, "top", "--from", "@20", "--to", "@10")
    says(2, "ls", "--session", "one", words=["session"])
    for name in ("app", "session", "thread", "release", "env", "from", "to", "label", "function"):
        says(2, "top", f"--{name}", "", words=[f"--{name} wants"])
    for seconds in ("0", "-1", "soon", "86401"):
        says(2, "serve", "--timeout", seconds, words=["--timeout", seconds])
    says(2, "flame", "--unit", "bytes", words=["bytes"])
    says(2, "flame", "--min-percent", "101", words=["101"])
    says(2, "flame", "--depth", "0", words=["depth"])
    says(2, "flame", "-o", "x.pdf", words=["x.svg", "x.html"])
    says(2, "flame", "-o", "x.png", words=["x.png"])
    says(2, "export", words=["-o FILE"])
    says(2, "export", "-o", "x.png", words=["--format", "pprof"])
    says(2, "export", "--format", "xls", "-o", "x", words=["xls", "pprof"])
    says(2, "export", "-f", "svg", "-o", "-", "--metric", "memory", words=["memory"])
    says(2, "query", "--csv", "--tsv", "SELECT 1", words=["exclude"])
    says(2, "query", "SELECT", "1", words=["quote"])
    says(2, "gc", words=["--keep", "--max-size"])
    for keep in ("", "7", "soon", "-7d", "7d1"):
        says(2, "gc", "--keep", keep, words=["--keep"])
    for size in ("", "0", "2X", "-1G", "G", "99999999999T"):
        says(2, "gc", "--max-size", size, words=["--max-size"])
    says(2, "record", words=["no command"])
    says(2, "record", "--json", "--", "true", words=["--json"])
    for hz in ("0", "1001", "-1", "ten", "10.5", ""):
        says(2, "record", "-F", hz, "--", "true", words=["1 to 1000"])
    says(2, "record", "--mode", "heap", "--", "true", words=["heap"])
    says(2, "record", "--", "true", words=["PROFLITE_HZ"], env={**os.environ, "PROFLITE_HZ": "fast"})
    says(2, "record", "--", "true", words=["PROFLITE_MODE"], env={**os.environ, "PROFLITE_MODE": "x"})
    says(2, "serve", "--listen", "127.0.0.1:notaport")
    unmade = folder / "unmade.db"
    says(2, "serve", "--db", unmade, "--forward", "nope", words=["--forward", "DSN"])
    check(not list(folder.glob("unmade.db*")), "serve: a bad DSN leaves no file")
    says(4, "process", "--db", unmade, "--payload", folder / "nope", words=["nope", "No such file"])


def test_paths(folder):
    """Where the store is looked for, first match first."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PROFLITE", "XDG"))}
    env["HOME"] = "/the/home"
    says(1, "ls", words=["/the/home/.local/share/proflite/proflite.db"], env=env)
    config = folder / "xdg" / "proflite"
    config.mkdir(parents=True)
    (config / "config").write_text("# mine\ndb = /the/config.db\nhz = 77\n")
    with_config = {**env, "XDG_CONFIG_HOME": str(folder / "xdg")}
    says(1, "ls", words=["/the/config.db"], env=with_config)
    shown = run(PROFLITE, "config", "--show-origin", env=with_config).stdout.decode()
    check(re.search(r"^hz +77 .*config:3$", shown, re.M) and "default" in shown, shown)
    over = {**with_config, "PROFLITE_HZ": "50"}
    shown = run(PROFLITE, "config", "--show-origin", env=over).stdout.decode()
    check(re.search(r"^hz +50 +PROFLITE_HZ$", shown, re.M), shown)
    says(2, "config", words=["PROFLITE_HZ must be"], env={**with_config, "PROFLITE_HZ": "fast"})
    says(2, "config", "extra", words=["extra"])
    env["XDG_DATA_HOME"] = "relative/does/not/count"
    says(1, "ls", words=["/the/home/.local/share"], env=env)
    env["XDG_DATA_HOME"] = "/the/data"
    says(1, "ls", words=["/the/data/proflite/proflite.db"], env=env)
    env["PROFLITE_DB"] = "/the/variable.db"
    says(1, "ls", words=["/the/variable.db"], env=env)
    says(1, "ls", "--db", "/the/flag.db", words=["/the/flag.db", "record"], env=env)
    says(1, "--db", "/the/other.db", "ls", words=["/the/other.db"], env=env)
    says(1, "ls", "--db", "/the/\033[31mred.db", words=["/the/?[31mred.db"], env=env)


def test_output_closed(folder):
    full = open("/dev/full", "w")
    done = run(PROFLITE, "-h", stdout=full, capture_output=False, stderr=-1)
    check(done.returncode == 4 and b"No space" in done.stderr, f"full: {done.returncode} {done.stderr}")
    db = folder / "x.db"
    record(db, "sleep", ".3")
    for command in ("ls", "ls --json", "top --json", "flame", "flame --json", "flame -o -", "query --json 'SELECT 1'",
                    "process --redo --json", "check", "check --json", "gc --keep 1d",
                    "gc --keep 1d --json"):
        for target, why in ((">/dev/full", b"No space"), (">&-", b"Bad file")):
            done = run("bash", "-c", f"{PROFLITE} --db {db} {command} {target}")
            check(done.returncode == 4 and why in done.stderr and done.stderr.count(b"\n") == 1,
                  f"{command} {target}: {done.returncode} {done.stderr}")
    done = run("bash", "-c", f"{PROFLITE} --db {db} query <&-")
    check(done.returncode == 4 and b"Bad file" in done.stderr, f"no input: {done.returncode} {done.stderr}")
    done = run("bash", "-c", f"set -o pipefail; {PROFLITE} -h | true; exit 0")
    check(done.stderr == b"", f"a reader that leaves: {done.stderr}")


# Not the store, nor the settings, of whoever runs the tests.
home = tempfile.TemporaryDirectory(prefix="proflite-home-")
for variable in [v for v in os.environ if v.startswith("PROFLITE_") and v != "PROFLITE_BUILD"]:
    del os.environ[variable]
os.environ.update({"HOME": home.name, "XDG_DATA_HOME": home.name, "XDG_CONFIG_HOME": home.name})
main([test_help, test_version, test_hints, test_values, test_paths, test_output_closed])
