#!/usr/bin/env python3
"""kill -9 at random moments of ingest and processing, then a restart: what was
acknowledged is there once, with exactly one outcome.

    test_crash.py [ROUNDS]"""
import http.client
import random
import sys
import threading
import time

from support import Server, check, chunk, envelope, finish, item


def body_of(number):
    """Of five, one is rejected, and one has two chunks and a report."""
    if number % 5 == 3:
        return envelope(item(chunk(number, stacks=[[9], [0]])))
    report = {"discarded_events": [{"reason": "r", "category": f"c{number}", "quantity": 1}]}
    if number % 5 == 4:
        return envelope(item(chunk(number)), item(report, "client_report"),
                        item(chunk(number + 10**6)))
    samples = [{"timestamp": 1795345190 + number + i / 100, "thread_id": str(i % 3),
                "stack_id": 0} for i in range(300)]
    return envelope(item(chunk(number, samples=samples)))


def send(server, numbers, acknowledged, stop):
    """Each number until it is acknowledged, as SDKs do not, but chained servers do."""
    for number in numbers:
        while not stop.is_set():
            try:
                if server.envelope(body_of(number))[0] == 200:
                    acknowledged.add(number)
                    break
            except (OSError, http.client.HTTPException):
                time.sleep(.02)


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    seed = random.randrange(10**9)
    print("seed", seed)
    chance = random.Random(seed)
    acknowledged, stop, first = set(), threading.Event(), 1
    with Server() as server:
        for _ in range(rounds):
            threads = []
            for _ in range(4):
                numbers = range(first, first + 25)
                first += 25
                threads.append(threading.Thread(
                    target=send, args=(server, numbers, acknowledged, stop)))
            for thread in threads:
                thread.start()
            time.sleep(chance.uniform(.02, .5))
            server.kill()
            server.start()
            stop.wait(chance.uniform(0, .3))
            server.kill() # also while what was left is taken up again
            server.start()
            for thread in threads:
                thread.join()
        server.settle()
        check(len(acknowledged) == first - 1, "all were acknowledged in the end")
        wanted = {f"{n:032x}" for n in acknowledged}
        wanted |= {f"{n + 10**6:032x}" for n in acknowledged if n % 5 == 4}
        outcomes = server.sql("SELECT chunk_uuid, outcome, count(*) AS n FROM outcome"
                              " WHERE category = 'profile_chunk' GROUP BY 1")
        got = {r["chunk_uuid"] for r in outcomes}
        check(got == wanted, f"outcomes: {len(wanted - got)} missing, {len(got - wanted)} more")
        check(all(r["n"] == 1 for r in outcomes), "one outcome a chunk")
        invalid = {r["chunk_uuid"] for r in outcomes if r["outcome"] == "invalid"}
        check(invalid == {f"{n:032x}" for n in acknowledged if n % 5 == 3}, "the bad ones")
        counts = {r["uuid"]: r["n"] for r in server.sql("""SELECT c.uuid AS uuid, sum(l.n) AS n
            FROM chunk c JOIN part p ON p.chunk_id = c.id JOIN slot l ON l.part_id = p.id
            GROUP BY c.id""")}
        check(set(counts) == wanted - invalid, "chunks are those that were accepted")
        check(all(n == (6 if int(uuid, 16) % 5 == 4 or int(uuid, 16) > 10**6 else 300)
                  for uuid, n in counts.items()), "each with all its samples, once")
        reports = server.value("SELECT count(*) FROM outcome WHERE outcome = 'client_discard'")
        check(reports >= sum(n % 5 == 4 for n in acknowledged), f"{reports} reports")
        check(server.value("PRAGMA integrity_check") == "ok", "integrity")
    finish()


main()
