#!/bin/sh
# Install what the tests of source maps are made with, then run one: run.sh SCRIPT ARG...
set -eu
cd "$(dirname "$0")"
if [ ! -e node_modules/.package-lock.json ] ||
    [ package-lock.json -nt node_modules/.package-lock.json ]; then
    npm ci --loglevel=error --no-fund --no-audit
    touch node_modules/.package-lock.json
fi
exec node "$@"
