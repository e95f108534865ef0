"""What the tests of ingest share: a server of their own, requests as bytes, SQL.

Environment: PROFLITE_BUILD, the build folder (CMake sets it)."""
import http.client
import json
import os
import pathlib
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path(os.environ.get("PROFLITE_BUILD", "build")).resolve()
PROFLITE = BUILD / "proflite"
FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "envelopes"
KEY = "aaaabbbbccccddddeeeeffff00001111"

# Under a sanitizer memory is not ours alone.
SANITIZED = "PROFLITE_SANITIZE:STRING=\n" not in (BUILD / "CMakeCache.txt").read_text()

_failed = []
_checks = 0


def check(condition, message):
    """Count a check; report and go on when it fails."""
    global _checks
    _checks += 1
    if not condition:
        _failed.append(message)
        print(f"FAILED: {message}", file=sys.stderr, flush=True)
    return condition


def finish():
    print(f"{_checks} checks, {len(_failed)} failed")
    sys.exit(1 if _failed or not _checks else 0)


class Server:
    """`proflite serve` on a store in a folder of its own."""

    def __init__(self, *flags, db=None):
        self.folder = None
        if not db:
            self.folder = tempfile.TemporaryDirectory(prefix="proflite-ingest-")
            db = pathlib.Path(self.folder.name) / "p.db"
        self.db = db
        self.start(*flags)

    def start(self, *flags):
        self.flags = flags
        self.process = subprocess.Popen(
            [PROFLITE, "--db", self.db, "serve", "--listen", "127.0.0.1:0", *flags],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        url = self.process.stdout.readline()
        self.port = int(url.split(":")[2].split("/")[0])

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            check(self.process.wait(30) == 0, "the server ends well")
        if self.folder:
            self.folder.cleanup()

    def post(self, path, body, headers=(), method="POST", timeout=30):
        """(status, headers, body) of one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            names = {name.lower() for name, _ in headers}
            for name, value in headers:
                connection.putheader(name, value)
            if "content-length" not in names and "transfer-encoding" not in names:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, dict(answer.headers), answer.read()
        finally:
            connection.close()

    def envelope(self, body, headers=(), project=42, key=KEY):
        path = f"/api/{project}/envelope/?sentry_key={key}&sentry_version=7"
        return self.post(path, body, headers)

    def raw(self, data, timeout=15, half_close=False):
        """Everything the server answers to these bytes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout) as peer:
            try:
                peer.sendall(data)
                if half_close:
                    peer.shutdown(socket.SHUT_WR)
                answer = b""
                while piece := peer.recv(65536):
                    answer += piece
            except OSError:
                pass
            return answer

    def replay(self, name):
        """One recorded request, as it was sent."""
        about = json.loads((FIXTURES / f"{name}.json").read_text())
        body = (FIXTURES / f"{name}.body").read_bytes()
        head = f"{about['method']} {about['target']} HTTP/1.1\r\n"
        for name_, value in about["headers"]:
            if name_.lower() == "host":
                value = f"127.0.0.1:{self.port}"
            head += f"{name_}: {value}\r\n"
        data = head.encode() + b"\r\n"
        if about["dechunked"]:
            for at in range(0, len(body), 7001):
                piece = body[at:at + 7001]
                data += b"%x\r\n%s\r\n" % (len(piece), piece)
            data += b"0\r\n\r\n"
        else:
            data += body
        answer = self.raw(data)
        return int(answer.split(b" ", 2)[1]) if answer else 0

    def sql(self, statement, *args):
        connection = sqlite3.connect(f"file:{self.db}?mode=ro", uri=True, timeout=20)
        try:
            connection.row_factory = sqlite3.Row
            return connection.execute(statement, args).fetchall()
        finally:
            connection.close()

    def value(self, statement, *args):
        rows = self.sql(statement, *args)
        return rows[0][0] if rows else None

    def settle(self, timeout=60):
        """Wait until everything that arrived is processed."""
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            try:
                waiting = self.value(
                    "SELECT (SELECT count(*) FROM inbox WHERE state = 'new') +"
                    " (SELECT count(*) FROM chunk WHERE finished <> 1)")
                if waiting == 0:
                    return True
            except sqlite3.OperationalError:
                pass
            time.sleep(.05)
        return check(False, "not processed in time")

    def memory_peak(self):
        """Most memory the server ever had, in bytes."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024


def fixtures():
    return json.loads((FIXTURES / "expected.json").read_text())


def item(payload, kind="profile_chunk", length=True, **header):
    """An item as bytes."""
    if not isinstance(payload, bytes):
        payload = json.dumps(payload).encode()
    header = {"type": kind, **header}
    if length:
        header["length"] = len(payload)
    return json.dumps(header).encode() + b"\n" + payload + b"\n"


def envelope(*items, **header):
    return json.dumps(header).encode() + b"\n" + b"".join(items)


def chunk(number=1, **changes):
    """A good python chunk: two threads, three ticks. `changes` replace keys."""
    base = 1795345189 + number
    samples = [{"timestamp": base + tick / 100, "thread_id": thread, "stack_id": stack}
               for tick in range(3) for thread, stack in (("1", 0), ("2", 1))]
    document = {
        "chunk_id": f"{number:032x}", "profiler_id": "c" * 32, "version": "2",
        "platform": "python", "release": "r@1", "environment": "test",
        "client_sdk": {"name": "sentry.python", "version": "2.0.0"},
        "profile": {
            "samples": samples, "stacks": [[1, 0], [2, 0]],
            "frames": [{"function": name, "filename": "a.py", "abs_path": "/app/a.py",
                        "module": "a", "lineno": 1 + i, "in_app": True}
                       for i, name in enumerate(("main", "left", "right"))],
            "thread_metadata": {"1": {"name": "one"}, "2": {"name": "two"}},
        },
    }
    for key, value in changes.items():
        if key in document["profile"]:
            document["profile"][key] = value
        elif value is None:
            document.pop(key, None)
        else:
            document[key] = value
    return document
