#!/usr/bin/env python3
"""What an upstream may say, and what becomes of what was sent: taken, sent again, kept
back by category, refused for good, refused altogether."""
import concurrent.futures
import email.utils
import gzip
import os
import pathlib
import ssl
import subprocess
import tempfile
import time

from upstream import (KEY, OTHER_KEY, PROFLITE, Server, Upstream, check, chunk, envelope,
                      finish, forward, item, rows)

SPAN = {"version": 2, "items": []}


def received(db, *bodies):
    """A store in which these envelopes have arrived."""
    with Server(db=db) as server:
        for body in bodies:
            check(server.envelope(body)[0] == 200, "taken")
        server.settle()


def one(number):
    return envelope(item(chunk(number)))


def states(db):
    return {state: n for state, n in rows(db, "SELECT state, count(*) FROM outbox GROUP BY 1")}


def counts(db):
    return dict(rows(db, "SELECT name, value FROM outbox_count"))


def test_retries(db):
    """Trouble of the upstream: the same ids again until it has them, each once."""
    received(db, *(one(n) for n in range(1, 7)))
    with Upstream([503, 200, (502, {}), 200, "reset", 200, "half-close", 200, 500, 408]) as up:
        forward(db, up.dsn(), "--timeout", "2")
        got = up.acknowledged_ids()
        check(sorted(got) == [f"{n:032x}" for n in range(1, 7)], f"each once: {got}")
        sent = [i for r in up.requests for i in r.ids()]
        check(len(sent) == 12, f"{len(sent)} requests")
    check(states(db) == {"sent": 6} and 4 <= counts(db)["retries"] <= 6,
          f"{counts(db)}") # a connection that was kept may break without a word
    with Upstream() as up: # of the same name? no: another port is another target
        forward(db, up.dsn())
        check(len(up.requests) == 6, "a new target gets everything")
        forward(db, up.dsn())
        check(len(up.requests) == 6, "and nothing twice")


def test_hang(db):
    received(db, one(1))
    with Upstream(["hang"]) as up:
        began = time.monotonic()
        forward(db, up.dsn(), "--timeout", "1")
        check(len(up.acknowledged_ids()) == 1, "after a timeout it is sent again")
        check(time.monotonic() - began >= 1, "the timeout was waited for")


def test_again(db):
    """Who starts anew is not made to wait for what failed before."""
    received(db, one(1))
    with Upstream([(500, {"Retry-After": "3000"})]) as up:
        _, said = forward(db, up.dsn(), code=4)
        check("HTTP 500: " in said and "1 wait" in said, said)
        forward(db, up.dsn())
        check(len(up.acknowledged_ids()) == 1, "at once")


def test_dead(db):
    """413 and 400 kill an envelope, and not those after it."""
    received(db, *(one(n) for n in range(1, 5)))
    with Upstream([413, 200, (400, {"X-Sentry-Error": "bad\tthing"}), 200]) as up:
        _, said = forward(db, up.dsn(), code=5)
        check("2 refused" in said, said)
        check(len(up.requests) == 4, "none is tried twice")
        dead = dict(rows(db, "SELECT reason, count(*) FROM outbox WHERE state = 'dead' GROUP BY 1"))
        check(dead == {"http_413": 1, "http_400": 1}, f"{dead}")
        check(counts(db)["dead:http_413"] == 1, "counted by reason")
        forward(db, up.dsn())
        check(len(up.requests) == 4, "they stay dead")
        forward(db, up.dsn(), "--retry-dead")
        check(states(db) == {"sent": 4}, "until somebody asks")


def test_refused(db):
    """A wrong key pauses the target: nothing is lost, and it is said why."""
    received(db, *(one(n) for n in range(1, 4)))
    for status in (401, 403, 404, (302, {"Location": "http://elsewhere/"})):
        with Upstream([status] * 3) as up:
            _, said = forward(db, up.dsn(), code=4)
            check(len(up.requests) == 1, f"{status}: it is left alone")
            check("3 wait" in said, said)
            check(("redirects to http://elsewhere/" if isinstance(status, tuple)
                   else "check its key and project") in said, said)
            paused = rows(db, "SELECT paused, failures FROM outbox_target WHERE name LIKE ?",
                          f"%:{up.port}/%")
            check(paused == [(1, 1)], f"{paused}")
            up.script.clear()
            forward(db, up.dsn())
            check(len(up.acknowledged_ids()) == 3, f"{status}: then all of it")
            check(OTHER_KEY not in str(rows(db, "SELECT * FROM outbox_target")), "no key is kept")


