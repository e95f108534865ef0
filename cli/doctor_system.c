/* doctor: libraries with what is known against them, and a recording made on trial. */
#include "base/clock.h"
#include "cli/doctor.h"
#include "cli/launch.h"
#include "cli/term.h"
#include "collector/remote.h"
#include "process/symbolicate.h"
#include "store/query.h"
#include "web/server.h"
#include "web/upstream.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SHARED_WANTED_MB = 64, TRIAL_HZ = 997, TRIAL_S = 20 };

/* ---- libraries ---- */

/* "3.40.1" as 3040001; what comes after a third number does not count. */
static long number_of(const char *version)
{
    long number = 0;
    for (int i = 0; i < 3; i++) {
        char *end = NULL;
        long part = strtol(version, &end, 10);
        number = number * 1000 + (part < 0 ? 0 : part > 999 ? 999 : part);
        version = *end == '.' ? end + 1 : end;
    }
    return number;
}

static const struct known {
    const char *library;
    long from, before; /* versions it is true of */
    const char *what;
} known[] = {
    {"SQLite", 0, 3051003,
     "before 3.51.3 a commit may be lost when a checkpoint meets a writer that wraps "
     "the "
     "log: proflite's lock beside the store rules that out; whoever else writes to it "
     "has to take that lock, too (docs/FORMAT.md, Writers)"},
    {"CivetWeb", 1014000, 1017000,
     "CVE-2025-55763 (long request targets) names 1.14 to 1.16: heads of requests end "
     "at "
     "16 KiB here; leave --listen at this machine, or update the library"},
    {"libunwind", 0, 1006003,
     "may read past the end of a damaged stack: it is given copies only, through "
     "functions that know their end"},
};

static void say_library(struct pl_doctor *doctor, const char *name, const char *version)
{
    const char *against = NULL;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].library, name) == 0 &&
            number_of(version) >= known[i].from && number_of(version) < known[i].before)
            against = known[i].what;
    pl_doctor_say(doctor, against ? PL_VERDICT_NOTE : PL_VERDICT_OK, name, against,
                  "%s", version);
}

void pl_doctor_libraries(struct pl_doctor *doctor)
{
    doctor->area = "libraries";
    pl_doctor_say(doctor, PL_VERDICT_OK, "proflite", NULL, "%s", PL_VERSION);
    say_library(doctor, "SQLite", pl_store_sqlite_version());
    say_library(doctor, "CivetWeb", pl_server_civetweb_version());
    say_library(doctor, "libunwind", pl_remote_libunwind_version());
    say_library(doctor, "libdw", pl_symbolicate_libdw_version());
    say_library(doctor, "libcurl", pl_upstream_libcurl_version());
    say_library(doctor, "cJSON", cJSON_Version());
    say_library(doctor, "glibc", gnu_get_libc_version());
}

/* ---- recording ---- */

static void say_kernel(struct pl_doctor *doctor)
{
    struct utsname name;
    if (uname(&name) != 0)
        return;
    long number = number_of(name.release);
    if (number < 5009000)
        pl_doctor_say(doctor, PL_VERDICT_NOTE, "kernel",
                      "before 5.9 a program that records itself keeps no journal: what "
                      "it has not written is lost when it is killed",
                      "%s %s", name.sysname, name.release);
    else if (number < 6015000)
        pl_doctor_say(doctor, PL_VERDICT_NOTE, "kernel",
                      "before 6.15 only of the command itself is known how it ended, "
                      "not of what it starts",
                      "%s %s", name.sysname, name.release);
    else
        pl_doctor_say(doctor, PL_VERDICT_OK, "kernel", NULL,
                      "%s %s (no setting of it matters: perf_event_paranoid and ptrace "
                      "are not used)",
                      name.sysname, name.release);
}

static void say_shared_memory(struct pl_doctor *doctor)
{
    struct statvfs disk;
    if (access("/dev/shm", W_OK | X_OK) != 0 || statvfs("/dev/shm", &disk) != 0) {
        pl_doctor_say(doctor, PL_VERDICT_NOTE, "shared memory",
                      "recordings use /tmp instead, which may be a disk",
                      "/dev/shm: %s", strerror(errno));
        return;
    }
    uint64_t free_mb = (uint64_t)disk.f_bavail * disk.f_frsize >> 20;
    bool enough = free_mb >= SHARED_WANTED_MB;
    pl_doctor_say(doctor, enough ? PL_VERDICT_OK : PL_VERDICT_NOTE, "shared memory",
                  enough
                      ? NULL
                      : "a recorded process takes 1 to 4 MB of it; one that gets none "
                        "runs unrecorded: make it larger (docker run --shm-size)",
                  "/dev/shm, %llu MiB free", (unsigned long long)free_mb);
}

