#!/bin/sh
# What libproflite.so shows to the program that links it: exports only proflite_*,
# needs only libc and libm. (SQLite and all else is inside.)
set -eu
library=$1
failed=0

exports=$(nm -D --defined-only "$library" | awk '{print $3}')
[ "$(echo "$exports" | grep -c '^proflite_')" -ge 8 ] || {
    echo "$library exports too little: $exports" >&2
    failed=1
}
for name in $(echo "$exports" | grep -v '^proflite_' || true); do
    echo "$library exports $name" >&2
    failed=1
done
for needed in $(readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
    case $needed in
    libc.so.6 | libm.so.6) ;;
    *)
        echo "$library needs $needed" >&2
        failed=1
        ;;
    esac
done
exit $failed
