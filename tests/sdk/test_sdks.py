#!/usr/bin/env python3
"""Live Sentry SDKs against a server of ours: npm's @sentry/node with
@sentry/profiling-node in two major versions, in both lifecycles and with a profile a
transaction, and Debian's sentry-sdk for Python."""
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "ingest"))
from support import KEY, Server, check, finish # noqa: E402
from modules import install # noqa: E402


def run(*command):
    done = subprocess.run([str(a) for a in command], capture_output=True, text=True,
                          timeout=120)
    check(done.returncode == 0, f"{command[1]}: {done.stderr[-400:]}")


CHUNKS = """
    SELECT c.id, c.uuid, c.format, s.release, s.environment, s.platform,
           (SELECT count(*) FROM sample a WHERE a.chunk_id = c.id) AS n,
           (SELECT count(*) FROM sample a JOIN stack_frame f ON f.stack_id = a.stack_id
            WHERE a.chunk_id = c.id AND f.function = 'burn') AS burning,
           (SELECT group_concat(DISTINCT t.name) FROM sample a
            JOIN thread t ON t.id = a.thread_id WHERE a.chunk_id = c.id) AS threads,
           (SELECT count(*) FROM outcome o WHERE o.chunk_uuid = c.uuid
                   AND o.project_id = c.project_id AND o.outcome = 'accepted') AS accepted
    FROM chunk c JOIN session s ON s.id = c.session_id
    WHERE c.project_id = ?"""


def check_node(server, version, mode, project):
    folder = HERE / f"node{version}"
    what = f"node {version}, {mode}"
    run("node", HERE / "app.js", folder, f"http://{KEY}@127.0.0.1:{server.port}/{project}",
        mode)
    server.settle()
    chunks = server.sql(CHUNKS, project)
    wanted = {"manual": 1, "trace": 3, "v1": 3 if version == 10 else 0}[mode]
    check(len(chunks) == wanted, f"{what}: {len(chunks)} chunks")
    for chunk in chunks:
        check(chunk["format"] == ("sample_v1" if mode == "v1" else "sample_v2"), what)
        check(chunk["release"] == f"sdk-node{version}@1", f"{what}: {chunk['release']}")
        check(chunk["environment"] == mode and chunk["platform"] == "node", what)
        check(chunk["accepted"] == 1, f"{what}: one outcome")
        check(chunk["n"] >= 5 and chunk["threads"] == "main", f"{what}: {tuple(chunk)}")
    total, burning = (sum(c[key] for c in chunks) for key in ("n", "burning"))
    check(burning >= total / 4, f"{what}: {burning} of {total} in burn")
    spans = [r["name"] for r in server.sql(
        "SELECT name FROM span WHERE project_id = ? AND is_segment ORDER BY 1", project)]
    check(spans == ["job-0", "job-1", "job-2"], f"{what}: transactions {spans}")
    labels = {r["value"] for r in server.sql(
        "SELECT DISTINCT l.value AS value FROM label l JOIN chunk c ON c.id = l.chunk_id"
        " WHERE l.key = 'transaction' AND c.project_id = ?", project)}
    check(labels == (set(spans) if wanted else set()), f"{what}: labels {labels}")


def check_python(server, project):
    """Old enough to send events to /store/ and profiles, if any, of version 1."""
    run("/usr/bin/python3", HERE / "app.py",
        f"http://{KEY}@127.0.0.1:{server.port}/{project}")
    server.settle()
    spans = [tuple(r) for r in server.sql(
        "SELECT name, op FROM span WHERE project_id = ? ORDER BY 1", project)]
    check(spans == [(f"job-{i}", "task") for i in range(3)], f"python: {spans}")
    kinds = {r["kind"]: r["n"] for r in server.sql(
        "SELECT kind, count(*) AS n FROM inbox WHERE project_id = ? GROUP BY 1", project)}
    check(kinds.get("store") == 1 and kinds.get("envelope", 0) >= 3, f"python: {kinds}")
    for chunk in server.sql(CHUNKS, project):
        check(chunk["accepted"] == 1 and chunk["n"] > 0, f"python: {tuple(chunk)}")


def main():
    with Server() as server:
        project = 1
        for version in (10, 11):
            install(HERE / f"node{version}")
            for mode in ("manual", "trace", "v1"):
                check_node(server, version, mode, project)
                project += 1
        check_python(server, project)
        check(server.value("SELECT count(*) FROM inbox WHERE state <> 'stored'") == 0,
              "all that came was understood")
        check(server.value("SELECT count(*) FROM outcome WHERE outcome <> 'accepted'") == 0,
              "and accepted")
    finish()


main()
