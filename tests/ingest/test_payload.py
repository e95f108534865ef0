#!/usr/bin/env python3
"""`proflite process --payload`: what stands beside the profile counts, what the profile
says of the same does not; hostile msgpack ends with 3, a clear line and little memory."""
import contextlib
import gzip
import json
import pathlib
import random
import resource
import sqlite3
import struct
import subprocess
import tempfile
import time

from support import FIXTURES, PROFLITE, SANITIZED, check, chunk, finish

MIB = 1 << 20


def pack(value):
    """msgpack of the plain kinds."""
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        if 0 <= value < 128:
            return bytes([value])
        return b"\xcf" + struct.pack(">Q", value) if value >= 0 else b"\xd3" + struct.pack(">q", value)
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, str):
        data = value.encode()
        return b"\xdb" + struct.pack(">I", len(data)) + data
    if isinstance(value, bytes):
        return b"\xc6" + struct.pack(">I", len(value)) + value
    if isinstance(value, list):
        return b"\xdd" + struct.pack(">I", len(value)) + b"".join(map(pack, value))
    return (b"\xdf" + struct.pack(">I", len(value))
            + b"".join(pack(k) + pack(v) for k, v in value.items()))


def task(profile, **changes):
    wrapped = {"organization_id": 7, "project_id": 42, "key_id": 3,
               "received": 1795345200, "payload": json.dumps(profile).encode()}
    wrapped.update(changes)
    return {key: value for key, value in wrapped.items() if value != "absent"}


def little_memory():
    """For a process: nothing that a length says gets it more than this."""
    resource.setrlimit(resource.RLIMIT_DATA, (64 * MIB, 64 * MIB))


class Store:
    def __init__(self, folder, name):
        self.folder, self.db = pathlib.Path(folder), pathlib.Path(folder) / f"{name}.db"

    def process(self, data, *flags, stdin=False):
        """(exit code, document, stderr) of one run on this payload."""
        file = self.folder / "task.msgpack"
        file.write_bytes(b"" if stdin else data)
        done = subprocess.run(
            [PROFLITE, "--db", self.db, "process", "--json", "--payload",
             "-" if stdin else file, *flags], input=data if stdin else b"",
            capture_output=True, preexec_fn=None if SANITIZED else little_memory)
        return (done.returncode, json.loads(done.stdout) if done.stdout else {},
                done.stderr.decode())

    def row(self, statement, *args):
        connection = sqlite3.connect(f"file:{self.db}?mode=ro", uri=True)
        connection.row_factory = sqlite3.Row
        try:
            row = connection.execute(statement, args).fetchone()
            return dict(row) if row else {}
        finally:
            connection.close()


def check_forged(folder):
    """The outer word wins, whatever the JSON says."""
    store = Store(folder, "forged")
    forged = chunk(1, organization_id=666, project_id=667, key_id=668, received=1,
                   sampled=False, symbolicated=True, normalized=True)
    for as_text in (False, True):
        wrapped = task(forged)
        if as_text:
            wrapped["payload"] = wrapped["payload"].decode()
        code, result, said = store.process(pack(wrapped), stdin=as_text)
        check(code == 0 and result["received"] == 1, f"taken in: {code} {result} {said}")
        check(result["received_duplicates"] == as_text, "the second time it is known")
    row = store.row("SELECT c.*, o.project_id AS op, o.org_id AS oo, o.key_id AS ok,"
                    " o.outcome, (SELECT count(*) FROM outcome) AS n, (SELECT sum(n) FROM slot)"
                    " AS samples FROM chunk c JOIN outcome o ON o.chunk_uuid = c.uuid")
    wanted = {"uuid": f"{1:032x}", "project_id": 42, "org_id": 7, "key_id": 3,
              "received_ns": 1795345200 * 10**9, "sampled": 1, "symbolicated": 0,
              "normalized": 1, "format": "sample_v2", "op": 42, "oo": 7, "ok": 3,
              "outcome": "accepted", "n": 1, "samples": 6}
    for key, value in wanted.items():
        check(row.get(key) == value, f"forged: {key} is {row.get(key)}, not {value}")


