/* Symbol files, taken out: unpacked into a sealed file in memory. */
#include "store/symbol_files.h"

#include "store/db.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

static enum pl_status damaged(int64_t id, struct pl_error *err)
{
    return pl_error_set(err, PL_INPUT, "symbol file %" PRId64 " is damaged", id);
}

static enum pl_status write_all(int fd, const char *bytes, size_t len,
                                struct pl_error *err)
{
    while (len) {
        ssize_t put = write(fd, bytes, len);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return pl_error_set(err, PL_IO, "cannot unpack a symbol file: %s",
                                strerror(errno));
        bytes += put;
        len -= (size_t)put;
    }
    return PL_OK;
}

static enum pl_status unpack_piece(struct pl_store *store, int64_t id, int64_t number,
                                   char *raw, size_t want, int fd, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    size_t len, got = 0;
    enum pl_status status = pl_stmt_get(store, PL_SQL_SYMBOL_FILE_PIECE, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":id", id);
    pl_stmt_int(stmt, ":number", number);
    status = pl_stmt_row(stmt, &row, err);
    if (status != PL_OK)
        return status;
    if (row) {
        const void *data = pl_stmt_column_blob(stmt, 0, &len);
        got = ZSTD_decompress(raw, PL_SYMBOL_PIECE_BYTES, data, len);
    }
    pl_stmt_reset(stmt);
    return ZSTD_isError(got) || got != want ? damaged(id, err)
                                            : write_all(fd, raw, got, err);
}

static enum pl_status read_bytes(struct pl_store *store, int64_t id, int64_t *bytes_out,
                                 struct pl_error *err)
{
    struct pl_stmt *stmt;
    enum pl_status status = pl_stmt_get(store, PL_SQL_SYMBOL_FILE_BYTES, &stmt, err);
    if (status != PL_OK)
        return status;
    *bytes_out = 0;
    pl_stmt_int(stmt, ":id", id);
    status = pl_stmt_id(stmt, bytes_out, err);
    if (status == PL_OK && *bytes_out <= 0)
        return pl_error_set(err, PL_NOT_FOUND, "no symbol file %" PRId64, id);
    return status == PL_OK && (uint64_t)*bytes_out > PL_SYMBOL_FILE_MAX
               ? damaged(id, err)
               : status;
}

static enum pl_status unpack(struct pl_store *store, int64_t id, int fd,
                             struct pl_error *err)
{
    int64_t bytes = 0;
    char *raw = malloc(PL_SYMBOL_PIECE_BYTES);
    if (!raw)
        return pl_error_set(err, PL_NOMEM, "out of memory for a symbol file");
    enum pl_status status = pl_db_begin_read(store, err);
    if (status != PL_OK) {
        free(raw);
        return status;
    }
    status = read_bytes(store, id, &bytes, err);
    for (int64_t at = 0, n = 0; status == PL_OK && at < bytes; n++) {
        size_t want = PL_SYMBOL_PIECE_BYTES;
        if (bytes - at < (int64_t)want)
            want = (size_t)(bytes - at);
        status = unpack_piece(store, id, n, raw, want, fd, err);
        at += (int64_t)want;
    }
    pl_db_end_read(store);
    free(raw);
    return status;
}

enum pl_status pl_symbol_file_open(struct pl_store *store, int64_t id, int *fd_out,
                                   struct pl_error *err)
{
    int fd = memfd_create("proflite-symbols", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return pl_error_set(err, PL_IO, "cannot unpack a symbol file: %s",
                            strerror(errno));
    enum pl_status status = unpack(store, id, fd, err);
    if (status == PL_OK &&
        (lseek(fd, 0, SEEK_SET) != 0 ||
         fcntl(fd, F_ADD_SEALS,
               F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0))
        status = pl_error_set(err, PL_IO, "cannot unpack a symbol file: %s",
                              strerror(errno));
    if (status == PL_OK)
        *fd_out = fd;
    else
        close(fd);
    return status;
}
