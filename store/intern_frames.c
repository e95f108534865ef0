/* Modules, functions and frames of a part: see intern_frames.h. */
#include "store/intern_frames.h"

#include "store/codec.h"
#include "store/db.h"

#include <string.h>

/* ---- modules, functions, frames ---- */

static const char *last_component(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

static enum pl_status intern_module(struct pl_frame_intern *intern,
                                    const struct pl_sink_module *module, bool insert,
                                    struct pl_text_pool *pool, struct pl_part_ids *ids,
                                    int64_t *id_out, struct pl_error *err)
{
    struct pl_stmt *stmt = NULL;
    const char *path = pl_text_clean(pool, module->path, PL_TEXT_PATH);
    const char *build_id = pl_text_clean(pool, module->build_id, PL_TEXT_NAME);
    path = path ? path : "";
    build_id = build_id ? build_id : "";
    enum pl_status status = pl_stmt_get(intern->store, PL_SQL_FIND_MODULE, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_text(stmt, ":path", path);
    pl_stmt_text(stmt, ":build_id", build_id);
    status = pl_stmt_id(stmt, id_out, err);
    if (status != PL_OK || *id_out || !insert)
        return status;
    status = pl_stmt_get(intern->store, PL_SQL_INSERT_MODULE, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_text(stmt, ":path", path);
    pl_stmt_text(stmt, ":name", last_component(path));
    pl_stmt_text(stmt, ":build_id", build_id);
    pl_stmt_text(stmt, ":debug_id",
                 pl_text_clean(pool, module->debug_id, PL_TEXT_NAME));
    pl_stmt_text(stmt, ":kind",
                 module->kind ? pl_text_clean(pool, module->kind, PL_TEXT_NAME) : "");
    status = pl_stmt_run(stmt, err);
    *id_out = sqlite3_last_insert_rowid(intern->store->db);
    ids->added_bytes += (int64_t)(2 * strlen(path) + 2 * strlen(build_id));
    return status;
}

static enum pl_status
intern_function(struct pl_frame_intern *intern, const struct pl_sink_frame *frame,
                int64_t module_id, bool insert, struct pl_text_pool *pool,
                struct pl_part_ids *ids, int64_t *id_out, struct pl_error *err)
{
    struct pl_stmt *stmt = NULL;
    const char *name = pl_text_clean(pool, frame->function, PL_TEXT_FUNCTION);
    const char *file =
        pl_text_clean(pool, frame->file ? frame->file : "", PL_TEXT_PATH);
    enum pl_status status =
        pl_stmt_get(intern->store, PL_SQL_FIND_FUNCTION, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_text(stmt, ":name", name);
    pl_stmt_int(stmt, ":module_id", module_id);
    pl_stmt_text(stmt, ":file", file);
    status = pl_stmt_id(stmt, id_out, err);
    if (status != PL_OK || *id_out || !insert)
        return status;
    status = pl_stmt_get(intern->store, PL_SQL_INSERT_FUNCTION, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_text(stmt, ":name", name);
    pl_stmt_int(stmt, ":module_id", module_id);
    pl_stmt_text(stmt, ":file", file);
    status = pl_stmt_run(stmt, err);
    *id_out = sqlite3_last_insert_rowid(intern->store->db);
    ids->added_bytes += (int64_t)(2 * strlen(name) + 2 * strlen(file));
    return status;
}

/* A frame as its row has it. */
struct frame_row {
    int64_t module_id, function_id;
    uint64_t address;
    bool exact;
    uint32_t line, column;
    int in_app;
    const char *platform;
};

static enum pl_status run_frame(struct pl_frame_intern *intern, enum pl_sql id,
                                const struct frame_row *row, int64_t *id_out,
                                struct pl_error *err)
{
    struct pl_stmt *stmt = NULL;
    enum pl_status status = pl_stmt_get(intern->store, id, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":module_id", row->module_id);
    pl_stmt_int(stmt, ":address", (int64_t)row->address);
    pl_stmt_int(stmt, ":exact", row->exact);
    pl_stmt_int(stmt, ":function_id", row->function_id);
    pl_stmt_int(stmt, ":line", row->line);
    pl_stmt_int(stmt, ":column", row->column);
    pl_stmt_int(stmt, ":in_app", row->in_app);
    pl_stmt_text(stmt, ":platform", row->platform);
    if (id == PL_SQL_FIND_FRAME)
        return pl_stmt_id(stmt, id_out, err);
    status = pl_stmt_run(stmt, err);
    *id_out = sqlite3_last_insert_rowid(intern->store->db);
    return status;
}

static const char *platform_of(const struct pl_sink_frame *frame, const char *session,
                               struct pl_text_pool *pool)
{
    const char *text = frame->platform ? frame->platform : session;
    if (!text || strcmp(text, "native") == 0)
        return "";
    return pl_text_clean(pool, text, PL_TEXT_NAME);
}

/* What its names mean differs from those of other native code (frame_name.trim). */
static bool is_rust(const struct pl_sink_frame *frame)
{
    return frame->platform && strcmp(frame->platform, "rust") == 0;
}

/* Is the frame all in its key? */
static bool is_plain(const struct pl_sink_frame *frame)
{
    return !frame->function && frame->in_app < 0 && !is_rust(frame);
}

static struct pl_frame_key key_of(const struct pl_sink_frame *frame,
                                  const struct pl_part_ids *ids)
{
    int64_t module = frame->module == PL_NO_INDEX ? 0 : ids->modules[frame->module];
    return (struct pl_frame_key){module, frame->address, frame->exact};
}

static enum pl_status intern_frame(struct pl_frame_intern *intern,
                                   const struct pl_sink_frame *frame,
                                   const char *platform, bool insert,
                                   struct pl_text_pool *pool, struct pl_part_ids *ids,
                                   uint32_t *id_out, struct pl_error *err)
{
    int64_t module_id = 0, code_id = 0, id = 0;
    if (frame->module != PL_NO_INDEX)
        module_id = ids->modules[frame->module];
    if (frame->function && frame->code)
        code_id = ids->modules[frame->code - 1];
    if ((frame->module != PL_NO_INDEX && !module_id) ||
        (frame->function && frame->code && !code_id))
        return PL_OK;
    struct frame_row row = {.module_id = module_id,
                            .address = frame->address,
                            .exact = frame->exact,
                            .in_app = frame->in_app < 0 ? -1 : frame->in_app > 0,
                            .platform = is_rust(frame) ? "rust" : ""};
    struct pl_frame_key key = key_of(frame, ids);
    bool plain = is_plain(frame);
    *id_out = plain ? pl_frame_cache_find(&intern->cache, key) : 0;
    if (*id_out)
        return PL_OK;
    enum pl_status status = PL_OK;
    if (frame->function) {
        status = intern_function(intern, frame, module_id, insert, pool, ids,
                                 &row.function_id, err);
        if (status != PL_OK || !row.function_id)
            return status;
        row.module_id = frame->address ? module_id : code_id; /* else the function's */
        row.line = frame->line;
        row.column = frame->column;
        row.platform = platform_of(frame, platform, pool);
    }
    status = run_frame(intern, PL_SQL_FIND_FRAME, &row, &id, err);
    if (status == PL_OK && !id && insert) {
        status = run_frame(intern, PL_SQL_INSERT_FRAME, &row, &id, err);
        ids->added_bytes += 30;
    }
    if (status != PL_OK || !id)
        return status;
    if (id < 0 || id >= PL_STACK_ID_LIMIT)
        return pl_error_set(err, PL_IO, "%s: the frame dictionary is full",
                            intern->store->path);
    *id_out = (uint32_t)id;
    if (plain)
        pl_frame_cache_add(&intern->cache, key, (uint32_t)id);
    return PL_OK;
}

static enum pl_status look_up_frames(struct pl_frame_intern *intern,
                                     const struct pl_sink_part *part,
                                     const char *platform, bool insert,
                                     struct pl_text_pool *pool, struct pl_part_ids *ids,
                                     struct pl_error *err)
{
    enum { AHEAD = 12 };
    enum pl_status status = PL_OK;
    for (size_t i = 0; i < part->frame_count && status == PL_OK; i++) {
        if (ids->frames[i])
            continue;
        if (i + AHEAD < part->frame_count && is_plain(&part->frames[i + AHEAD]))
            pl_frame_cache_expect(&intern->cache,
                                  key_of(&part->frames[i + AHEAD], ids));
        status = intern_frame(intern, &part->frames[i], platform, insert, pool, ids,
                              &ids->frames[i], err);
    }
    return status;
}

static const struct pl_sink_frame no_stack = {.module = PL_NO_INDEX,
                                              .function = "[no stack]",
                                              .platform = "native",
                                              .in_app = -1};

static bool has_empty_stack(const struct pl_sink_part *part)
{
    for (size_t i = 0; i < part->stack_count; i++)
        if (!part->stacks[i].frame_count)
            return true;
    return false;
}

enum pl_status pl_intern_frames(struct pl_frame_intern *intern,
                                const struct pl_sink_part *part, const char *platform,
                                bool insert, struct pl_text_pool *pool,
                                struct pl_part_ids *ids, struct pl_error *err)
{
    enum pl_status status = PL_OK;
    for (size_t i = 0; i < part->module_count && status == PL_OK; i++)
        if (!ids->modules[i])
            status = intern_module(intern, &part->modules[i], insert, pool, ids,
                                   &ids->modules[i], err);
    if (status == PL_OK)
        status = look_up_frames(intern, part, platform, insert, pool, ids, err);
    if (status == PL_OK && !ids->frames[part->frame_count] && has_empty_stack(part))
        status = intern_frame(intern, &no_stack, NULL, insert, pool, ids,
                              &ids->frames[part->frame_count], err);
    return status;
}
