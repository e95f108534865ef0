#!/usr/bin/env python3
"""npm's @sentry/browser in Debian's Chromium against a server of ours: a page of another
origin (CORS), profiled by the browser itself (Document-Policy: js-profiling), in both
lifecycles; every item of every request is accounted for."""
import collections
import functools
import http.server
import json
import pathlib
import subprocess
import sys
import threading
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "forward"))
from upstream import KEY, Server, check, finish, parse, rows, unpack # noqa: E402
from modules import install # noqa: E402

MODULES = HERE / "browser" / "node_modules"


def import_map():
    """What a bundler would find: every entry of every package, as the browser asks."""
    imports = {}

    def target(entry):
        while isinstance(entry, dict):
            entry = next((entry[k] for k in ("browser", "production", "import", "default")
                          if k in entry), None)
        return entry

    for path in sorted([*MODULES.glob("*/package.json"), *MODULES.glob("@*/*/package.json")]):
        about = json.loads(path.read_text())
        name = path.parent.relative_to(MODULES)
        exports = about.get("exports") or {".": about.get("module", "index.js")}
        for key, entry in exports.items():
            file = target(entry)
            if file and key.startswith(".") and file.endswith((".js", ".mjs")) and "*" not in key:
                imports[f"{name}{key[1:]}"] = f"/{name}/{file.removeprefix('./')}"
    return json.dumps({"imports": imports})


class Pages(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def end_headers(self):
        self.send_header("Document-Policy", "js-profiling")
        super().end_headers()

    def do_GET(self):
        if not self.path.startswith("/page?"):
            return super().do_GET()
        text = (HERE / "browser" / "page.html").read_text().replace("IMPORTS", import_map()).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def visit(server, modes):
    pages = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Pages, directory=MODULES))
    threading.Thread(target=pages.serve_forever, daemon=True).start()
    urls = [f"http://localhost:{pages.server_address[1]}/page?" + urllib.parse.urlencode(
        {"mode": mode, "dsn": f"http://{KEY}@127.0.0.1:{server.port}/{project}"})
        for project, mode in modes]
    done = subprocess.run(["node", HERE / "browser" / "visit.mjs", *urls], capture_output=True,
                          text=True, timeout=120)
    check(done.returncode == 0, f"visit: {done.stderr[-3000:]}")
    check(done.stdout.count('"profiler":"function"') == len(urls), f"Chromium profiles: {done.stdout}")
    pages.shutdown()


def check_items(server, project):
    """Of what arrived: each profile is a chunk with its outcome, each span a span; the rest
    is kept as it came."""
    kinds = collections.Counter()
    chunks, spans = set(), set()
    for encoding, body in rows(server.db, "SELECT i.encoding, b.body FROM inbox i JOIN inbox_body b"
                               " ON b.inbox_id = i.id WHERE i.project_id = ?", project):
        for header, payload in parse(unpack(body, encoding))[1]:
            kinds[header["type"]] += 1
            document = json.loads(payload) if payload[:1] in b"{[" else {}
            if header["type"] == "profile_chunk":
                chunks.add(document["chunk_id"])
            if header["type"] == "span":
                spans |= {s["span_id"] for s in document["items"]}
            if header["type"] == "transaction":
                spans.add(document["contexts"]["trace"]["span_id"])
    check(kinds["profile_chunk"] >= 1 and kinds["event"] == 1, f"{dict(kinds)}")
    stored = {r["uuid"] for r in server.sql("SELECT uuid FROM chunk WHERE project_id = ?", project)}
    check(stored == chunks, f"chunks: {len(stored)} of {len(chunks)}")
    outcomes = server.sql("SELECT chunk_uuid AS id, category, outcome, reason FROM outcome WHERE"
                          " project_id = ?", project)
    check({r["id"] for r in outcomes if r["outcome"] == "accepted"} == chunks,
          f"{[tuple(r) for r in outcomes]}")
    known = {r["span_id"] for r in server.sql("SELECT span_id FROM span WHERE project_id = ?", project)}
    check(spans and spans <= known, f"spans: {len(spans - known)} of {len(spans)} missing")
    return dict(kinds)


def check_profile(server, project, mode):
    row = server.sql("""
        SELECT count(*) AS n, min(s.platform) AS platform, min(s.release) AS release,
               min(s.environment) AS environment, count(DISTINCT t.name) AS threads
        FROM sample a JOIN session s ON s.id = a.session_id JOIN thread t ON t.id = a.thread_id
        WHERE s.project_id = ?""", project)[0]
    check(row["platform"] == "javascript" and row["release"] == "sdk-browser@1" and
          row["environment"] == mode, f"{tuple(row)}")
    check(row["n"] >= 20, f"{row['n']} samples")
    burning = server.value("""
        SELECT count(*) FROM sample a JOIN stack_frame f ON f.stack_id = a.stack_id
        JOIN session s ON s.id = a.session_id WHERE s.project_id = ? AND f.function = 'burn'""", project)
    check(burning >= row["n"] / 3, f"{burning} of {row['n']} in burn")
    sent = 0
    for encoding, body in rows(server.db, "SELECT i.encoding, b.body FROM inbox i JOIN inbox_body b"
                               " ON b.inbox_id = i.id WHERE i.project_id = ?", project):
        for header, payload in parse(unpack(body, encoding))[1]:
            if header["type"] == "profile_chunk":
                sent += len(json.loads(payload)["profile"]["samples"])
    check(sent == row["n"], f"{row['n']} samples of {sent}")


def main():
    install(HERE / "browser")
    install(HERE.parent / "browser")
    with Server() as server:
        modes = ((1, "manual"), (2, "trace"))
        visit(server, modes)
        server.settle()
        for project, mode in modes:
            print(mode, check_items(server, project))
            check_profile(server, project, mode)
        check(server.value("SELECT count(*) FROM inbox WHERE state <> 'stored'") == 0,
              "all that came was understood")
    finish()


main()
