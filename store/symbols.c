/* Names of raw frames: what the pass has to look up, and where it puts what it
 * found. Raw frames are never changed; names are rows beside them. */
#include "store/symbols.h"

#include "store/arena.h"
#include "store/db.h"
#include "store/dictionary.h"
#include "store/query_select.h"
#include "store/symbols_frames.h"
#include "store/text.h"

#include <stdlib.h>
#include <string.h>

#define INLINE_MAX 256

static enum pl_status out_of_memory(struct pl_error *err)
{
    return pl_error_set(err, PL_NOMEM, "out of memory for frames");
}

/* ---- the frames of a chunk ---- */

struct gathering {
    struct pl_stack_weights stacks;
    const struct pl_settled *settled; /* NULL: all */
};

static enum pl_status gather_stacks(void *self, const struct pl_slot *slot,
                                    struct pl_error *err)
{
    struct gathering *gathering = self;
    const struct pl_settled *settled = gathering->settled;
    for (size_t i = 0; i < slot->run_count; i++) {
        uint32_t stack = slot->runs[i].stack;
        if (stack && !(settled && pl_settled_has(settled, stack)) &&
            !pl_stack_weight(&gathering->stacks, stack, 0))
            return out_of_memory(err);
    }
    return PL_OK;
}

enum pl_status pl_chunk_frames(struct pl_store *store, int64_t chunk_id, bool all,
                               struct pl_idmap *frames_out, struct pl_error *err)
{
    struct gathering gathering = {.settled = all ? NULL : &store->settled};
    const struct pl_slot_visitor visitor = {.self = &gathering, .slot = gather_stacks};
    enum pl_status status = pl_stack_weights_init(&gathering.stacks, 1, store, err);
    if (status == PL_OK && !pl_idmap_init(frames_out, 0, 0))
        status = out_of_memory(err);
    if (status == PL_OK)
        status = pl_settled_look(store, chunk_id, err);
    if (status == PL_OK)
        status = pl_select_chunk(store, chunk_id, &visitor, err);
    if (status == PL_OK && gathering.stacks.stacks.count)
        status = pl_dictionary_frames(store, &gathering.stacks, frames_out, err);
    pl_stack_weights_deinit(&gathering.stacks);
    return status;
}

/* ---- what has no name ---- */

struct raw_list {
    struct pl_arena *arena;
    struct pl_raw_frame *rows;
    size_t count;
    const char *path, *build_id, *debug_id,
        *kind; /* of the last module, to share its text */
};

static const char *share(struct pl_arena *arena, const char **last, const char *text)
{
    if (!*last || strcmp(*last, text) != 0)
        *last = pl_arena_text(arena, text);
    return *last;
}

/* `list->rows` has room. */
static enum pl_status add_raw(struct pl_store *store, uint32_t id, bool redo,
                              struct raw_list *list, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    enum pl_status status = pl_stmt_get(store, PL_SQL_PASS_RAW_FRAME, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":id", id);
    pl_stmt_int(stmt, ":redo", redo);
    status = pl_stmt_row(stmt, &row, err);
    if (status != PL_OK || !row)
        return status;
    struct pl_raw_frame *frame = &list->rows[list->count++];
    *frame = (struct pl_raw_frame){
        .frame_id = id,
        .module_id = pl_stmt_column_int(stmt, 0),
        .module_path = share(list->arena, &list->path, pl_stmt_column_text(stmt, 1)),
        .build_id = share(list->arena, &list->build_id, pl_stmt_column_text(stmt, 2)),
        .debug_id = share(list->arena, &list->debug_id, pl_stmt_column_text(stmt, 6)),
        .kind = share(list->arena, &list->kind, pl_stmt_column_text(stmt, 7)),
        .address = (uint64_t)pl_stmt_column_int(stmt, 3),
        .exact = pl_stmt_column_int(stmt, 4),
        .named = pl_stmt_column_int(stmt, 5),
    };
    pl_stmt_reset(stmt);
    return frame->module_path && frame->build_id && frame->debug_id && frame->kind
               ? PL_OK
               : out_of_memory(err);
}

static int compare_raw(const void *left, const void *right)
{
    const struct pl_raw_frame *a = left, *b = right;
    if (a->module_id != b->module_id)
        return a->module_id < b->module_id ? -1 : 1;
    if (a->address != b->address)
        return a->address < b->address ? -1 : 1;
    return (a->frame_id > b->frame_id) - (a->frame_id < b->frame_id);
}