def check_sampled(folder):
    store = Store(folder, "sampled")
    for name, data, flags in (
            ("by the argument", pack(task(chunk(1))), ["--unsampled"]),
            ("before it is decoded", b"\xc1 no msgpack", ["--unsampled"]),
            ("by the map", pack(task(chunk(1, sampled=True), sampled=False)), [])):
        code, _, said = store.process(data, *flags)
        check(code == 0 and "not sampled" in said, f"unsampled {name}: {code} {said}")
        check(not store.db.exists(), f"unsampled {name}: nothing is stored")
    code, result, _ = store.process(pack(task(chunk(1, sampled=False), sampled=True)))
    check(code == 0 and result["outcomes_accepted"] == 1, "sampled, says the map")
    # A flag without a payload means nothing.
    done = subprocess.run([PROFLITE, "--db", store.db, "process", "--unsampled"],
                          capture_output=True)
    check(done.returncode == 2, "--unsampled alone")


def recorded(name):
    """The profile of a recorded request of an SDK."""
    body = gzip.decompress((FIXTURES / f"{name}.body").read_bytes())
    return json.loads(body.split(b"\n")[2])


def fingerprint(text):
    value = 0xcbf29ce484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001b3 % 2**64
    return value % 2**32


def quantile(values, q):
    place = q * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (place - low)


def self_times(profile):
    """Of each function of the application: its calls' self times, in ms. A tree of calls
    for each thread, walked when it is whole."""
    found, samples = {}, {}

    def walk(node, depth):
        frame, start, end, children, seen = node
        below = [walk(child, depth + 1) for child in children]
        app, lasted = sum(below), end - start
        if not frame.get("in_app"): # libraries do not say
            return app
        if depth and lasted - app > 1e-9:
            name = f"{frame['module']}:{frame['function']}"
            found.setdefault(name, []).append((lasted - app) * 1000)
            samples[name] = samples.get(name, 0) + seen
        return lasted

    frames, stacks = profile["frames"], profile["stacks"]
    for thread in {sample["thread_id"] for sample in profile["samples"]}:
        mine = sorted((s["timestamp"], s["stack_id"]) for s in profile["samples"]
                      if s["thread_id"] == thread)
        root = [None, 0, 0, [], 0]
        for (start, stack), (end, _) in zip(mine, mine[1:]):
            at = root
            for index in reversed(stacks[stack]):
                frame, last = frames[index], at[3][-1] if at[3] else None
                same = last and last[2] == start and all(
                    last[0].get(key) == frame.get(key)
                    for key in ("function", "module", "abs_path"))
                if not same:
                    at[3].append([frame, start, end, [], 0])
                at = at[3][-1]
                at[2] = end
                at[4] += 1
        for child in root[3]:
            walk(child, 0)
    return {name: sorted(times) for name, times in found.items() if samples[name] > 1}


def check_functions(folder):
    """Function metrics of a real profile: as a reference has them; the same whether they
    are made of its samples or were all that was kept."""
    profile = recorded("py-manual-01")
    kept, stored = Store(folder, "kept"), Store(folder, "stored")
    code, result, said = kept.process(pack(task(profile)), "--unsampled", "--unsampled-metrics")
    check(code == 0 and result["unsampled_profiles"] == 1, f"kept: {code} {result} {said}")
    code, result, said = stored.process(pack(task(profile)), "--unsampled-metrics")
    check(code == 0 and result["outcomes_accepted"] == 1, f"stored: {code} {result} {said}")
    answers = []
    for store in (kept, stored):
        done = subprocess.run([PROFLITE, "--db", store.db, "functions", "--json"],
                              capture_output=True, text=True)
        answers.append(json.loads(done.stdout)["functions"])
    check(answers[0] == answers[1], "kept and stored differ")
    wanted = self_times(profile["profile"])
    check(len(answers[0]) == len(wanted) == 4, f"{len(answers[0])} functions, {len(wanted)}")
    for row in answers[0]:
        name = f"{row['module']}:{row['function']}"
        times = wanted.get(name, [])
        check(row["fingerprint"] == fingerprint(name), f"{name}: {row['fingerprint']}")
        check(row["calls"] == len(times), f"{name}: {row['calls']} calls, not {len(times)}")
        pairs = [(row["self_ns"], sum(times))] + [
            (row[f"p{p}_ns"], quantile(times, p / 100)) for p in (75, 95, 99)]
        for got, ms in pairs: # times are stored to a microsecond
            check(abs(got / 1e6 - ms) < .002 * max(1, len(times)), f"{name}: {got} ns, {ms} ms")
    for table in ("chunk", "part", "slot", "session", "outcome", "inbox", "stack"):
        check(kept.row(f"SELECT count(*) AS n FROM {table}")["n"] == 0, f"{table} is empty")
    row = kept.row("SELECT profile_id, count(*) AS n, sum(samples) AS s, min(project_id) AS p"
                   " FROM function_metric")
    check(row["profile_id"] == "0" * 32 and row["n"] == 4 and row["p"] == 42, f"{row}")
    check(kept.row("SELECT value FROM counter WHERE name = 'unsampled_profiles'")["value"] == 1,
          "counted")
    # They go when they are old, as samples do.
    long_ago = [{"timestamp": 10**9 + tick / 100, "thread_id": "1", "stack_id": 0}
                for tick in range(3)]
    kept.process(pack(task(chunk(9, samples=long_ago))), "--unsampled", "--unsampled-metrics")
    check(kept.row("SELECT count(*) AS n FROM function_metric")["n"] == 5, "one more")
    subprocess.run([PROFLITE, "--db", kept.db, "gc", "--keep", "1000d"], capture_output=True)
    check(kept.row("SELECT count(*) AS n FROM function_metric")["n"] == 4, "and gone")
    # What is no profile is no metric, and still no outcome.
    code, result, _ = kept.process(pack(task({}, payload=b"{")), "--unsampled",
                                   "--unsampled-metrics")
    check(code == 0 and result["received_rejected"] == 1, f"no profile: {code} {result}")
    check(not kept.row("SELECT 1 FROM outcome"), "no outcome")


