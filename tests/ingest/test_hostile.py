#!/usr/bin/env python3
"""Bodies that lie, break off, explode or never end: refused with a reason, in bounded
memory, while others are answered."""
import gzip
import json
import socket
import subprocess
import threading
import time
import zlib

from support import KEY, SANITIZED, Server, check, chunk, envelope, finish, item

MIB = 1 << 20
LIMIT = 64 * MIB  # of a request, over what the server takes anyway


def tool(*command, data):
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


def refused(server, name, body, status, *headers, path=None):
    path = path or f"/api/42/envelope/?sentry_key={KEY}"
    got, answer_headers, answer = server.post(path, body, headers)
    check(got == status, f"{name}: {got}, not {status}: {answer[:200]}")
    if got >= 400:
        names = {key.lower() for key in answer_headers}
        check("x-sentry-error" in names, f"{name}: X-Sentry-Error")
        document = json.loads(answer)
        check(document["detail"] and document["causes"], f"{name}: detail and causes")


def check_envelopes(server):
    good = envelope(item(chunk(1)))
    cases = [
        ("empty", b"", 400), ("not an object", b"[]\n", 400), ("a newline", b"\n", 400),
        ("no JSON", b"hello\n", 400),
        ("item is no object", b'{}\n"x"\n', 400), ("item without type", b"{}\n{}\n\n", 400),
        ("length too long", b'{}\n{"type":"x","length":9}\nabc\n', 400),
        ("length too short", b'{}\n{"type":"x","length":2}\nabc\n', 400),
        ("length negative", b'{}\n{"type":"x","length":-1}\nabc\n', 400),
        ("length is text", b'{}\n{"type":"x","length":"3"}\nabc\n', 400),
        ("length past 64 bits", b'{}\n{"type":"x","length":99999999999999999999}\n\n', 400),
        ("length 0", b'{}\n{"type":"x","length":0}\n\n{"type":"y"}\nabc', 200),
        ("CR is payload", b'{}\n{"type":"x","length":4}\nabc\r\n', 200),
        ("no newline at the end", b'{}\n{"type":"x","length":3}\nabc', 200),
        ("header only", b'{"sent_at":"now"}', 200),
        ("deep header", b'{"a":' + b"[" * 100 + b"]" * 100 + b"}\n", 400),
        ("long header", b'{"a":"' + b"x" * 300000 + b'"}\n', 400),
        ("bad UTF-8 in a header", b'{"event_id":"\xff"}\n', 400),
        ("1001 items", b"{}\n" + b'{"type":"x"}\n\n' * 1001, 413),
        ("event of 2 MiB", envelope(item(b"x" * 2 * MIB, "event")), 413),
        ("report of 5 KiB", envelope(item(b"x" * 5000, "client_report")), 413),
        ("good", good, 200),
    ]
    for name, body, status in cases:
        refused(server, name, body, status)
    refused(server, "event, no JSON", b"nope", 400, path=f"/api/42/store/?sentry_key={KEY}")
    status, _, body = server.post(f"/api/42/store?sentry_key={KEY}", b'{"message":"m"}')
    check(status == 200 and len(json.loads(body)["id"]) == 32, "an event gets an id")


def check_encodings(server):
    good = envelope(item(chunk(2)))
    packed = {"gzip": gzip.compress(good), "deflate": zlib.compress(good),
              "zstd": tool("zstd", "-c", data=good),
              "br": tool("brotli", "-c", data=good)}
    for name, body in packed.items():
        header = ("Content-Encoding", name)
        refused(server, name, body, 200, header)
        refused(server, f"{name}, cut", body[:-5], 400, header)
        refused(server, f"{name}, more behind it", body + b"more", 400, header)
        damaged = body[:12] + bytes(255 - b for b in body[12:24]) + body[24:]
        refused(server, f"{name}, damaged", damaged, 400, header)
        refused(server, f"{name}, but is not", good, 400, header)
        refused(server, f"{name}, nothing", b"", 400, header)
    refused(server, "two encodings", packed["gzip"], 400, ("Content-Encoding", "gzip, br"))
    refused(server, "two headers", packed["gzip"], 400, ("Content-Encoding", "gzip"),
            ("Content-Encoding", "gzip"))
    refused(server, "unknown", good, 400, ("Content-Encoding", "rot13"))
    refused(server, "identity", good, 200, ("Content-Encoding", "identity"))


def check_bombs(server):
    """A gigabyte of zeros in each codec, and a window of 128 MiB."""
    zeros = subprocess.Popen(["head", "-c", str(1 << 30), "/dev/zero"], stdout=subprocess.PIPE)
    bombs = {"gzip": subprocess.run(["gzip", "-1"], stdin=zeros.stdout,
                                    capture_output=True).stdout}
    deflate = zlib.compressobj(9)
    bombs["deflate"] = b"".join(deflate.compress(bytes(MIB)) for _ in range(300))
    bombs["deflate"] += deflate.flush()
    bombs["zstd"] = tool("zstd", "-c", "--long=27", data=bytes(300 * MIB))
    bombs["br"] = tool("brotli", "-c", "-q", "3", data=bytes(300 * MIB))
    header = b'{}\n{"type":"x"}\n'
    for name, body in bombs.items():
        status, _, answer = server.envelope(body, [("Content-Encoding", name)])
        check(status in (400, 413), f"bomb of {name}: {status}")
    big = gzip.compress(header + b"[" + b"0," * 40 * MIB, 1)
    status, _, _ = server.envelope(big, [("Content-Encoding", "gzip")])
    check(status in (400, 413), f"bomb in an item: {status}")


