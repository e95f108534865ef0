/* A small real store for the web tests, written through the sink.
 *
 * Two threads, 10 ms period, 100 ticks each from START_NS:
 *   main    60 × main;work;<b>parse</b>   40 × main (waiting: off CPU)
 *   worker  100 × main;work
 * so the wall total is 2 s. All frames carry their names. */
#ifndef PL_TESTS_WEB_STORE_H
#define PL_TESTS_WEB_STORE_H

#include "store/store.h"

#define START_NS  INT64_C(1700000000000000000)
#define PERIOD_NS INT64_C(10000000)
#define TICKS     100

static enum pl_status put_part(struct pl_chunk_sink *sink, const struct pl_id *session,
                               int64_t start_ns, struct pl_error *err)
{
    const struct pl_sink_frame frames[] = {
        {.module = PL_NO_INDEX,
         .function = "main",
         .file = "main.c",
         .line = 3,
         .in_app = 1},
        {.module = PL_NO_INDEX,
         .function = "work",
         .file = "work.c",
         .line = 8,
         .in_app = 1},
        {.module = PL_NO_INDEX,
         .function = "<b>parse</b>",
         .file = "lib.c",
         .in_app = 0},
    };
    const uint32_t path[] = {0, 1, 2};
    const struct pl_sink_stack stacks[] = {{3, path}, {2, path}, {1, path}};
    const struct pl_sink_run busy[] = {{0, 60, 1, 0}, {2, 40, 0, 0}};
    const struct pl_sink_run steady[] = {{1, TICKS, 1, 0}};
    const struct pl_sink_thread threads[] = {
        {.tid = 100,
         .name = "main",
         .runs = busy,
         .run_count = 2,
         .cpu_ns = 550 * INT64_C(1000000)},
        {.tid = 101,
         .name = "worker",
         .runs = steady,
         .run_count = 1,
         .cpu_ns = 990 * INT64_C(1000000)},
    };
    int64_t ticks[TICKS];
    struct pl_sink_part part = {
        .session_id = *session,
        .start_ns = start_ns,
        .end_ns = start_ns + TICKS * PERIOD_NS,
        .period_ns = PERIOD_NS,
        .ticks_ns = ticks,
        .tick_count = TICKS,
        .frames = frames,
        .frame_count = 3,
        .stacks = stacks,
        .stack_count = 3,
        .threads = threads,
        .thread_count = 2,
    };
    for (int i = 0; i < TICKS; i++)
        ticks[i] = start_ns + i * PERIOD_NS;
    enum pl_status status = pl_id_new(&part.chunk_id, err);
    return status == PL_OK ? sink->put(sink->self, &part, err) : status;
}

/* One more session with one part that starts at `start_ns`. */
static enum pl_status add_session(const char *path, const char *app, int64_t start_ns,
                                  struct pl_error *err)
{
    struct pl_store *store = NULL;
    struct pl_chunk_sink sink;
    struct pl_sink_session session = {.app = app,
                                      .platform = "native",
                                      .mode = "wall",
                                      .host = "here",
                                      .pid = 42,
                                      .start_ns = start_ns};
    enum pl_status status = pl_store_open(path, PL_STORE_CREATE, &store, err);
    if (status == PL_OK)
        status = pl_id_new(&session.id, err);
    session.recording_id = session.id;
    if (status == PL_OK)
        status = pl_store_sink(store, &sink, err);
    if (status == PL_OK)
        status = sink.session_begin(sink.self, &session, err);
    if (status == PL_OK)
        status = put_part(&sink, &session.id, start_ns, err);
    if (status == PL_OK)
        status = sink.session_end(sink.self, &session.id, start_ns + TICKS * PERIOD_NS,
                                  PL_SESSION_ENDED, 0, err);
    pl_store_close(store);
    return status;
}

#endif
