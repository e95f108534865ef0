#!/usr/bin/env python3
"""How much ingest takes: chunks of a real Python SDK (2,358 samples, 185 kB of JSON,
gzip), sent by eight connections, to a durable 200 and to published; beside it what
Python needs for the floor of the same task, json and zlib alone, on one core.

    PROFLITE_BUILD=build tests/bench/bench_ingest.py [CHUNKS]
"""
import gzip
import json
import os
import pathlib
import sys
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


def task(packed):
    """The floor, and what any such task has to do with it: each sample's stack looked
    up, its weight, a total by leaf."""
    begin = time.process_time()
    for body in packed:
        profile = json.loads(zlib.decompress(body, 31).split(b"\n", 2)[2])["profile"]
        threads = {}
        for sample in profile["samples"]:
            threads.setdefault(sample["thread_id"], []).append(
                (sample["timestamp"], sample["stack_id"]))
        totals = {}
        for samples in threads.values():
            samples.sort()
            for (at, stack), (end, _) in zip(samples, samples[1:]):
                frames = tuple(profile["frames"][i]["function"]
                               for i in profile["stacks"][stack])
                totals[frames] = totals.get(frames, 0) + end - at
    return time.process_time() - begin


def memory_of(megabytes):
    """The most a server had that took one chunk of so much JSON; of 0: a small one."""
    frames = [{"function": f"f{i}", "filename": "a.py", "lineno": i} for i in range(500)]
    samples = [{"timestamp": round(time.time() - 60 + i / 40000, 7), "thread_id": str(i % 40),
                "stack_id": i * 7 % 400} for i in range(12500 * megabytes or 10)]
    document = {"chunk_id": "1" * 32, "profiler_id": "2" * 32, "version": "2",
                "platform": "python", "release": "r", "profile": {
                    "frames": frames, "samples": samples, "thread_metadata": {},
                    "stacks": [list(range(i, i + 40)) for i in range(400)]}}
    payload = json.dumps(document).encode()
    body = gzip.compress(b'{}\n{"type":"profile_chunk"}\n' + payload + b"\n", 1)
    with Server() as server:
        assert server.raw(request(server, body)).startswith(b"HTTP/1.1 200 ")
        server.settle(600)
        stored = server.value("SELECT sum(n) FROM slot")
        assert stored == len(samples), f"{stored} of {len(samples)} samples"
        return server.memory_peak()


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
    peaks = [memory_of(megabyte) for megabyte in (0, 1, 10, 49)]
    zlib_json, whole = floor(packed[:50]) / 50, task(packed[:50]) / 50
    rate = lambda seconds: f"{count / seconds:7.0f} chunks/s {megabytes / seconds:7.1f} MB/s"
    print(f"{count} chunks, {megabytes:.0f} MB of JSON, {samples} samples")
    print(f"to a durable 200     {rate(acknowledged)} (wall)")
    print(f"to published         {rate(published)} (wall)")
    print(f"server, CPU          {rate(cpu)}, {cpu / samples * 1e9:.0f} ns a sample")
    print(f"Python, json + zlib  {rate(zlib_json * count)} (CPU): "
          f"ours takes {cpu / count / zlib_json:.2f} of it")
    print(f"Python, the task     {rate(whole * count)} (CPU): "
          f"ours takes {cpu / count / whole:.2f} of it")
    print("memory of a request of 1, 10, 49 MB: "
          + ", ".join(f"{(more - peaks[0]) / 1e6:.0f}" for more in peaks[1:]) + " MB more")
    print(f"memory {peak / 1e6:.0f} MB at most; {stored / samples:.1f} bytes a sample stored")


main()