def check_killed(folder):
    """Killed anywhere, and given three times: whatever was put is there once, with one
    outcome."""
    store = Store(folder, "killed")
    files = []
    for number in range(1, 13):
        files.append(pathlib.Path(folder) / f"killed-{number}")
        files[-1].write_bytes(pack(task(chunk(number))))
    command = [PROFLITE, "--db", store.db, "process"]
    chance = random.Random(5)
    for file in files:
        for _ in range(3):
            run = subprocess.Popen([*command, "--payload", file], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
            time.sleep(chance.uniform(.002, .03))
            run.kill()
            run.wait()
    for file in files: # and once to the end
        done = subprocess.run([*command, "--payload", file], capture_output=True, text=True)
        check(done.returncode == 0, f"after kills: {done}")
    row = store.row("SELECT count(*) AS n, count(DISTINCT chunk_uuid) AS u,"
                    " sum(outcome = 'accepted') AS a FROM outcome")
    check(row == {"n": 12, "u": 12, "a": 12}, f"outcomes {row}")
    check(store.row("SELECT sum(n) AS n FROM slot")["n"] == 12 * 6, "samples, once")
    check(store.row("SELECT value FROM counter WHERE name = 'outcomes{outcome=\"accepted\",'"
                    "||'reason=\"\"}'")["value"] == 12, "counted as often")
    check(not store.row("SELECT 1 FROM inbox WHERE state <> 'stored'"), "nothing waits")


def check_half_taken(folder):
    """Killed after the profile was stored and before its row of the inbox said so."""
    store = Store(folder, "half")
    check(store.process(pack(task(chunk(1))))[0] == 0, "taken in")
    with contextlib.closing(sqlite3.connect(store.db)) as connection, connection:
        connection.execute("UPDATE inbox SET state = 'new'")
        check(connection.execute("SELECT items_done FROM inbox").fetchone() == (1,), "its item")
    code, result, said = store.process(pack(task(chunk(2))))
    check(code == 0 and result["received_duplicates"] == 0, f"goes on: {code} {result} {said}")
    check(not store.row("SELECT 1 FROM inbox WHERE state <> 'stored'"), "nothing waits")
    check(store.row("SELECT count(*) AS n FROM outcome")["n"] == 2, "outcomes, once")


def check_missing(folder):
    """No samples: counted, the flag unset, and no failure."""
    store = Store(folder, "missing")
    meta = {"images": []}
    for number, profile in enumerate(({}, None, {"samples": [], "stacks": [], "frames": []})):
        payload = chunk(number + 1, platform="cocoa", debug_meta=meta)
        if profile is None:
            del payload["profile"]
        else:
            payload["profile"] = profile
        code, result, said = store.process(pack(task(payload)))
        check(code == 0 and result["missing_keys_profile"] == 1
              and result["outcomes_accepted"] == 1, f"no profile: {code} {result} {said}")
        row = store.row("SELECT * FROM chunk WHERE uuid = ?", f"{number + 1:032x}")
        check((row["symbolicated"], row["normalized"], row["has_profile"]) == (0, 1, 0),
              f"no profile: {row}")
    payload = {"event_id": "e" * 32, "version": "1", "platform": "rust", "debug_meta": meta,
               "timestamp": "2026-11-22T10:00:00Z", "profile": {}}
    code, result, said = store.process(pack(task(payload)))
    check(result.get("missing_keys_profile") == 1, f"a v1 profile: {code} {result} {said}")
    done = subprocess.run([PROFLITE, "--db", store.db, "check"], capture_output=True)
    check(done.returncode == 0, f"check: {done.stdout}{done.stderr}")


def in_words(**changes):
    """What Relay makes of a method trace of Android."""
    events = (("Enter", 1, 16, 0), ("Enter", 1, 32, 1000), ("Exit", 1, 32, 4000), ("Enter", 2, 16, 2000),
              ("Unwind", 2, 16, 9000), ("Exit", 1, 16, 1010000))
    words = {
        "data_file_overflow": False, "clock": "Dual", "elapsed_time": {"secs": 0, "nanos": 10000000},
        "total_method_calls": 3, "clock_call_overhead": {"secs": 0, "nanos": 0}, "vm": "Art",
        "start_time": 1700000000 * 10**9, "pid": 7, "gc_trace": None,
        "threads": [{"id": 1, "name": "main"}, {"id": 2, "name": "worker"}],
        "methods": [{"id": 16, "class_name": "com.a.B", "name": "run", "signature": "()V",
                     "source_file": "B.java", "source_line": 12},
                    {"id": 32, "class_name": "com.a.C", "name": "c", "signature": "(I[J)Lcom/a/D;",
                     "source_file": "C.java", "source_line": None}],
        "events": [{"action": action, "thread_id": thread, "method_id": method,
                    "time": {"Monotonic": {"cpu": {"secs": 9, "nanos": 9}, "wall":
                                           {"nanos": at % 10**6 * 1000, "secs": at // 10**6}}}}
                   for action, thread, method, at in events]}
    words.update(changes)
    document = chunk(5, platform="android", timestamp=1795345000, build_id="ab" * 16)
    document["profile"] = words
    return document


def check_words(folder):
    """A trace of Android as it comes out of Relay is one of the same stacks and times."""
    store = Store(folder, "words")
    code, result, said = store.process(pack(task(in_words())))
    check(code == 0 and result["outcomes_accepted"] == 1, f"{code} {result} {said}")
    row = store.row("SELECT format, deobfuscated FROM chunk")
    check(row == {"format": "android_chunk", "deobfuscated": 1}, f"{row}")
    samples = []
    connection = sqlite3.connect(f"file:{store.db}?mode=ro", uri=True)
    for name, at, folded in connection.execute(
            "SELECT t.name, (s.ts_ns - 1795345000000000000) / 1000, f.folded FROM sample s JOIN thread t ON"
            " t.id = s.thread_id JOIN stack_folded f ON f.stack_id = s.stack_id ORDER BY 1, 2"):
        samples.append((name, at, folded))
    lines = dict(connection.execute("SELECT function, line FROM frame WHERE function LIKE 'com%'"))
    connection.close()
    run, c = "com.a.B.run()", "com.a.C.c(int, long[]): com.a.D"
    check(samples == [("main", 0, run), ("main", 1000, f"{run};{c}"), ("main", 4000, run),
                      ("main", 1010000, "[no stack]"), ("worker", 2000, run), ("worker", 9000, "[no stack]")],
          f"{samples}")
    check(lines == {run: 12, c: None}, f"{lines}")
    v1 = {"profile_id": "e" * 32, "platform": "android", "transaction_name": "t", "transaction_id": "1" * 32,
          "trace_id": "2" * 32, "version_name": "1", "profile": in_words()["profile"]}
    code, result, said = store.process(pack(task(v1)))
    check(code == 0 and result["outcomes_accepted"] == 1, f"with a transaction: {code} {result} {said}")
    row = store.row("SELECT format, start_ns FROM chunk WHERE uuid = ?", "e" * 32)
    check(row == {"format": "legacy", "start_ns": 1700000000 * 10**9}, f"{row}")
    for what, reason, changes in (
            ("no events", "profiling_invalid_sampled_profile", {"events": []}),
            ("nothing named", "profiling_not_enough_samples", {"methods": []}),
            ("an event that is none", "profiling_invalid_json", {"events": [5]}),
            ("a method that is none", "profiling_invalid_json", {"methods": ["x"]}),
            ("no such thread", "profiling_invalid_json",
             {"events": [{"action": "Enter", "thread_id": 70000, "method_id": 16}]}),
            ("no time passes", "profiling_duration_is_zero",
             {"events": [{"action": "Enter", "thread_id": 1, "method_id": 16}]})):
        other = Store(folder, what.replace(" ", "-"))
        code, result, said = other.process(pack(task(in_words(**changes))))
        check(code == 0 and result["received_rejected"] == 1, f"{what}: {code} {result} {said}")
        check(other.row("SELECT reason FROM outcome") == {"reason": reason}, f"{what}: {other.row('SELECT reason FROM outcome')}")


def check_invalid(folder):
    """Profiles that cannot be used are an outcome, not a failure of the command."""
    store = Store(folder, "invalid")
    for payload, reason in ((b"no JSON", "profiling_invalid_json"),
                            (b"", "profiling_invalid_json"),
                            (json.dumps(chunk(3, stacks=[[9], [0]])).encode(),
                             "profiling_malformed_stacks"),
                            (json.dumps(chunk(4, platform="android", profile=None)
                                        | {"profile": {"methods": [], "events": []}}).encode(),
                             "profiling_invalid_sampled_profile")):
        code, result, said = store.process(pack(task({}, payload=payload)))
        check(code == 0 and result["received_rejected"] == 1, f"{reason}: {code} {said}")
        check(store.row("SELECT 1 FROM outcome WHERE reason = ? AND outcome = 'invalid'"
                        " AND org_id = 7", reason), reason)


def check_hostile(folder):
    store = Store(folder, "hostile")
    good = pack(task(chunk(1)))
    cases = {
        "empty": b"", "nil": b"\xc0", "a list": pack([task(chunk(1))]),
        "broken off": good[:-1], "half": good[:len(good) // 2], "more behind": good + b"\xc0",
        "never used": b"\xc1", "no payload": pack(task({}, payload="absent")),
        "payload a map": pack(task({}, payload={"a": 1})),
        "payload a number": pack(task({}, payload=5)),
        "no project": pack(task({}, project_id="absent")),
        "project 0": pack(task({}, project_id=0)), "project text": pack(task({}, project_id="42")),
        "project negative": pack(task({}, project_id=-42)),
        "project past 63 bits": pack(task({}, project_id=2**64 - 1)),
        "received text": pack(task({}, received="now")),
        "received NaN": pack(task({}, received=float("nan"))),
        "received endless": pack(task({}, received=float("inf"))),
        "received long past": pack(task({}, received=-1)),
        "sampled text": pack(task({}, sampled="no")),
        "lists in lists": b"\x91" * MIB, "maps in maps": b"\x81\xa1a" * MIB,
        "deep in the map": pack({"a": None})[:-1] + b"\x91" * 100,
        "4 Gi elements": b"\xdd\xff\xff\xff\xff" + b"\xc0" * 1000,
        "4 Gi pairs": b"\xdf\xff\xff\xff\xff" + b"\xc0" * 1000,
        "4 GiB of text": b"\xdb\xff\xff\xff\xff" + b"x" * 1000,
        "4 GiB of an extension": b"\xc9\xff\xff\xff\xff\x01" + b"x" * 1000,
        "4 GiB of payload": pack({"payload": None})[:-1] + b"\xc6\xff\xff\xff\xff" + b"x" * 1000,
        "many elements": b"\xdd\x01\x00\x00\x00" + b"\xc0" * (16 * MIB),
        "huge": good + b" " * (60 * MIB),
    }
    for name, data in cases.items():
        code, _, said = store.process(data)
        check(code == 3, f"{name}: {code}, not 3: {said}")
        check(said.startswith("proflite: ") and said.count("\n") == 1, f"{name}: {said}")
        check(not store.db.exists(), f"{name}: nothing is stored")
    code, _, said = store.process(pack({"x": [1, {"y": -2}, 1.5, True, None], **task(chunk(1))}))
    check(code == 0, f"keys that are not known: {code} {said}")


def main():
    with tempfile.TemporaryDirectory(prefix="proflite-payload-") as folder:
        check_forged(folder)
        check_sampled(folder)
        check_functions(folder)
        check_killed(folder)
        check_half_taken(folder)
        check_missing(folder)
        check_words(folder)
        check_invalid(folder)
        check_hostile(folder)
    finish()


main()