static void first_line(char *text, size_t room, const char *path)
{
    FILE *file = fopen(path, "re");
    *text = '\0';
    if (file && !fgets(text, (int)room, file))
        *text = '\0';
    text[strcspn(text, "\n")] = '\0';
    if (file)
        (void)fclose(file);
}

/* `proflite record` of this very program, over a shell that counts for a moment.
 * -1: could not be run. */
static int run_trial(const char *db, const char *said)
{
    char *const argv[] = {"proflite",
                          "--db",
                          (char *)(uintptr_t)db,
                          "record",
                          "-F",
                          "997",
                          "--",
                          "/bin/sh",
                          "-c",
                          "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done",
                          NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid = -1;
    int status = -1, rc = posix_spawn_file_actions_init(&actions);
    if (rc != 0)
        return -1;
    rc = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (rc == 0)
        rc = posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    if (rc == 0)
        rc = posix_spawn_file_actions_addopen(&actions, 2, said, O_WRONLY | O_CREAT,
                                              0600);
    if (rc == 0)
        rc = posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    int64_t give_up = pl_clock_mono_ns() + TRIAL_S * PL_NS_PER_S;
    while (rc == 0 && waitpid(pid, &status, WNOHANG) == 0) {
        if (pl_clock_mono_ns() > give_up)
            (void)kill(pid, SIGKILL);
        (void)usleep(10000);
    }
    return rc == 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* What is in the trial's store. */
static bool read_trial(const char *db, int64_t *samples_out, int64_t *lost_out)
{
    const struct pl_selection all = {0};
    struct pl_session_list list = {0};
    struct pl_store *store = NULL;
    bool ok = pl_store_open(db, PL_STORE_READ, &store, NULL) == PL_OK &&
              pl_query_sessions(store, &all, &list, NULL) == PL_OK;
    *samples_out = *lost_out = 0;
    for (size_t i = 0; i < list.count; i++) {
        *samples_out += list.rows[i].samples;
        *lost_out += list.rows[i].lost;
    }
    pl_session_list_deinit(&list);
    pl_store_close(store);
    return ok;
}

static void remove_trial(const char *dir, const char *db)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-lock", ".said"};
    char path[128];
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        (void)snprintf(path, sizeof path, "%s%s", db, suffixes[i]);
        (void)unlink(path);
    }
    (void)snprintf(path, sizeof path, "%s-journal.d", db);
    (void)rmdir(path);
    (void)rmdir(dir);
}

static void say_trial(struct pl_doctor *doctor)
{
    char dir[] = "/tmp/proflite-doctor-XXXXXX", db[64], said_path[80], said[512];
    int64_t samples = 0, lost = 0;
    if (!mkdtemp(dir)) {
        pl_doctor_say(doctor, PL_VERDICT_NOTE, "trial",
                      "make /tmp writable for this user to have one",
                      "nothing was recorded on trial: /tmp: %s", strerror(errno));
        return;
    }
    (void)snprintf(db, sizeof db, "%s/x.db", dir);
    (void)snprintf(said_path, sizeof said_path, "%s.said", db);
    int exit_code = run_trial(db, said_path);
    bool read = exit_code == 0 && read_trial(db, &samples, &lost) && samples > 0;
    first_line(said, sizeof said, said_path);
    remove_trial(dir, db);
    if (read)
        pl_doctor_say(doctor, PL_VERDICT_OK, "trial", NULL,
                      "a shell at %d Hz: %lld samples, %lld lost", TRIAL_HZ,
                      (long long)samples, (long long)lost);
    else
        pl_doctor_say(doctor, PL_VERDICT_BAD, "trial",
                      "docs/LIMITS.md says what cannot be recorded",
                      "a shell could not be recorded (exit code %d): %s", exit_code,
                      *said ? said : "nothing was said");
}

void pl_doctor_recording(struct pl_doctor *doctor)
{
    char preload[PATH_MAX];
    struct pl_error err = {0};
    doctor->area = "recording";
    say_kernel(doctor);
    say_shared_memory(doctor);
    if (pl_launch_find_preload(preload, &err) == PL_OK)
        pl_doctor_say(doctor, PL_VERDICT_OK, "preload", NULL, "%s", preload);
    else
        pl_doctor_say(doctor, PL_VERDICT_BAD, "preload",
                      "build or install proflite whole: make, or cmake --install build",
                      "%s", err.message);
    say_trial(doctor);
}
