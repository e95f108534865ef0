/* Normalization: the named frames of a chunk out, in_app and trimmed files back.
 * What a source named itself is not changed either: a difference becomes a row of
 * frame_name. */
#include "store/arena.h"
#include "store/db.h"
#include "store/symbols.h"
#include "store/symbols_frames.h"
#include "store/text.h"

#include <stdlib.h>
#include <string.h>

static enum pl_status out_of_memory(struct pl_error *err)
{
    return pl_error_set(err, PL_NOMEM, "out of memory for frames");
}

/* ---- out ---- */

struct list {
    struct pl_arena *arena;
    struct pl_normal_frame *rows;
    size_t count, cap;
};

static bool add_row(struct list *list, uint32_t frame_id, const struct pl_stmt *stmt)
{
    if (list->count == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 1024;
        struct pl_normal_frame *grown = realloc(list->rows, cap * sizeof *grown);
        if (!grown)
            return false;
        list->rows = grown;
        list->cap = cap;
    }
    int64_t in_app = pl_stmt_column_int(stmt, 4);
    struct pl_normal_frame *row = &list->rows[list->count++];
    *row = (struct pl_normal_frame){
        .frame_id = frame_id,
        .depth = (uint32_t)pl_stmt_column_int(stmt, 0),
        .function = pl_arena_text(list->arena, pl_stmt_column_text(stmt, 1)),
        .file = pl_arena_text(list->arena, pl_stmt_column_text(stmt, 2)),
        .module = pl_arena_text(list->arena, pl_stmt_column_text(stmt, 3)),
        .platform = pl_arena_text(list->arena, pl_stmt_column_text(stmt, 5)),
        .in_app = in_app < 0 ? -1 : in_app > 0,
    };
    return row->function && row->file && row->module && row->platform;
}

static enum pl_status add_frame(struct pl_store *store, uint32_t id, struct list *list,
                                struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    enum pl_status status = pl_stmt_get(store, PL_SQL_PASS_NAMED_FRAME, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":id", id);
    while ((status = pl_stmt_row(stmt, &row, err)) == PL_OK && row) {
        if (!add_row(list, id, stmt)) {
            pl_stmt_reset(stmt);
            return out_of_memory(err);
        }
    }
    return status;
}

enum pl_status pl_pass_named_frames(struct pl_store *store, int64_t chunk_id,
                                    struct pl_normal_frame_list *list_out,
                                    struct pl_error *err)
{
    struct list list = {.arena = pl_arena_new()};
    struct pl_idmap frames = {0};
    enum pl_status status =
        list.arena ? pl_db_begin_read(store, err) : out_of_memory(err);
    if (status == PL_OK) {
        status = pl_chunk_frames(store, chunk_id, false, &frames, err);
        for (uint32_t i = 0; i < frames.count && status == PL_OK; i++)
            status = add_frame(store, frames.ids[i], &list, err);
        pl_db_end_read(store);
    }
    pl_idmap_deinit(&frames);
    if (status == PL_OK) {
        *list_out = (struct pl_normal_frame_list){list.rows, list.count, list.arena};
    } else {
        pl_arena_free(list.arena);
        free(list.rows);
    }
    return status;
}

void pl_own_code_deinit(struct pl_own_code *own)
{
    free(own->include);
    free(own->exclude);
    free(own->project_root);
    *own = (struct pl_own_code){0};
}

enum pl_status pl_pass_own_code(struct pl_store *store, int64_t chunk_id,
                                struct pl_own_code *own_out, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row = false;
    *own_out = (struct pl_own_code){0};
    char **const texts[] = {&own_out->include, &own_out->exclude,
                            &own_out->project_root};
    enum pl_status status =
        pl_stmt_find(store, PL_SQL_PASS_OWN_CODE, ":id", chunk_id, &stmt, &row, err);
    for (int i = 0; i < 3 && status == PL_OK && row; i++) {
        if (pl_stmt_column_is_null(stmt, i))
            continue;
        *texts[i] = strdup(pl_stmt_column_text(stmt, i));
        if (!*texts[i])
            status = pl_error_set(err, PL_NOMEM, "out of memory");
    }
    if (row)
        pl_stmt_reset(stmt);
    if (status != PL_OK)
        pl_own_code_deinit(own_out);
    return status;
}

void pl_normal_frame_list_deinit(struct pl_normal_frame_list *list)
{
    free(list->rows);
    pl_arena_free(list->owned);
    *list = (struct pl_normal_frame_list){0};
}

/* ---- back ---- */

