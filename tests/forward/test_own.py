#!/usr/bin/env python3
"""Our own chunks as envelopes: what they say is what is stored, Sentry's own parsers
take them, rules redact them; and a second proflite that gets them has the same, to the
sample and the nanosecond, however often it gets them."""
import contextlib
import gzip
import json
import pathlib
import re
import sqlite3
import subprocess
import sys
import tempfile
import time

from upstream import (OTHER_KEY, PROFLITE, Server, Upstream, check, finish, forward, parse,
                      record_linked, rows)

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "sdk"))
from modules import install # noqa: E402

NODE = HERE.parent / "sdk" / "node11" / "node_modules"

TOTALS = """
    SELECT c.uuid, s.uuid, coalesce(s.release, ''), coalesce(s.environment, ''), t.tid, t.name,
           count(*), sum(a.weight_ns), count(DISTINCT a.stack_id)
    FROM sample a JOIN chunk c ON c.id = a.chunk_id JOIN session s ON s.id = a.session_id
    JOIN thread t ON t.id = a.thread_id GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 5, 6"""
FUNCTIONS = """
    SELECT function, module, sum(self_ns), sum(total_ns), sum(samples) FROM function_weight
    GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2"""
SPANS = """
    SELECT value, count(DISTINCT thread_id) FROM label WHERE key = 'transaction' GROUP BY 1"""


def envelopes(folder):
    """Those --dry-run -o wrote, uncompressed, by kind."""
    found = {"chunk": [], "transaction": []}
    for path in sorted(folder.iterdir()):
        found[path.name.split("-")[0]].append(gzip.decompress(path.read_bytes()))
    return found


def check_chunk(db, body):
    header, items = parse(body)
    check(len(items) == 1 and items[0][0]["type"] == "profile_chunk", f"{items[0][0]}")
    check(items[0][0]["platform"] == "native", "its header says native")
    chunk = json.loads(items[0][1])
    profile = chunk["profile"]
    check(chunk["version"] == "2" and chunk["platform"] == "native", "version, platform")
    check(re.fullmatch("[0-9a-f]{32}", chunk["chunk_id"]) is not None, "chunk id")
    check(chunk["client_sdk"]["name"] == "proflite" and chunk["release"] == "1.0" and
          chunk["environment"] == "laptop", f"{chunk['release']}, {chunk.get('environment')}")
    frames, stacks, samples = profile["frames"], profile["stacks"], profile["samples"]
    check(all(isinstance(f.get("in_app"), bool) for f in frames), "in_app is always set")
    check(len({json.dumps(f, sort_keys=True) for f in frames}) == len(frames), "no frame twice")
    check(all(0 <= f < len(frames) for s in stacks for f in s), "indexes of frames")
    check(all(0 <= s["stack_id"] < len(stacks) for s in samples), "indexes of stacks")
    check({s["thread_id"] for s in samples} <= set(profile["thread_metadata"]), "threads")
    times = [s["timestamp"] for s in samples]
    check(max(times) - min(times) <= 66, "no longer than 66 s")
    names = [[frames[f].get("function") for f in s] for s in stacks]
    leafs = [n for n in names if "work" in n]
    check(leafs and all(n.index("work") >= 1 for n in leafs if len(n) > 3), "leaf first")
    images = chunk["debug_meta"]["images"]
    for frame in frames:
        at = int(frame.get("instruction_addr", "0"), 16)
        inside = [i for i in images if int(i["image_addr"], 16) <= at <
                  int(i["image_addr"], 16) + i["image_size"]]
        check(at < 2**48 or [i["code_file"] for i in inside] == [frame["package"]],
              f"its image: {frame}")
    real = [s for s in samples if stacks[s["stack_id"]]]
    want = rows(db, "SELECT count(*) FROM sample a JOIN chunk c ON c.id = a.chunk_id WHERE c.uuid = ?",
                chunk["chunk_id"])[0][0]
    check(len(real) == want, f"{len(real)} samples of {want}")
    return chunk


def check_weights(db, chunk):
    """As Sentry reads it: a sample lasts until its thread's next, the last one is nothing."""
    stacks, threads = chunk["profile"]["stacks"], {}
    for sample in chunk["profile"]["samples"]:
        threads.setdefault(sample["thread_id"], []).append(sample)
    for tid, samples in threads.items():
        samples.sort(key=lambda s: s["timestamp"])
        total = sum(b["timestamp"] - a["timestamp"] for a, b in zip(samples, samples[1:])
                    if stacks[a["stack_id"]])
        want, = rows(db, "SELECT sum(a.weight_ns) FROM sample a JOIN thread t ON t.id = a.thread_id"
                     " JOIN chunk c ON c.id = a.chunk_id WHERE c.uuid = ? AND t.tid = ?",
                     chunk["chunk_id"], int(tid))
        check(abs(total - want[0] / 1e9) < 1e-4, f"thread {tid}: {total} of {want[0] / 1e9}")


