#!/usr/bin/env python3
"""Recorded requests of real SDKs: every sample, stack, frame, thread, name and
transaction is in the store, once, however often the request comes."""
import collections
import gzip
import json
import subprocess

from support import FIXTURES, PROFLITE, Server, check, finish, fixtures

SAMPLES = """
    SELECT t.tid AS tid, count(*) AS n FROM sample s JOIN thread t ON t.id = s.thread_id
    WHERE s.chunk_id = ? GROUP BY 1"""
LEAVES = """
    SELECT t.tid AS tid, f.function AS function, r.line AS line, count(*) AS n
    FROM sample s JOIN thread t ON t.id = s.thread_id
         JOIN stack_frame f ON f.stack_id = s.stack_id
         JOIN frame_raw r ON r.id = f.frame_id
    WHERE s.chunk_id = ? AND f.depth = (SELECT max(depth) FROM stack_frame g
                                        WHERE g.stack_id = s.stack_id)
    GROUP BY 1, 2, 3 ORDER BY 4 DESC"""


def sent(name):
    """The profile of a recorded request, as Python reads it."""
    body = (FIXTURES / f"{name}.body").read_bytes()
    if body[:2] == b"\x1f\x8b":
        body = gzip.decompress(body)
    elif not body.startswith(b"{"):
        return None
    for line in body.split(b"\n"):
        if line.startswith(b"{") and b'"samples"' in line:
            return json.loads(line)
    return None


def check_stacks(server, name, row):
    """Each sample's whole stack, as (thread, names from the leaf) with counts."""
    document = sent(name)
    if not document:
        return
    profile = document["profile"]
    wanted = collections.Counter()
    for sample in profile["samples"]:
        stack = profile["stacks"][sample["stack_id"]]
        names = tuple(profile["frames"][i].get("function", "") for i in stack)
        wanted[(int(sample["thread_id"]), names)] += 1
    stacks = collections.defaultdict(list)
    for frame in server.sql("""SELECT stack_id, function FROM stack_frame WHERE stack_id IN
            (SELECT stack_id FROM sample WHERE chunk_id = ?) ORDER BY 1, depth DESC""",
                            row["id"]):
        stacks[frame["stack_id"]].append(frame["function"])
    got = collections.Counter()
    for sample in server.sql("""SELECT t.tid AS tid, s.stack_id AS stack FROM sample s
            JOIN thread t ON t.id = s.thread_id WHERE s.chunk_id = ?""", row["id"]):
        got[(sample["tid"], tuple(stacks[sample["stack"]]))] += 1
    check(got == wanted, f"{name}: stacks of all samples")


def check_times(server, name, row):
    """Times to the microsecond; weights are the gaps between them."""
    document = sent(name)
    if not document or document["version"] != "2":
        return
    wanted = collections.defaultdict(list)
    for sample in document["profile"]["samples"]:
        wanted[int(sample["thread_id"])].append(sample["timestamp"])
    for tid, times in wanted.items():
        got = server.sql("""SELECT ts_ns, weight_ns FROM sample s
            JOIN thread t ON t.id = s.thread_id
            WHERE s.chunk_id = ? AND t.tid = ? ORDER BY ts_ns""", row["id"], tid)
        times.sort()
        check(all(abs(r["ts_ns"] / 1e9 - at) < 2e-6 for r, at in zip(got, times)),
              f"{name}: times of thread {tid}")
        check(all(r["weight_ns"] == max(n["ts_ns"] - r["ts_ns"], 1)
                  for r, n in zip(got, got[1:])), f"{name}: weights of thread {tid}")
        check(got[-1]["weight_ns"] > 0, f"{name}: the last sample weighs something")


