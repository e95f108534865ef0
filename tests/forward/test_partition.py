#!/usr/bin/env python3
"""The network to the upstream goes away and comes back, and says "later" in every way it
can, while envelopes arrive and programs are recorded into the same store: in the end the
upstream has all of it, to the sample."""
import concurrent.futures
import email.utils
import json
import os
import pathlib
import socket
import subprocess
import tempfile
import threading
import time

from upstream import (PROFLITE, Server, Upstream, check, chunk, envelope, finish, forward, item, parse, rows)

SPAN = item({"version": 2, "items": []}, "span", content_type="application/vnd.sentry.items.span.v2+json")


class Gate:
    """A way to a port that is open, shut (connections are refused), or a black hole (they
    are taken, and nothing comes of it)."""

    def __init__(self, port):
        self.target, self.state, self.taken = port, "open", 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.open_sockets = []
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.taken += 1
            self.open_sockets.append(client)
            if self.state != "open":
                continue
            server = socket.create_connection(("127.0.0.1", self.target))
            self.open_sockets.append(server)
            for a, b in ((client, server), (server, client)):
                threading.Thread(target=self.pump, args=(a, b), daemon=True).start()

    def pump(self, a, b):
        try:
            while data := a.recv(65536):
                if self.state == "open":
                    b.sendall(data)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def cut(self):
        for each in self.open_sockets:
            try:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                each.close()
            except OSError:
                pass
        self.open_sockets.clear()

    def set(self, state):
        if self.state == "shut" and state != "shut":
            self.listener = socket.create_server(("127.0.0.1", self.port))
            threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()
        self.state = state
        if state == "shut":
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
        self.cut()


def wait_for(condition, what, seconds=60):
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(.05)
    check(condition(), what)


def count(db, name):
    return dict(rows(db, "SELECT name, sum(value) FROM outbox_count GROUP BY 1")).get(name, 0)


def test_partition(folder):
    db = folder / "p.db"
    later = [(429, {"Retry-After": "1"}),
             lambda _: (429, {"Retry-After": email.utils.formatdate(time.time() + 2, usegmt=True)}),
             (429, {"X-Sentry-Rate-Limits": "1:profile_chunk:key"}),
             (429, {"X-Sentry-Rate-Limits": "1:span;session:key, 1:attachment"})]
    with Upstream() as up, Server(db=db) as server:
        gate = Gate(up.port)
        number = 0

        def send():
            nonlocal number
            for _ in range(3):
                number += 1
                check(server.envelope(envelope(item(chunk(number)), SPAN))[0] == 200, "taken all the while")

        send()
        process = subprocess.Popen([PROFLITE, "--db", db, "forward", "--to", up.dsn().replace(
            str(up.port), str(gate.port)), "--follow", "--timeout", "1"], stderr=subprocess.DEVNULL)
        wait_for(lambda: len(up.acknowledged_ids()) == 3, "the way is open")
        for state in ("shut", "black hole"):
            gate.set(state)
            before, known = count(db, "retries"), len(up.requests)
            send()
            wait_for(lambda: count(db, "retries") > before, f"{state}: tried again")
            check(len(up.requests) == known, f"{state}: nothing came through")
        with up.lock:
            up.script[:] = later
        gate.set("open")
        send()
        wait_for(lambda: not rows(db, "SELECT 1 FROM outbox WHERE state = 'waiting'"), "all of it")
        process.terminate()
        check(process.wait(20) in (0, 4, 5), "a signal ends it")
    check(not up.script, "it was told to wait in every way")
    check(set(up.acknowledged_ids()) == {f"{n:032x}" for n in range(1, number + 1)}, "each of them")
    left = rows(db, "SELECT state, reason, count(*) FROM outbox GROUP BY 1, 2")
    check(left == [("sent", None, number)], f"nothing is dead: {left}")
    check(count(db, "limited") >= 3, "limits were heard")


def test_recording(folder):
    """Chunks of our own, sent while others are being written."""
    db = folder / "r.db"
    record = [PROFLITE, "record", "-F", "499", "-o", db, "--", "sh", "-c",
              "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"]
    check(subprocess.run(record, capture_output=True, timeout=60).returncode == 0, "recorded")
    with Upstream() as up:
        process = subprocess.Popen([PROFLITE, "--db", db, "forward", "--to", up.dsn(), "--follow"],
                                   stderr=subprocess.DEVNULL)
        wait_for(up.acknowledged_ids, "the first one")
        with Server(db=db) as server: # a viewer watches: what is open is written every few seconds
            programs = [subprocess.Popen(record, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                        for _ in range(3)]
            for n in range(20):
                check(server.envelope(envelope(item(chunk(n + 1))))[0] == 200, "taken")
                time.sleep(.05)
            check([p.wait(60) for p in programs] == [0, 0, 0], "recorded, too")
            server.settle()
        process.terminate()
        check(process.wait(20) in (0, 4, 5), "a signal ends it")
        forward(db, up.dsn())
        got, samples = {}, 0
        for request in up.requests:
            for header, payload in parse(request.body)[1]:
                document = json.loads(payload)
                if header["type"] == "profile_chunk" and document["client_sdk"]["name"] == "proflite":
                    stacks = document["profile"]["stacks"]
                    got[document["chunk_id"]] = sum(bool(stacks[s["stack_id"]])
                                                    for s in document["profile"]["samples"])
        want = dict(rows(db, "SELECT c.uuid, count(*) FROM sample s JOIN chunk c ON c.id = s.chunk_id"
                         " WHERE c.project_id = 0 GROUP BY 1"))
        check(len(want) >= 4 and got == want, f"{got}, not {want}")
        check(len({i for i in up.acknowledged_ids()} - set(got)) == 20, "and what arrived meanwhile")
        check(rows(db, "SELECT DISTINCT state FROM outbox") == [("sent",)], "all sent")
    done = subprocess.run([PROFLITE, "--db", db, "check"], capture_output=True, text=True)
    check(done.returncode == 0, done.stdout + done.stderr)


def main():
    with tempfile.TemporaryDirectory(prefix="proflite-partition-") as name, \
            concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda test: test(pathlib.Path(name)), (test_partition, test_recording)))
    finish()


os.environ.pop("PROFLITE_DB", None)
main()
