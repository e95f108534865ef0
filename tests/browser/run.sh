#!/bin/sh
# Browser tests: pure modules under node, the page over made-up answers, over a real
# recording, over names that are markup, and without a pointer.
#
#   tests/browser/run.sh PROFLITE [VIEWER_STORE]   paths of the built binaries: the second
#                                                  makes a large store to look at
#   tests/browser/run.sh                           only what needs no binary
set -eu
cd "$(dirname "$0")"

# path FILE: FILE as seen from where we were called
path() {
    case $1 in
    /*) echo "$1" ;;
    *) echo "$OLDPWD/$1" ;;
    esac
}
binary=${1:+$(path "$1")}
store=${2:+$(path "$2")}

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
PROFLITE=$binary HOT=$work/hot VIEWER_STORE=$store node --test --test-concurrency=2 viewer.test.js real.test.js hostile.test.js keyboard.test.js \
    ${store:+large.test.js}
