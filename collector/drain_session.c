/* A session from attach to end: its parts sealed and queued, its death found out. What
 * comes out of its segment: drain_read.c. */
#include "collector/drain_session.h"

#include "base/clock.h"
#include "base/log.h"
#include "collector/process_state.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A sampler that did not tick for so long may be dead: look at the process. */
#define STALE_NS      (200 * PL_NS_PER_MS)
#define LOOK_EVERY_NS (100 * PL_NS_PER_MS)
#define MAPS_AFTER_NS (2 * PL_NS_PER_S)
#define THREAD_BYTES  ((size_t)8 << 10) /* what a thread may take on top */

struct pl_drain_session *pl_drain_session_new(void)
{
    struct pl_drain_session *s = calloc(1, sizeof *s);
    if (s)
        s->reader.fd = s->process_fd = -1;
    return s;
}

enum pl_status pl_drain_session_open(struct pl_drain_shared *shared, const char *name,
                                     uint64_t inode,
                                     struct pl_drain_session **session_out,
                                     struct pl_error *err)
{
    *session_out = NULL;
    struct pl_drain_session *s = pl_drain_session_new();
    if (!s)
        return pl_error_set(err, PL_NOMEM, "out of memory for a session");
    enum pl_status status =
        pl_segment_open(&s->reader, shared->dir_fd, name, shared->salvage, err);
    if (status != PL_OK) {
        free(s);
        return status;
    }
    const struct pl_segment_facts *facts = &s->reader.facts;
    if (!shared->salvage) {
        atomic_store(&s->reader.seg->drain_pid, (uint32_t)getpid());
        if (facts->pid != (uint32_t)getpid())
            s->process_fd = pl_process_open(facts->pid, facts->pid_start);
    }
    strncpy(s->name, name, sizeof s->name - 1);
    s->inode = inode;
    s->attached_ns = s->heartbeat_changed_ns = pl_clock_mono_ns();
    s->skip_group = !facts->cpu_mode;
    memcpy(s->id.bytes, facts->session_id, sizeof s->id.bytes);
    pl_drain_timeline_init(&s->timeline, facts->cpu_mode, facts->period_ns,
                           shared->chunk_ns,
                           facts->wall_origin_ns - facts->mono_origin_ns);
    if (shared->journal_fd >= 0) {
        pl_journal_init(&s->journal, shared->journal_fd, &s->id);
        s->journaled = true;
        s->timeline.journal = &s->journal;
    }
    *session_out = s;
    return PL_OK;
}

static void take_positions(struct pl_segment_reader *to,
                           const struct pl_segment_reader *from)
{
    to->event_tail = from->event_tail;
    to->quiet_tail = from->quiet_tail;
    for (size_t i = 0; i < PL_SEG_MAX_THREADS; i++)
        if (from->tails[i] > to->tails[i])
            to->tails[i] = from->tails[i];
}

bool pl_drain_session_attach(struct pl_drain_shared *shared, struct pl_drain_session *s)
{
    struct pl_error err;
    struct pl_segment_reader reader;
    if (shared->dir_fd < 0 ||
        pl_segment_open(&reader, shared->dir_fd, s->name, true, &err) != PL_OK)
        return false;
    if (memcmp(reader.facts.session_id, s->id.bytes, sizeof s->id.bytes) != 0) {
        pl_segment_close(&reader);
        return false;
    }
    take_positions(&reader, &s->reader);
    reader.facts = s->reader.facts;
    s->reader = reader;
    return true;
}

void pl_drain_session_settle(struct pl_drain_session *s, int64_t now_ns)
{
    if (s->journaled)
        pl_journal_settle(&s->journal, s, now_ns);
}

/* First the journal says that it is void: without it the segment alone would look
 * like a session whose drain died at its beginning. */
void pl_drain_session_remove(struct pl_drain_shared *shared, struct pl_drain_session *s)
{
    if (s->journaled)
        pl_journal_done(&s->journal);
    if (shared->dir_fd >= 0)
        (void)unlinkat(shared->dir_fd, s->name, 0);
    if (s->journaled)
        pl_journal_forget(&s->journal);
}

void pl_drain_session_close(struct pl_drain_session *s)
{
    if (!s)
        return;
    if (s->process_fd >= 0)
        close(s->process_fd);
    pl_segment_close(&s->reader);
    pl_drain_timeline_deinit(&s->timeline);
    pl_drain_modules_deinit(&s->modules);
    if (s->journaled)
        pl_journal_deinit(&s->journal);
    free(s);
}