def test_limits(db):
    """X-Sentry-Rate-Limits by category, also on a 200; what is of another goes on."""
    span = item(SPAN, "span", content_type="application/vnd.sentry.items.span.v2+json")
    received(db, one(1), one(2), envelope(span), envelope(span, item(b"x", "attachment")))
    limits = {"X-Sentry-Rate-Limits": "2:profile_duration;session:organization:quota, "
                                      "3000:attachment:key"}
    with Upstream([(200, limits)]) as up:
        began = time.monotonic()
        _, said = forward(db, up.dsn(), code=5)
        took = time.monotonic() - began
        kinds = [r.types() for r in up.requests]
        check(kinds == [["profile_chunk"], ["span"], ["profile_chunk"]], f"{kinds}")
        check(2 <= took, f"the chunk was kept back: {took:.1f} s")
        check("1 wait" in said, said)
        left = rows(db, "SELECT category FROM outbox_limit WHERE until_ns > ?", time.time_ns())
        check(left == [("attachment",)], f"{left}")
        forward(db, up.dsn(), code=4)
        check(len(up.requests) == 3, "a limit outlives the process")


def test_429(db):
    """With a header of either kind, and bare."""
    received(db, one(1), one(2))
    def later(_):
        return 429, {"Retry-After": email.utils.formatdate(time.time() + 3, usegmt=True)}

    for reply, wait in (((429, {"Retry-After": "1"}), 1), (later, 1.9),
                        ((429, {"X-Sentry-Rate-Limits": "1::organization"}), 1)):
        with Upstream([reply]) as up:
            began = time.monotonic()
            forward(db, up.dsn())
            check(time.monotonic() - began >= wait, f"{reply}: it is waited for")
            check(len(up.requests) == 3, f"{reply}: {len(up.requests)} requests")
    with Upstream([429]) as up:
        _, said = forward(db, up.dsn(), code=4)
        check(len(up.requests) == 1 and "2 wait" in said, said)
        until, = rows(db, "SELECT (l.until_ns - t.created_ns) / 1e9 FROM outbox_limit l JOIN"
                      " outbox_target t ON t.id = l.target_id WHERE t.name LIKE ?", f"%:{up.port}/%")
        check(59 < until[0] < 90, f"a bare 429 is a minute: {until}")
    with Upstream([(503, {"Retry-After": "2"})]) as up:
        began = time.monotonic()
        forward(db, up.dsn())
        check(time.monotonic() - began >= 2, "of a 503 it is obeyed, too")


def test_tls(db):
    """Only who has a certificate that somebody vouches for is spoken to; proxies are those
    of the environment."""
    received(db, one(1))
    key, cert = db.parent / "key.pem", db.parent / "cert.pem"
    done = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert,
         "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
        capture_output=True)
    check(done.returncode == 0, f"openssl: {done.stderr[-200:]}")
    with Upstream() as up:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        up.server.socket = context.wrap_socket(up.server.socket, server_side=True)
        dsn = f"https://{OTHER_KEY}@localhost:{up.port}/7"
        process = subprocess.Popen([PROFLITE, "--db", db, "forward", "--to", dsn, "--follow"],
                                   stderr=subprocess.PIPE, text=True)
        check("certificate" in process.stderr.readline(), "it is said why")
        process.terminate()
        process.wait()
        check(not up.requests, "nothing is sent to just anybody")
        forward(db, dsn, env={**os.environ, "CURL_CA_BUNDLE": str(cert)})
        check(len(up.acknowledged_ids()) == 1, "with its authority named it is")
    with Upstream() as proxy:
        env = {**os.environ, "http_proxy": f"http://127.0.0.1:{proxy.port}"}
        forward(db, f"http://{OTHER_KEY}@nowhere.invalid/7", env=env)
        check([r.path for r in proxy.requests] == ["http://nowhere.invalid/api/7/envelope/"],
              "the proxy was asked")


