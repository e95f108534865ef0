/* Writer: the chunk sink that puts parts into the file.
 *
 * A put is one transaction. Before it, without a lock, the part is checked, its
 * stacks looked up and its slots encoded; inside it only what turned out to be new
 * is interned and encoded, and the rows are written. Whatever fails, the
 * transaction is rolled back and what memory learned from it forgotten, so the
 * same part may be put again. One thread at a time, that of the store. */
#include "store/writer.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/put_rows.h"
#include "store/rollup.h"

#include <stdlib.h>
#include <string.h>

void pl_writer_free(struct pl_writer *writer)
{
    if (!writer)
        return;
    pl_intern_free(writer->intern);
    pl_sessions_deinit(&writer->sessions);
    free(writer);
}

static enum pl_status get(struct pl_writer *writer, enum pl_sql id,
                          struct pl_stmt **stmt_out, struct pl_error *err)
{
    return pl_stmt_get(writer->store, id, stmt_out, err);
}

/* ---- sessions ---- */

static const char *const state_names[] = {
    [PL_SESSION_LIVE] = "live",           [PL_SESSION_ENDED] = "ended",
    [PL_SESSION_CRASHED] = "crashed",     [PL_SESSION_KILLED] = "killed",
    [PL_SESSION_ABANDONED] = "abandoned",
};

static bool is_zero(const struct pl_id *id)
{
    static const struct pl_id zero;
    return memcmp(id, &zero, sizeof zero) == 0;
}