/* ---- sealing ---- */

static void begin(struct pl_drain_shared *shared, struct pl_drain_session *s)
{
    const struct pl_segment_facts *facts = &s->reader.facts;
    struct pl_sink_session session = {
        .id = s->id,
        .recording_id = shared->recording_id,
        .app = shared->app ? shared->app : facts->app,
        .release = shared->release,
        .environment = shared->environment,
        .dist = shared->dist,
        .in_app_include = shared->in_app_include,
        .in_app_exclude = shared->in_app_exclude,
        .project_root = shared->project_root,
        .host = shared->host,
        .platform = "native",
        .mode = facts->cpu_mode ? "cpu" : "wall",
        .pid = facts->pid,
        .start_ns = facts->wall_origin_ns,
    };
    memcpy(session.parent_id.bytes, facts->parent_session_id,
           sizeof session.parent_id.bytes);
    if (!s->begun)
        s->begun = pl_drain_queue_begin(&shared->queue, &session);
}

/* Losses of no single thread since the last part. */
static void take_losses(struct pl_drain_session *s, uint64_t lost[PL_LOSS_COUNT])
{
    static const enum pl_loss reasons[] = {PL_LOSS_NO_SLOT, PL_LOSS_NO_MEMORY,
                                           PL_LOSS_NO_ANSWER};
    memset(lost, 0, PL_LOSS_COUNT * sizeof *lost);
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        uint64_t now = s->host_now[reasons[i]];
        if (now > s->host_lost[reasons[i]])
            lost[reasons[i]] = now - s->host_lost[reasons[i]];
        s->host_lost[reasons[i]] = now;
    }
    lost[PL_LOSS_NO_MEMORY] += s->lost_before;
    s->lost_before = 0;
}

static uint64_t samples_of(const struct pl_drain_timeline *t)
{
    uint64_t samples = 0;
    for (size_t i = 0; i < t->thread_count; i++)
        for (size_t r = 0; r < t->threads[i]->run_count; r++)
            samples += t->threads[i]->runs[r].count;
    return samples;
}

/* Where a compiler at run time names its code, if this program has one. */
static void look_for_perf_map(struct pl_drain_session *s)
{
    struct stat st;
    char path[sizeof s->modules.perf_map];
    snprintf(path, sizeof path, "/tmp/perf-%u.map", s->reader.facts.pid);
    if (s->modules.perf_map[0] || lstat(path, &st) != 0 || !S_ISREG(st.st_mode) ||
        (st.st_uid != geteuid() && geteuid() != 0))
        return;
    memcpy(s->modules.perf_map, path, sizeof path);
    s->modules.perf_map_id = s->id;
}

static void seal(struct pl_drain_shared *shared, struct pl_drain_session *s)
{
    struct pl_chunk *chunk = NULL;
    struct pl_error err;
    uint64_t lost[PL_LOSS_COUNT];
    uint64_t samples = samples_of(&s->timeline);
    look_for_perf_map(s);
    take_losses(s, lost);
    if (pl_chunk_build(&s->timeline, &s->modules, lost, &s->id, &chunk, &err) !=
        PL_OK) {
        pl_log(PL_LOG_WARN, "collector", "%s: chunk lost: %s", s->name, err.message);
        s->lost_before += samples;
    }
    if (chunk) {
        chunk->part.slowed_ticks = s->slowed_now - s->slowed_told;
        s->slowed_told = s->slowed_now;
        begin(shared, s);
        if (!s->begun) {
            pl_chunk_free(chunk);
            s->lost_before += samples;
        } else if (!pl_drain_queue_put_take(&shared->queue, chunk)) {
            s->lost_before += samples;
        }
    }
    pl_drain_timeline_pop(&s->timeline);
}

void pl_drain_session_show(struct pl_drain_shared *shared, struct pl_drain_session *s)
{
    const uint64_t lost[PL_LOSS_COUNT] = {0}; /* the whole part will tell */
    const struct pl_window *window = s->timeline.windows;
    struct pl_chunk *chunk = NULL;
    if (!window || (!s->timeline.cpu_mode && !window->count) ||
        pl_chunk_build(&s->timeline, &s->modules, lost, &s->id, &chunk, NULL) !=
            PL_OK ||
        !chunk)
        return;
    begin(shared, s);
    if (s->begun)
        pl_drain_queue_show_take(&shared->queue, chunk);
    else
        pl_chunk_free(chunk);
}

