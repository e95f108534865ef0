/* The drain's rounds: look for segments, read each, compile rows, hand over.
 *
 *   folder ─▶ sessions (drain_session.c) ─▶ timeline ─▶ chunk ─▶ queue ─▶ sink
 *                └─▶ journal, until the sink has it
 *
 * One thread calls everything here. Sessions never wait for each other: what is
 * late in one keeps only that one's chunk open. */
#include "collector/drain.h"

#include "base/clock.h"
#include "collector/drain_state.h"

#include <unistd.h>

#define ROWS_BUDGET_NS (25 * PL_NS_PER_MS)
#define STOP_WAIT_NS   (50 * PL_NS_PER_MS)
#define FLUSH_WAIT_NS  (3 * PL_NS_PER_S) /* longer than a late answer may take */
#define LOOK_NS        PL_NS_PER_S       /* is somebody watching? */
#define SHOW_NS        (2 * PL_NS_PER_S) /* then show what is not sealed yet */
#define REMOTE_REST_NS (2 * PL_NS_PER_S)
#define YOUNG_NS       (300 * PL_NS_PER_MS)
#define YOUNG_PAUSE_MS 3
#define PAUSE_MS       20

/* ---- rounds ---- */

static void finish_session(struct pl_drain *drain, struct pl_drain_session *session,
                           enum pl_drain_life life, bool abandoned, int64_t now_ns)
{
    pl_drain_session_finish(&drain->shared, session, life, abandoned, now_ns);
    session->next = drain->ended;
    drain->ended = session;
}

/* Hand over. When the sink has everything, what was kept in case it never would can
 * go. */
static enum pl_status flush(struct pl_drain *drain, bool wait, struct pl_error *err)
{
    struct pl_drain_queue *queue = &drain->shared.queue;
    enum pl_status status = pl_drain_queue_flush(queue, wait, err);
    if (status != PL_OK || !pl_drain_queue_is_empty(queue))
        return status;
    int64_t now_ns = pl_clock_mono_ns();
    for (struct pl_drain_session *s = drain->sessions; s; s = s->next)
        pl_drain_session_settle(s, now_ns);
    while (drain->ended && !drain->shared.salvage) {
        struct pl_drain_session *session = drain->ended;
        drain->ended = session->next;
        pl_drain_session_remove(&drain->shared, session);
        pl_drain_session_close(session);
    }
    return PL_OK;
}

/* Those that ended leave the list. Whether one ended is found out before its last
 * records are read, not after. */
static void run_sessions(struct pl_drain *drain, int64_t now_ns)
{
    struct pl_drain_session **link = &drain->sessions;
    while (*link) {
        struct pl_drain_session *session = *link;
        enum pl_drain_life life = pl_drain_session_life(session, now_ns);
        if (life == PL_LIFE_ON) {
            pl_drain_session_pump(&drain->shared, session, now_ns);
            link = &session->next;
            continue;
        }
        *link = session->next;
        finish_session(drain, session, life, false, now_ns);
    }
}

/* Stacks come whole at a program's beginning, and seldom later. */
static void rest_remote(struct pl_drain_shared *shared)
{
    if (!shared->remote || pl_clock_mono_ns() - shared->remote_used_ns < REMOTE_REST_NS)
        return;
    pl_remote_close(shared->remote);
    shared->remote = NULL;
}

static void make_rows(struct pl_drain *drain)
{
    int64_t deadline_ns = pl_clock_mono_ns() + ROWS_BUDGET_NS;
    for (struct pl_drain_session *s = drain->sessions; s; s = s->next)
        pl_drain_session_rows(&drain->shared, s, deadline_ns);
}

static void show(struct pl_drain *drain)
{
    struct pl_drain_queue *queue = &drain->shared.queue;
    int64_t now_ns = pl_clock_mono_ns();
    if (now_ns < drain->next_look_ns || !pl_drain_queue_is_empty(queue))
        return;
    drain->next_look_ns = now_ns + LOOK_NS;
    if (!pl_drain_queue_watched(queue) || now_ns < drain->next_show_ns)
        return;
    for (struct pl_drain_session *s = drain->sessions; s; s = s->next)
        pl_drain_session_show(&drain->shared, s);
    drain->next_show_ns = now_ns + SHOW_NS;
}

enum pl_status pl_drain_step(struct pl_drain *drain, struct pl_error *err)
{
    pl_drain_scan(drain);
    run_sessions(drain, pl_clock_mono_ns());
    make_rows(drain);
    rest_remote(&drain->shared);
    show(drain);
    return flush(drain, false, err);
}

/* Has all that `session` captured up to its cut left the timeline? */
static bool is_flushed(const struct pl_drain_session *session)
{
    const struct pl_window *first = session->timeline.windows;
    return !first || first->start_ns > session->flush_ns;
}

static bool all_flushed(const struct pl_drain *drain)
{
    for (const struct pl_drain_session *s = drain->sessions; s; s = s->next)
        if (!is_flushed(s))
            return false;
    return true;
}

