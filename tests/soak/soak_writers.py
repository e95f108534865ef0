#!/usr/bin/env python3
"""Eight programs recorded into one file at once, four by `record` and four by themselves,
while a server's answers are read, the open minute is watched and `gc` takes what is older
than a minute: nobody is turned away, the log stays small, the store is sound, and every
tick is a sample or a loss with its reason.

    soak_writers.py [short|SECONDS]      10 minutes; short: 5 s, a part of the tests"""
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import threading
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from support import BUILD, PROFLITE, ask, check, check_ledger, main, run, sql

SHORT = "short" in sys.argv[1:]
SECONDS = 5 if SHORT else float(sys.argv[1]) if len(sys.argv) > 1 else 600
WORKING = """
import random, time
end = time.time() + 3
while time.time() < end:
    sum(i * i % 7 for i in range(20000))
    time.sleep(random.random() / 50)
"""
PROGRAMS = [
    [os.path.realpath(sys.executable), "-c", WORKING],
    ["sh", "-c", "for i in $(seq 10); do sleep .2; ls -lR /usr/share/doc/lib* > /dev/null; done"],
    ["sqlite3", ":memory:", "WITH t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t LIMIT 2000000) SELECT sum(n * n % 7) FROM t"],
]
PAGES = ["flamegraph", "top", "timeline", "sessions", "labels", "threads", "top?from=-1m", "flamegraph?to=-20s"]


class Crowd:
    def __init__(self, folder):
        self.db = folder / "x.db"
        self.end = time.monotonic() + SECONDS
        self.done = dict.fromkeys(("recorded", "linked", "gc", "answers"), 0)
        self.lock = threading.Lock()
        self.biggest_log = 0

    def on(self):
        return time.monotonic() < self.end

    def count(self, what, fine, said):
        with self.lock:
            self.done[what] += 1
        check(fine, f"{what}: {said}")

    def record(self, dice):
        while self.on():
            flags = ["-F", dice.choice(["101", "997"]), "--mode", dice.choice(["wall", "wall", "cpu"])]
            done = run(PROFLITE, "--db", self.db, "record", *flags, "--", *dice.choice(PROGRAMS), text=True)
            said = [line for line in done.stderr.splitlines() if " lost, in " not in line]
            self.count("recorded", done.returncode == 0 and not said, f"{done.returncode} {said}")

    def linked(self, dice):
        env = {**os.environ, "PROFLITE_DB": str(self.db)}
        while self.on():
            done = run(BUILD / "tests" / "mortal_linked", dice.choice([1, 2, 5]), env=env, text=True)
            self.count("linked", done.returncode == 0 and not done.stderr, f"{done.returncode} {done.stderr}")

    def collect(self, dice):
        while self.on():
            time.sleep(1 if SHORT else 5)
            done = run(PROFLITE, "--db", self.db, "gc", "--keep", "3s" if SHORT else dice.choice(["30s", "60s"]))
            self.count("gc", done.returncode in (0, 1), done.stderr)

    def read(self, dice):
        base, token = re.match(r"(http://[^/]+)/#t=(\w+)", self.url).groups()
        events = urllib.request.Request(f"{base}/api/v1/events?t={token}", headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(events, timeout=30):  # somebody watches: live parts are written
            while self.on():
                request = urllib.request.Request(f"{base}/api/v1/{dice.choice(PAGES)}",
                                                 headers={"Authorization": f"Bearer {token}"})
                try:
                    json.load(urllib.request.urlopen(request, timeout=60))
                    self.count("answers", True, "")
                except OSError as error:
                    self.count("answers", getattr(error, "code", 0) == 404, error)
                time.sleep(.1)

    def run(self):
        run(PROFLITE, "--db", self.db, "record", "--", "true")
        server = subprocess.Popen([PROFLITE, "--db", self.db, "serve", "--listen", "127.0.0.1:0"],
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.url = server.stdout.readline()
        jobs = [self.record] * 4 + [self.linked] * 4 + [self.collect, self.read]
        threads = [threading.Thread(target=job, args=(random.Random(i),)) for i, job in enumerate(jobs)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            time.sleep(.2)
            try:
                self.biggest_log = max(self.biggest_log, os.path.getsize(f"{self.db}-wal"))
            except OSError:
                pass
        status, found = ask(self.db, "check")
        check(status == 0, f"while it is served: {found}")
        server.terminate()
        check(server.wait(30) == 0, f"serve: {server.returncode}")


def test_writers(folder):
    crowd = Crowd(folder)
    crowd.run()
    status, found = ask(crowd.db, "check")
    check(status == 0 and found["ok"], f"{found}")
    check_ledger(crowd.db, "all of them")
    states = sql(crowd.db, "SELECT state, count(*) AS n FROM session GROUP BY 1")
    check({row["state"] for row in states} == {"ended"}, f"{states}")
    check(all(crowd.done.values()), f"{crowd.done}")
    check(crowd.biggest_log < 64 << 20, f"log of {crowd.biggest_log} bytes")
    print(f"{crowd.done}, {found['checked']['samples']} samples kept, log {crowd.biggest_log / 2**20:.1f} MiB at most")


del sys.argv[1:]
main([test_writers])
