#!/usr/bin/env python3
"""What each kind of item becomes: good ones of all platforms, and each reason for
which one is rejected. The answer is 200 in any case: judging comes later."""
import base64
import json
import struct
import subprocess
import time

from support import PROFLITE, SANITIZED, Server, check, chunk, envelope, finish, item


def art_trace(version=3, events=((1, 0x10, 0, 0), (1, 0x20, 0, 1000), (1, 0x20, 1, 4000),
                                 (2, 0x10, 0, 2000), (2, 0x10, 2, 9000),
                                 (1, 0x10, 1, 10000))):
    """Android's method trace: (thread, method, action, microseconds)."""
    text = (f"*version\n{version}\ndata-file-overflow=false\nclock=dual\n*threads\n"
            "1\tmain\n2\tworker\n*methods\n"
            "0x10\tcom.a.B\trun\t()V\tB.java\t12\n"
            "0x20\tcom.a.C\tc\t(I[J)Lcom/a/D;\tC.java\n*end\n").encode()
    header = b"SLOW" + struct.pack("<HHQ", version, 32, 1_700_000_000_000_000)
    header += struct.pack("<H", 14) if version == 3 else b""
    data = text + header.ljust(32, b"\0")
    for thread, method, action, at in events:
        data += struct.pack("<HIII", thread, method | action, at // 2, at)
    return base64.b64encode(data).decode().rstrip("=")


def android_chunk(number, **changes):
    document = chunk(number, platform="android", sampled_profile=art_trace(),
                     timestamp=1795345000 + number, build_id="ab" * 16)
    del document["profile"]
    document.update(changes)
    return {k: v for k, v in document.items() if v is not None}


def profile_v1(number, platform="python", **changes):
    base = chunk(number)
    profile = base["profile"]
    profile["samples"] = [{"elapsed_since_start_ns": str(tick * 10_000_000),
                           "thread_id": thread, "stack_id": 0}
                          for tick in range(4) for thread in (1, "2")]
    document = {
        "event_id": f"{number:032x}", "version": "1", "platform": platform,
        "timestamp": "2026-11-22T10:58:39.5Z", "release": "r@1", "profile": profile,
        "device": {"architecture": "x86_64"}, "os": {"name": "Linux", "version": "6"},
        "transaction": {"name": "GET /", "id": "1" * 32, "trace_id": "2" * 32,
                        "active_thread_id": "2"},
    }
    document.update(changes)
    return {k: v for k, v in document.items() if v is not None}


def native_chunk(number, platform):
    return chunk(
        number, platform=platform,
        frames=[{"instruction_addr": "0x104a10010", "function": None},
                {"instruction_addr": "0x104a10020"},
                {"instruction_addr": "0x1000000000001040"},
                {"instruction_addr": "0x99999"}],
        stacks=[[0, 1], [1, 3]],
        debug_meta={"images": [{
            "type": "macho" if platform == "cocoa" else "elf", "code_file": "/app/bin",
            "debug_id": "DEB0DEB0-1111-2222-3333-444455556666", "image_vmaddr": "0x1000",
            "image_addr": "0x104a10000", "image_size": 4096}]})


def bad_samples(**changes):
    sample = {"timestamp": 1795345190.5, "thread_id": "1", "stack_id": 0, **changes}
    return [{k: v for k, v in sample.items() if v is not None}]


def text_of(document, old, new):
    return json.dumps(document).replace(old, new).encode()


# name, item type, payload, item header, outcome's reason (None: accepted)
CASES = [
    ("python", "profile_chunk", chunk(1), {}, None),
    ("dashes in ids", "profile_chunk",
     chunk(2, chunk_id="00000000-0000-0000-0000-000000000002"), {}, None),
    ("java", "profile_chunk", chunk(3, platform="java"),
     {"content_type": "application-json"}, None),
    ("rust", "profile_chunk", native_chunk(4, "rust"), {}, None),
    ("cocoa", "profile_chunk", native_chunk(5, "cocoa"), {"platform": "cocoa"}, None),
    ("browser", "profile_chunk", chunk(6, platform="javascript"),
     {"platform": "javascript"}, None),
    ("one sample", "profile_chunk", chunk(7, samples=bad_samples()), {}, None),
    ("aliases", "profile_chunk", chunk(8, stacks=[[0], [0]], frames=[
        {"name": "f", "file": "b.js", "line": 3, "column": 9, "package": "pkg"}]), {}, None),
    ("android chunk", "profile_chunk", android_chunk(9), {}, None),
    ("android, claims 2", "profile_chunk", android_chunk(10, version="2"), {}, None),
    ("v1", "profile", profile_v1(11), {}, None),
    ("v1, list of transactions", "profile",
     profile_v1(12, transaction=None, transactions=[{
         "name": "t", "id": "1" * 32, "trace_id": "2" * 32}]), {}, None),
    ("android legacy", "profile", {
        "profile_id": f"{13:032x}", "platform": "android", "sampled_profile": art_trace(2),
        "transaction_name": "Main", "transaction_id": "1" * 32, "trace_id": "2" * 32,
        "active_thread_id": "1", "duration_ns": "10000000",
        "timestamp": "2026-11-22T10:58:39Z"}, {}, None),
    ("milliseconds and strings", "profile_chunk", chunk(14, measurements={
        "cpu": {"unit": "percent", "values": [
            {"timestamp": 1795345264160.5, "value": 0.5},
            {"timestamp": 1795345264.25, "value": "1.5"}]}}), {}, None),
    ("times out of order", "profile_chunk", chunk(15, samples=[
        {"timestamp": 1795345190 + at, "thread_id": "1", "stack_id": 0}
        for at in (3, 1, 2, 2, 0)]), {}, None),
    ("unknown keys", "profile_chunk", chunk(16, whatever={"a": [1, {"b": None}]}), {}, None),
    ("thread ids of any kind", "profile_chunk", chunk(17, samples=[
        {"timestamp": 1795345190 + i, "thread_id": t, "stack_id": 0}
        for i, t in enumerate(("main", 7, "18446744073709551615"))]), {}, None),
    ("crosses an hour", "profile_chunk", chunk(18, samples=[
        {"timestamp": 1795345200 - 30 + i, "thread_id": "1", "stack_id": 0}
        for i in range(61)]), {}, None),

    ("not JSON", "profile_chunk", b"{nope}", {}, "invalid_json"),
    ("cut off", "profile_chunk", json.dumps(chunk(20)).encode()[:-9], {}, "invalid_json"),
    ("empty", "profile_chunk", b"", {}, "invalid_json"),
    ("an array", "profile_chunk", b"[]", {}, "invalid_json"),
    ("no chunk id", "profile_chunk", chunk(21, chunk_id=None), {}, "invalid_json"),
    ("bad chunk id", "profile_chunk", chunk(21, chunk_id="x" * 32), {}, "invalid_json"),
    ("no profiler id", "profile_chunk", chunk(22, profiler_id=None), {}, "invalid_json"),
    ("no platform", "profile_chunk", chunk(23, platform=None), {}, "invalid_json"),
    ("stack id is text", "profile_chunk", chunk(24, samples=bad_samples(stack_id="0")), {},
     "invalid_json"),
    ("no thread", "profile_chunk", chunk(25, samples=bad_samples(thread_id=None)), {},
     "invalid_json"),
    ("NaN", "profile_chunk", text_of(chunk(26), "1795345215.01", "NaN"), {}, "invalid_json"),
    ("Infinity", "profile_chunk", text_of(chunk(27), "1795345216.01", "-Infinity"), {},
     "invalid_json"),
    ("bad UTF-8", "profile_chunk", json.dumps(chunk(28)).encode().replace(
        b"main", b"\xff\xfe"), {}, "invalid_json"),
    ("lone surrogate", "profile_chunk", text_of(chunk(29), "left", "\\ud800"), {}, "any"),
    ("nested", "profile_chunk", b'{"a":' * 100 + b"1" + b"}" * 100, {}, "invalid_json"),
    ("100000 deep", "profile_chunk", b"[" * 100000 + b"]" * 100000, {}, "invalid_json"),
    ("negative time", "profile_chunk", chunk(30, samples=bad_samples(timestamp=-5)), {},
     "malformed_samples"),
    ("time past 64 bits", "profile_chunk", chunk(31, samples=bad_samples(timestamp=1e300)),
     {}, "malformed_samples"),
    ("year 2200", "profile_chunk", chunk(32, samples=bad_samples(timestamp=7e9)), {},
     "malformed_samples"),
    ("no time", "profile_chunk", chunk(33, samples=bad_samples(timestamp=None)), {},
     "malformed_samples"),
    ("stack out of range", "profile_chunk", chunk(34, samples=bad_samples(stack_id=2)), {},
     "malformed_samples"),
    ("huge stack id", "profile_chunk",
     chunk(35, samples=bad_samples(stack_id=10**18)), {}, "invalid_json"),
    ("frame out of range", "profile_chunk", chunk(36, stacks=[[0, 3], [1]]), {},
     "malformed_stacks"),
    ("negative frame", "profile_chunk", chunk(37, stacks=[[-1], [1]]), {},
     "malformed_stacks"),
    ("no samples", "profile_chunk", chunk(38, samples=[]), {}, "not_enough_samples"),
    ("no profile", "profile_chunk", chunk(39, profile=None), {}, "not_enough_samples"),
    ("67 s", "profile_chunk", chunk(40, samples=[
        {"timestamp": 1795345190 + i * 67, "thread_id": "1", "stack_id": 0}
        for i in range(2)]), {}, "duration_is_too_long"),
    ("version 1 chunk", "profile_chunk", chunk(41, version="1"), {},
     "platform_not_supported"),
    ("no version", "profile_chunk", chunk(42, version=None), {}, "platform_not_supported"),
    ("ui item, backend chunk", "profile_chunk", chunk(43), {"platform": "cocoa"},
     "invalid_profile_type"),
    ("10**9 in a stack", "profile_chunk", chunk(44, stacks=[[10**9], [0]]), {},
     "malformed_stacks"),
    ("8193 threads", "profile_chunk", chunk(45, samples=[
        {"timestamp": 1795345190, "thread_id": str(i), "stack_id": 0}
        for i in range(8193)]), {}, "exceed_size_limit"),
    ("3 million frames", "profile_chunk",
     text_of(chunk(46, frames=["x"]), '"x"', "{}" + ",{}" * 3000000), {},
     "exceed_size_limit"),
    ("perfetto", "profile_chunk",
     b'{"chunk_id":"%s","platform":"android"}\x00\x01trace' % (b"d" * 32),
     {"content_type": "application/x-perfetto-trace", "meta_length": 68},
     "platform_not_supported"),
    ("v1, one sample", "profile", profile_v1(50, profile={
        **chunk(50)["profile"], "samples": [
            {"elapsed_since_start_ns": 1, "thread_id": "1", "stack_id": 0}]}), {},
     "not_enough_samples"),
    ("v1, 31 s", "profile", profile_v1(51, profile={
        **chunk(51)["profile"], "samples": [
            {"elapsed_since_start_ns": i * 31 * 10**9, "thread_id": "1", "stack_id": 0}
            for i in range(2)]}), {}, "duration_is_too_long"),
    ("v1, no transaction", "profile", profile_v1(52, transaction=None), {},
     "no_transaction_associated"),
    ("v1, nil trace", "profile", profile_v1(53, transaction={
        "name": "t", "id": "1" * 32, "trace_id": "0" * 32}), {},
     "invalid_transaction_metadata"),
    ("v1, cocoa without device", "profile", profile_v1(54, "cocoa"), {},
     "invalid_profile_metadata"),
    ("v1, version 3", "profile", profile_v1(55, version="3"), {}, "platform_not_supported"),
    ("android, not base64", "profile_chunk", android_chunk(60, sampled_profile="$$$$"), {},
     "invalid_base64_value"),
    ("android, not a trace", "profile_chunk", android_chunk(61, sampled_profile="AAAA"), {},
     "invalid_sampled_profile"),
    ("android, nothing", "profile_chunk", android_chunk(62, sampled_profile=None), {},
     "invalid_sampled_profile"),
    ("android, no events", "profile_chunk",
     android_chunk(63, sampled_profile=art_trace(events=())), {}, "not_enough_samples"),
    ("android, no time passes", "profile_chunk",
     android_chunk(64, sampled_profile=art_trace(events=((1, 0x10, 0, 0),))), {},
     "duration_is_zero"),
]


def check_case(server, name, kind, payload, header, reason):
    before = server.value("SELECT coalesce(max(id), 0) FROM outcome")
    for _ in range(2): # sent again: nothing new
        status = server.envelope(envelope(item(payload, kind, **header)))[0]
        check(status == 200, f"{name}: answered {status}")
    server.settle()
    rows = server.sql("SELECT * FROM outcome WHERE id > ?", before)
    if not check(len(rows) == 1, f"{name}: {len(rows)} outcomes"):
        return
    got = (rows[0]["outcome"], rows[0]["reason"])
    wanted = ("invalid", f"profiling_{reason}") if reason else ("accepted", None)
    check(got == wanted or reason == "any", f"{name}: {got}, not {wanted}")
    chunks = server.value("SELECT count(*) FROM chunk WHERE uuid = ?", rows[0]["chunk_uuid"])
    check(chunks == (got[0] == "accepted"), f"{name}: {chunks} chunks")


def check_native(server):
    """Leaves are exact, callers are not; addresses count from the image's own start."""
    rows = server.sql("""SELECT r.address, r.exact, m.path, m.debug_id FROM frame_raw r
        JOIN module m ON m.id = r.module_id WHERE m.path = '/app/bin'
        ORDER BY r.address, r.exact""")
    got = {(r["address"], r["exact"]) for r in rows}
    check(got == {(0x1010, 1), (0x1020, 0), (0x1020, 1), }, f"native frames {got}")
    check(all(r["debug_id"].startswith("deb0") for r in rows), "modules have a debug id")
    check(server.value("SELECT count(*) FROM image WHERE code_file = '/app/bin'") == 2,
          "images are kept")


def check_android(server):
    rows = server.sql("""SELECT t.name AS thread, f.folded AS folded, s.weight_ns AS ns
        FROM sample s JOIN thread t ON t.id = s.thread_id
        JOIN stack_folded f ON f.stack_id = s.stack_id
        JOIN chunk c ON c.id = s.chunk_id WHERE c.uuid = ? ORDER BY s.ts_ns, t.name""",
                      f"{9:032x}")
    got = [(r["thread"], r["folded"], r["ns"]) for r in rows]
    run, c = "com.a.B.run()", "com.a.C.c(int, long[]): com.a.D"
    check(got[:4] == [("main", run, 1_000_000), ("main", f"{run};{c}", 3_000_000),
                      ("worker", run, 7_000_000), ("main", run, 6_000_000)],
          f"android stacks {got}")
    check(server.value("SELECT category FROM outcome WHERE chunk_uuid = ?", "d" * 32)
          == "profile_chunk_ui", "a Perfetto trace is known by its metadata")
    check(server.value("SELECT count(*) FROM image WHERE type = 'proguard'") > 0,
          "the mapping's build id is kept")


def check_the_rest(server):
    check(server.value("""SELECT count(*) FROM part p JOIN chunk c ON c.id = p.chunk_id
        WHERE c.uuid = ?""", f"{18:032x}") == 2, "a chunk over the hour has two parts")
    check(server.value("""SELECT count(*) FROM sample s JOIN chunk c ON c.id = s.chunk_id
        WHERE c.uuid = ?""", f"{18:032x}") == 61, "and all its samples")
    check(server.value("""SELECT count(*) FROM label WHERE key = 'transaction' AND
        value = 'GET /' AND n = 4""") == 1, "v1 labels the active thread")
    values = server.sql("""SELECT m.ts_ns, m.value FROM measurement m
        JOIN chunk c ON c.id = m.chunk_id WHERE c.uuid = ? ORDER BY 1""", f"{14:032x}")
    check([(v["ts_ns"] // 10**7, v["value"]) for v in values]
          == [(179534526416, .5), (179534526425, 1.5)], "measurements in either unit")


def check_others(server):
    """Two profiles in one envelope, client reports, unknown items, no items."""
    server.envelope(envelope(item(profile_v1(70), "profile"), item(profile_v1(71), "profile")))
    report = {"timestamp": 1, "discarded_events": [
        {"reason": "queue_overflow", "category": "profile_chunk", "quantity": 7},
        {"reason": "ratelimit_backoff", "category": "transaction", "quantity": 1}]}
    for _ in range(2):
        server.envelope(envelope(item(report, "client_report", length=False)))
    odd = envelope(item(b"\x00\n\xff{}", "zebra"), item(chunk(72)), event_id="e" * 32)
    status, _, body = server.envelope(odd)
    check(status == 200 and json.loads(body) == {"id": "e" * 32}, "its event id is the answer")
    check(server.envelope(b"{}")[0] == 200, "an envelope without items")
    server.settle()
    reasons = [r["reason"] for r in server.sql(
        "SELECT reason FROM outcome WHERE chunk_uuid IN (?, ?) ORDER BY chunk_uuid",
        f"{70:032x}", f"{71:032x}")]
    check(reasons == [None, "profiling_too_many_profiles"], f"two profiles: {reasons}")
    discarded = [tuple(r) for r in server.sql("""SELECT category, reason, quantity FROM outcome
        WHERE outcome = 'client_discard' ORDER BY 1""")]
    check(discarded == [("profile_chunk", "queue_overflow", 7),
                        ("transaction", "ratelimit_backoff", 1)], f"report: {discarded}")
    check(server.value("SELECT count(*) FROM chunk WHERE uuid = ?", f"{72:032x}") == 1,
          "a chunk behind an unknown item")
    check(server.value("SELECT count(*) FROM inbox_body WHERE body = ?", odd) == 1,
          "the body is kept as it came")


def check_retention(server):
    """gc takes what was received, too, and what hung on chunks."""
    time.sleep(1.2)
    done = subprocess.run([PROFLITE, "--db", server.db, "gc", "--keep", "1s"],
                          capture_output=True)
    check(done.returncode == 0, f"gc: {done.stderr}")
    for table in ("inbox", "inbox_body", "span"):
        check(server.value(f"SELECT count(*) FROM {table}") == 0, f"gc empties {table}")
    for table in ("image", "measurement"):
        check(server.value(f"SELECT count(*) FROM {table} WHERE chunk_id NOT IN"
                           " (SELECT id FROM chunk)") == 0, f"{table} goes with its chunk")
    check(server.value("SELECT count(*) FROM outcome") > 50, "outcomes stay")


def main():
    with Server() as server:
        server.envelope(b"{}")
        for case in CASES:
            check_case(server, *case)
        check_native(server)
        check_android(server)
        check_the_rest(server)
        check_others(server)
        check(SANITIZED or server.memory_peak() < 120 << 20,
              f"{server.memory_peak() >> 20} MiB")
        check_retention(server)
        check(server.process.poll() is None, "the server lives")
    finish()


main()
