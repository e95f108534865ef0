/* Preload: `proflite record` puts this library into every program it starts.
 *
 * The constructor starts the capture if PROFLITE_DIR says where to; without it, in a
 * set-user-ID program, or when anything is missing, the library does nothing. It
 * never prints.
 *
 * The functions here, and in preload_signals.c and preload_process.c, stand before
 * libc's own. They keep three promises:
 *   - the capture's signal stays deliverable and out of the host's sight
 *   - the segment says how the process ended
 *   - unloaded libraries and renamed threads are noticed soon
 * Each calls libc's function for the work. A process that is not captured (the child
 * of a vfork, for one, which shares our memory) gets libc's behaviour unchanged. */
#include "collector/preload.h"

#include "collector/capture.h"
#include "collector/recorded.h"
#include "collector/sys.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#define DEFAULT_HZ 101
#define HIGHEST_HZ 1000

struct pl_preload_real pl_preload_real;
bool pl_preload_recording;

void pl_preload_find(void *pointer, const char *name)
{
    void *symbol = dlsym(RTLD_NEXT, name);
    memcpy(pointer, &symbol, sizeof symbol);
}

static void find_all(void)
{
#define X(name, type, arguments)                                                       \
    if (!pl_preload_real.name)                                                         \
        pl_preload_find(&pl_preload_real.name, #name);
    REAL_LIST(X)
#undef X
}

/* ---- changes ---- */

EXPORT int dlclose(void *handle)
{
    int result = REAL(dlclose)(handle);
    if (pl_preload_recording)
        pl_capture_maps_changed();
    return result;
}

EXPORT int pthread_setname_np(pthread_t thread, const char *name)
{
    int result = REAL(pthread_setname_np)(thread, name);
    if (pl_preload_recording)
        pl_capture_names_changed();
    return result;
}

/* ---- a program that also links libproflite ---- */

static bool recorded_session(uint8_t id_out[static 16])
{
    return pl_preload_recording && pl_capture_session(id_out);
}

EXPORT const struct pl_recorded *proflite_recorded(void);
EXPORT const struct pl_recorded *proflite_recorded(void)
{
    static const struct pl_recorded recorded = {sizeof recorded, recorded_session,
                                                pl_label_table_make};
    return &recorded;
}

/* ---- sanitizers ---- */

/* AddressSanitizer's runtime ends a program in which another library comes before it,
 * as preloaded ones do, unless its options say otherwise. It asks this function for
 * them; a program's own function of the name, and ASAN_OPTIONS, win over ours. */
EXPORT const char *__asan_default_options(void);
EXPORT const char *__asan_default_options(void)
{
    return "verify_asan_link_order=0";
}

/* ---- start ---- */

static void at_exit(int status, void *unused)
{
    (void)unused;
    pl_capture_exiting(status);
}

static int64_t period_from(const char *text)
{
    int64_t hz = 0;
    for (const char *c = text ? text : ""; *c; c++) {
        if (*c < '0' || *c > '9' || hz > HIGHEST_HZ)
            return 1000000000 / DEFAULT_HZ;
        hz = hz * 10 + (*c - '0');
    }
    if (hz < 1 || hz > HIGHEST_HZ)
        hz = DEFAULT_HZ;
    return 1000000000 / hz;
}

/* "0.02", whatever the locale; 0 for what is no share. */
static double share_from(const char *text)
{
    double share = 0, unit = 1;
    for (const char *c = text ? text : ""; *c; c++) {
        if (*c == '.' && unit == 1)
            unit = 0.1;
        else if (*c < '0' || *c > '9')
            return 0;
        else if (unit == 1)
            share = share * 10 + (*c - '0');
        else {
            share += unit * (*c - '0');
            unit /= 10;
        }
    }
    return share <= 1 ? share : 0;
}

/* A signal mask outlives exec: our signal may come in blocked. */
static void unblock_signal(void)
{
    uint64_t signal = UINT64_C(1) << (pl_preload_signal() - 1);
    pl_sys4(SYS_rt_sigprocmask, SIG_UNBLOCK, PL_ARG(&signal), 0, sizeof signal);
}

/* Chromium and what is built on it (Electron, CEF) fork their processes from one, the
 * zygote, that looks into /proc and ends itself when it finds a second thread. */
static bool insists_on_one_thread(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--type=zygote") == 0)
            return true;
    }
    return false;
}

__attribute__((constructor)) static void start(int argc, char **argv)
{
    int saved = errno;
    find_all();
    const char *dir = getenv("PROFLITE_DIR"), *mode = getenv("PROFLITE_MODE");
    if (dir && *dir && !getauxval(AT_SECURE)) {
        struct pl_capture_options options = {
            .dir = dir,
            .app = getenv("PROFLITE_APP"),
            .period_ns = period_from(getenv("PROFLITE_HZ")),
            .cpu_mode = mode && strcmp(mode, "cpu") == 0,
            .max_overhead = share_from(getenv("PROFLITE_MAX_OVERHEAD")),
            .follow_fork = true,
            .forks_only = insists_on_one_thread(argc, argv),
        };
        if (pl_capture_start(&options) == 0) {
            unblock_signal();
            on_exit(at_exit, NULL);
            pl_preload_recording = true;
        }
    }
    errno = saved;
}
