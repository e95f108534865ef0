#!/usr/bin/env python3
"""How much ingest takes: chunks of a real Python SDK (2,358 samples, 185 kB of JSON,
gzip), sent by eight connections, to a durable 200 and to published; beside it what
Python needs on one core: for the floor of the same task, json and zlib alone, and for
the task: the body on the disk, its samples in SQLite with what they refer to; and what
the JSON parser of ours needs for its half of that floor. Then what memory large chunks
take, and how long others wait behind slow peers and large bodies.

    PROFLITE_BUILD=build tests/bench/bench_ingest.py [CHUNKS]
"""
import array
import ctypes
import gzip
import json
import os
import pathlib
import socket
import sqlite3
import sys
import tempfile
import threading
import time
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "ingest"))
from support import FIXTURES, KEY, Server # noqa: E402

SENDERS = 8
TICKS = os.sysconf("SC_CLK_TCK")


def bodies(count):
    """The recorded chunk under ids of its own each, as if sampled just now."""
    plain = gzip.decompress((FIXTURES / "py-manual-01.body").read_bytes())
    document = json.loads(plain.split(b"\n", 2)[2])
    shift = time.time() - 10 - document["profile"]["samples"][0]["timestamp"]
    for sample in document["profile"]["samples"]:
        sample["timestamp"] = round(sample["timestamp"] + shift, 7)
    for number in range(count):
        document["chunk_id"] = f"{number:032x}"
        payload = json.dumps(document, separators=(",", ":")).encode()
        body = b'{}\n{"type":"profile_chunk"}\n' + payload + b"\n"
        yield gzip.compress(body, 1), len(body)


