#!/bin/sh
# Dependencies go one way only (ARCHITECTURE.md, "Folders"): fail on an include that
# goes against the data's way, or on a third-party header outside its owner.
set -eu
cd "$(dirname "$0")/.."
failed=0

say() {
    echo "$1" >&2
    failed=1
}

# may FOLDER "allowed folders": every "folder/file.h" include in it must be allowed.
may() {
    for file in "$1"/*.c "$1"/*.h; do
        [ -e "$file" ] || continue
        for include in $(sed -n 's/^ *# *include *"\([^"]*\)".*/\1/p' "$file"); do
            folder=${include%%/*}
            case " $2 " in
            *" $folder "* | *" $include "*) ;;
            *) say "$file: $1/ may not include $include" ;;
            esac
        done
    done
}

may base "base"
may sql ""
may store "base store sql"
may collector "base collector store/chunk_sink.h proflite.h"
may process "base store process"
may formats "base formats"
may web "base store process formats web"
may cli "base collector store process formats web cli"


# owner HEADER "files or folders that may include it"
owner() {
    for file in $(grep -lE "^ *# *include *[<\"]$1[>\"]" ./*/*.c ./*/*.h 2>/dev/null); do
        file=${file#./}
        allowed=0
        for place in $2 tests; do
            case "$file" in "$place" | "$place"/*) allowed=1 ;; esac
        done
        [ $allowed = 1 ] || say "$file: <$1> belongs to $2"
    done
}

owner "sqlite3(ext)?\\.h" "store"
owner "civetweb\\.h" "web/server.c"
owner "curl/.*" "web/upstream.c web/download.c"
owner "cjson/.*|cJSON\\.h" "web cli"
owner "libunwind.*" "collector/remote.c"
owner "elfutils/.*|dwarf\\.h|libelf\\.h|gelf\\.h" "process"
owner "zstd\\.h" "web/decode.c web/encode.c cmake/embed_assets.c store/symbol_files.c store/symbol_file_open.c"
owner "brotli/.*" "web/decode.c web/encode.c cmake/embed_assets.c"
owner "uuid/.*" "process/identify.c"
owner "isa-l/.*" "web/decode.c"
owner "zlib\\.h" "web/encode.c formats/gzip.c cmake/embed_assets.c"
owner "protobuf-c/.*|formats/pprof\\.pb-c\\.h" "formats/pprof.c"
owner "msgpack(/.*)?\\.h" "formats/task_payload.c"
owner "yajl/.*" "formats/json_stream.c process/source_map_json.c process/proguard_text.c"

# What runs in signal context, and what it includes, knows no allocator, log or store.
for file in collector/handler.c collector/handler.h collector/unwind.c collector/unwind.h \
    collector/ring.h collector/rows.h collector/segment.h; do
    [ -e "$file" ] || continue
    if grep -nE '^ *# *include *[<"](stdio\.h|stdlib\.h|malloc\.h|base/(log|buf|error)\.h|store/)' \
        "$file" >&2; then
        say "$file: is in the signal-safe set"
    fi
    if grep -nwE '(malloc|calloc|realloc|free|printf|fprintf|snprintf|pl_log)\(' "$file" >&2; then
        say "$file: is in the signal-safe set"
    fi
done

exit $failed
