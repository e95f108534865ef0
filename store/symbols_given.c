/* Given frames: those that a source named, in words that a source map or a mapping
 * explains. What it said stays; names are rows beside it, as for native frames. */
#include "store/arena.h"
#include "store/db.h"
#include "store/symbols.h"
#include "store/symbols_frames.h"

#include <stdlib.h>

static enum pl_status out_of_memory(struct pl_error *err)
{
    return pl_error_set(err, PL_NOMEM, "out of memory for frames");
}

enum column {
    MODULE,
    MODULE_PATH,
    DEBUG_ID,
    FUNCTION,
    CLASS,
    FILE_NAME,
    PLATFORM,
    LINE,
    COLUMN,
    IN_APP,
    NAMED
};

static uint32_t small(const struct pl_stmt *stmt, enum column column)
{
    int64_t value = pl_stmt_column_int(stmt, (int)column);
    return value > 0 && value <= UINT32_MAX ? (uint32_t)value : 0;
}

/* `list->rows` has room. */
static enum pl_status add_given(struct pl_store *store, uint32_t id, bool redo,
                                struct pl_given_frame_list *list, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    enum pl_status status = pl_stmt_get(store, PL_SQL_PASS_GIVEN_FRAME, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":id", id);
    pl_stmt_int(stmt, ":redo", redo);
    status = pl_stmt_row(stmt, &row, err);
    if (status != PL_OK || !row)
        return status;
    struct pl_given_frame *frame = &list->rows[list->count++];
    *frame = (struct pl_given_frame){
        .frame_id = id,
        .module_id = pl_stmt_column_int(stmt, MODULE),
        .line = small(stmt, LINE),
        .column = small(stmt, COLUMN),
        .in_app = (int8_t)pl_stmt_column_int(stmt, IN_APP),
        .named = pl_stmt_column_int(stmt, NAMED),
    };
    const struct {
        const char **text;
        enum column column;
    } texts[] = {{&frame->module_path, MODULE_PATH}, {&frame->debug_id, DEBUG_ID},
                 {&frame->function, FUNCTION},       {&frame->class_name, CLASS},
                 {&frame->file, FILE_NAME},          {&frame->platform, PLATFORM}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0] && status == PL_OK; i++) {
        *texts[i].text =
            pl_arena_text(list->owned, pl_stmt_column_text(stmt, (int)texts[i].column));
        if (!*texts[i].text)
            status = out_of_memory(err);
    }
    pl_stmt_reset(stmt);
    return status;
}

static int compare_given(const void *left, const void *right)
{
    const struct pl_given_frame *a = left, *b = right;
    if (a->module_id != b->module_id)
        return a->module_id < b->module_id ? -1 : 1;
    return (a->frame_id > b->frame_id) - (a->frame_id < b->frame_id);
}

static enum pl_status list_given(struct pl_store *store, int64_t chunk_id, bool redo,
                                 struct pl_given_frame_list *list, struct pl_error *err)
{
    struct pl_idmap frames = {0};
    enum pl_status status = pl_chunk_frames(store, chunk_id, redo, &frames, err);
    if (status == PL_OK) {
        list->rows = calloc((size_t)frames.count + 1, sizeof *list->rows);
        if (!list->rows)
            status = out_of_memory(err);
    }
    for (uint32_t i = 0; i < frames.count && status == PL_OK; i++)
        status = add_given(store, frames.ids[i], redo, list, err);
    pl_idmap_deinit(&frames);
    return status;
}

enum pl_status pl_pass_given_frames(struct pl_store *store, int64_t chunk_id, bool redo,
                                    struct pl_given_frame_list *list_out,
                                    struct pl_error *err)
{
    struct pl_given_frame_list list = {.owned = pl_arena_new()};
    enum pl_status status =
        list.owned ? pl_db_begin_read(store, err) : out_of_memory(err);
    if (status == PL_OK) {
        status = list_given(store, chunk_id, redo, &list, err);
        pl_db_end_read(store);
    }
    if (status != PL_OK) {
        pl_given_frame_list_deinit(&list);
        return status;
    }
    if (list.count)
        qsort(list.rows, list.count, sizeof *list.rows, compare_given);
    *list_out = list;
    return PL_OK;
}

void pl_given_frame_list_deinit(struct pl_given_frame_list *list)
{
    free(list->rows);
    pl_arena_free(list->owned);
    *list = (struct pl_given_frame_list){0};
}
