#!/bin/sh
# The preload library goes into every program: it needs libc and nothing else, and
# shows the program nothing but the functions it stands in front of.
#
#   check_preload.sh LIBRARY.so
set -eu
failed=0

needed=$(readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | tr '\n' ' ')
if [ "$needed" != "libc.so.6 " ]; then
    echo "$1 needs $needed" >&2
    failed=1
fi
for symbol in $(nm -D --defined-only "$1" | awk '{ print $3 }'); do
    case "$symbol" in
    sigaction | signal | bsd_signal | ssignal | sysv_signal | __sysv_signal | siginterrupt) ;;
    sigprocmask | pthread_sigmask | sigwait | sigwaitinfo | sigtimedwait | signalfd) ;;
    _exit | _Exit | daemon | exec* | fexecve | unshare | setns | prctl | syscall | dlclose | pthread_setname_np) ;;
    setuid | seteuid | setreuid | setresuid | setgid | setegid | setregid | setresgid | setgroups | initgroups) ;;
    __asan_default_options | proflite_recorded) ;;
    *)
        echo "$1 shows $symbol" >&2
        failed=1
        ;;
    esac
done
exit $failed
