#!/bin/sh
# Make the bundles of static/vendor/ again and compare: what is committed is what the
# lock file says, byte for byte.
set -eu
cd "$(dirname "$0")"
if ! [ node_modules/.package-lock.json -nt package-lock.json ]; then
    npm ci --loglevel=error --no-fund --no-audit || {
        echo "check.sh: npm cannot fetch what package-lock.json names" >&2
        exit 1
    }
    touch node_modules/.package-lock.json
fi
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
node build.mjs "$made" >/dev/null
diff -r --exclude='*.d.ts' "$made" ../../static/vendor || {
    echo "static/vendor/ differs from what packaging/vendor/build.mjs makes; run it and commit" >&2
    exit 1
}
