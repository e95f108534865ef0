#include "store/symbol_files.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/arena.h"
#include "store/db.h"
#include "store/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#define BATCH 8 /* pieces of one transaction */
#define LEVEL 3 /* of zstd: DWARF gains little from more */

/* Nobody writes one file for longer. */
#define GIVEN_UP_NS (6 * 3600 * PL_NS_PER_S)

static enum pl_status out_of_memory(struct pl_error *err)
{
    return pl_error_set(err, PL_NOMEM, "out of memory for a symbol file");
}

/* ---- lists ---- */

void pl_symbol_file_list_deinit(struct pl_symbol_file_list *list)
{
    free(list->rows);
    pl_arena_free(list->owned);
    *list = (struct pl_symbol_file_list){0};
}

static bool add_row(struct pl_symbol_file_list *list, const struct pl_stmt *stmt)
{
    const char *texts[6];
    if (list->count % 64 == 0) {
        struct pl_symbol_file *rows =
            realloc(list->rows, (list->count + 64) * sizeof *rows);
        if (!rows)
            return false;
        list->rows = rows;
    }
    for (int i = 0; i < 6; i++) {
        texts[i] = pl_arena_text(list->owned, pl_stmt_column_text(stmt, 2 + i));
        if (!texts[i])
            return false;
    }
    list->rows[list->count++] = (struct pl_symbol_file){
        .id = pl_stmt_column_int(stmt, 0),
        .project_id = pl_stmt_column_int(stmt, 1),
        .kind = texts[0],
        .debug_id = texts[1],
        .build_id = texts[2],
        .content = texts[3],
        .name = texts[4],
        .origin = texts[5],
        .bytes = pl_stmt_column_int(stmt, 8),
        .has_debug = pl_stmt_column_int(stmt, 9),
        .added_ns = pl_stmt_column_int(stmt, 10),
        .stored_bytes = pl_stmt_column_int(stmt, 11),
    };
    return true;
}

/* All rows of `stmt`, which is bound. */
static enum pl_status read_list(struct pl_stmt *stmt,
                                struct pl_symbol_file_list *list_out,
                                struct pl_error *err)
{
    struct pl_symbol_file_list list = {.owned = pl_arena_new()};
    enum pl_status status = list.owned ? PL_OK : out_of_memory(err);
    bool row = true;
    while (status == PL_OK && row) {
        status = pl_stmt_row(stmt, &row, err);
        if (status == PL_OK && row && !add_row(&list, stmt))
            status = out_of_memory(err);
    }
    pl_stmt_reset(stmt);
    if (status == PL_OK)
        *list_out = list;
    else
        pl_symbol_file_list_deinit(&list);
    return status;
}

enum pl_status pl_symbol_files_list(struct pl_store *store,
                                    struct pl_symbol_file_list *list_out,
                                    struct pl_error *err)
{
    struct pl_stmt *stmt;
    enum pl_status status = pl_stmt_get(store, PL_SQL_SYMBOL_FILE_LIST, &stmt, err);
    return status == PL_OK ? read_list(stmt, list_out, err) : status;
}

enum pl_status pl_symbol_files_find(struct pl_store *store, int64_t project_id,
                                    const char *kind, const char *debug_id,
                                    const char *build_id,
                                    struct pl_symbol_file_list *list_out,
                                    struct pl_error *err)
{
    struct pl_stmt *stmt;
    enum pl_status status = pl_stmt_get(store, PL_SQL_SYMBOL_FILE_FIND, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":project", project_id);
    pl_stmt_text(stmt, ":kind", kind);
    pl_stmt_text(stmt, ":debug_id", debug_id);
    pl_stmt_text(stmt, ":build_id", build_id);
    return read_list(stmt, list_out, err);
}

/* ---- removing; inside a write transaction ---- */

static enum pl_status delete_rows(struct pl_store *store, int64_t id, bool *found_out,
                                  struct pl_error *err)
{
    struct pl_stmt *stmt;
    int64_t deleted = 0;
    enum pl_status status =
        pl_stmt_get(store, PL_SQL_SYMBOL_FILE_DELETE_PIECES, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":id", id);
    status = pl_stmt_run(stmt, err);
    if (status == PL_OK)
        status = pl_stmt_get(store, PL_SQL_SYMBOL_FILE_DELETE, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":id", id);
    status = pl_stmt_id(stmt, &deleted, err);
    *found_out = deleted != 0;
    return status;
}

enum pl_status pl_symbol_file_remove(struct pl_store *store, int64_t id,
                                     struct pl_error *err)
{
    bool found = false;
    enum pl_status status = pl_db_begin_write(store, err);
    if (status != PL_OK)
        return status;
    status = delete_rows(store, id, &found, err);
    if (status == PL_OK && !found)
        status = pl_error_set(err, PL_NOT_FOUND, "no symbol file %" PRId64, id);
    if (status == PL_OK)
        return pl_db_commit_unseen(store, err);
    pl_db_rollback(store);
    return status;
}

