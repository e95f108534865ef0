#!/bin/sh
# The viewer's types: JSDoc comments checked by tsc, against the libraries' own types.
set -eu
cd "$(dirname "$0")"
vendor=../../packaging/vendor
for folder in . "$vendor"; do
    if ! [ "$folder/node_modules/.package-lock.json" -nt "$folder/package-lock.json" ]; then
        (cd "$folder" && npm ci --loglevel=error --no-fund --no-audit) || {
            echo "types.sh: npm cannot fetch what $folder/package-lock.json names" >&2
            exit 1
        }
        touch "$folder/node_modules/.package-lock.json"
    fi
done
exec node_modules/.bin/tsc -p tsconfig.json
