#!/usr/bin/env python3
"""kill -9 at random moments of forwarding, of an upstream that fails now and then: in the
end it has everything that was acknowledged, and what it has twice has one id.

    test_kill.py [ROUNDS]"""
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time

from upstream import (OTHER_KEY, PROFLITE, Server, Upstream, check, chunk, envelope, finish,
                      forward, item, record_linked, rows)


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    seed = random.randrange(10**9)
    print("seed", seed)
    chance = random.Random(seed)

    def trouble(_):
        return chance.choice([200] * 12 + [503, "reset", "half-close", 500,
                                           (429, {"X-Sentry-Rate-Limits": "1:profile_chunk:key"})])

    with tempfile.TemporaryDirectory(prefix="proflite-forward-") as folder, \
            Upstream([trouble] * 10**6) as up:
        db, team = pathlib.Path(folder) / "p.db", pathlib.Path(folder) / "team.db"
        record_linked(db, ".3")
        wanted, number = set(), 0
        with Server("--forward", up.dsn(), db=db) as server:
            for turn in range(rounds):
                for _ in range(6):
                    number += 1
                    if server.envelope(envelope(item(chunk(number))))[0] == 200:
                        wanted.add(f"{number:032x}")
                time.sleep(chance.uniform(.02, .6))
                server.kill()
                server.start("--forward", up.dsn())
            server.settle()
        up.script.clear()
        for _ in range(3): # what it was told to wait for is over by then
            forward(db, up.dsn(), code=None)
            if not rows(db, "SELECT count(*) FROM outbox WHERE state = 'waiting'")[0][0]:
                break
        wanted |= {r[0] for r in rows(db, "SELECT uuid FROM chunk WHERE project_id = 0")}
        got = up.acknowledged_ids()
        check(set(got) == wanted, f"{len(wanted - set(got))} missing of {len(wanted)}")
        print(f"{len(wanted)} chunks, {len(got) - len(set(got))} of them acknowledged again,"
              f" {len(up.requests)} requests")
        spans = [r for r in up.requests if r.acknowledged and r.types() == ["transaction"]]
        ids = {json.loads(r.body.split(b"\n")[0])["event_id"] for r in spans}
        check(len(ids) == rows(db, "SELECT count(DISTINCT value) FROM label WHERE key = 'trace'")[0][0],
              "every span that was sampled")
        state = rows(db, "SELECT state, count(*) FROM outbox GROUP BY 1")
        check([s for s, _ in state] == ["sent"], f"{state}")
        done = subprocess.run([PROFLITE, "--db", db, "check"], capture_output=True, text=True)
        check(done.returncode == 0, done.stdout + done.stderr)
        # And a second proflite that is killed while it is sent to.
        with Server(db=team) as server:
            dsn = f"http://{OTHER_KEY}@127.0.0.1:{server.port}/5"
            sender = subprocess.Popen([PROFLITE, "--db", db, "forward", "--to", dsn, "--follow"],
                                      stderr=subprocess.DEVNULL)
            time.sleep(chance.uniform(.05, .5))
            server.kill()
            server.start("--listen", f"127.0.0.1:{server.port}")
            until = time.monotonic() + 60
            while time.monotonic() < until and rows(
                    db, "SELECT count(*) FROM outbox o JOIN outbox_target t ON t.id = o.target_id"
                    " WHERE t.name = ? AND state = 'sent'",
                    f"http://127.0.0.1:{server.port}/5")[0][0] < len(wanted):
                time.sleep(.1)
            sender.terminate()
            sender.wait()
            server.settle()
            outcomes = server.sql("SELECT chunk_uuid AS id, count(*) AS n FROM outcome WHERE category"
                                  " = 'profile_chunk' GROUP BY 1")
            check({r["id"] for r in outcomes} == wanted and all(r["n"] == 1 for r in outcomes),
                  f"{len(outcomes)} outcomes of {len(wanted)}")
    finish()


main()
