/* Stacks of a chunk with their parents, the frames they are made of, and their names:
 * row by row, as a chunk has few of a store's. */
#include "store/chunk_read_state.h"

#include "store/codec.h"

#include <string.h>

static enum pl_status missing(struct pl_chunk_reader *reader, const char *what,
                              int64_t id, struct pl_error *err)
{
    return pl_error_set(err, PL_INPUT, "%s is damaged: there is no %s %lld",
                        pl_store_path(reader->store), what, (long long)id);
}

/* ---- stacks ---- */

static enum pl_status read_frames_of(struct pl_chunk_reader *reader,
                                     struct pl_stmt *stmt, struct pl_chunk_stack *stack,
                                     struct pl_error *err)
{
    struct pl_whole_chunk *to = reader->to;
    struct pl_digits digits;
    size_t len;
    int64_t frame;
    const void *blob = pl_stmt_column_blob(stmt, 3, &len);
    pl_digits_init(&digits, blob, len);
    while (pl_digits_next(&digits, &frame)) {
        if (frame <= 0 || frame >= UINT32_MAX)
            return missing(reader, "frame", frame, err);
        uint32_t index = pl_idmap_add(&reader->frames, (uint32_t)frame);
        if (index == PL_IDMAP_NONE || !PL_CHUNK_GROW(to, words, word_count, word_cap))
            return pl_chunk_no_memory(err);
        to->words[to->word_count++] = index;
    }
    stack->count = (uint32_t)(to->word_count - stack->first);
    return digits.damaged ? pl_error_set(err, PL_INPUT, "%s is damaged: a stack",
                                         pl_store_path(reader->store))
                          : PL_OK;
}

/* The stack at `index` of the map; its parent joins the map. */
static enum pl_status read_stack(struct pl_chunk_reader *reader, uint32_t index,
                                 struct pl_error *err)
{
    struct pl_whole_chunk *to = reader->to;
    struct pl_stmt *stmt;
    bool row;
    uint32_t id = reader->stacks.ids[index];
    enum pl_status status =
        pl_stmt_find(reader->store, PL_SQL_LOAD_STACK, ":id", id, &stmt, &row, err);
    if (status != PL_OK)
        return status;
    if (!row)
        return missing(reader, "stack", id, err);
    if (!PL_CHUNK_GROW(to, stacks, stack_count, stack_cap))
        return pl_chunk_no_memory(err);
    int64_t parent = pl_stmt_column_int(stmt, 1), depth = pl_stmt_column_int(stmt, 2);
    struct pl_chunk_stack stack = {.parent = PL_CHUNK_NONE,
                                   .first = (uint32_t)to->word_count};
    if (parent > 0 && parent < id && depth > 0 && depth < INT32_MAX) {
        stack.parent = pl_idmap_add(&reader->stacks, (uint32_t)parent);
        stack.keep = (uint32_t)depth;
        if (stack.parent == PL_IDMAP_NONE)
            return pl_chunk_no_memory(err);
    }
    status = read_frames_of(reader, stmt, &stack, err);
    pl_stmt_reset(stmt);
    to->stacks[to->stack_count++] = stack;
    return status;
}

/* ---- frames ---- */

static enum pl_status find_module(struct pl_chunk_reader *reader, int64_t id,
                                  uint32_t *index_out, struct pl_error *err)
{
    struct pl_whole_chunk *to = reader->to;
    struct pl_stmt *stmt;
    bool row;
    *index_out = PL_CHUNK_NONE;
    if (id <= 0 || id >= UINT32_MAX)
        return PL_OK;
    *index_out = pl_idmap_find(&reader->modules, (uint32_t)id);
    if (*index_out != PL_IDMAP_NONE)
        return PL_OK;
    *index_out = pl_idmap_add(&reader->modules, (uint32_t)id);
    if (*index_out == PL_IDMAP_NONE ||
        !PL_CHUNK_GROW(to, modules, module_count, module_cap))
        return pl_chunk_no_memory(err);
    enum pl_status status = pl_stmt_find(reader->store, PL_SQL_CHUNK_READ_MODULE, ":id",
                                         id, &stmt, &row, err);
    if (status != PL_OK)
        return status;
    if (!row)
        return missing(reader, "module", id, err);
    struct pl_chunk_module module = {
        .id = id,
        .path = pl_arena_text(to->owned, pl_stmt_column_text(stmt, 0)),
        .build_id = pl_arena_text(to->owned, pl_stmt_column_text(stmt, 1)),
    };
    pl_stmt_reset(stmt);
    to->modules[to->module_count++] = module;
    return module.path && module.build_id ? PL_OK : pl_chunk_no_memory(err);
}

