#include "cli/pass_run.h"

#include "base/clock.h"
#include "cli/term.h"
#include "collector/settings.h"
#include "web/intake.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RETRY_MS 100

static atomic_bool stop;

static void on_signal(int number)
{
    (void)number;
    atomic_store(&stop, true);
}

struct handlers {
    struct sigaction interrupt, terminate; /* before ours */
};

static void catch_signals(struct handlers *before)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    atomic_store(&stop, false);
    sigaction(SIGINT, NULL, &before->interrupt);
    sigaction(SIGTERM, NULL, &before->terminate);
    if (before->interrupt.sa_handler != SIG_IGN) /* nohup, a background job */
        sigaction(SIGINT, &action, NULL);
    if (before->terminate.sa_handler != SIG_IGN)
        sigaction(SIGTERM, &action, NULL);
}

static void release_signals(const struct handlers *before)
{
    sigaction(SIGINT, &before->interrupt, NULL);
    sigaction(SIGTERM, &before->terminate, NULL);
}

/* ---- progress ---- */

struct progress {
    int64_t start_ns, shown_ns;
    bool tty, shown;
};

static void show_progress(void *self, uint64_t chunks_done)
{
    struct progress *p = self;
    int64_t now = pl_clock_mono_ns();
    if (!p->tty || now - p->start_ns < PL_NS_PER_S ||
        now - p->shown_ns < PL_NS_PER_S / 5)
        return;
    double seconds = (double)(now - p->start_ns) / 1e9;
    fprintf(stderr, "\rproflite: processing: %" PRIu64 " chunks, %.0f a second ",
            chunks_done, (double)chunks_done / seconds);
    p->shown_ns = now;
    p->shown = true;
}

static void end_progress(const struct progress *p)
{
    if (p->shown)
        fputs("\r\033[K", stderr);
}

/* ---- what is the user's own code ---- */

struct own_code {
    struct pl_settings settings; /* whose texts the lists point into */
    bool known;
    const char **include, **exclude;
};

/* In place, at the commas; blanks around a prefix are none of it. Nothing without
 * memory: it is only a default. */
static const char **split(char *text, size_t *count_out)
{
    size_t room = 1, count = 0;
    *count_out = 0;
    for (const char *c = text ? text : ""; *c; c++)
        room += *c == ',';
    const char **list = calloc(room, sizeof *list);
    char *part;
    while (list && text && (part = strsep(&text, ","))) {
        part += strspn(part, " \t");
        part[strcspn(part, " \t")] = '\0';
        if (*part)
            list[count++] = part;
    }
    *count_out = count;
    return list;
}

/* Options that make no sense are complained about by `config` and `record`. */
static void read_own_code(struct own_code *own, struct pl_normalize_options *normalize)
{
    char why[256];
    *own = (struct own_code){0};
    own->known =
        pl_settings_init(&own->settings, NULL, false, why, sizeof why) == PROFLITE_OK;
    if (!own->known)
        return;
    own->include =
        split(own->settings.in_app_include, &normalize->in_app_include_count);
    own->exclude =
        split(own->settings.in_app_exclude, &normalize->in_app_exclude_count);
    normalize->in_app_include = own->include;
    normalize->in_app_exclude = own->exclude;
    normalize->project_root = own->settings.project_root;
}

static void free_own_code(struct own_code *own)
{
    if (own->known)
        pl_settings_deinit(&own->settings);
    free(own->include);
    free(own->exclude);
}

/* ---- run ---- */

static enum pl_status run_patiently(struct pl_pass *pass, int patience_ms,
                                    struct pl_error *err)
{
    const struct timespec pause = {.tv_nsec = RETRY_MS * PL_NS_PER_MS};
    for (int waited_ms = 0;; waited_ms += RETRY_MS) {
        enum pl_status status = pl_pass_run(pass, err);
        if (status != PL_BUSY || waited_ms >= patience_ms || atomic_load(&stop))
            return status;
        (void)nanosleep(&pause, NULL);
    }
}

enum pl_status pl_cli_pass_run(struct pl_store *store, bool redo, int patience_ms,
                               struct pl_pass_result *result_out, struct pl_error *err)
{
    struct handlers before;
    struct progress progress = {.start_ns = pl_clock_mono_ns(),
                                .tty = isatty(STDERR_FILENO)};
    struct pl_pass_options options = {
        .redo = redo,
        .stop = &stop,
        .progress = show_progress,
        .progress_self = &progress,
        .intake = pl_intake_run,
    };
    struct pl_pass *pass = NULL;
    struct pl_intake *intake = NULL;
    struct own_code own;
    read_own_code(&own, &options.normalize);
    memset(result_out, 0, sizeof *result_out);
    catch_signals(&before);
    enum pl_status status = pl_intake_new(store, &intake, err);
    options.intake_self = intake;
    if (!status)
        status = pl_pass_open(store, &options, &pass, err);
    if (!status) {
        status = run_patiently(pass, patience_ms, err);
        result_out->counters = *pl_pass_counters(pass);
        result_out->stopped = atomic_load(&stop);
    }
    end_progress(&progress);
    pl_pass_close(pass);
    pl_intake_free(intake);
    free_own_code(&own);
    release_signals(&before);
    return status;
}