static enum pl_status delete_given_up(struct pl_store *store, struct pl_error *err)
{
    struct pl_stmt *stmt;
    int64_t id = 0;
    bool found;
    enum pl_status status = pl_stmt_get(store, PL_SQL_SYMBOL_FILE_GIVEN_UP, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":before", pl_clock_wall_ns() - GIVEN_UP_NS);
    status = pl_stmt_id(stmt, &id, err);
    return status == PL_OK && id ? delete_rows(store, id, &found, err) : status;
}

/* ---- adding ---- */

struct add {
    struct pl_store *store;
    const struct pl_symbol_file *file;
    int fd;
    int64_t id, bytes;
    struct pl_text_pool pool;
    char *raw, *packed[BATCH];
    size_t packed_bytes[BATCH];
    bool known;
};

static enum pl_status find_known(struct add *add, struct pl_error *err)
{
    struct pl_stmt *stmt;
    int64_t id = 0;
    enum pl_status status =
        pl_stmt_get(add->store, PL_SQL_SYMBOL_FILE_KNOWN, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_text(stmt, ":content", add->file->content);
    pl_stmt_text(stmt, ":kind", add->file->kind);
    pl_stmt_text(stmt, ":debug_id", add->file->debug_id);
    pl_stmt_int(stmt, ":project", add->file->project_id);
    status = pl_stmt_id(stmt, &id, err);
    add->known = id != 0;
    if (id)
        add->id = id;
    return status;
}

static enum pl_status insert_file(struct add *add, struct pl_error *err)
{
    struct pl_stmt *stmt;
    const struct pl_symbol_file *file = add->file;
    enum pl_status status =
        pl_stmt_get(add->store, PL_SQL_SYMBOL_FILE_INSERT, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":project", file->project_id);
    pl_stmt_text(stmt, ":kind", file->kind);
    pl_stmt_text(stmt, ":debug_id", file->debug_id);
    pl_stmt_text(stmt, ":build_id", file->build_id);
    pl_stmt_text(stmt, ":content", file->content);
    pl_stmt_text(stmt, ":name", pl_text_clean(&add->pool, file->name, PL_TEXT_NAME));
    pl_stmt_text(stmt, ":origin",
                 pl_text_clean(&add->pool, file->origin, PL_TEXT_VALUE));
    pl_stmt_int(stmt, ":bytes", add->bytes);
    pl_stmt_int(stmt, ":has_debug", file->has_debug);
    pl_stmt_int(stmt, ":now", pl_clock_wall_ns());
    return pl_stmt_id(stmt, &add->id, err);
}

static enum pl_status begin(struct add *add, struct pl_error *err)
{
    enum pl_status status = pl_db_begin_write(add->store, err);
    if (status != PL_OK)
        return status;
    status = delete_given_up(add->store, err);
    if (status == PL_OK)
        status = find_known(add, err);
    if (status == PL_OK && !add->known)
        status = insert_file(add, err);
    if (status == PL_OK && add->pool.failed)
        status = out_of_memory(err);
    if (status == PL_OK)
        return pl_db_commit_unseen(add->store, err);
    pl_db_rollback(add->store);
    return status;
}

/* A short read is the end: the file shrank under our hands. */
static enum pl_status read_piece(struct add *add, size_t number, size_t *got_out,
                                 struct pl_error *err)
{
    int64_t at = (int64_t)(number * PL_SYMBOL_PIECE_BYTES);
    size_t want = PL_SYMBOL_PIECE_BYTES, got = 0;
    if (add->bytes - at < (int64_t)want)
        want = (size_t)(add->bytes - at);
    while (got < want) {
        ssize_t more =
            pread(add->fd, add->raw + got, want - got, (off_t)(at + (int64_t)got));
        if (more < 0 && errno == EINTR)
            continue;
        if (more < 0)
            return pl_error_set(err, PL_IO, "cannot read %s: %s", add->file->name,
                                strerror(errno));
        if (more == 0)
            return pl_error_set(err, PL_IO, "%s changed while it was read",
                                add->file->name);
        got += (size_t)more;
    }
    *got_out = got;
    return PL_OK;
}

static enum pl_status pack(struct add *add, size_t number, size_t slot,
                           struct pl_error *err)
{
    size_t raw_bytes = 0;
    enum pl_status status = read_piece(add, number, &raw_bytes, err);
    if (status != PL_OK)
        return status;
    size_t got =
        ZSTD_compress(add->packed[slot], ZSTD_compressBound(PL_SYMBOL_PIECE_BYTES),
                      add->raw, raw_bytes, LEVEL);
    if (ZSTD_isError(got))
        return out_of_memory(err);
    add->packed_bytes[slot] = got;
    return PL_OK;
}

static enum pl_status insert_piece(struct add *add, size_t number, size_t slot,
                                   struct pl_error *err)
{
    struct pl_stmt *stmt;
    int64_t id = 0;
    enum pl_status status =
        pl_stmt_get(add->store, PL_SQL_SYMBOL_FILE_INSERT_PIECE, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":id", add->id);
    pl_stmt_int(stmt, ":number", (int64_t)number);
    pl_stmt_blob(stmt, ":data", add->packed[slot], add->packed_bytes[slot]);
    status = pl_stmt_id(stmt, &id, err);
    if (status == PL_OK && !id)
        return pl_error_set(err, PL_BUSY, "%s was removed while it was added",
                            add->file->name);
    return status;
}

static enum pl_status complete(struct add *add, struct pl_error *err)
{
    struct pl_stmt *stmt;
    int64_t mine = add->id;
    bool found;
    enum pl_status status = find_known(add, err);
    if (status != PL_OK)
        return status;
    if (add->known) /* somebody else was quicker */
        return delete_rows(add->store, mine, &found, err);
    status = pl_stmt_get(add->store, PL_SQL_SYMBOL_FILE_COMPLETE, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":id", mine);
    return pl_stmt_run(stmt, err);
}

/* Compressed before the lock is taken. */
static enum pl_status write_batch(struct add *add, size_t first, size_t count,
                                  bool last, struct pl_error *err)
{
    enum pl_status status = PL_OK;
    for (size_t i = 0; i < count && status == PL_OK; i++)
        status = pack(add, first + i, i, err);
    if (status == PL_OK)
        status = pl_db_begin_write(add->store, err);
    if (status != PL_OK)
        return status;
    for (size_t i = 0; i < count && status == PL_OK; i++)
        status = insert_piece(add, first + i, i, err);
    if (status == PL_OK && last)
        status = complete(add, err);
    if (status == PL_OK)
        return pl_db_commit_unseen(add->store, err);
    pl_db_rollback(add->store);
    return status;
}

static enum pl_status write_pieces(struct add *add, struct pl_error *err)
{
    size_t pieces = (size_t)((add->bytes - 1) / (int64_t)PL_SYMBOL_PIECE_BYTES) + 1;
    enum pl_status status = PL_OK;
    for (size_t at = 0; at < pieces && status == PL_OK; at += BATCH) {
        size_t count = pieces - at < BATCH ? pieces - at : BATCH;
        status = write_batch(add, at, count, at + count == pieces, err);
    }
    if (status != PL_OK && pl_symbol_file_remove(add->store, add->id, NULL) != PL_OK)
        pl_log(PL_LOG_INFO, "store", "what was written of %s goes later",
               add->file->name);
    return status;
}

static bool make_room(struct add *add)
{
    add->raw = malloc(PL_SYMBOL_PIECE_BYTES);
    bool ok = add->raw;
    for (size_t i = 0; i < BATCH && ok; i++)
        ok = (add->packed[i] = malloc(ZSTD_compressBound(PL_SYMBOL_PIECE_BYTES)));
    return ok;
}

static enum pl_status measure(struct add *add, struct pl_error *err)
{
    struct stat st;
    if (fstat(add->fd, &st) != 0)
        return pl_error_set(err, PL_IO, "cannot read %s: %s", add->file->name,
                            strerror(errno));
    if (st.st_size <= 0)
        return pl_error_set(err, PL_INPUT, "%s is empty", add->file->name);
    if ((uint64_t)st.st_size > PL_SYMBOL_FILE_MAX)
        return pl_error_set(err, PL_INPUT, "%s is larger than 4 GiB", add->file->name);
    add->bytes = st.st_size;
    return PL_OK;
}

enum pl_status pl_symbol_file_add(struct pl_store *store,
                                  const struct pl_symbol_file *file, int fd,
                                  int64_t *id_out, bool *known_out,
                                  struct pl_error *err)
{
    struct add add = {.store = store, .file = file, .fd = fd};
    enum pl_status status = measure(&add, err);
    if (status == PL_OK && !make_room(&add))
        status = out_of_memory(err);
    if (status == PL_OK)
        status = begin(&add, err);
    if (status == PL_OK && !add.known)
        status = write_pieces(&add, err);
    if (status == PL_OK) {
        *id_out = add.id;
        *known_out = add.known;
    }
    free(add.raw);
    for (size_t i = 0; i < BATCH; i++)
        free(add.packed[i]);
    pl_text_pool_deinit(&add.pool);
    return status;
}