def good_samples(number, threads):
    """About as many as are taken, at times of their own, which is what takes most room."""
    count = 700_000
    samples = b",".join(
        b'{"stack_id":0,"thread_id":%d,"timestamp":%d.%05d}' %
        (i % threads, i * 60 // count, i * 6_000_000 // count % 100_000) for i in range(count))
    head = json.dumps({"chunk_id": f"{number:032x}", "profiler_id": "6" * 32, "version": "2",
                       "platform": "python"})[:-1].encode()
    return (head + b',"profile":{"frames":[{"function":"f"}],"stacks":[[0]],"samples":['
            + samples + b"]}}")


def check_memory(server, baseline):
    """As large as allowed, plain and wide: memory stays where it was."""
    wide = {
        "samples": b'{"profile":{"samples":[' + b'{},' * 17_000_000 + b"{}]}}",
        "indexes": b'{"profile":{"stacks":[[' + b'0,' * 25_000_000 + b"0]]}}",
        "one string": b'{"release":"' + b"x" * (51_000_000) + b'"}',
        "many strings": b'{"profile":{"frames":[' + b",".join(
            b'{"function":"f%d"}' % i for i in range(2_000_000)) + b"]}}",
        "a number": b'{"version":' + b"1" * 51_000_000 + b"}",
        "white space": b" " * 51_000_000,
        "keys": b"{" + b",".join(b'"%d":0' % i for i in range(4_000_000)) + b"}",
    }
    bodies = [(name, envelope(item(body[:50 * MIB - 1000])), "") for name, body in wide.items()]
    for number, threads in enumerate((1, 8000)):
        body = envelope(item(good_samples(20 + number, threads)))
        bodies.append((f"good samples of {threads} threads", gzip.compress(body, 1), "gzip"))
    for name, body, encoding in bodies:
        status, _, _ = server.envelope(body, [("Content-Encoding", encoding or "identity")])
        check(status == 200, f"50 MB of {name}: {status}")
        server.settle()
        check(SANITIZED or server.memory_peak() - baseline < LIMIT,
              f"50 MB of {name}: {(server.memory_peak() - baseline) >> 20} MiB more")
    large = envelope(item(b"x" * (150 * MIB), "attachment"))
    status, _, _ = server.post(f"/api/42/envelope/?sentry_key={KEY}", large, timeout=120)
    check(status == 200, f"150 MiB of attachment: {status}")
    refused(server, "51 MiB of profile", envelope(item(b" " * (51 * MIB))), 413)
    server.settle()
    check(SANITIZED or server.memory_peak() - baseline < LIMIT, "memory after large bodies: "
          f"{(server.memory_peak() - baseline) >> 20} MiB more")


def check_real_size(server):
    """The largest chunk there really is: 66 s of 100 threads at 101 Hz."""
    frames = [{"function": f"f{i}", "filename": "a.py", "lineno": i} for i in range(500)]
    stacks = [list(range(i, i + 40)) for i in range(400)]
    samples = [{"timestamp": 1795345190 + tick / 101, "thread_id": str(thread),
                "stack_id": (tick * 7 + thread) % 400}
               for tick in range(6600) for thread in range(100)]
    body = envelope(item(chunk(3, frames=frames, stacks=stacks, samples=samples)))
    status, _, _ = server.envelope(gzip.compress(body, 1), [("Content-Encoding", "gzip")])
    check(status == 200, f"a large chunk: {status}")
    server.settle()
    check(server.value("SELECT sum(l.n) FROM slot l JOIN part p ON p.id = l.part_id JOIN"
                       " chunk c ON c.id = p.chunk_id WHERE c.uuid = ?", f"{3:032x}")
          == 660000, "all its samples")


def check_slow(server):
    """A hundred that drip: each is sent away, and others are answered meanwhile."""
    head = (f"POST /api/42/envelope/?sentry_key={KEY} HTTP/1.1\r\n"
            f"Host: 127.0.0.1:{server.port}\r\nContent-Length: 1000\r\n\r\n").encode()
    peers = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(100)]
    for peer in peers:
        peer.sendall(head)
    stop = threading.Event()

    def drip():
        while not stop.wait(1):
            for peer in peers:
                try:
                    peer.sendall(b"x")
                except OSError:
                    pass

    thread = threading.Thread(target=drip)
    thread.start()
    times = []
    for number in range(20):
        begin = time.monotonic()
        check(server.envelope(envelope(item(chunk(100 + number))))[0] == 200, "meanwhile")
        times.append(time.monotonic() - begin)
    check(max(times) < 5, f"others wait {max(times):.2f} s")
    begin = time.monotonic()
    answers = []
    for peer in peers:
        peer.settimeout(30)
        try:
            answers.append(peer.recv(4096)[:12])
        except OSError:
            answers.append(b"")
        peer.close()
    check(time.monotonic() - begin < 25, "the slow are sent away")
    check(answers.count(b"HTTP/1.1 408") >= 95, f"with 408: {set(answers)}")
    stop.set()
    thread.join()


def main():
    with Server() as server:
        check_envelopes(server)
        check_encodings(server)
        server.settle()
        check_slow(server)
        check_real_size(server)
    with Server() as server:
        server.envelope(envelope(item(chunk(1))))
        server.settle()
        baseline = server.memory_peak()
        check_bombs(server)
        check(SANITIZED or server.memory_peak() - baseline < 32 * MIB,
              f"bombs: {(server.memory_peak() - baseline) >> 20} MiB more")
        check_memory(server, baseline)
        check(server.envelope(envelope(item(chunk(4))))[0] == 200, "the server lives")
        server.settle()
        check(server.value("SELECT count(*) FROM outcome WHERE outcome = 'accepted'") == 4,
              "and takes what is good")
        check(server.value("SELECT sum(n) FROM slot") > 2 * 700_000, "all of it")
    finish()


main()
