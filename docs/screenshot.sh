#!/bin/sh
# Make docs/viewer.png: record the demo, open the viewer on it, take its picture.
#
#   docs/screenshot.sh [BUILD_DIR]     (default: build)
set -eu
cd "$(dirname "$0")/.."
build=$(cd "${1:-build}" && pwd)

[ -d tests/browser/node_modules ] || (cd tests/browser && npm ci --silent --no-fund --no-audit)

work=$(mktemp -d)
server=""
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT

"$build/proflite" --db "$work/demo.db" record --name demo -- "$build/examples/demo" 12
"$build/proflite" --db "$work/demo.db" serve --listen 127.0.0.1:0 >"$work/url" &
server=$!
tries=0
while [ ! -s "$work/url" ] && [ $tries -lt 100 ]; do
    sleep 0.1
    tries=$((tries + 1))
done
[ -s "$work/url" ] || { echo "screenshot: the viewer did not start" >&2; exit 1; }

node docs/screenshot.mjs "$(cat "$work/url")" docs/viewer.png
echo "docs/viewer.png made"