static enum pl_status insert_session(struct pl_writer *writer,
                                     const struct pl_sink_session *session,
                                     struct pl_text_pool *pool, struct pl_error *err)
{
    char uuid[PL_ID_TEXT], recording[PL_ID_TEXT], parent[PL_ID_TEXT];
    struct pl_stmt *stmt = NULL;
    enum pl_status status = get(writer, PL_SQL_INSERT_SESSION, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_id_format(&session->id, uuid);
    pl_id_format(&session->recording_id, recording);
    pl_id_format(&session->parent_id, parent);
    const char *app = session->app ? session->app : "";
    pl_stmt_text(stmt, ":uuid", uuid);
    pl_stmt_text(stmt, ":recording_id",
                 is_zero(&session->recording_id) ? NULL : recording);
    pl_stmt_text(stmt, ":parent_id", is_zero(&session->parent_id) ? NULL : parent);
    pl_stmt_text(stmt, ":app", pl_text_clean(pool, app, PL_TEXT_NAME));
    pl_stmt_text(stmt, ":release", pl_text_clean(pool, session->release, PL_TEXT_NAME));
    pl_stmt_text(stmt, ":environment",
                 pl_text_clean(pool, session->environment, PL_TEXT_NAME));
    pl_stmt_text(stmt, ":dist", pl_text_clean(pool, session->dist, PL_TEXT_NAME));
    pl_stmt_text(stmt, ":in_app_include",
                 pl_text_clean(pool, session->in_app_include, PL_TEXT_VALUE));
    pl_stmt_text(stmt, ":in_app_exclude",
                 pl_text_clean(pool, session->in_app_exclude, PL_TEXT_VALUE));
    pl_stmt_text(stmt, ":project_root",
                 pl_text_clean(pool, session->project_root, PL_TEXT_VALUE));
    pl_stmt_text(stmt, ":host", pl_text_clean(pool, session->host, PL_TEXT_NAME));
    pl_stmt_text(stmt, ":platform",
                 pl_text_clean(pool, session->platform, PL_TEXT_NAME));
    pl_stmt_text(stmt, ":mode", pl_text_clean(pool, session->mode, PL_TEXT_NAME));
    pl_stmt_int(stmt, ":project_id", session->project_id);
    if (session->pid)
        pl_stmt_int(stmt, ":pid", session->pid);
    pl_stmt_int(stmt, ":start_ns", session->start_ns);
    if (pool->failed)
        return pl_error_set(err, PL_NOMEM, "out of memory");
    return pl_stmt_run(stmt, err);
}

enum pl_status pl_writer_session(struct pl_writer *writer,
                                 const struct pl_sink_session *session,
                                 struct pl_error *err)
{
    struct pl_text_pool pool = {0};
    enum pl_status status = insert_session(writer, session, &pool, err);
    pl_text_pool_deinit(&pool);
    return status;
}

static enum pl_status begin_session(void *self, const struct pl_sink_session *session,
                                    struct pl_error *err)
{
    struct pl_writer *writer = self;
    enum pl_status status = pl_db_begin_write(writer->store, err);
    if (status == PL_OK)
        status = pl_writer_session(writer, session, err);
    if (status == PL_OK)
        status = pl_db_commit(writer->store, err);
    else
        pl_db_rollback(writer->store);
    if (status == PL_OK)
        pl_sessions_add(&writer->sessions, session);
    return status;
}

/* A session whose row went with a file or a log that others removed. */
static bool begin_again(struct pl_writer *writer, const struct pl_id *id,
                        struct pl_error *err)
{
    const struct pl_sink_session *session = pl_sessions_find(&writer->sessions, id);
    return session && begin_session(writer, session, err) == PL_OK;
}

static enum pl_status unknown_session(const struct pl_writer *writer, const char *uuid,
                                      struct pl_error *err)
{
    return pl_error_set(err, PL_NOT_FOUND, "%s knows no session %s",
                        writer->store->path, uuid);
}

static enum pl_status finish_session(struct pl_writer *writer, const char *uuid,
                                     int64_t end_ns, enum pl_session_state state,
                                     int exit_status, struct pl_error *err)
{
    struct pl_stmt *stmt = NULL;
    int64_t id = 0;
    enum pl_status status = get(writer, PL_SQL_END_SESSION, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_text(stmt, ":uuid", uuid);
    pl_stmt_int(stmt, ":end_ns", end_ns);
    pl_stmt_text(stmt, ":state", state_names[state]);
    if (exit_status >= 0)
        pl_stmt_int(stmt, ":exit_status", exit_status);
    status = pl_stmt_id(stmt, &id, err);
    return status == PL_OK && !id ? unknown_session(writer, uuid, err) : status;
}

static enum pl_status end_once(struct pl_writer *writer, const struct pl_id *session_id,
                               int64_t end_ns, enum pl_session_state state,
                               int exit_status, struct pl_error *err)
{
    char uuid[PL_ID_TEXT];
    pl_id_format(session_id, uuid);
    if ((size_t)state >= sizeof state_names / sizeof *state_names)
        return pl_error_set(err, PL_USAGE, "no such session state: %d", (int)state);
    enum pl_status status = pl_db_begin_write(writer->store, err);
    if (status != PL_OK)
        return status;
    status = finish_session(writer, uuid, end_ns, state, exit_status, err);
    if (status == PL_OK)
        return pl_db_commit(writer->store, err);
    pl_db_rollback(writer->store);
    return status;
}

static enum pl_status end_session(void *self, const struct pl_id *session_id,
                                  int64_t end_ns, enum pl_session_state state,
                                  int exit_status, struct pl_error *err)
{
    struct pl_writer *writer = self;
    enum pl_status status =
        end_once(writer, session_id, end_ns, state, exit_status, err);
    if (status == PL_NOT_FOUND && begin_again(writer, session_id, err))
        status = end_once(writer, session_id, end_ns, state, exit_status, err);
    if (status == PL_OK)
        pl_sessions_drop(&writer->sessions, session_id);
    return status;
}

/* ---- a part: what it belongs to ---- */

static enum pl_status find_session(struct pl_put *put, struct pl_error *err)
{
    char uuid[PL_ID_TEXT];
    struct pl_stmt *stmt = NULL;
    bool row = false;
    pl_id_format(&put->part->session_id, uuid);
    enum pl_status status = get(put->writer, PL_SQL_FIND_SESSION, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_text(stmt, ":uuid", uuid);
    pl_stmt_int(stmt, ":project_id", put->part->project_id);
    status = pl_stmt_row(stmt, &row, err);
    if (status != PL_OK)
        return status;
    if (!row)
        return unknown_session(put->writer, uuid, err);
    put->session_id = pl_stmt_column_int(stmt, 0);
    if (!put->platform)
        put->platform = strdup(pl_stmt_column_text(stmt, 1));
    pl_stmt_reset(stmt);
    return put->platform ? PL_OK : pl_error_set(err, PL_NOMEM, "out of memory");
}

/* Of a session that is yet to be written. */
static enum pl_status take_platform(struct pl_put *put,
                                    const struct pl_sink_session *session,
                                    struct pl_error *err)
{
    const char *platform = pl_text_clean(&put->pool, session->platform, PL_TEXT_NAME);
    put->platform = strdup(platform ? platform : "");
    return put->platform ? PL_OK : pl_error_set(err, PL_NOMEM, "out of memory");
}

/* Sets chunk_id if the file has it, and duplicate if it has the part too. */
static enum pl_status find_part(struct pl_put *put, struct pl_error *err)
{
    char uuid[PL_ID_TEXT];
    struct pl_stmt *stmt = NULL;
    int64_t part_id = 0;
    pl_id_format(&put->part->chunk_id, uuid);
    enum pl_status status = get(put->writer, PL_SQL_FIND_CHUNK, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_text(stmt, ":uuid", uuid);
    pl_stmt_int(stmt, ":project_id", put->part->project_id);
    pl_stmt_int(stmt, ":session_id", put->session_id);
    status = pl_stmt_id(stmt, &put->chunk_id, err);
    if (status != PL_OK || !put->chunk_id)
        return status;
    status = get(put->writer, PL_SQL_FIND_PART, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":chunk_id", put->chunk_id);
    pl_stmt_int(stmt, ":start_ns", put->part->start_ns);
    status = pl_stmt_id(stmt, &part_id, err);
    put->duplicate = part_id != 0;
    return status;
}

/* ---- a part: the two halves of a put ---- */

/* Without a lock: everything that needs no new id. `session` nullable. */
static enum pl_status prepare(struct pl_put *put, const struct pl_sink_session *session,
                              struct pl_error *err)
{
    enum pl_status status = pl_part_check(put->part, err);
    if (status == PL_OK)
        status = pl_slots_init(&put->slots, put->part, err);
    if (status == PL_OK)
        status = pl_part_ids_init(&put->ids, put->part, err);
    put->thread_ids = calloc(put->part->thread_count + 1, sizeof *put->thread_ids);
    if (status == PL_OK && !put->thread_ids)
        status = pl_error_set(err, PL_NOMEM, "out of memory");
    if (status == PL_OK)
        status = find_session(put, err);
    if (status == PL_NOT_FOUND && session)
        status = take_platform(put, session, err);
    if (status == PL_OK)
        status = pl_intern_part(put->writer->intern, put->part, put->platform, false,
                                &put->pool, &put->ids, err);
    if (status == PL_OK)
        status = pl_slots_encode(&put->slots, put->part, put->ids.stacks, err);
    return status;
}

void pl_writer_forget(struct pl_writer *writer)
{
    pl_intern_forget(writer->intern);
}

/* Memory of what was read before the store was opened again is void: that may be
 * another file now, or this one without the end of its log. */
static void trust_connection(struct pl_writer *writer)
{
    if (writer->file_number != writer->store->file_number)
        pl_writer_forget(writer);
    writer->file_number = writer->store->file_number;
}

/* Inside the transaction, whose beginning may have opened the store again. */
static enum pl_status complete(struct pl_put *put, struct pl_error *err)
{
    trust_connection(put->writer);
    if (put->file_number != put->writer->file_number)
        put->ids.epoch = 0; /* none */
    uint64_t epoch = put->ids.epoch;
    enum pl_status status = find_session(put, err);
    if (status == PL_OK)
        status = find_part(put, err);
    if (status != PL_OK || put->duplicate)
        return status;
    status = pl_intern_part(put->writer->intern, put->part, put->platform, true,
                            &put->pool, &put->ids, err);
    if (status == PL_OK && epoch != put->ids.epoch) { /* encoded ids are void */
        pl_slots_deinit(&put->slots);
        status = pl_slots_init(&put->slots, put->part, err);
    }
    if (status == PL_OK)
        status = pl_slots_encode(&put->slots, put->part, put->ids.stacks, err);
    if (status == PL_OK)
        status = pl_put_rows(put, err);
    if (status == PL_OK && put->pool.failed)
        status = pl_error_set(err, PL_NOMEM, "out of memory");
    return status;
}

enum pl_status pl_put_new(struct pl_writer *writer, const struct pl_sink_part *part,
                          const struct pl_sink_session *session,
                          struct pl_put **put_out, struct pl_error *err)
{
    struct pl_put *put = calloc(1, sizeof *put);
    if (!put)
        return pl_error_set(err, PL_NOMEM, "out of memory");
    put->writer = writer;
    put->part = part;
    trust_connection(writer);
    put->file_number = writer->file_number;
    enum pl_status status = prepare(put, session, err);
    if (status == PL_OK)
        *put_out = put;
    else
        pl_put_free(put);
    return status;
}

enum pl_status pl_put_write(struct pl_put *put, bool *duplicate_out,
                            int64_t *chunk_id_out, struct pl_error *err)
{
    enum pl_status status = complete(put, err);
    *duplicate_out = put->duplicate;
    *chunk_id_out = put->chunk_id;
    return status;
}

void pl_put_free(struct pl_put *put)
{
    if (!put)
        return;
    pl_text_pool_deinit(&put->pool);
    pl_part_ids_deinit(&put->ids);
    pl_slots_deinit(&put->slots);
    free(put->platform);
    free(put->thread_ids);
    free(put);
}

/* The first part of an hour sums up the session's hours before it. What fails is
 * left to the pass. */
static void sum_up_hours(const struct pl_put *put)
{
    struct pl_writer *writer = put->writer;
    const int64_t hour_ns = PL_HOUR_S * PL_NS_PER_S;
    int64_t hour = put->part->start_ns / hour_ns;
    struct pl_error err = {0};
    if (writer->session_id == put->session_id && writer->hour >= hour)
        return;
    writer->session_id = put->session_id;
    writer->hour = hour;
    const struct pl_rollup_options options = {.session_id = put->session_id,
                                              .before_ns = hour * hour_ns};
    if (pl_rollup_run(writer->store, &options, &err) != PL_OK)
        pl_log(PL_LOG_INFO, "store", "hours not summed up: %s", err.message);
}

static enum pl_status put_once(struct pl_writer *writer,
                               const struct pl_sink_part *part, bool live,
                               struct pl_error *err)
{
    struct pl_put *put = NULL;
    int64_t chunk_id;
    bool duplicate = false;
    enum pl_status status = pl_db_begin_read(writer->store, err);
    if (status != PL_OK)
        return status;
    status = pl_put_new(writer, part, NULL, &put, err);
    pl_db_end_read(writer->store);
    if (status == PL_OK)
        status = pl_db_begin_write(writer->store, err);
    if (status == PL_OK) {
        put->live = live;
        status = pl_put_write(put, &duplicate, &chunk_id, err);
        if (status == PL_OK && !duplicate)
            status = pl_db_commit(writer->store, err);
        else
            pl_db_rollback(writer->store);
        if (status != PL_OK)
            pl_writer_forget(writer);
        else if (!duplicate && !live)
            sum_up_hours(put);
    }
    pl_put_free(put);
    return status;
}

static enum pl_status put_part(void *self, const struct pl_sink_part *part,
                               struct pl_error *err)
{
    struct pl_writer *writer = self;
    enum pl_status status = put_once(writer, part, false, err);
    if (status == PL_NOT_FOUND && begin_again(writer, &part->session_id, err))
        status = put_once(writer, part, false, err);
    return status;
}

static enum pl_status put_live(void *self, const struct pl_sink_part *part,
                               struct pl_error *err)
{
    return put_once(self, part, true, err);
}

static bool is_watched(void *self)
{
    struct pl_stmt *stmt = NULL;
    int64_t until_ns = 0;
    return get(self, PL_SQL_WATCHED_UNTIL, &stmt, NULL) == PL_OK &&
           pl_stmt_id(stmt, &until_ns, NULL) == PL_OK && until_ns > pl_clock_wall_ns();
}

enum pl_status pl_store_watch(struct pl_store *store, const char *viewer,
                              int64_t until_ns, struct pl_error *err)
{
    struct pl_stmt *stmt = NULL;
    enum pl_status status = pl_db_begin_write(store, err);
    if (status != PL_OK)
        return status;
    status = pl_stmt_get(store, PL_SQL_WATCH_FORGET, &stmt, err);
    if (status == PL_OK) {
        pl_stmt_int(stmt, ":now_ns", pl_clock_wall_ns());
        status = pl_stmt_run(stmt, err);
    }
    if (status == PL_OK)
        status = pl_stmt_get(store, PL_SQL_WATCH, &stmt, err);
    if (status == PL_OK) {
        pl_stmt_text(stmt, ":viewer", viewer);
        pl_stmt_int(stmt, ":until_ns", until_ns);
        status = pl_stmt_run(stmt, err);
    }
    if (status == PL_OK)
        return pl_db_commit_unseen(store, err);
    pl_db_rollback(store);
    return status;
}

enum pl_status pl_store_sink(struct pl_store *store, struct pl_chunk_sink *sink_out,
                             struct pl_error *err)
{
    if (store->mode == PL_STORE_READ || store->newer)
        return pl_error_set(err, PL_INPUT, "cannot write %s: %s", store->path,
                            store->newer ? "a newer proflite made it"
                                         : "it was opened for reading");
    if (!store->writer) {
        struct pl_writer *writer = calloc(1, sizeof *writer);
        if (!writer)
            return pl_error_set(err, PL_NOMEM, "out of memory");
        writer->store = store;
        enum pl_status status = pl_intern_new(store, &writer->intern, err);
        if (status != PL_OK) {
            free(writer);
            return status;
        }
        store->writer = writer;
    }
    *sink_out = (struct pl_chunk_sink){.self = store->writer,
                                       .session_begin = begin_session,
                                       .put = put_part,
                                       .watched = is_watched,
                                       .put_live = put_live,
                                       .session_end = end_session};
    return PL_OK;
}