static enum pl_status list_raw(struct pl_store *store, int64_t chunk_id, bool redo,
                               struct raw_list *list, struct pl_error *err)
{
    struct pl_idmap frames = {0};
    enum pl_status status = pl_chunk_frames(store, chunk_id, redo, &frames, err);
    if (status == PL_OK) {
        list->rows = calloc((size_t)frames.count + 1, sizeof *list->rows);
        if (!list->rows)
            status = out_of_memory(err);
    }
    for (uint32_t i = 0; i < frames.count && status == PL_OK; i++)
        status = add_raw(store, frames.ids[i], redo, list, err);
    pl_idmap_deinit(&frames);
    return status;
}

enum pl_status pl_pass_raw_frames(struct pl_store *store, int64_t chunk_id, bool redo,
                                  struct pl_raw_frame_list *list_out,
                                  struct pl_error *err)
{
    struct raw_list list = {.arena = pl_arena_new()};
    enum pl_status status =
        list.arena ? pl_db_begin_read(store, err) : out_of_memory(err);
    if (status == PL_OK) {
        status = list_raw(store, chunk_id, redo, &list, err);
        pl_db_end_read(store);
    }
    if (status != PL_OK) {
        pl_arena_free(list.arena);
        free(list.rows);
        return status;
    }
    qsort(list.rows, list.count, sizeof *list.rows, compare_raw);
    *list_out = (struct pl_raw_frame_list){list.rows, list.count, list.arena};
    return PL_OK;
}

void pl_raw_frame_list_deinit(struct pl_raw_frame_list *list)
{
    free(list->rows);
    pl_arena_free(list->owned);
    *list = (struct pl_raw_frame_list){0};
}

/* ---- functions ---- */