/* A cut window is sealed when the next one has begun and each thread has answered
 * or is late: mostly with the next tick. */
enum pl_status pl_drain_flush(struct pl_drain *drain, struct pl_error *err)
{
    int64_t until_ns = pl_clock_mono_ns() + FLUSH_WAIT_NS;
    pl_drain_scan(drain);
    run_sessions(drain, pl_clock_mono_ns());
    for (struct pl_drain_session *s = drain->sessions; s; s = s->next) {
        s->flush_ns = s->timeline.newest_ns + s->timeline.to_unix_ns;
        pl_drain_timeline_cut(&s->timeline);
    }
    while (!all_flushed(drain) && pl_clock_mono_ns() < until_ns) {
        usleep(2000);
        run_sessions(drain, pl_clock_mono_ns());
    }
    make_rows(drain);
    bool complete = all_flushed(drain);
    enum pl_status status = flush(drain, true, err);
    return status == PL_OK && !complete
               ? pl_error_set(err, PL_BUSY, "some threads have not answered yet")
               : status;
}

int pl_drain_sink_tid(const struct pl_drain *drain)
{
    return drain->shared.queue.tid;
}

int pl_drain_pause_ms(const struct pl_drain *drain)
{
    int64_t now_ns = pl_clock_mono_ns();
    for (const struct pl_drain_session *s = drain->sessions; s; s = s->next)
        if (s->rows_wanted || now_ns - s->attached_ns < YOUNG_NS)
            return YOUNG_PAUSE_MS;
    return PAUSE_MS;
}

/* ---- the end ---- */

static bool all_stopped(const struct pl_drain *drain, int64_t *beats)
{
    int64_t sum = 0;
    for (struct pl_drain_session *s = drain->sessions; s; s = s->next)
        if (s->reader.seg && pl_segment_refresh(&s->reader))
            sum += atomic_load(&s->reader.seg->heartbeat_ns) / 1024;
    bool same = sum == *beats;
    *beats = sum;
    return same;
}

/* Samplers look at `stop` once a tick; wait until none ticks any more. */
static void stop_all(struct pl_drain *drain)
{
    int64_t until_ns = pl_clock_mono_ns() + STOP_WAIT_NS, beats = -1;
    bool any = false;
    for (struct pl_drain_session *s = drain->sessions; s; s = s->next) {
        if (!s->reader.seg || !pl_segment_refresh(&s->reader))
            continue;
        pl_segment_stop(&s->reader);
        any = true;
    }
    if (!any)
        return;
    do {
        usleep(15000);
    } while (!all_stopped(drain, &beats) && pl_clock_mono_ns() < until_ns);
}

enum pl_status pl_drain_finish(struct pl_drain *drain, struct pl_error *err)
{
    pl_drain_scan(drain);
    for (struct pl_drain_session *s = drain->sessions; s; s = s->next) {
        s->last_look = true;
        s->next_look_ns = 0;
    }
    run_sessions(drain, pl_clock_mono_ns());
    stop_all(drain);
    int64_t now_ns = pl_clock_mono_ns();
    while (drain->sessions) {
        struct pl_drain_session *session = drain->sessions;
        drain->sessions = session->next;
        session->next_look_ns = 0;
        enum pl_drain_life life = pl_drain_session_life(session, now_ns);
        session->stopped = life == PL_LIFE_ON && pl_drain_session_said_exit(session);
        if (session->stopped)
            life = PL_LIFE_EXITED;
        finish_session(drain, session, life, life == PL_LIFE_ON, now_ns);
    }
    return flush(drain, true, err);
}

bool pl_drain_is_written(struct pl_drain *drain)
{
    return !drain->sessions && pl_drain_queue_is_empty(&drain->shared.queue) &&
           (!drain->ended || drain->shared.salvage);
}

const char *pl_drain_journal_trouble(const struct pl_drain *drain)
{
    return drain->journal_error.message;
}

/* ---- figures ---- */

void pl_drain_get_stats(struct pl_drain *drain, struct pl_drain_stats *stats_out)
{
    struct pl_drain_shared *shared = &drain->shared;
    pthread_mutex_lock(&shared->queue.lock);
    *stats_out = (struct pl_drain_stats){
        .samples = shared->queue.samples,
        .lost = shared->queue.lost + shared->lost,
        .chunks = shared->queue.chunks,
        .sessions = shared->queue.sessions,
        .unwritten = pl_drain_queue_samples(&shared->queue),
    };
    pthread_mutex_unlock(&shared->queue.lock);
    for (const struct pl_drain_session *s = drain->sessions; s; s = s->next)
        stats_out->processes++;
    for (unsigned end = 0; end < PL_WALK_COUNT; end++) {
        bool complete = end == PL_WALK_ROOT || end == PL_WALK_ROOT_ZERO;
        *(complete ? &stats_out->walks_complete : &stats_out->walks_cut) +=
            shared->walks[end];
    }
}

uint64_t pl_drain_walk_count(const struct pl_drain *drain, unsigned end)
{
    return end < PL_WALK_COUNT ? drain->shared.walks[end] : 0;
}
