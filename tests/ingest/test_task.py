#!/usr/bin/env python3
"""What the task makes of a chunk: flags, stored fields, counters, one outcome; and the
same again when it is done twice."""
import json
import re
import subprocess

from support import PROFLITE, Server, check, chunk, envelope, finish, item

IMAGE = {"type": "macho", "debug_id": "0" * 31 + "1", "image_addr": "0x100000000",
         "image_size": 65536, "code_file": "/app"}


def v1(number, platform="python", **changes):
    """A profile of a transaction."""
    base = chunk(number)
    document = {
        "event_id": f"{number:032x}", "version": "1", "platform": platform,
        "timestamp": "2026-11-22T10:00:00Z", "release": "r@1", "environment": "test",
        "device": {"architecture": "arm64", "is_emulator": False, "locale": "en",
                   "manufacturer": "m", "model": "m1"},
        "os": {"name": "os", "version": "1", "build_number": "b"},
        "transaction": {"id": "a" * 32, "name": "GET /", "trace_id": "b" * 32,
                        "active_thread_id": "1"},
        "profile": {**base["profile"], "samples": [
            {"elapsed_since_start_ns": tick * 10**7, "thread_id": "1", "stack_id": 0}
            for tick in range(5)]},
    }
    document.update(changes)
    return document


def state(server, number):
    """Flags and fields of a chunk, and its outcome."""
    rows = server.sql(
        "SELECT c.*, o.outcome, o.reason, o.quantity, o.duration_ms FROM chunk c JOIN"
        " outcome o ON o.chunk_uuid = c.uuid AND o.project_id = c.project_id"
        " WHERE c.uuid = ?", f"{number:032x}")
    return dict(rows[0]) if len(rows) == 1 else {}


def counters(server):
    return dict(map(tuple, server.sql("SELECT name, value FROM counter")))


def check_state(server, number, name, **wanted):
    got = state(server, number)
    for key, value in wanted.items():
        check(got.get(key) == value, f"{name}: {key} is {got.get(key)}, not {value}")


def check_debug_meta(server):
    """Which chunks are symbolicated, and what stands in the way."""
    cases = [ # platform, debug_meta, symbolicated, counted as missing, rejected
        ("cocoa", {"images": [IMAGE]}, 1, 0, False),
        ("cocoa", None, 0, 1, False),
        ("cocoa", {}, 0, 1, False),
        ("rust", {"images": []}, 1, 0, False),
        ("javascript", {"sdk_info": {}}, 0, 0, True),
        ("node", {"images": None}, 0, 0, True),
        ("python", None, 0, 0, False),
        ("php", {"other": 1}, 0, 0, False),
    ]
    missing, invalid, accepted = 0, 0, 0
    for number, (platform, meta, flag, counted, rejected) in enumerate(cases, 100):
        server.envelope(envelope(item(chunk(number, platform=platform, debug_meta=meta))))
        server.settle()
        name = f"{platform}, debug_meta {meta}"
        check_state(server, number, name, symbolicated=flag, normalized=int(not rejected),
                    outcome="invalid" if rejected else "accepted", quantity=1,
                    reason="profiling_failed_symbolication" if rejected else None)
        missing, invalid = missing + counted, invalid + rejected
        accepted += not rejected
    got = counters(server)
    check(got.get("missing_keys_debug_meta") == missing, f"counted: {got}")
    check(got.get('outcomes{outcome="accepted",reason=""}') == accepted, f"accepted: {got}")
    check(got.get('outcomes{outcome="invalid",reason="profiling_failed_symbolication"}')
          == invalid, f"rejected: {got}")


def check_normalize(server):
    """Device class from the tag, days of retention, durations beside quantity 1."""
    tagged = {"transaction_tags": {"device.class": "high", "other": "x"}}
    cases = [ # kind, payload, device class
        ("profile", v1(200, "cocoa", **tagged), "high"),
        ("profile", v1(201, "cocoa"), "unclassified"),
        ("profile", v1(202, "cocoa", transaction_tags={"device.class": ""}), "unclassified"),
        ("profile", v1(203, "python", **tagged), None),
        ("profile_chunk", chunk(204, platform="cocoa", **tagged), None),
    ]
    for number, (kind, payload, device_class) in enumerate(cases, 200):
        server.envelope(envelope(item(payload, kind)))
        server.settle()
        v2 = kind == "profile_chunk"
        check_state(server, number, f"{kind} {payload['platform']} {number}",
                    device_class=device_class, retention_days=90, outcome="accepted",
                    event_id=None if v2 else f"{number:032x}", normalized=1,
                    format="sample_v2" if v2 else "sample_v1",
                    quantity=1, duration_ms=20 if v2 else 40)