static enum pl_status insert_function(struct pl_store *store,
                                      const struct pl_function_key *key,
                                      int64_t *id_out, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    enum pl_status status = pl_stmt_get(store, PL_SQL_PASS_INSERT_FUNCTION, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_text(stmt, ":name", key->name);
    pl_stmt_int(stmt, ":module", key->module_id);
    pl_stmt_text(stmt, ":file", key->file);
    pl_stmt_int(stmt, ":line", key->line);
    status = pl_stmt_row(stmt, &row, err);
    if (status != PL_OK)
        return status;
    *id_out = row ? pl_stmt_column_int(stmt, 0) : 0;
    pl_stmt_reset(stmt);
    return PL_OK;
}

static enum pl_status set_line(struct pl_store *store, int64_t id, int64_t line,
                               struct pl_error *err)
{
    struct pl_stmt *stmt;
    enum pl_status status = pl_stmt_get(store, PL_SQL_PASS_FUNCTION_LINE, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":id", id);
    pl_stmt_int(stmt, ":line", line);
    return pl_stmt_run(stmt, err);
}

enum pl_status pl_function_intern(struct pl_store *store,
                                  const struct pl_function_key *key, int64_t *id_out,
                                  struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    enum pl_status status = pl_stmt_get(store, PL_SQL_PASS_FIND_FUNCTION, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_text(stmt, ":name", key->name);
    pl_stmt_int(stmt, ":module", key->module_id);
    pl_stmt_text(stmt, ":file", key->file);
    status = pl_stmt_row(stmt, &row, err);
    if (status != PL_OK)
        return status;
    if (!row)
        return insert_function(store, key, id_out, err);
    int64_t line = pl_stmt_column_int(stmt, 1);
    *id_out = pl_stmt_column_int(stmt, 0);
    pl_stmt_reset(stmt);
    bool better = key->line && (!line || key->line < line);
    return better ? set_line(store, *id_out, key->line, err) : PL_OK;
}

/* ---- putting names ---- */

enum pl_status pl_frame_name_insert(struct pl_store *store,
                                    const struct pl_frame_name_row *name,
                                    struct pl_error *err)
{
    struct pl_stmt *stmt;
    enum pl_status status = pl_stmt_get(store, PL_SQL_PASS_INSERT_NAME, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":id", name->frame_id);
    pl_stmt_int(stmt, ":depth", name->depth);
    pl_stmt_int(stmt, ":function", name->function_id);
    pl_stmt_int(stmt, ":line", name->line);
    pl_stmt_int(stmt, ":column", name->column);
    pl_stmt_int(stmt, ":in_app", name->in_app);
    pl_stmt_text(stmt, ":status", name->status);
    return pl_stmt_run(stmt, err);
}

static enum pl_status delete_names(struct pl_store *store, int64_t frame_id,
                                   int64_t *module_out, int64_t *function_out,
                                   struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    enum pl_status status = pl_stmt_find(store, PL_SQL_PASS_FRAME_MODULE, ":id",
                                         frame_id, &stmt, &row, err);
    if (status != PL_OK)
        return status;
    if (!row)
        return pl_error_set(err, PL_NOT_FOUND, "no frame %lld in %s",
                            (long long)frame_id, pl_store_path(store));
    *module_out = pl_stmt_column_int(stmt, 0);
    *function_out = pl_stmt_column_int(stmt, 1);
    pl_stmt_reset(stmt);
    status = pl_stmt_get(store, PL_SQL_PASS_DELETE_NAMES, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":id", frame_id);
    return pl_stmt_run(stmt, err);
}

static enum pl_status put_module(struct pl_store *store,
                                 const struct pl_module_state *module, bool only_better,
                                 struct pl_error *err)
{
    struct pl_stmt *stmt;
    enum pl_status status = pl_stmt_get(store, PL_SQL_PASS_MODULE_STATUS, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":id", module->module_id);
    pl_stmt_text(stmt, ":status", module->status);
    pl_stmt_int(stmt, ":only_better", only_better);
    return pl_stmt_run(stmt, err);
}

static enum pl_status put_images(struct pl_store *store, int64_t chunk_id,
                                 struct pl_error *err)
{
    struct pl_stmt *stmt;
    enum pl_status status = pl_stmt_get(store, PL_SQL_PASS_IMAGE_STATUS, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":chunk", chunk_id);
    return pl_stmt_run(stmt, err);
}

/* A module of which only the path is known: a class. */
static enum pl_status intern_module(struct pl_store *store, const char *path,
                                    int64_t *id_out, struct pl_error *err)
{
    struct pl_stmt *stmt;
    *id_out = 0;
    enum pl_status status = pl_stmt_get(store, PL_SQL_FIND_MODULE, &stmt, err);
    if (status != PL_OK || !*path)
        return status;
    pl_stmt_text(stmt, ":path", path);
    pl_stmt_text(stmt, ":build_id", "");
    status = pl_stmt_id(stmt, id_out, err);
    if (status != PL_OK || *id_out)
        return status;
    status = pl_stmt_get(store, PL_SQL_PASS_INSERT_CLASS, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_text(stmt, ":path", path);
    status = pl_stmt_run(stmt, err);
    *id_out = sqlite3_last_insert_rowid(store->db);
    return status;
}

static enum pl_status put_name(struct pl_store *store, const struct pl_frame_name *name,
                               int64_t module_id, struct pl_frame_name_row *row,
                               struct pl_text_pool *pool, struct pl_error *err)
{
    enum pl_status status = PL_OK;
    row->line = name->line;
    row->column = name->column;
    row->in_app = name->in_app;
    if (name->function) {
        struct pl_function_key key = {
            .name = pl_text_clean(pool, name->function, PL_TEXT_FUNCTION),
            .module_id = module_id,
            .file = pl_text_clean(pool, name->file ? name->file : "", PL_TEXT_PATH),
            .line = name->decl_line,
        };
        const char *module = pl_text_clean(pool, name->module, PL_TEXT_PATH);
        if (pool->failed)
            return out_of_memory(err);
        if (module)
            status = intern_module(store, module, &key.module_id, err);
        if (status == PL_OK)
            status = pl_function_intern(store, &key, &row->function_id, err);
    }
    return status == PL_OK ? pl_frame_name_insert(store, row, err) : status;
}

/* The names of one frame, of the first module that has any. */
static enum pl_status read_known(struct pl_store *store, int64_t frame_id,
                                 struct pl_arena *arena, struct pl_frame_name *names,
                                 size_t *count_out, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row = true;
    size_t count = 0;
    enum pl_status status = pl_stmt_get(store, PL_SQL_PASS_KNOWN_NAME, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":id", frame_id);
    while (status == PL_OK && row && count < INLINE_MAX) {
        status = pl_stmt_row(stmt, &row, err);
        if (status != PL_OK || !row || pl_stmt_column_int(stmt, 0) != (int64_t)count)
            break;
        struct pl_frame_name *name = &names[count++];
        *name = (struct pl_frame_name){
            .function = pl_arena_text(arena, pl_stmt_column_text(stmt, 1)),
            .file = pl_arena_text(arena, pl_stmt_column_text(stmt, 2)),
            .decl_line = (uint32_t)pl_stmt_column_int(stmt, 3),
            .line = (uint32_t)pl_stmt_column_int(stmt, 4),
            .column = (uint32_t)pl_stmt_column_int(stmt, 5),
            .in_app = -1,
        };
        if (!name->function || !name->file)
            status = out_of_memory(err);
    }
    pl_stmt_reset(stmt);
    *count_out = count;
    return status;
}

/* Names are kept by build: a file that moved, or that is gone from where it is now, has
 * those that were found for it elsewhere. */
static enum pl_status put_known(struct pl_store *store, int64_t module_id,
                                struct pl_frame_name_row *row,
                                struct pl_text_pool *pool, bool *put_out,
                                struct pl_error *err)
{
    struct pl_arena *arena = pl_arena_new();
    struct pl_frame_name *names =
        arena ? pl_arena_array(arena, INLINE_MAX, sizeof *names) : NULL;
    size_t count = 0;
    enum pl_status status =
        names ? read_known(store, row->frame_id, arena, names, &count, err)
              : out_of_memory(err);
    *put_out = status == PL_OK && count;
    if (*put_out)
        row->status = "symbolicated";
    for (size_t i = 0; i < count && status == PL_OK; i++) {
        row->depth = (int64_t)i;
        status = put_name(store, &names[i], module_id, row, pool, err);
    }
    pl_arena_free(arena);
    return status;
}

static enum pl_status put_frame(struct pl_store *store,
                                const struct pl_named_frame *frame,
                                struct pl_text_pool *pool, struct pl_error *err)
{
    int64_t module_id = 0, function_id = 0;
    bool known = false;
    size_t count = frame->name_count < INLINE_MAX ? frame->name_count : INLINE_MAX;
    struct pl_frame_name_row row = {.frame_id = frame->frame_id,
                                    .in_app = -1,
                                    .status =
                                        frame->status ? frame->status : "missing"};
    enum pl_status status =
        delete_names(store, frame->frame_id, &module_id, &function_id, err);
    if (status == PL_OK && module_id && !function_id &&
        strcmp(row.status, "symbolicated") != 0)
        status = put_known(store, module_id, &row, pool, &known, err);
    if (known)
        return status;
    if (status == PL_OK && !count)
        return pl_frame_name_insert(store, &row, err);
    for (size_t i = 0; i < count && status == PL_OK; i++) {
        row.depth = (int64_t)i;
        row.function_id = function_id;
        status = put_name(store, &frame->names[i], module_id, &row, pool, err);
    }
    return status;
}

static enum pl_status put_flag(struct pl_store *store, int64_t chunk_id,
                               const struct pl_pass_names *names, const char *message,
                               struct pl_error *err)
{
    struct pl_stmt *stmt;
    enum pl_status status = pl_stmt_get(
        store,
        names->is_deobfuscation ? PL_SQL_PASS_DEOBFUSCATED : PL_SQL_PASS_SYMBOLICATED,
        &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":id", chunk_id);
    pl_stmt_int(stmt, ":done", names->done);
    if (names->is_deobfuscation)
        return pl_stmt_run(stmt, err);
    pl_stmt_text(stmt, ":error", names->error);
    pl_stmt_text(stmt, ":status", names->status);
    pl_stmt_text(stmt, ":message", message);
    return pl_stmt_run(stmt, err);
}

static enum pl_status put_all(struct pl_store *store, int64_t chunk_id,
                              const struct pl_pass_names *names,
                              struct pl_text_pool *pool, struct pl_error *err)
{
    enum pl_status status = PL_OK;
    const char *message = pl_text_clean(pool, names->message, PL_TEXT_VALUE);
    if (pool->failed)
        return out_of_memory(err);
    for (size_t i = 0; i < names->count && status == PL_OK; i++)
        status = put_frame(store, &names->frames[i], pool, err);
    for (size_t i = 0; i < names->module_count && status == PL_OK; i++)
        status = put_module(store, &names->modules[i], names->only_better, err);
    if (status == PL_OK)
        status = put_images(store, chunk_id, err);
    return status == PL_OK ? put_flag(store, chunk_id, names, message, err) : status;
}

enum pl_status pl_pass_put_names(struct pl_store *store, int64_t chunk_id,
                                 const struct pl_pass_names *names,
                                 struct pl_error *err)
{
    struct pl_text_pool pool = {0};
    enum pl_status status = pl_db_begin_write(store, err);
    if (status != PL_OK)
        return status;
    status = put_all(store, chunk_id, names, &pool, err);
    if (status == PL_OK)
        status = pl_db_commit(store, err);
    else
        pl_db_rollback(store);
    pl_text_pool_deinit(&pool);
    return status;
}