def check_transactions(found, chunk):
    check(len(found) > 3, f"{len(found)} transactions")
    for body in found:
        header, items = parse(body)
        event = json.loads(items[0][1])
        check(header["event_id"] == event["event_id"] and event["transaction"] == "round",
              f"{event['transaction']}")
        contexts = event["contexts"]
        check(contexts["profile"]["profiler_id"] == chunk["profiler_id"], "its profiler")
        check(contexts["trace"]["data"]["thread.id"] in chunk["profile"]["thread_metadata"],
              "its thread")
        check(event["tags"].get("worker") in ("1", "2"), f"labels are tags: {event['tags']}")
        check(event["start_timestamp"] < event["timestamp"] <= event["start_timestamp"] + 60,
              "it takes its time")
    ids = {parse(b)[0]["event_id"] for b in found}
    check(len(ids) == len(found), "each has its own id")


def check_parsers(folder):
    """The envelopes as Sentry's SDKs read them."""
    script = """
import sys, gzip, json
from sentry_sdk.envelope import Envelope
for name in sys.argv[1:]:
    e = Envelope.deserialize(gzip.open(name).read())
    assert len(e.items) == 1, name
    json.loads(e.items[0].payload.get_bytes())
print(len(sys.argv) - 1)"""
    names = sorted(str(p) for p in folder.iterdir())
    done = subprocess.run(["/usr/bin/python3", "-c", script, *names], capture_output=True, text=True)
    check(done.stdout.strip() == str(len(names)), f"python's parser: {done.stderr[-300:]}")
    install(NODE.parent)
    script = """
const { parseEnvelope } = require(process.argv[1] + "/@sentry/core");
const { readFileSync } = require("node:fs"), { gunzipSync } = require("node:zlib");
let count = 0;
for (const name of process.argv.slice(2)) {
  const [header, items] = parseEnvelope(gunzipSync(readFileSync(name)));
  if (items.length !== 1 || typeof items[0][1] !== "object") throw new Error(name);
  count++;
}
console.log(count);"""
    done = subprocess.run(["node", "-e", script, str(NODE), *names], capture_output=True, text=True)
    check(done.stdout.strip() == str(len(names)), f"node's parser: {done.stderr[-300:]}")


def test_format(db):
    folder = db.parent / "out"
    said, _ = forward(db, f"http://{OTHER_KEY}@127.0.0.1:9/1", "--dry-run", "-o", folder)
    check(said.count("\n") == len(list(folder.iterdir())), "a line each")
    check(not rows(db, "SELECT * FROM outbox_target"), "a dry run leaves no trace")
    said, _ = forward(db, f"http://{OTHER_KEY}@127.0.0.1:9/1", "--dry-run", "--json")
    listed = json.loads(said)["envelopes"]
    check({c for e in listed for c in e["categories"]} == {"profile_chunk", "transaction"},
          "categories")
    check(sum(e["samples"] for e in listed) == rows(db, "SELECT count(*) FROM sample")[0][0],
          "all samples would go")
    found = envelopes(folder)
    check(len(found["chunk"]) == rows(db, "SELECT count(*) FROM chunk")[0][0], "all chunks")
    for body in found["chunk"]:
        chunk = check_chunk(db, body)
        check_weights(db, chunk)
    check_transactions(found["transaction"], chunk)
    check_parsers(folder)


def test_redaction(db):
    path, = rows(db, "SELECT path FROM module WHERE name = 'linked'")[0]
    start = "/".join(path.split("/")[:3])
    glob = "/" + path.split("/")[1] + "/*"
    folder = db.parent / "redacted"
    forward(db, f"http://{OTHER_KEY}@127.0.0.1:9/1", "--dry-run", "-o", folder, "--redact",
            f"path:{glob}=~", "--redact", "label:worker", "--redact", "transaction:ro*=X",
            "--redact", "thread:work*=T")
    found = envelopes(folder)
    for body in found["chunk"] + found["transaction"]:
        check(start.encode() not in body.replace(b'"function":', b""), "no path of it leaves")
        check(b'"round"' not in body and b'"worker"' not in body, "nor a name, nor a label")
    check(any(b'"abs_path":"~/' in b or b'"code_file":"~/' in b for b in found["chunk"]), "~ it is")
    check(all(b'"transaction":"X"' in b for b in found["transaction"]), "X it is")
    done = subprocess.run([PROFLITE, "--db", db, "forward", "--to", f"http://k@h/1", "--redact", "pth:x"],
                          capture_output=True, text=True)
    check(done.returncode == 2 and "no such rule" in done.stderr, done.stderr)


