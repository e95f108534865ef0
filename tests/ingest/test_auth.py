#!/usr/bin/env python3
"""Who may send: forms of auth, keys, quotas, web pages; and requests whose framing is
in doubt, byte by byte."""
import json
import subprocess

from support import KEY, PROFLITE, Server, check, chunk, envelope, finish, item

OTHER = "b" * 32
BODY = envelope(item(chunk(1)))


def auth_cases(server):
    sentry = lambda text: ("X-Sentry-Auth", text)
    dsn = lambda key, project: envelope(dsn=f"http://{key}@localhost:1/{project}")
    return [
        ("header", "", BODY, [sentry(f"Sentry sentry_key={KEY}, sentry_version=7")], 200),
        ("header, other order", "", BODY,
         [sentry(f"Sentry sentry_version=7,sentry_client=x/1,sentry_secret=s,sentry_key={KEY}")],
         200),
        ("header, case", "", BODY, [("x-sentry-auth", f"sentry sentry_key={KEY.upper()}")], 200),
        ("Authorization", "", BODY, [("Authorization", f"Sentry sentry_key={KEY}")], 200),
        ("query", f"?sentry_key={KEY}&sentry_version=7&sentry_client=a%2F1", BODY, [], 200),
        ("dsn in the envelope", "", dsn(KEY, 42), [], 200),
        ("all agree", f"?sentry_key={KEY}", dsn(KEY, 42), [sentry(f"Sentry sentry_key={KEY}")],
         200),
        ("none", "", BODY, [], 403),
        ("another scheme", "", BODY, [sentry(f"Basic sentry_key={KEY}")], 400),
        ("not a key", "?sentry_key=abc", BODY, [], 400),
        ("not hex", "?sentry_key=" + "g" * 32, BODY, [], 400),
        ("version 9", f"?sentry_key={KEY}&sentry_version=9", BODY, [], 400),
        ("query against header", f"?sentry_key={OTHER}", BODY,
         [sentry(f"Sentry sentry_key={KEY}")], 400),
        ("two in the query", f"?sentry_key={OTHER}&sentry_key={KEY}", BODY, [], 400),
        ("two headers", "", BODY, [sentry(f"Sentry sentry_key={KEY}"),
                                   sentry(f"Sentry sentry_key={OTHER}")], 400),
        ("dsn against header", "", dsn(OTHER, 42), [sentry(f"Sentry sentry_key={KEY}")], 400),
        ("dsn of another project", "", dsn(KEY, 43), [], 400),
        ("malformed dsn", f"?sentry_key={KEY}", envelope(dsn="http://localhost/1"), [], 400),
    ]


def check_auth(server):
    for path in ("/api/42/envelope/", "/api/42/envelope"):
        for name, query, body, headers, status in auth_cases(server):
            got = server.post(path + query, body, headers)[0]
            check(got == status, f"{name}: {got}, not {status}")
    key = f"?sentry_key={KEY}"
    for path, method, status in (
            (f"/api/42/envelope/{key}", "GET", 405), (f"/api/42/envelope/{key}", "PUT", 405),
            (f"/api/0/envelope/{key}", "POST", 403), (f"/api/x/envelope/{key}", "POST", 400),
            (f"/api/42/envelope/x{key}", "POST", 400), (f"/api/42/else/{key}", "POST", 400),
            (f"/api/{'9' * 30}/envelope/{key}", "POST", 400), ("/api/v1/meta", "POST", 413)):
        got = server.post(path, b"{}" if method == "POST" else b"", method=method)[0]
        check(got == status or (got in (401, 404, 405, 413) and status == 400),
              f"{method} {path}: {got}, not {status}")