void pl_drain_session_advance(struct pl_drain_shared *shared,
                              struct pl_drain_session *s, int64_t now_ns, bool final)
{
    size_t allowed = shared->memory_bytes + s->timeline.thread_count * THREAD_BYTES;
    if (pl_drain_timeline_bytes(&s->timeline) > allowed)
        pl_drain_timeline_cut(&s->timeline);
    s->timeline.event_full_now = s->host_now[PL_LOSS_EVENT_FULL];
    pl_drain_timeline_advance(&s->timeline, now_ns, final);
    if (pl_drain_timeline_ready(&s->timeline))
        pl_journal_commit(s->timeline.journal, s, true); /* before anyone has it */
    while (pl_drain_timeline_ready(&s->timeline)) {
        seal(shared, s);
        pl_drain_timeline_advance(&s->timeline, now_ns, final);
    }
}

void pl_drain_session_pump(struct pl_drain_shared *shared, struct pl_drain_session *s,
                           int64_t now_ns)
{
    pl_drain_session_read(shared, s, now_ns, false);
    pl_journal_commit(s->timeline.journal, s, false);
    if (!shared->salvage)
        pl_segment_publish(&s->reader);
    pl_drain_session_advance(shared, s, now_ns, false);
}

/* ---- life and end ---- */

static bool stale(const struct pl_drain_session *s, int64_t now_ns, int64_t limit_ns)
{
    int64_t periods_ns = s->reader.facts.period_ns < PL_NS_PER_S
                             ? 4 * s->reader.facts.period_ns
                             : 4 * PL_NS_PER_S;
    return now_ns - s->heartbeat_changed_ns >
           (limit_ns > periods_ns ? limit_ns : periods_ns);
}

/* The process is there but its sampler is silent: stopped, or another program. */
static bool runs_other_program(struct pl_drain_session *s, int64_t now_ns)
{
    if (!stale(s, now_ns, MAPS_AFTER_NS) || now_ns < s->next_maps_ns)
        return false;
    s->next_maps_ns = now_ns + MAPS_AFTER_NS;
    return !pl_process_maps(s->reader.facts.pid, s->name);
}

enum pl_drain_life pl_drain_session_life(struct pl_drain_session *s, int64_t now_ns)
{
    const struct pl_segment_facts *facts = &s->reader.facts;
    const struct pl_segment *seg = s->reader.seg;
    if (!seg)
        return pl_process_gone(facts->pid, facts->pid_start) ? PL_LIFE_GONE
                                                             : PL_LIFE_ON;
    if (!pl_segment_refresh(&s->reader))
        return PL_LIFE_DAMAGED;
    seg = s->reader.seg;
    int64_t beat = atomic_load_explicit(&seg->heartbeat_ns, memory_order_relaxed);
    uint32_t state = atomic_load_explicit(&seg->state, memory_order_acquire);
    if (beat != s->heartbeat_ns) {
        s->heartbeat_ns = beat;
        s->heartbeat_changed_ns = now_ns;
    }
    if (s->replaced)
        return PL_LIFE_EXECED;
    bool silent = s->last_look || stale(s, now_ns, STALE_NS);
    if (state == PL_SEG_EXECED && silent)
        return PL_LIFE_EXECED;
    if (s->wait_known)
        return state == PL_SEG_EXITED ? PL_LIFE_EXITED : PL_LIFE_GONE;
    if ((silent || state == PL_SEG_EXITED) && now_ns >= s->next_look_ns) {
        s->next_look_ns = now_ns + LOOK_EVERY_NS;
        if (pl_process_gone(facts->pid, facts->pid_start)) {
            s->wait_known = pl_process_wait_status(s->process_fd, &s->wait_status);
            return state == PL_SEG_EXITED ? PL_LIFE_EXITED : PL_LIFE_GONE;
        }
    }
    if (state == PL_SEG_EXITED && stale(s, now_ns, MAPS_AFTER_NS))
        return PL_LIFE_EXITED;
    return runs_other_program(s, now_ns) ? PL_LIFE_EXECED : PL_LIFE_ON;
}

bool pl_drain_session_said_exit(const struct pl_drain_session *s)
{
    return s->reader.seg && atomic_load_explicit(&s->reader.seg->state,
                                                 memory_order_acquire) == PL_SEG_EXITED;
}

static bool is_fault(int number)
{
    return number == SIGSEGV || number == SIGBUS || number == SIGILL ||
           number == SIGFPE || number == SIGABRT || number == SIGSYS ||
           number == SIGTRAP;
}

