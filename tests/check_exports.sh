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
# Memory is the library's own (collector/heap.h), and nothing libc made is freed in it.
imports=$(nm -D --undefined-only "$library" | awk '{sub(/@.*/, "", $2); print $2}')
for name in malloc calloc realloc free strdup strndup posix_memalign reallocarray \
    getline __getdelim asprintf __asprintf_chk vasprintf scandir open_memstream; do
    if echo "$imports" | grep -qx "$name"; then
        echo "$library asks libc for memory: $name" >&2
        failed=1
    fi
done
exit $failed