def request(server, body):
    """As bytes, for a client that costs next to nothing."""
    return (f"POST /api/42/envelope/?sentry_key={KEY} HTTP/1.1\r\n"
            f"Host: 127.0.0.1:{server.port}\r\nContent-Encoding: gzip\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def floor(packed):
    """zlib and json of each body, nothing else."""
    begin = time.process_time()
    for body in packed:
        plain = zlib.decompress(body, 31)
        json.loads(plain.split(b"\n", 2)[2])
    return time.process_time() - begin


def tokens(packed):
    """yajl, which reads the JSON in ours, over the same bodies, told of nothing."""
    yajl = ctypes.CDLL("libyajl.so.2")
    yajl.yajl_alloc.restype = ctypes.c_void_p
    plain = [zlib.decompress(body, 31).split(b"\n", 2)[2] for body in packed]
    begin = time.process_time()
    for text in plain:
        parser = ctypes.c_void_p(yajl.yajl_alloc(None, None, None))
        assert yajl.yajl_parse(parser, text, ctypes.c_size_t(len(text))) == 0
        assert yajl.yajl_complete_parse(parser) == 0
        yajl.yajl_free(parser)
    return time.process_time() - begin


SCHEMA = """
PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
CREATE TABLE inbox (id INTEGER PRIMARY KEY, body BLOB);
CREATE TABLE frame (id INTEGER PRIMARY KEY, function, file, line, module, in_app);
CREATE TABLE stack (id INTEGER PRIMARY KEY, frames BLOB);
CREATE TABLE chunk (id INTEGER PRIMARY KEY, uuid UNIQUE, session, start, end);
CREATE TABLE slot (chunk, thread, name, times BLOB, stacks BLOB, weights BLOB);
CREATE TABLE outcome (uuid PRIMARY KEY, outcome);
"""


def known(table, ids, key, db, values):
    if key not in ids:
        places = ",".join("?" * len(values))
        ids[key] = db.execute(f"INSERT INTO {table} VALUES (NULL, {places})", values).lastrowid
    return ids[key]


def store(db, profile, frame_ids, stack_ids):
    """One parsed chunk: checked, its samples by thread with their weights, as blobs."""
    inner = profile["profile"]
    frames = [known("frame", frame_ids, row, db, row) for row in
              ((f.get("function"), f.get("abs_path"), f.get("lineno"), f.get("module"),
                f.get("in_app")) for f in inner["frames"])]
    stacks = []
    for stack in inner["stacks"]:
        key = tuple(frames[i] for i in stack)
        stacks.append(known("stack", stack_ids, key, db, (array.array("q", key).tobytes(),)))
    threads = {}
    for sample in inner["samples"]:
        threads.setdefault(sample["thread_id"], []).append(
            (int(sample["timestamp"] * 1e6), stacks[sample["stack_id"]]))
    first = min(samples[0][0] for samples in threads.values())
    last = max(samples[-1][0] for samples in threads.values())
    assert profile["version"] == "2" and 0 < first <= last < first + 66_000_000
    chunk = db.execute("INSERT INTO chunk VALUES (NULL, ?, ?, ?, ?)",
                       (profile["chunk_id"], profile["profiler_id"], first, last)).lastrowid
    for thread, samples in threads.items():
        samples.sort()
        times, ids = zip(*samples)
        gaps = [end - begin for begin, end in zip(times, times[1:])] or [9900]
        gaps.append(sorted(gaps)[len(gaps) // 2])
        name = inner["thread_metadata"].get(thread, {}).get("name")
        db.execute("INSERT INTO slot VALUES (?, ?, ?, ?, ?, ?)",
                   (chunk, thread, name, array.array("q", times).tobytes(),
                    array.array("l", ids).tobytes(), array.array("q", gaps).tobytes()))
    db.execute("INSERT INTO outcome VALUES (?, 'accepted')", (profile["chunk_id"],))


def task(packed):
    """Without HTTP, names and normalization: eight bodies to a sync of the disk, sixteen
    chunks to a transaction, as ours."""
    with tempfile.TemporaryDirectory() as folder:
        db = sqlite3.connect(pathlib.Path(folder) / "p.db", isolation_level="IMMEDIATE")
        db.executescript(SCHEMA)
        frame_ids, stack_ids = {}, {}
        begin = time.process_time()
        for at in range(0, len(packed), 8):
            db.executemany("INSERT INTO inbox VALUES (NULL, ?)",
                           [(body,) for body in packed[at:at + 8]])
            db.commit()
        for number in range(len(packed)):
            body, = db.execute("SELECT body FROM inbox WHERE id = ?", (number + 1,)).fetchone()
            store(db, json.loads(zlib.decompress(body, 31).split(b"\n", 2)[2]), frame_ids,
                  stack_ids)
            if number % 16 == 15:
                db.commit()
        db.commit()
        spent = time.process_time() - begin
        db.close()
        return spent


def large(megabytes, samples, number=1):
    """A chunk of so much JSON; what its samples do not fill is in keys nobody reads."""
    frames = [{"function": f"f{i}", "filename": "a.py", "lineno": i} for i in range(500)]
    now = time.time() - 60
    rows = [{"timestamp": round(now + i * 15 / samples, 7), "thread_id": str(i % 40),
             "stack_id": i * 7 % 400} for i in range(samples)]
    padding = max(megabytes * 1_000_000 // samples - 80, 0)
    if padding > 20:
        for row in rows:
            row["unknown"] = "x" * (padding - 15)
    document = {"chunk_id": f"{number:032x}", "profiler_id": "2" * 32, "version": "2",
                "platform": "python", "release": "r", "profile": {
                    "frames": frames, "samples": rows, "thread_metadata": {},
                    "stacks": [list(range(i, i + 40)) for i in range(400)]}}
    payload = json.dumps(document).encode()
    return gzip.compress(b'{}\n{"type":"profile_chunk"}\n' + payload + b"\n", 1)


def memory_of(megabytes, samples):
    """The most a server had that took one chunk of so much JSON and samples."""
    body = large(megabytes, samples)
    with Server() as server:
        assert server.raw(request(server, body)).startswith(b"HTTP/1.1 200 ")
        server.settle(600)
        stored = server.value("SELECT sum(n) FROM slot")
        assert stored == samples, f"{stored} of {samples} samples"
        return server.memory_peak()


def print_memory():
    least = memory_of(0, 10)
    more = lambda *chunk: f"{(memory_of(*chunk) - least) / 1e6:.0f}"
    sizes = (1, 10, 25, 49)
    print("memory beyond a small request's, MB, of chunks of 1, 10, 25, 49 MB of JSON:")
    print("  with 12,500 samples each       " + ", ".join(more(mb, 12500) for mb in sizes))
    print("  with as many as have room      "
          + ", ".join(more(mb, 12500 * mb) for mb in sizes))


def waits(server, body, count):
    """How long `count` requests took, sorted, ms."""
    times = []
    for _ in range(count):
        begin = time.monotonic()
        assert server.raw(request(server, body)).startswith(b"HTTP/1.1 200 ")
        times.append((time.monotonic() - begin) * 1e3)
        time.sleep(.005)
    return sorted(times)


def print_waits(body):
    """Of the same chunk again and again: all but the first are duplicates."""
    line = lambda name, times: print(f"  {name:32}{times[len(times) // 2]:6.1f} "
                                     f"{times[len(times) * 99 // 100]:8.1f}")
    print("a request, ms:                      median      p99")
    with Server() as server:
        line("alone", waits(server, body, 200))
        head = request(server, b"x" * 100_000)[:-99_000]
        peers = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(100)]
        for peer in peers:
            peer.sendall(head)
        line("while 100 send slowly", waits(server, body, 200))
        for peer in peers:
            peer.close()
        bodies = [large(49, 612_500, number) for number in (1, 2, 3)]
        big = [threading.Thread(target=server.raw, args=(request(server, b), 60)) for b in bodies]
        for thread in big:
            thread.start()
        line("while three of 49 MB are taken", waits(server, body, 200))
        for thread in big:
            thread.join()


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    packed, sizes = zip(*bodies(count))
    megabytes = sum(sizes) / 1e6
    samples = 2358 * count
    with Server() as server:
        server.envelope(b"{}")
        server.settle()
        cpu, begin = cpu_seconds(server.process.pid), time.monotonic()

        def send(part):
            for body in packed[part::SENDERS]:
                answer = server.raw(request(server, body))
                assert answer.startswith(b"HTTP/1.1 200 "), answer[:200]

        threads = [threading.Thread(target=send, args=(i,)) for i in range(SENDERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        acknowledged = time.monotonic() - begin
        server.settle(600)
        published = time.monotonic() - begin
        cpu = cpu_seconds(server.process.pid) - cpu
        peak = server.memory_peak()
        stored = server.value("SELECT sum(bytes) FROM part")
    zlib_json, whole = floor(packed[:64]) / 64, task(packed[:64]) / 64
    rate = lambda seconds: f"{count / seconds:7.0f} chunks/s {megabytes / seconds:7.1f} MB/s"
    print(f"{count} chunks, {megabytes:.0f} MB of JSON, {samples} samples")
    print(f"to a durable 200     {rate(acknowledged)} (wall)")
    print(f"to published         {rate(published)} (wall)")
    print(f"server, CPU          {rate(cpu)}, {cpu / samples * 1e9:.0f} ns a sample")
    print(f"yajl, told of nothing{rate(tokens(packed[:64]) / 64 * count)} (CPU)")
    print(f"Python, json + zlib  {rate(zlib_json * count)} (CPU): "
          f"{zlib_json * count / cpu:.1f} times what ours takes")
    print(f"Python, the task     {rate(whole * count)} (CPU): "
          f"{whole * count / cpu:.1f} times what ours takes")
    print(f"memory {peak / 1e6:.0f} MB at most; {stored / samples:.1f} bytes a sample stored")
    print_memory()
    print_waits(packed[0])


main()
