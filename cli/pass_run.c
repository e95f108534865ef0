#include "cli/pass_run.h"

#include "base/clock.h"
#include "cli/term.h"
#include "collector/settings.h"
#include "web/download.h"
#include "web/intake.h"

#include <inttypes.h>
#include <signal.h>
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

enum pl_status pl_cli_pass_run(struct pl_store *store,
                               const struct pl_pass_options *given, int patience_ms,
                               struct pl_pass_result *result_out, struct pl_error *err)
{
    struct handlers before;
    struct progress progress = {.start_ns = pl_clock_mono_ns(),
                                .tty = isatty(STDERR_FILENO)};
    struct pl_pass_options options = given ? *given : (struct pl_pass_options){0};
    options.stop = &stop;
    options.progress = show_progress;
    options.progress_self = &progress;
    options.intake = pl_intake_run;
    options.places.fetch.get = pl_download;
    struct pl_pass *pass = NULL;
    struct pl_intake *intake = NULL;
    struct pl_settings settings;
    char why[256];
    /* Options that make no sense are complained about by `config` and `record`. */
    if (pl_settings_init(&settings, NULL, false, why, sizeof why) == PROFLITE_OK)
        options.normalize = (struct pl_normalize_options){
            .in_app_include = settings.in_app_include,
            .in_app_exclude = settings.in_app_exclude,
            .project_root = settings.project_root,
        };
    else
        settings = (struct pl_settings){0};
    memset(result_out, 0, sizeof *result_out);
    catch_signals(&before);
    enum pl_status status = pl_intake_new(store, &intake, err);
    options.intake_self = intake;
    if (!status)
        status = pl_pass_open(store, &options, &pass, err);
    if (!status) {
        status = run_patiently(pass, patience_ms, err);
        result_out->counters = *pl_pass_counters(pass);
        result_out->intake = *pl_intake_counts(intake);
        result_out->stopped = atomic_load(&stop);
    }
    end_progress(&progress);
    pl_pass_close(pass);
    pl_intake_free(intake);
    pl_settings_deinit(&settings);
    release_signals(&before);
    return status;
}
