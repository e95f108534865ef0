#!/bin/sh
# Browser tests: pure modules under node, the page over made-up answers, over a real
# recording, over names that are markup, and without a pointer.
#
#   tests/browser/run.sh PROFLITE     path of the built binary
#   tests/browser/run.sh              without it: only what needs no binary
set -eu
cd "$(dirname "$0")"

binary=""
if [ $# -gt 0 ]; then
    case $1 in
    /*) binary=$1 ;;
    *) binary=$OLDPWD/$1 ;;
    esac
fi

if ! [ node_modules/.package-lock.json -nt package-lock.json ]; then
    npm ci --loglevel=error --no-fund --no-audit || {
        echo "browser tests: npm cannot fetch playwright-core (package-lock.json)" >&2
        exit 1
    }
    touch node_modules/.package-lock.json
fi

node --test unit/*.test.js
if [ -z "$binary" ]; then
    exec node --test viewer.test.js
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
${CC:-cc} -g -O1 -o "$work/hot" hot.c
PROFLITE=$binary HOT=$work/hot node --test --test-concurrency=2 viewer.test.js real.test.js hostile.test.js keyboard.test.js
