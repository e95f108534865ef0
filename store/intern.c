#include "store/intern.h"

#include "store/codec.h"
#include "store/db.h"
#include "store/epoch.h"
#include "store/frame_cache.h"
#include "store/stack_tree.h"

#include <stdlib.h>
#include <string.h>

enum {
    RECENT_STACKS = 65536,    /* rows read when a writer starts */
    RECENT_SMALL = 4096,      /* the same, where memory is short */
    MAX_TREE_NODES = 1000000, /* then the tree is dropped and grows anew */
    MAX_FRAMES = 1000000,     /* then the frame cache is */
    MAX_ROW_FRAMES = 65536,   /* of a stack row worth remembering */
};

struct pl_intern {
    struct pl_store *store;
    struct pl_stack_tree tree;
    struct pl_epoch epoch; /* of what is in memory; id 0: nothing is */
    int64_t last_stack;    /* highest id seen */
    struct pl_frame_cache frames;
    struct pl_nibbles nibbles;
    uint32_t *scratch; /* frame ids of one stack */
    size_t scratch_cap;
};

enum pl_status pl_intern_new(struct pl_store *store, struct pl_intern **intern_out,
                             struct pl_error *err)
{
    struct pl_intern *intern = calloc(1, sizeof *intern);
    if (!intern)
        return pl_error_set(err, PL_NOMEM, "out of memory");
    intern->store = store;
    *intern_out = intern;
    return PL_OK;
}

void pl_intern_forget(struct pl_intern *intern)
{
    pl_stack_tree_deinit(&intern->tree);
    pl_frame_cache_deinit(&intern->frames);
    intern->epoch.id = 0;
    intern->last_stack = 0;
}

void pl_intern_free(struct pl_intern *intern)
{
    if (!intern)
        return;
    pl_intern_forget(intern);
    pl_nibbles_deinit(&intern->nibbles);
    free(intern->scratch);
    free(intern);
}

enum pl_status pl_part_ids_init(struct pl_part_ids *ids,
                                const struct pl_sink_part *part, struct pl_error *err)
{
    *ids = (struct pl_part_ids){0};
    ids->modules = calloc(part->module_count + 1, sizeof *ids->modules);
    ids->frames = calloc(part->frame_count + 1, sizeof *ids->frames);
    ids->stacks = calloc(part->stack_count + 1, sizeof *ids->stacks);
    if (ids->modules && ids->frames && ids->stacks)
        return PL_OK;
    pl_part_ids_deinit(ids);
    return pl_error_set(err, PL_NOMEM, "out of memory");
}

void pl_part_ids_deinit(struct pl_part_ids *ids)
{
    free(ids->modules);
    free(ids->frames);
    free(ids->stacks);
    *ids = (struct pl_part_ids){0};
}

/* ---- modules, functions, frames ---- */