static uint32_t small(int64_t value)
{
    return value > 0 && value < INT32_MAX ? (uint32_t)value : 0;
}

/* A row of chunk_read_frame: one function; the first row also says what was captured.
 * Module ids are looked up later, when the statement is done. */
static bool take_call(struct pl_chunk_reader *reader, struct pl_stmt *stmt,
                      struct pl_chunk_frame *frame, int64_t *frame_module)
{
    struct pl_whole_chunk *to = reader->to;
    if (!PL_CHUNK_GROW(to, calls, call_count, call_cap))
        return false;
    int64_t in_app = pl_stmt_column_int(stmt, 7),
            function = pl_stmt_column_int(stmt, 3);
    struct pl_chunk_call call = {
        .function = pl_arena_text(to->owned, pl_stmt_column_text(stmt, 8)),
        .file = pl_arena_text(to->owned, pl_stmt_column_text(stmt, 9)),
        .line = function ? small(pl_stmt_column_int(stmt, 5)) : 0,
        .column = function ? small(pl_stmt_column_int(stmt, 6)) : 0,
        .module = (uint32_t)pl_stmt_column_int(stmt, 4), /* an id until then */
        .in_app = (int8_t)(in_app == 1   ? 1
                           : in_app == 0 ? 0
                                         : -1),
    };
    to->calls[to->call_count++] = call;
    if (!frame->count++) {
        *frame_module = pl_stmt_column_int(stmt, 0);
        frame->address = (uint64_t)pl_stmt_column_int(stmt, 1);
        frame->native = frame->address || !function;
        frame->platform = pl_arena_text(to->owned, pl_stmt_column_text(stmt, 2));
    }
    return call.function && call.file && frame->platform;
}

static enum pl_status read_frame(struct pl_chunk_reader *reader, uint32_t index,
                                 struct pl_error *err)
{
    struct pl_whole_chunk *to = reader->to;
    struct pl_chunk_frame *frame = &to->frames[index];
    struct pl_stmt *stmt;
    int64_t module = 0;
    bool row = true;
    uint32_t id = reader->frames.ids[index];
    *frame = (struct pl_chunk_frame){.first = (uint32_t)to->call_count};
    enum pl_status status =
        pl_stmt_get(reader->store, PL_SQL_CHUNK_READ_FRAME, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":id", id);
    while (row && status == PL_OK) {
        status = pl_stmt_row(stmt, &row, err);
        if (status == PL_OK && row && !take_call(reader, stmt, frame, &module)) {
            pl_stmt_reset(stmt);
            return pl_chunk_no_memory(err);
        }
    }
    if (status == PL_OK && !frame->count)
        return missing(reader, "frame", id, err);
    if (status == PL_OK)
        status = find_module(reader, module, &frame->module, err);
    for (uint32_t i = 0; i < frame->count && status == PL_OK; i++) {
        struct pl_chunk_call *call = &to->calls[frame->first + i];
        status = find_module(reader, call->module, &call->module, err);
    }
    return status;
}

enum pl_status pl_chunk_read_stacks(struct pl_chunk_reader *reader,
                                    struct pl_error *err)
{
    struct pl_whole_chunk *to = reader->to;
    enum pl_status status = PL_OK;
    for (uint32_t i = 0; i < reader->stacks.count && status == PL_OK; i++)
        status = read_stack(reader, i, err); /* the map grows by parents */
    if (status != PL_OK)
        return status;
    to->frames = calloc((size_t)reader->frames.count + 1, sizeof *to->frames);
    if (!to->frames)
        return pl_chunk_no_memory(err);
    to->frame_count = reader->frames.count;
    for (uint32_t i = 0; i < reader->frames.count && status == PL_OK; i++)
        status = read_frame(reader, i, err);
    return status;
}