/* What the file says now. */
struct current {
    bool in_frame_name;
    bool same; /* as is wanted: nothing to write */
    bool same_file;
    int64_t in_app, function_id, line, column;
    struct pl_function_key key; /* of the wanted function */
    char *name;                 /* owned */
};

static enum pl_status read_current(struct pl_store *store,
                                   const struct pl_normal_frame *wanted,
                                   struct current *current, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    *current = (struct current){.same = true};
    enum pl_status status = pl_stmt_get(store, PL_SQL_PASS_NORMAL_FRAME, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":id", wanted->frame_id);
    pl_stmt_int(stmt, ":depth", wanted->depth);
    status = pl_stmt_row(stmt, &row, err);
    if (status != PL_OK || !row)
        return status;
    current->in_frame_name = pl_stmt_column_int(stmt, 0);
    current->in_app = pl_stmt_column_int(stmt, 1);
    current->function_id = pl_stmt_column_int(stmt, 2);
    current->same_file = !current->function_id || !wanted->file ||
                         strcmp(pl_stmt_column_text(stmt, 5), wanted->file) == 0;
    current->same = current->same_file && current->in_app == wanted->in_app;
    current->line = pl_stmt_column_int(stmt, 7);
    current->column = pl_stmt_column_int(stmt, 8);
    current->key.module_id = pl_stmt_column_int(stmt, 4);
    current->key.line = pl_stmt_column_int(stmt, 6);
    current->name = strdup(pl_stmt_column_text(stmt, 3));
    current->key.name = current->name;
    pl_stmt_reset(stmt);
    return current->name ? PL_OK : out_of_memory(err);
}

static enum pl_status update_name(struct pl_store *store,
                                  const struct pl_normal_frame *frame,
                                  int64_t function_id, struct pl_error *err)
{
    struct pl_stmt *stmt;
    enum pl_status status = pl_stmt_get(store, PL_SQL_PASS_UPDATE_NAME, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":id", frame->frame_id);
    pl_stmt_int(stmt, ":depth", frame->depth);
    pl_stmt_int(stmt, ":function", function_id);
    pl_stmt_int(stmt, ":in_app", frame->in_app);
    return pl_stmt_run(stmt, err);
}

static enum pl_status put_frame(struct pl_store *store,
                                const struct pl_normal_frame *frame,
                                struct pl_text_pool *pool, struct pl_error *err)
{
    struct current current;
    enum pl_status status = read_current(store, frame, &current, err);
    if (status == PL_OK && !current.same && !current.same_file) {
        current.key.file = pl_text_clean(pool, frame->file, PL_TEXT_PATH);
        status = pool->failed ? out_of_memory(err)
                              : pl_function_intern(store, &current.key,
                                                   &current.function_id, err);
    }
    if (status == PL_OK && !current.same && current.in_frame_name) {
        status = update_name(store, frame, current.function_id, err);
    } else if (status == PL_OK && !current.same && current.function_id) {
        const struct pl_frame_name_row row = {
            .frame_id = frame->frame_id,
            .depth = frame->depth,
            .function_id = current.function_id,
            .line = current.line,
            .column = current.column,
            .in_app = frame->in_app,
            .status = "symbolicated",
        };
        status = pl_frame_name_insert(store, &row, err);
    }
    free(current.name);
    return status;
}

enum pl_status pl_pass_set_normal(struct pl_store *store, int64_t chunk_id,
                                  bool deobfuscated, int retention_days,
                                  struct pl_error *err)
{
    struct pl_stmt *stmt;
    enum pl_status status = pl_stmt_get(store, PL_SQL_PASS_NORMALIZED, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":id", chunk_id);
    pl_stmt_int(stmt, ":deobfuscated", deobfuscated);
    pl_stmt_int(stmt, ":retention_days", retention_days);
    return pl_stmt_run(stmt, err);
}

enum pl_status pl_pass_put_normal(struct pl_store *store, int64_t chunk_id,
                                  const struct pl_normal_frame *frames, size_t count,
                                  bool deobfuscated, int retention_days,
                                  struct pl_error *err)
{
    struct pl_text_pool pool = {0};
    enum pl_status status = pl_db_begin_write(store, err);
    for (size_t i = 0; i < count && status == PL_OK; i++)
        status = put_frame(store, &frames[i], &pool, err);
    if (status == PL_OK)
        status = pl_pass_set_normal(store, chunk_id, deobfuscated, retention_days, err);
    if (status == PL_OK)
        status = pl_db_commit(store, err);
    else
        pl_db_rollback(store);
    pl_text_pool_deinit(&pool);
    return status;
}
