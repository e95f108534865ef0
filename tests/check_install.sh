#!/bin/sh
# Install proflite, and build and run programs against what was installed: by
# pkg-config and as a CMake package, shared and static, in C and C++, beside libraries
# of their own.
#
#   check_install.sh BUILD_FOLDER
set -eu
build=$1
tests=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d /tmp/check_install_XXXXXX)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix
failed=0

say() {
    echo "$1" >&2
    failed=1
}

cmake --install "$build" --prefix "$prefix" >"$work/log" || {
    cat "$work/log" >&2
    exit 1
}
lib=$(dirname "$(find "$prefix" -name libproflite.so.0)")
export PKG_CONFIG_PATH="$lib/pkgconfig" LD_LIBRARY_PATH="$lib"
export XDG_CONFIG_HOME="$work/none"

# ---- what is there ----

readelf -d "$lib/libproflite.so" | grep -q 'SONAME.*libproflite\.so\.0\]' ||
    say "libproflite.so: wrong soname"
for symbol in $(nm -g --defined-only "$lib/libproflite.a" | awk 'NF == 3 { print $3 }'); do
    case $symbol in
    proflite_*) ;;
    *) say "libproflite.a shows $symbol" ;;
    esac
done

# ---- the header ----

cat >"$work/use.c" <<'END'
#include <proflite.h>
int main(void)
{
    proflite_options options = PROFLITE_OPTIONS_INIT;
    proflite_stats stats = {0};
    proflite_span span;
    (void)proflite_init(&options);
    (void)proflite_start();
    span = proflite_span_begin("x");
    (void)proflite_label_set("key", "value");
    (void)proflite_thread_name("x");
    proflite_span_end(span);
    (void)proflite_flush(10);
    (void)proflite_get_stats(&stats);
    (void)proflite_profiler_id();
    (void)proflite_last_error();
    (void)proflite_stop();
    proflite_close();
    return 0;
}
END
cp "$work/use.c" "$work/use.cc"
flags=$(pkg-config --cflags proflite)
for compiler in "cc -std=c99 $work/use.c" "c++ -std=c++11 $work/use.cc"; do
    $compiler -Wall -Wextra -Wpedantic -Wno-missing-field-initializers -Werror $flags \
        -c -o "$work/use.o" || say "proflite.h: $compiler"
    $compiler -Wall -Wextra -Wpedantic -Wno-missing-field-initializers -Werror $flags \
        -DPROFLITE_DISABLE -o "$work/disabled" || say "disabled: $compiler"
    "$work/disabled" || say "disabled: does not run"
    ! nm "$work/disabled" | grep -q ' U proflite' || say "disabled: wants symbols"
done

# ---- programs ----

# samples NAME COMMAND...: it runs, and its store has samples.
samples() {
    name=$1
    shift
    PROFLITE_DB=$work/$name.db "$@" >"$work/log" 2>&1 || {
        say "$name does not run: $(cat "$work/log")"
        return 0
    }
    "$prefix/bin/proflite" --db "$work/$name.db" ls --json >"$work/log" 2>&1 &&
        grep -q '"samples":[1-9]' "$work/log" || say "$name: no samples: $(cat "$work/log")"
}

example=$tests/../examples/linked.c
libs=$(pkg-config --libs proflite)
private="$lib/libproflite.a -lm -lpthread -ldl"
cc -O2 -g -D_GNU_SOURCE $flags "$example" $libs -lpthread -o "$work/shared"
cc -O2 -g -D_GNU_SOURCE $flags "$example" $private -o "$work/static"
samples shared "$work/shared" 0.3
LD_LIBRARY_PATH= samples static "$work/static" 0.3
! readelf -d "$work/static" | grep -q 'NEEDED.*proflite' || say "static: is not"

mkdir "$work/package"
cat >"$work/package/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.20)
project(user C)
find_package(Proflite 0.1 REQUIRED)
find_package(Threads REQUIRED)
foreach(form proflite proflite-static)
  add_executable(with-\${form} "$example")
  target_compile_definitions(with-\${form} PRIVATE _GNU_SOURCE)
  target_link_libraries(with-\${form} PRIVATE Proflite::\${form} Threads::Threads)
endforeach()
END
if cmake -S "$work/package" -B "$work/package/build" -DCMAKE_PREFIX_PATH="$prefix" \
    >"$work/log" 2>&1 && cmake --build "$work/package/build" >>"$work/log" 2>&1; then
    samples cmake "$work/package/build/with-proflite" 0.3
    samples cmake_static "$work/package/build/with-proflite-static" 0.3
else
    say "the CMake package: $(tail -5 "$work/log")"
fi

# The installed `record` finds what it puts into programs.
samples recorded "$prefix/bin/proflite" --db "$work/recorded.db" record -- "$work/static" 0.3

# ---- beside the program's own libraries ----

host=$tests/install_host.cc
own="-lsqlite3 -lzstd -lunwind -lpthread"
c++ -O1 -g $flags "$host" $libs $own -o "$work/own_shared"
c++ -O1 -g $flags "$host" $own $private -o "$work/own_static"
c++ -O1 -g $flags -DTWINS -rdynamic "$host" $libs -lpthread -o "$work/twin_shared"
c++ -O1 -g $flags -DTWINS -rdynamic "$host" $private -o "$work/twin_static"
for form in own_shared own_static twin_shared twin_static; do
    samples $form "$work/$form"
done

exit $failed
