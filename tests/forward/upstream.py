"""What the tests of forwarding share: an upstream that says what it is told to, with
Relay's words, and a store with chunks of our own.

Environment: PROFLITE_BUILD, the build folder (CMake sets it)."""
import gzip
import http.server
import json
import os
import pathlib
import re
import socket
import sqlite3
import struct
import subprocess
import sys
import threading
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "ingest"))
from support import ( # noqa: E402,F401
    BUILD, FIXTURES, KEY, PROFLITE, Server, check, chunk, envelope, finish, item)

LINKED = BUILD / "examples" / "linked"
OTHER_KEY = "0123456789abcdef0123456789abcdef"


def unpack(body, encoding):
    if encoding == "gzip":
        return gzip.decompress(body)
    if encoding == "deflate":
        return zlib.decompress(body)
    if encoding in ("br", "zstd"):
        tool = ["brotli", "-dc"] if encoding == "br" else ["zstd", "-dcq"]
        return subprocess.run(tool, input=body, capture_output=True, check=True).stdout
    return body


def parse(body):
    """An envelope: (header, [(item header, payload)]). Strict: lengths must be right."""
    line, _, rest = body.partition(b"\n")
    items = []
    while rest:
        head, _, rest = rest.partition(b"\n")
        head = json.loads(head)
        size = head.get("length")
        if size is None:
            payload, _, rest = rest.partition(b"\n")
        else:
            payload, rest = rest[:size], rest[size:]
            assert len(payload) == size and rest[:1] in (b"\n", b"")
            rest = rest[1:]
        items.append((head, payload))
    return json.loads(line), items


def chunk_id(payload):
    return re.search(rb'"chunk_id":\s*"([0-9a-f]{32})"', payload).group(1).decode()


def rows(db, statement, *args):
    connection = sqlite3.connect(f"file:{db}?mode=ro", uri=True, timeout=20)
    try:
        return connection.execute(statement, args).fetchall()
    finally:
        connection.close()


class Request:
    def __init__(self, handler, body):
        self.path = handler.path
        self.headers = dict(handler.headers)
        self.raw = body
        self.body = unpack(body, self.headers.get("Content-Encoding", ""))
        self.acknowledged = False

    def ids(self):
        """Of its chunks."""
        return [chunk_id(p) for h, p in parse(self.body)[1] if h["type"] == "profile_chunk"]

    def types(self):
        return [h["type"] for h, _ in parse(self.body)[1]]


class Upstream:
    """Answers by `script`, one entry a request, then 200. An entry is a status, or
    (status, headers), or "hang", "half-close" or "reset", or a function of the request
    that returns one of these."""

    def __init__(self, script=()):
        self.script = list(script)
        self.requests = []
        self.lock = threading.Lock()
        self.released = threading.Event()
        upstream = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60

            def log_message(self, *_):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                upstream.answer(self, Request(self, body))

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def dsn(self, project=7, key=OTHER_KEY):
        return f"http://{key}@127.0.0.1:{self.port}/{project}"

    def answer(self, handler, request):
        with self.lock:
            self.requests.append(request)
            what = self.script.pop(0) if self.script else 200
        if callable(what):
            what = what(request)
        if what in ("hang", "half-close", "reset"):
            handler.close_connection = True
            if what == "hang":
                self.released.wait(60)
            elif what == "half-close":
                handler.connection.shutdown(socket.SHUT_WR)
                self.released.wait(1)
            else:
                handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                              struct.pack("ii", 1, 0))
                handler.connection.close()
            return
        status, headers = what if isinstance(what, tuple) else (what, {})
        request.acknowledged = status == 200
        text = b'{"detail":"told to"}' if status != 200 else b'{"id":"x"}'
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)

    def acknowledged_ids(self):
        return [i for r in self.requests if r.acknowledged for i in r.ids()]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()


def forward(db, dsn, *flags, code=0, env=None, timeout=120):
    """Run it; (stdout, stderr). `code` None: any."""
    done = subprocess.run([PROFLITE, "--db", db, "forward", "--to", dsn, *flags],
                          capture_output=True, text=True, timeout=timeout, env=env)
    if code is not None:
        check(done.returncode == code,
              f"forward {flags}: exit {done.returncode}, not {code}: {done.stderr[-400:]}")
    for secret in (OTHER_KEY, KEY):
        check(secret not in done.stdout + done.stderr, "no key is said")
    return done.stdout, done.stderr


def record_linked(db, seconds=".6", env=None):
    """A program with spans, labels and two threads of one name, recorded into `db`."""
    done = subprocess.run([LINKED, seconds], capture_output=True, text=True, timeout=120,
                          env={**os.environ, "PROFLITE_DB": str(db),
                               "PROFLITE_ENVIRONMENT": "laptop", **(env or {})})
    check(done.returncode == 0 and db.exists(), f"linked: {done.stderr[-300:]}")
    done = subprocess.run([PROFLITE, "--db", db, "process"], capture_output=True, timeout=120)
    check(done.returncode == 0, f"process: {done.stderr[-300:]}")
