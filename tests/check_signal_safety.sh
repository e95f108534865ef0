#!/bin/sh
# What runs in a signal handler, or on the sampler's bare thread, may call only what is
# on these lists: no allocator, lock, stdio, thread-local storage.
#
#   check_signal_safety.sh LIBRARY.a
set -eu
library=$1
failed=0

# allow OBJECTS "symbols": undefined symbols of these members must be on the list.
allow() {
    allowed=$(echo "_GLOBAL_OFFSET_TABLE_ $2" | tr -s '\n' ' ')
    for object in $1; do
        undefined=$(nm -u "$library" 2>/dev/null | awk -v member="$object.c.o:" '
            /:$/ { inside = ($1 == member) } inside && $1 == "U" { print $2 }')
        found=$(nm "$library" 2>/dev/null | awk -v member="$object.c.o:" '
            $1 == member { print "yes" }')
        if [ -z "$found" ]; then
            echo "$object.c.o is not in $library" >&2
            failed=1
        fi
        for symbol in $undefined; do
            case " $allowed " in
            *" $symbol "*) ;;
            *)
                echo "$object.c: may not use $symbol" >&2
                failed=1
                ;;
            esac
        done
    done
}

# The handler's set. __sigaction is libc's sigaction.
allow "vclock" ""
allow "label_table" ""
allow "handler unwind guess" "pl_vclock_ns __sigaction pl_unwind_walk pl_guess_bp pl_guess_caller
    pl_guess_is_return
    pl_label_changed pl_label_put
    pl_walk_load pl_code_find pl_code_row"

# The sampler's set: its parts, and nothing of libc.
sampler=$(nm "$library" 2>/dev/null | awk '
    /:$/ { inside = ($1 ~ /^(sampler|budget|awake|cpu_mode|threads|unmet|quiet|codemap|rowmap|procmaps|unwind|guess|handler|label_table)\.c\.o:$/) }
    inside && $2 == "T" { print $3 }' | tr '\n' ' ')
allow "sampler awake budget cpu_mode threads unmet quiet codemap rowmap procmaps" "$sampler pl_vclock_ns
    pl_state_cookie pl_state_current pl_state_signal
    pl_label_table_current"

exit $failed