def check_keys():
    """--strict-keys: those that `proflite dsn` made, and no others."""
    with Server("--strict-keys") as server:
        check(server.envelope(BODY)[0] == 403, "an unknown key")
        run = lambda *args: subprocess.run([PROFLITE, "--db", server.db, "dsn", *args],
                                           capture_output=True, text=True)
        racing = [subprocess.Popen([PROFLITE, "--db", server.db, "dsn", "--project", "42"],
                                   stdout=subprocess.PIPE, text=True) for _ in range(8)]
        dsns = {p.communicate()[0] for p in racing}
        check(len(dsns) == 1, f"eight at once make one key: {dsns}")
        check(server.value("SELECT count(*) FROM project_key") == 1, "one row")
        document = json.loads(run("--project", "42", "--json", "--name", "shop").stdout)
        check(document["dsn"] + "\n" in dsns, "the same as JSON")
        key = document["public_key"]
        check(server.envelope(BODY, key=key)[0] == 200, "its key is taken")
        check(server.envelope(BODY, key=KEY)[0] == 403, "another is not")
        check(server.envelope(BODY, key=key, project=43)[0] == 403, "nor another project")
        server.settle()
        check(server.value("SELECT app FROM session") == "shop", "the project's name")
        check(server.value("SELECT key_id FROM inbox") == 1, "the key is kept")
        secret = run("--project", "42", "--secret").stdout
        check(secret.startswith(f"http://{key}:") and run("--project", "42", "--secret").stdout
              == secret, "a secret is made once")
        for bad in ("0", "-1", "x", "9" * 40):
            check(run("--project", bad).returncode == 2, f"--project {bad}")


def check_quota():
    with Server("--quota", "3") as server:
        answers = [server.envelope(b"{}") for _ in range(5)]
        check([a[0] for a in answers] == [200] * 3 + [429] * 2, "three a minute")
        headers = {k.lower(): v for k, v in answers[4][1].items()}
        seconds = headers.get("retry-after", "")
        check(seconds.isdigit() and 1 <= int(seconds) <= 60, f"Retry-After {seconds}")
        check(headers.get("x-sentry-rate-limits") == f"{seconds}::project:quota", "limits")
        check(server.envelope(b"{}", project=43)[0] == 200, "another project is not limited")


def check_pages(server):
    path = f"/api/42/envelope/?sentry_key={KEY}"
    for origin, allowed in (("http://localhost:3000", True), ("https://127.0.0.1", True),
                            ("http://[::1]:5173", True), ("https://evil.example", False),
                            ("http://localhost.evil.example", False), ("null", False),
                            ("http://localhost:80x", False)):
        for method, status in (("POST", 200), ("OPTIONS", 204)):
            got, headers, _ = server.post(path, b"{}" if method == "POST" else b"",
                                          [("Origin", origin), ("Content-Type", "text/plain")],
                                          method)
            check(got == (status if allowed else 403), f"{method} of {origin}: {got}")
            cors = headers.get("Access-Control-Allow-Origin")
            check(cors == (origin if allowed else None), f"{method} of {origin}: {cors}")
            if allowed and method == "OPTIONS":
                check("x-sentry-auth" in headers["Access-Control-Allow-Headers"], "headers")
            if allowed:
                check("retry-after" in headers["Access-Control-Expose-Headers"], "exposed")
    got, headers, _ = server.post("/api/v1/meta", b"", [("Origin", "http://localhost:3000")],
                                  "OPTIONS")
    check(got >= 400 and "Access-Control-Allow-Origin" not in headers, "the API has no CORS")