def same(a, b):
    for what in (TOTALS, FUNCTIONS, SPANS):
        left, right = rows(a, what), rows(b, what)
        check(left and left == right, f"{left[:3]} ...\n   is not {right[:3]} ...")


def forget(db):
    with contextlib.closing(sqlite3.connect(db, timeout=20)) as connection, connection:
        connection.execute("UPDATE outbox SET state = 'waiting'")


def test_chain(db):
    team = db.parent / "team.db"
    with Server(db=team) as server:
        for host in ("127.0.0.1", "localhost", "127.0.0.1"): # a target each, one team
            forward(db, f"http://{OTHER_KEY}@{host}:{server.port}/5")
            server.settle()
            forget(db) # as if the answers had not come
        requests = len(rows(db, "SELECT * FROM outbox WHERE target_id = 1"))
        check(server.value("SELECT count(*) FROM inbox") >= 3 * requests, "sent three times")
        same(db, team)
        names = {r[0] for r in rows(team, "SELECT name FROM thread")}
        check(names == {r[0] for r in rows(db, "SELECT name FROM thread")}, f"{names}")
        outcomes = rows(team, "SELECT chunk_uuid, count(*), min(outcome) FROM outcome WHERE"
                        " category = 'profile_chunk' GROUP BY 1")
        check(all(r[1:] == (1, "accepted") for r in outcomes) and
              len(outcomes) == rows(db, "SELECT count(*) FROM chunk")[0][0], f"{outcomes}")
        check(rows(team, "SELECT value FROM counter WHERE name = 'duplicates'")[0][0] >= 1,
              "and counted once")
    for store in (db, team):
        done = subprocess.run([PROFLITE, "--db", store, "check"], capture_output=True, text=True)
        check(done.returncode == 0, done.stdout + done.stderr)


def test_spans(db):
    """A limit in the middle of a row stops there and goes on there; of many spans one that
    is refused leaves the others alone."""
    limit = 200, {"X-Sentry-Rate-Limits": "1:transaction:key"}
    with Upstream([200, 200, limit, 413]) as up:
        began = time.monotonic()
        _, said = forward(db, up.dsn(), code=5)
        sent = [parse(r.body)[0]["event_id"] for r in up.requests if r.types() == ["transaction"]]
        spans, = rows(db, "SELECT count(DISTINCT value) FROM label WHERE key = 'trace'")[0]
        check(len(sent) == len(set(sent)) == spans, f"{len(sent)} requests of {spans} spans")
        check(time.monotonic() - began >= 1 and "1 refused" in said, said)
    with Upstream([200, 200, 500]) as up:
        forward(db, up.dsn())
        check(len(up.requests) == spans + 2, f"{len(up.requests)} requests")


def test_serve(db):
    """serve --forward: what is there and what comes; the health of it is told."""
    with Upstream([503]) as up:
        with Server("--forward", up.dsn(), db=db) as server:
            want = {r[0] for r in rows(db, "SELECT uuid FROM chunk")}
            token = (db.parent / (db.name + "-token")).read_text().strip()
            for _ in range(300):
                status, _, body = server.post("/api/v1/health", b"", [
                    ("Authorization", f"Bearer {token}")], method="GET")
                state = [s for s in json.loads(body)["forward"]
                         if s["target"] == f"http://127.0.0.1:{up.port}/7"]
                if state and not state[0]["waiting"] and state[0]["sent"] >= len(want):
                    break
                time.sleep(.05)
            check(set(up.acknowledged_ids()) == want, "everything went")
            check(state and state[0]["dead"] == {} and state[0]["retries"] >= 1 and
                  not state[0]["paused"], f"{state}")
            metrics = server.post("/metrics", b"", method="GET")[2].decode()
            check(f'proflite_forward_sent_total{{target="{state[0]["id"]}"}} {state[0]["sent"]}\n'
                  in metrics and str(up.port) not in metrics, "and in /metrics, without its name")


def main():
    with tempfile.TemporaryDirectory(prefix="proflite-forward-") as folder:
        db = pathlib.Path(folder) / "p.db"
        record_linked(db)
        for test in (test_format, test_redaction, test_chain, test_spans, test_serve):
            test(db)
            print(test.__name__)
    finish()


main()