def test_bounds(db):
    """The oldest go first while the upstream takes nothing, and are counted."""
    noise = [bytes(((i * 7919 + n * 104729) >> 3) & 255 for i in range(400000)).hex()
             for n in range(6)]
    received(db, *(envelope(item(chunk(n + 1)), item(noise[n].encode(), "attachment"))
                   for n in range(6)))
    with Upstream([500] * 1000) as up:
        process = subprocess.Popen([PROFLITE, "--db", db, "forward", "--to", up.dsn(), "--follow",
                                    "--spool-size", "1"], stderr=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while time.monotonic() < until and counts(db).get("dead:spool_bytes", 0) < 3:
            time.sleep(.1)
        process.terminate()
        check(process.wait(20) in (0, 4, 5), "a signal ends it")
    dead = counts(db).get("dead:spool_bytes", 0)
    check(dead >= 3, f"{dead} dropped")
    ids = [i for i, in rows(db, "SELECT inbox_id FROM outbox WHERE state = 'dead' ORDER BY 1")]
    check(ids == list(range(1, dead + 1)), f"the oldest: {ids}")


def test_faithful(db):
    """Byte for byte, in its encoding, items nobody knows included; only the DSN and the
    key are the upstream's."""
    odd = envelope(item(b"\x00\xff\r\n\x01", "from_the_future", x=[1, {"y": None}]), item(chunk(9)),
                   item(b"a b", "statsd", length=False), event_id="f" * 32)
    named = b'{"sent_at":"2026-01-01T00:00:00Z", "dsn" : "http:\\/\\/%s@127.0.0.1/42" ,"n":1.50}\n' % KEY.encode()
    named += item(chunk(10))
    packed = {"": odd, "gzip": gzip.compress(odd), "br": subprocess.run(
        ["brotli", "-c"], input=odd, capture_output=True).stdout, "zstd": subprocess.run(
        ["zstd", "-cq"], input=odd, capture_output=True).stdout}
    with Server(db=db) as server:
        for encoding, body in packed.items():
            headers = [("Content-Encoding", encoding)] if encoding else []
            status = server.envelope(body, headers + [
                ("User-Agent", "sdk/1"), ("Content-Type", "text/plain"), ("Cookie", "c"),
                ("Origin", "http://localhost:3000"), ("X-Custom", "kept"),
                ("X-Sentry-Auth", f"Sentry sentry_key={KEY}, sentry_client=sdk/1")])[0]
            check(status == 200, f"{encoding}: {status}")
        for encoding in ("", "gzip"):
            body = gzip.compress(named) if encoding else named
            check(server.post("/api/42/envelope/", body, [("Content-Encoding", encoding)] if encoding
                              else [])[0] == 200, "by the DSN in it")
        check(server.post(f"/api/42/store/?sentry_key={KEY}", b'{"message":"x"}')[0] == 200, "event")
        server.settle()
    with Upstream() as up:
        forward(db, up.dsn())
        for request, (encoding, body) in zip(up.requests, packed.items()):
            check(request.raw == body, f"{encoding or 'plain'}: the very bytes")
            names = {n.lower(): v for n, v in request.headers.items()}
            check(names.get("content-encoding", "") == encoding, f"{names}")
            check(names["user-agent"] == "sdk/1" and names["x-custom"] == "kept" and
                  names["content-type"] == "text/plain", f"end-to-end headers: {names}")
            check(not {"cookie", "origin", "expect"} & set(names), f"hop headers: {names}")
            check(f"sentry_key={OTHER_KEY}" in names["x-sentry-auth"] and
                  "sentry_client=sdk/1" in names["x-sentry-auth"] and
                  KEY not in names["x-sentry-auth"], names["x-sentry-auth"])
        for request in up.requests[4:6]:
            head, rest = request.body.split(b"\n", 1)
            want = named.replace(b"http:\\/\\/%s@127.0.0.1/42" % KEY.encode(), up.dsn().encode())
            check(head + b"\n" + rest == want, f"only the DSN differs: {head}")
        check(up.requests[5].headers.get("Content-Encoding") == "gzip", "and the encoding stays")
        check(up.requests[6].path == "/api/7/store/" and up.requests[6].body == b'{"message":"x"}',
              "events go where events go")


def test_self(db):
    """Two that forward to each other do not do so for ever."""
    with Server(db=db) as server:
        server.process.terminate()
        server.process.wait()
        port = server.port
        server.start("--forward", f"http://{OTHER_KEY}@127.0.0.1:{port}/9")
        server.process.terminate()
        server.process.wait()
        process = subprocess.Popen(
            [PROFLITE, "--db", db, "serve", "--listen", f"127.0.0.1:{port}", "--forward",
             f"http://{OTHER_KEY}@127.0.0.1:{port}/9"], stdout=subprocess.PIPE, text=True,
            stderr=subprocess.DEVNULL)
        process.stdout.readline()
        server.process, server.port = process, port
        check(server.envelope(one(1))[0] == 200, "taken")
        until = time.monotonic() + 40
        while time.monotonic() < until and not counts(db).get("dead:too_many_hops"):
            time.sleep(.1)
        check(counts(db).get("dead:too_many_hops") == 1, f"{counts(db)}")
        check(server.value("SELECT count(*) FROM inbox") == 9, "nine times it arrived")
        check(server.value("SELECT count(*) FROM chunk WHERE project_id = 9") == 1, "and counted once")


def run(test):
    with tempfile.TemporaryDirectory(prefix="proflite-forward-") as folder:
        began = time.monotonic()
        test(pathlib.Path(folder) / "p.db")
        print(f"{test.__name__}: {time.monotonic() - began:.1f} s")


def main():
    """All at once: what they do most is wait."""
    tests = (test_retries, test_hang, test_again, test_dead, test_refused, test_limits, test_429,
             test_tls, test_bounds, test_faithful, test_self)
    with concurrent.futures.ThreadPoolExecutor(len(tests)) as pool:
        list(pool.map(run, tests))
    finish()


main()