def dump(server):
    """All that a redo has no business changing."""
    return [[tuple(row) for row in server.sql(statement)] for statement in (
        "SELECT * FROM chunk ORDER BY id", "SELECT * FROM frame_name ORDER BY 1, 2",
        "SELECT * FROM frame_raw ORDER BY 1", "SELECT * FROM function ORDER BY 1",
        "SELECT * FROM slot ORDER BY 1", "SELECT * FROM outcome ORDER BY 1")]


def check_redo(server):
    """Normalized twice: byte for byte the same."""
    before = dump(server)
    done = subprocess.run([PROFLITE, "--db", server.db, "process", "--redo", "--json"],
                          capture_output=True, text=True)
    redone = json.loads(done.stdout)
    check(done.returncode == 0 and redone["chunks"] > 10, f"redo: {done}")
    check(redone["duplicates"] == redone["chunks"], "no second outcome")
    check(redone["outcomes_accepted"] == redone["outcomes_invalid"] == 0, f"{redone}")
    check(dump(server) == before, "a redo changes nothing")


SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*\})?'
                    r' ([0-9.]+|NaN)')


def metrics(server):
    """The page, read as Prometheus would: each family once, typed before its samples."""
    status, headers, body = server.post("/metrics", b"", method="GET")
    check(status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4"),
          f"/metrics: {status} {headers}")
    types, values, family, helped = {}, {}, None, None
    for line in body.decode().splitlines():
        if line.startswith("# HELP "):
            helped = line.split(" ")[2]
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            check(name == helped, f"help before the type: {line}")
            check(name not in types and kind in ("counter", "gauge", "summary"), line)
            types[name], family = kind, name
        else:
            match = SAMPLE.fullmatch(line)
            if not check(match, f"no sample: {line}"):
                continue
            name, labels, value = match.groups()
            suffixes = ("_sum", "_count") if types.get(family) == "summary" else ("",)
            check(name in [family + suffix for suffix in suffixes], f"{name} in {family}")
            check(name + (labels or "") not in values, f"{line} comes once")
            values[name + (labels or "")] = float(value)
    return values


def check_metrics(server):
    """/metrics says what the rows say."""
    report = {"discarded_events": [
        {"reason": reason, "category": "profile_chunk", "quantity": 2}
        for reason in ("queue_overflow", 'a "label"\n', "x" * 99)]}
    again = envelope(item(chunk(300)))
    for body in (again, again, again, envelope(item(chunk(301, samples=[]))),
                 envelope(item(report, "client_report"))):
        server.envelope(body)
    check(server.envelope(b"no envelope")[0] == 400, "refused")
    server.settle()
    got = metrics(server)
    rows = server.sql("SELECT outcome, coalesce(reason, '') AS reason, count(*) AS n"
                      " FROM outcome GROUP BY 1, 2")
    for row in rows:
        reason = row["reason"]
        if row["outcome"] == "client_discard" and reason != "queue_overflow":
            continue
        name = f'proflite_task_outcomes_total{{outcome="{row[0]}",reason="{reason}"}}'
        check(got.get(name) == row["n"], f"{name}: {got.get(name)}, not {row['n']}")
    name = 'proflite_task_outcomes_total{outcome="client_discard",reason="other"}'
    check(got.get(name) == 2, f"foreign reasons are one counter: {got.get(name)}")
    for name, value in (("task_duplicates_total", 2), ("task_symbolicate_error_total", 0),
                        ('ingest_requests_total{status="400"}', 1),
                        ('waiting{in="inbox"}', 0), ('waiting{in="pass"}', 0)):
        check(got.get("proflite_" + name) == value, f"{name}: {got.get('proflite_' + name)}")
    profiles = server.value("SELECT count(*) FROM outcome WHERE category LIKE 'profile%'"
                            " AND outcome <> 'client_discard'")
    check(got["proflite_task_payload_bytes_count"] == profiles, "a size for each profile")
    check(got['proflite_task_stage_seconds_count{stage="normalize"}']
          == server.value("SELECT count(*) FROM chunk WHERE normalized"), "normalized")
    check(got['proflite_ingest_requests_total{status="200"}']
          == server.value("SELECT count(*) FROM inbox"), "requests")


def main():
    with Server() as server:
        check_debug_meta(server)
        check_normalize(server)
        check_metrics(server)
        check_redo(server)
    finish()


main()