def desync_cases(port):
    """(name, bytes): each leaves in doubt where the body ends, or who is asked."""
    path = f"/api/42/envelope/?sentry_key={KEY}"
    host = f"Host: 127.0.0.1:{port}"

    def post(*lines, body=b"{}\n", target=path, version="HTTP/1.1", hosts=(host,)):
        head = "\r\n".join((f"POST {target} {version}", *hosts, *lines))
        return head.encode("latin-1") + b"\r\n\r\n" + body

    chunked = "Transfer-Encoding: chunked"
    cases = [
        ("CL and TE", post("Content-Length: 3", chunked, body=b"3\r\n{}\n\r\n0\r\n\r\n")),
        ("TE and CL", post(chunked, "Content-Length: 3", body=b"3\r\n{}\n\r\n0\r\n\r\n")),
        ("two CL", post("Content-Length: 3", "Content-Length: 4")),
        ("two equal CL", post("Content-Length: 3", "Content-Length: 3")),
        ("CL list", post("Content-Length: 3, 3")),
        ("CL +3", post("Content-Length: +3")),
        ("CL -3", post("Content-Length: -3")),
        ("CL 0x3", post("Content-Length: 0x3")),
        ("CL 3.0", post("Content-Length: 3.0")),
        ("CL empty", post("Content-Length:")),
        ("CL letters", post("Content-Length: three")),
        ("CL 3 x", post("Content-Length: 3 x")),
        ("CL past 64 bits", post("Content-Length: 18446744073709551619")),
        ("CL 10^30", post("Content-Length: 1" + "0" * 30)),
        ("no length", post()),
        ("TE gzip", post("Transfer-Encoding: gzip")),
        ("TE gzip, chunked", post("Transfer-Encoding: gzip, chunked")),
        ("TE chunked, gzip", post("Transfer-Encoding: chunked, gzip")),
        ("TE chunked, chunked", post("Transfer-Encoding: chunked, chunked")),
        ("TE xchunked", post("Transfer-Encoding: xchunked")),
        ("TE chunkedx", post("Transfer-Encoding: chunkedx")),
        ("two TE", post(chunked, chunked, body=b"3\r\n{}\n\r\n0\r\n\r\n")),
        ("TE identity", post("Transfer-Encoding: identity", "Content-Length: 3")),
        ("chunk without size", post(chunked, body=b"\r\n{}\n\r\n0\r\n\r\n")),
        ("chunk of letters", post(chunked, body=b"zz\r\n{}\n\r\n0\r\n\r\n")),
        ("chunk of -3", post(chunked, body=b"-3\r\n{}\n\r\n0\r\n\r\n")),
        ("chunk of +3", post(chunked, body=b"+3\r\n{}\n\r\n0\r\n\r\n")),
        ("chunk of 0x3", post(chunked, body=b"0x3\r\n{}\n\r\n0\r\n\r\n")),
        ("chunk too long", post(chunked, body=b"2\r\n{}\nX\r\n0\r\n\r\n")),
        ("chunk with LF", post(chunked, body=b"3\n{}\n\r\n0\r\n\r\n")),
        ("chunk past 64 bits", post(chunked, body=b"fffffffffffffffff\r\n{}\n\r\n0\r\n\r\n")),
        ("huge chunk", post(chunked, body=b"7fffffffffffffff\r\n{}\n\r\n0\r\n\r\n")),
        ("no last chunk", post(chunked, body=b"3\r\n{}\n\r\n")),
        ("no Host", post("Content-Length: 3", hosts=())),
        ("two Hosts", post("Content-Length: 3", hosts=(host, host))),
        ("another Host", post("Content-Length: 3", hosts=("Host: evil.example",))),
        ("64 headers", post("Content-Length: 3", *(f"X-{i}: 1" for i in range(64)))),
        ("NUL in the path", post("Content-Length: 3", target=path[:8] + "\0" + path[8:])),
        ("NUL in a header", post("Content-Length: 3", "X-A: a\0b")),
        ("absolute target", post("Content-Length: 3", target="http://evil.example" + path)),
        ("a body cut short", post("Content-Length: 30")),
        ("no HTTP at all", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    ]
    return cases


def check_desync(server):
    good = (f"POST /api/42/envelope/?sentry_key={KEY} HTTP/1.1\r\nHost: 127.0.0.1:"
            f"{server.port}\r\nContent-Length: 3\r\n\r\n{{}}\n").encode()
    check(server.raw(good).startswith(b"HTTP/1.1 200"), "what they all differ from")
    before = server.value("SELECT count(*) FROM inbox")
    for name, data in desync_cases(server.port):
        answer = server.raw(data + good, half_close=True)
        status = answer[9:12]
        check(status[:1] in (b"4", b"5", b"") or not answer, f"{name}: {answer[:60]}")
        check(answer.count(b"HTTP/1.1 ") <= 1, f"{name}: two answers")
    check(server.raw(good + good).count(b"HTTP/1.1 ") == 1, "one request a connection")
    check(server.value("SELECT count(*) FROM inbox") == before + 1, "nothing was taken in")
    expect = good.replace(b"Content-Length", b"Expect: 100-continue\r\nContent-Length")
    answer = server.raw(expect)
    check(answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200"), "100-continue")


def main():
    with Server() as server:
        check_auth(server)
        check_pages(server)
        check_desync(server)
        check(server.process.poll() is None, "the server lives")
    check_keys()
    check_quota()
    with Server("--allow-origin", "https://app.example") as server:
        got = server.envelope(b"{}", [("Origin", "https://app.example")])[0]
        check(got == 200, "an origin that is allowed")
    finish()


main()