static const char *last_component(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

static enum pl_status intern_module(struct pl_intern *intern,
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
intern_function(struct pl_intern *intern, const struct pl_sink_frame *frame,
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

static enum pl_status run_frame(struct pl_intern *intern, enum pl_sql id,
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

/* Is the frame all in its key? */
static bool is_plain(const struct pl_sink_frame *frame)
{
    return !frame->function && frame->in_app < 0;
}

static struct pl_frame_key key_of(const struct pl_sink_frame *frame,
                                  const struct pl_part_ids *ids)
{
    int64_t module = frame->module == PL_NO_INDEX ? 0 : ids->modules[frame->module];
    return (struct pl_frame_key){module, frame->address, frame->exact};
}

static enum pl_status intern_frame(struct pl_intern *intern,
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
                            .platform = ""};
    struct pl_frame_key key = key_of(frame, ids);
    bool plain = is_plain(frame);
    *id_out = plain ? pl_frame_cache_find(&intern->frames, key) : 0;
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
        pl_frame_cache_add(&intern->frames, key, (uint32_t)id);
    return PL_OK;
}

static enum pl_status intern_frames(struct pl_intern *intern,
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
            pl_frame_cache_expect(&intern->frames,
                                  key_of(&part->frames[i + AHEAD], ids));
        status = intern_frame(intern, &part->frames[i], platform, insert, pool, ids,
                              &ids->frames[i], err);
    }
    return status;
}

/* ---- stacks ---- */

/* One row of the log into the tree. Rows that make no sense are passed by. */
static void learn_stack(struct pl_intern *intern, struct pl_stmt *stmt)
{
    size_t len, count = 0;
    const void *blob = pl_stmt_column_blob(stmt, 3, &len);
    int64_t id = pl_stmt_column_int(stmt, 0), parent = pl_stmt_column_int(stmt, 1);
    int64_t keep = pl_stmt_column_int(stmt, 2), frame;
    intern->last_stack = id;
    if (id <= 0 || id >= PL_STACK_ID_LIMIT || parent < 0 || parent >= id || keep < 0 ||
        keep > MAX_ROW_FRAMES || len > MAX_ROW_FRAMES || intern->scratch_cap < 2 * len)
        return;
    struct pl_digits digits;
    pl_digits_init(&digits, blob, len);
    while (pl_digits_next(&digits, &frame)) {
        if (frame <= 0 || frame >= PL_STACK_ID_LIMIT)
            return;
        intern->scratch[count++] = (uint32_t)frame;
    }
    if (!digits.damaged)
        (void)pl_stack_tree_add(&intern->tree, (uint32_t)id, (uint32_t)parent,
                                (uint32_t)keep, intern->scratch, count);
}

static enum pl_status reserve_scratch(struct pl_intern *intern, size_t count,
                                      struct pl_error *err)
{
    if (count <= intern->scratch_cap)
        return PL_OK;
    uint32_t *scratch = realloc(intern->scratch, count * sizeof *scratch);
    if (!scratch)
        return pl_error_set(err, PL_NOMEM, "out of memory");
    intern->scratch = scratch;
    intern->scratch_cap = count;
    return PL_OK;
}

/* Forget what belongs to another epoch. */
static enum pl_status check_epoch(struct pl_intern *intern, struct pl_error *err)
{
    struct pl_epoch epoch;
    enum pl_status status = pl_epoch_read(intern->store, &epoch, err);
    if (status == PL_OK && intern->epoch.id != epoch.id) {
        pl_intern_forget(intern);
        intern->epoch = epoch;
    }
    return status;
}

/* Where a writer that knows nothing begins to read. */
static enum pl_status start_reading(struct pl_intern *intern, struct pl_error *err)
{
    struct pl_stmt *stmt = NULL;
    int64_t first = intern->epoch.first_stack, last = 0;
    enum pl_status status = pl_stmt_get(intern->store, PL_SQL_LAST_STACK, &stmt, err);
    if (status == PL_OK)
        status = pl_stmt_id(stmt, &last, err);
    if (status != PL_OK)
        return status;
    intern->last_stack = first > 1 ? first - 1 : 0;
    int64_t recent = intern->store->small ? RECENT_SMALL : RECENT_STACKS;
    if (last > recent && intern->last_stack < last - recent)
        intern->last_stack = last - recent;
    return PL_OK;
}

/* Read the rows others have added. */
static enum pl_status follow(struct pl_intern *intern, struct pl_error *err)
{
    bool row = true;
    enum pl_status status = check_epoch(intern, err);
    if (status == PL_OK)
        status = reserve_scratch(intern, 2 * MAX_ROW_FRAMES, err);
    if (status == PL_OK && intern->tree.count > MAX_TREE_NODES)
        pl_stack_tree_deinit(&intern->tree); /* and go on from last_stack */
    if (status == PL_OK && !intern->last_stack)
        status = start_reading(intern, err);
    struct pl_stmt *stmt = NULL;
    if (status == PL_OK)
        status = pl_stmt_get(intern->store, PL_SQL_STACKS_AFTER, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":after", intern->last_stack);
    while (row) {
        status = pl_stmt_row(stmt, &row, err);
        if (status != PL_OK)
            return status;
        if (row)
            learn_stack(intern, stmt);
    }
    return PL_OK;
}

/* The same where rows may be added: in the next epoch, if it is time for that. */
static enum pl_status follow_or_begin(struct pl_intern *intern, bool insert,
                                      struct pl_error *err)
{
    enum pl_status status = follow(intern, err);
    if (status != PL_OK || !insert ||
        !pl_epoch_is_due(intern->store, &intern->epoch, intern->last_stack))
        return status;
    status = pl_epoch_begin(intern->store, err);
    return status == PL_OK ? follow(intern, err) : status;
}

static enum pl_status insert_stack(struct pl_intern *intern, const uint32_t *frames,
                                   size_t count, struct pl_part_ids *ids,
                                   uint32_t *id_out, struct pl_error *err)
{
    uint32_t parent, keep;
    if (intern->last_stack + 1 >= PL_STACK_ID_LIMIT)
        return pl_error_set(err, PL_IO, "%s: the stack dictionary is full",
                            intern->store->path);
    uint32_t id = (uint32_t)intern->last_stack + 1;
    pl_stack_tree_prefix(&intern->tree, frames, count, &parent, &keep);
    pl_nibbles_clear(&intern->nibbles);
    for (size_t i = keep; i < count; i++)
        pl_nibbles_number(&intern->nibbles, frames[i]);
    size_t len = pl_nibbles_finish(&intern->nibbles);
    if (intern->nibbles.failed)
        return pl_error_set(err, PL_NOMEM, "out of memory");
    struct pl_stmt *stmt = NULL;
    enum pl_status status = pl_stmt_get(intern->store, PL_SQL_INSERT_STACK, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":id", id);
    pl_stmt_int(stmt, ":parent", parent);
    pl_stmt_int(stmt, ":keep", keep);
    pl_stmt_blob(stmt, ":frames", len ? intern->nibbles.bytes : (const void *)"", len);
    status = pl_stmt_run(stmt, err);
    if (status != PL_OK)
        return status;
    intern->last_stack = id;
    ids->added_bytes += (int64_t)len + 8;
    (void)pl_stack_tree_add(&intern->tree, id, parent, keep, frames + keep,
                            count - keep);
    *id_out = id;
    return PL_OK;
}

/* Frames of a stack as ids. 0: one of them has no id yet. An empty stack gets the
 * frame that says so: its weight belongs to some function too. */
static uint32_t frame_ids(const struct pl_sink_part *part,
                          const struct pl_sink_stack *stack,
                          const struct pl_part_ids *ids, uint32_t *to)
{
    const uint32_t *known = ids->frames, *frames = stack->frames;
    uint32_t count = stack->frame_count;
    unsigned missing = 0;
    for (uint32_t i = 0; i < count; i++) {
        to[i] = known[frames[i]];
        missing |= !to[i];
    }
    if (count)
        return missing ? 0 : count;
    to[0] = ids->frames[part->frame_count];
    return to[0] != 0;
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

/* What is known of stacks [from, to). */
static enum pl_status find_stacks(struct pl_intern *intern,
                                  const struct pl_sink_part *part, size_t from,
                                  size_t to, struct pl_part_ids *ids,
                                  struct pl_error *err)
{
    uint32_t counts[PL_STACK_TREE_MANY], found[PL_STACK_TREE_MANY];
    size_t room = 0, used = 0;
    for (size_t i = from; i < to; i++)
        room += part->stacks[i].frame_count + 1;
    enum pl_status status = reserve_scratch(intern, room, err);
    if (status != PL_OK)
        return status;
    for (size_t i = from; i < to; i++) {
        counts[i - from] =
            frame_ids(part, &part->stacks[i], ids, intern->scratch + used);
        used += counts[i - from];
    }
    pl_stack_tree_find_many(&intern->tree, intern->scratch, counts, to - from, found);
    for (size_t i = from; i < to; i++)
        if (!ids->stacks[i])
            ids->stacks[i] = found[i - from];
    return PL_OK;
}

/* Stacks [from, to) that are not known, as long as nothing else is. */
static enum pl_status add_stacks(struct pl_intern *intern,
                                 const struct pl_sink_part *part, size_t from,
                                 size_t to, struct pl_part_ids *ids,
                                 struct pl_error *err)
{
    enum pl_status status = PL_OK;
    for (size_t i = from; i < to && status == PL_OK; i++) {
        if (ids->stacks[i])
            continue;
        size_t count = frame_ids(part, &part->stacks[i], ids, intern->scratch);
        if (!count)
            continue;
        ids->stacks[i] = pl_stack_tree_find(&intern->tree, intern->scratch, count);
        if (!ids->stacks[i]) /* nor was one like it added just now */
            status =
                insert_stack(intern, intern->scratch, count, ids, &ids->stacks[i], err);
    }
    return status;
}

static bool all_known(const uint32_t *stacks, size_t from, size_t to)
{
    unsigned missing = 0;
    for (size_t i = from; i < to; i++)
        missing |= !stacks[i];
    return !missing;
}

static enum pl_status intern_stacks(struct pl_intern *intern,
                                    const struct pl_sink_part *part, bool insert,
                                    struct pl_part_ids *ids, struct pl_error *err)
{
    enum pl_status status = PL_OK;
    size_t to;
    for (size_t from = 0; from < part->stack_count && status == PL_OK; from = to) {
        to = from + PL_STACK_TREE_MANY;
        to = to < part->stack_count ? to : part->stack_count;
        if (all_known(ids->stacks, from, to))
            continue;
        status = find_stacks(intern, part, from, to, ids, err);
        if (status == PL_OK && insert)
            status = add_stacks(intern, part, from, to, ids, err);
    }
    return status;
}

/* Ids of an epoch that has passed are void. */
static void check_ids(const struct pl_intern *intern, const struct pl_sink_part *part,
                      struct pl_part_ids *ids)
{
    if (ids->epoch != intern->epoch.id) {
        memset(ids->modules, 0, part->module_count * sizeof *ids->modules);
        memset(ids->frames, 0, (part->frame_count + 1) * sizeof *ids->frames);
        memset(ids->stacks, 0, part->stack_count * sizeof *ids->stacks);
    }
    ids->epoch = intern->epoch.id;
}

enum pl_status pl_intern_part(struct pl_intern *intern, const struct pl_sink_part *part,
                              const char *platform, bool insert,
                              struct pl_text_pool *pool, struct pl_part_ids *ids,
                              struct pl_error *err)
{
    if (intern->frames.count > MAX_FRAMES)
        pl_intern_forget(intern);
    enum pl_status status = follow_or_begin(intern, insert, err);
    if (status != PL_OK)
        return status;
    check_ids(intern, part, ids);
    for (size_t i = 0; i < part->module_count && status == PL_OK; i++)
        if (!ids->modules[i])
            status = intern_module(intern, &part->modules[i], insert, pool, ids,
                                   &ids->modules[i], err);
    if (status == PL_OK)
        status = intern_frames(intern, part, platform, insert, pool, ids, err);
    if (status == PL_OK && !ids->frames[part->frame_count] && has_empty_stack(part))
        status = intern_frame(intern, &no_stack, NULL, insert, pool, ids,
                              &ids->frames[part->frame_count], err);
    if (status == PL_OK)
        status = intern_stacks(intern, part, insert, ids, err);
    return status;
}