def check_profile(server, name, item):
    rows = server.sql("SELECT * FROM chunk WHERE uuid = ? AND project_id = 42", item["id"])
    if not check(len(rows) == 1, f"{name}: one chunk, not {len(rows)}"):
        return
    row = rows[0]
    session = server.sql("SELECT * FROM session WHERE id = ?", row["session_id"])[0]
    check(session["uuid"] == (item["profiler_id"] or item["id"]), f"{name}: session")
    check(session["release"] == item["release"], f"{name}: release")
    check(session["environment"] == item["environment"], f"{name}: environment")
    check(session["dist"] == item["dist"], f"{name}: dist")
    check(session["app"] == "project-42", f"{name}: app")
    check(row["platform"] == item["platform"], f"{name}: platform")
    check(row["format"] == "sample_v" + item["version"], f"{name}: format")
    threads = {str(r["tid"]): r["n"] for r in server.sql(SAMPLES, row["id"])}
    check(threads == item["threads"], f"{name}: samples per thread {threads}")
    names = {str(r["tid"]): r["name"] for r in server.sql(
        "SELECT tid, name FROM thread WHERE session_id = ?", row["session_id"])
        if r["name"]}
    check(names == item["thread_metadata"], f"{name}: thread names {names}")
    leaves = [(str(r["tid"]), r["function"], r["line"], r["n"])
              for r in server.sql(LEAVES, row["id"])]
    for leaf in item["leaf_top"]:
        check(tuple(leaf) in leaves, f"{name}: leaf {leaf}")
    outcomes = server.sql("SELECT * FROM outcome WHERE chunk_uuid = ?", item["id"])
    check([(o["category"], o["outcome"]) for o in outcomes]
          == [("profile" if item["version"] == "1" else "profile_chunk", "accepted")],
          f"{name}: one accepted outcome")
    for unit, count in item["measurements"].items():
        check(server.value("SELECT count(*) FROM measurement WHERE chunk_id = ? AND"
                           " name = ?", row["id"], unit) == count, f"{name}: {unit}")
    check_stacks(server, name, row)
    check_times(server, name, row)


def check_transaction(server, name, item):
    rows = server.sql("SELECT * FROM span WHERE event_id = ?", item["event_id"])
    if not check(len(rows) == 1, f"{name}: one transaction"):
        return
    row = rows[0]
    check(row["name"] == item["transaction"] and row["is_segment"], f"{name}: name")
    profiler = (item["profile_context"] or {}).get("profiler_id")
    check(row["profiler_id"] == profiler, f"{name}: linked to {row['profiler_id']}")
    thread = item["trace_data"].get("thread.id")
    check(row["tid"] == (int(thread) if thread else None), f"{name}: thread")


def check_all(server):
    for request in fixtures():
        for item in request["items"]:
            if "samples" in item:
                check_profile(server, request["file"], item)
            elif item["type"] == "transaction":
                check_transaction(server, request["file"], item)
            elif item["type"] == "span":
                check(server.value("SELECT count(*) FROM span WHERE trace_id = (SELECT"
                                   " trace_id FROM span WHERE name = 'wait' LIMIT 1)")
                      == item["item_count"], f"{request['file']}: spans")


LABELS = """
    SELECT l.value AS value, t.tid AS tid, l.n AS n FROM label l
    JOIN thread t ON t.id = l.thread_id JOIN chunk c ON c.id = l.chunk_id
    WHERE l.key = 'transaction' AND c.uuid = ? ORDER BY 1, 2"""


def check_labels(server):
    """The samples taken while a transaction ran carry its name, whichever came first."""
    python = [tuple(r) for r in server.sql(LABELS, "07d8f0347ead472bb3ea496529873d4e")]
    check(python == [("job-1", 140324150167232, 5), ("job-1", 140324158559936, 6)],
          f"labels of a python chunk: {python}")
    node = [tuple(r) for r in server.sql(LABELS, "a43c41007c1048d5bcda982adf9b997b")]
    check(node == [("job-0", 0, 10)], f"labels of a node chunk: {node}")


def check_surfaces(server):
    """What people look at: top and the flame graph hold all of the samples."""
    run = lambda *args: subprocess.run([PROFLITE, "--db", server.db, *args],
                                       capture_output=True, text=True, check=True).stdout
    top = json.loads(run("top", "--json"))
    total = sum(i["samples"] for r in fixtures() for i in r["items"] if "samples" in i)
    check(top["samples"] == total, f"top: {top['samples']} samples of {total}")
    check(server.value("SELECT count(*) FROM sample") == total, "SQL: all samples")
    folded = run("flame", "-o", "-")
    check(sum(int(line.rsplit(" ", 1)[1]) for line in folded.splitlines()) == total,
          "folded: all samples")
    check("  (no name)  " in run("top") and "─ (no name)  " in run("flame"),
          "anonymous functions of JavaScript have something to be read")
    check("damaged" not in run("check"), "check finds nothing")


def main():
    names = [request["file"] for request in fixtures()]
    with Server() as server:
        for name in names:
            check(server.replay(name) == 200, f"{name}: 200")
        server.settle()
        check_all(server)
        check_labels(server)
        check_surfaces(server)
        for name in names + names:
            check(server.replay(name) == 200, f"{name} again: 200")
        server.settle()
        check_all(server)
        check_labels(server)
        check(server.value("SELECT value FROM counter WHERE name = 'duplicates'") == 20,
              "resent chunks are counted as duplicates")
    with Server() as server: # chunks first, transactions after: labels come late
        for name in sorted(names, key=lambda n: n in ("py-trace-01", "py-trace-02")):
            server.replay(name)
        server.settle()
        check_labels(server)
    finish()


main()
