#include "store/intern.h"

#include "store/codec.h"
#include "store/db.h"
#include "store/epoch.h"
#include "store/intern_frames.h"
#include "store/stack_tree.h"

#include <stdlib.h>
#include <string.h>

enum {
    RECENT_STACKS = 65536,    /* rows read when a writer starts */
    RECENT_SMALL = 4096,      /* the same, where memory is short */
    MAX_TREE_NODES = 2000000, /* then the tree is dropped and grows anew: its stacks */
    MAX_TREE_SMALL = 1000000, /* are spelled again */
    MAX_FRAMES = 1000000,     /* then the frame cache is */
    MAX_ROW_FRAMES = 65536,   /* of a stack row worth remembering */
};

struct pl_intern {
    struct pl_store *store;
    struct pl_stack_tree tree;
    struct pl_epoch epoch; /* of what is in memory; id 0: nothing is */
    int64_t last_stack;    /* highest id seen */
    struct pl_frame_intern frames;
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
    intern->store = intern->frames.store = store;
    *intern_out = intern;
    return PL_OK;
}

void pl_intern_forget(struct pl_intern *intern)
{
    pl_stack_tree_deinit(&intern->tree);
    pl_frame_cache_deinit(&intern->frames.cache);
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
    if (status == PL_OK &&
        intern->tree.count > (intern->store->small ? MAX_TREE_SMALL : MAX_TREE_NODES))
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
    if (intern->frames.cache.count > MAX_FRAMES)
        pl_intern_forget(intern);
    enum pl_status status = follow_or_begin(intern, insert, err);
    if (status != PL_OK)
        return status;
    check_ids(intern, part, ids);
    status = pl_intern_frames(&intern->frames, part, platform, insert, pool, ids, err);
    if (status == PL_OK)
        status = intern_stacks(intern, part, insert, ids, err);
    return status;
}
