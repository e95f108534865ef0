#!/bin/sh
# Browser tests: pure modules under node, the page over made-up answers, and the page
# over a real recording.
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
node --test viewer.test.js
[ -n "$binary" ] || exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
${CC:-cc} -g -O1 -o "$work/hot" hot.c
PROFLITE=$binary HOT=$work/hot node --test real.test.js