static enum pl_session_state end_state(const struct pl_drain_session *s,
                                       enum pl_drain_life life, bool abandoned,
                                       int *exit_status)
{
    *exit_status = -1;
    if (abandoned)
        return PL_SESSION_ABANDONED;
    if (life == PL_LIFE_EXECED)
        return PL_SESSION_ENDED;
    if (s->wait_known && WIFSIGNALED(s->wait_status)) {
        *exit_status = 128 + WTERMSIG(s->wait_status);
        return is_fault(WTERMSIG(s->wait_status)) ? PL_SESSION_CRASHED
                                                  : PL_SESSION_KILLED;
    }
    if (s->wait_known && WIFEXITED(s->wait_status)) {
        *exit_status = WEXITSTATUS(s->wait_status);
        return PL_SESSION_ENDED;
    }
    if (life == PL_LIFE_EXITED) {
        if (!s->stopped)
            *exit_status = atomic_load(&s->reader.seg->exit_status) & 0xff;
        return PL_SESSION_ENDED;
    }
    return PL_SESSION_KILLED;
}

/* What is read from here on stays in the segment, too, until the store has it. */
void pl_drain_session_finish(struct pl_drain_shared *shared, struct pl_drain_session *s,
                             enum pl_drain_life life, bool abandoned, int64_t now_ns)
{
    int exit_status = -1;
    s->timeline.journal = NULL;
    pl_drain_session_read(shared, s, now_ns,
                          true); /* nothing, of a file that was cut */
    pl_drain_session_advance(shared, s, now_ns, true);
    enum pl_session_state state = PL_SESSION_KILLED;
    if (life != PL_LIFE_DAMAGED)
        state = end_state(s, life, abandoned, &exit_status);
    if (life != PL_LIFE_EXECED)
        begin(shared, s);
    int64_t end_ns = s->timeline.newest_ns > s->timeline.newest_answer_ns
                         ? s->timeline.newest_ns
                         : s->timeline.newest_answer_ns;
    if (end_ns)
        end_ns += s->reader.facts.period_ns;
    else
        end_ns = shared->salvage ? s->reader.facts.mono_origin_ns : now_ns;
    shared->lost += s->lost_before;
    if (s->begun &&
        !pl_drain_queue_end(&shared->queue, &s->id, end_ns + s->timeline.to_unix_ns,
                            state, exit_status))
        pl_log(PL_LOG_WARN, "collector", "%s: end of session not told", s->name);
    pl_segment_close(&s->reader);
    if (s->process_fd >= 0)
        close(s->process_fd);
    s->process_fd = -1;
}

/* ---- rows ---- */

static unsigned urgency(const struct pl_drain_module *module)
{
    const char *file = strrchr(module->path, '/');
    file = file ? file + 1 : module->path;
    if (module->flags & PL_MODULE_MAIN)
        return 0;
    return strncmp(file, "libc.so", 7) == 0 || strncmp(file, "libc-", 5) == 0 ? 1 : 2;
}

static bool make_rows(struct pl_drain_shared *shared, struct pl_drain_module *module)
{
    struct pl_error err;
    struct pl_rowcache_module wanted = {
        .path = module->path,
        .build_id = module->build_id,
        .build_id_bytes = module->build_id_bytes,
        .vdso = module->flags & PL_MODULE_VDSO,
    };
    module->rows_done = true;
    if (module->start == module->end || (!wanted.vdso && module->path[0] != '/'))
        return false;
    enum pl_status status = pl_rowcache_make(shared->rows, &wanted, &err);
    if (status != PL_OK)
        pl_log(PL_LOG_DEBUG, "collector", "no unwind rows for %s: %s", module->path,
               err.message);
    return status == PL_OK;
}

void pl_drain_session_rows(struct pl_drain_shared *shared, struct pl_drain_session *s,
                           int64_t deadline_ns)
{
    bool made = false, left = false;
    if (!s->rows_wanted || !shared->rows)
        return;
    for (unsigned pass = 0; pass < 3; pass++) {
        for (size_t i = 0; i < s->modules.count; i++) {
            struct pl_drain_module *module = &s->modules.list[i];
            if (module->rows_done || urgency(module) != pass)
                continue;
            if (pl_clock_mono_ns() > deadline_ns) {
                left = true;
                break;
            }
            made |= make_rows(shared, module);
        }
    }
    s->rows_wanted = left;
    if (made)
        atomic_fetch_add(&s->reader.seg->rows_generation, 1);
}
