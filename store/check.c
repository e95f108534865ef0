/* Check: see check.h.  SQLite's own pages first, then what one statement can tell
 * (sql/check.sql), then the dictionary (check_stacks.c) and the samples
 * (check_samples.c), which have to be decoded, and what sums them up
 * (check_rollups.c). */
#include "store/check.h"

#include "store/check_state.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_words[] = {
#define X(name, word) [PL_CHECK_##name] = word,
    PL_CHECK_KINDS(X)
#undef X
};

static const struct {
    enum pl_check_kind kind;
    enum pl_sql sql;
} statements[] = {
    {PL_CHECK_REFERENCE, PL_SQL_CHECK_THREADS},
    {PL_CHECK_REFERENCE, PL_SQL_CHECK_CHUNKS},
    {PL_CHECK_REFERENCE, PL_SQL_CHECK_PARTS},
    {PL_CHECK_REFERENCE, PL_SQL_CHECK_SLOTS},
    {PL_CHECK_REFERENCE, PL_SQL_CHECK_LABELS},
    {PL_CHECK_REFERENCE, PL_SQL_CHECK_LOSSES},
    {PL_CHECK_REFERENCE, PL_SQL_CHECK_ROLLUPS},
    {PL_CHECK_REFERENCE, PL_SQL_CHECK_ROLLED_SESSIONS},
    {PL_CHECK_REFERENCE, PL_SQL_CHECK_FUNCTIONS},
    {PL_CHECK_REFERENCE, PL_SQL_CHECK_FRAMES},
    {PL_CHECK_REFERENCE, PL_SQL_CHECK_NAMES},
    {PL_CHECK_REFERENCE, PL_SQL_CHECK_OUTBOX},
    {PL_CHECK_REFERENCE, PL_SQL_CHECK_SYMBOL_FILES},
    {PL_CHECK_REFERENCE, PL_SQL_CHECK_SYMBOL_PIECES},
    {PL_CHECK_TIME, PL_SQL_CHECK_PART_TIMES},
    {PL_CHECK_TIME, PL_SQL_CHECK_SESSION_TIMES},
    {PL_CHECK_VALUE, PL_SQL_CHECK_SESSION_VALUES},
    {PL_CHECK_VALUE, PL_SQL_CHECK_THREAD_VALUES},
    {PL_CHECK_VALUE, PL_SQL_CHECK_CHUNK_VALUES},
    {PL_CHECK_VALUE, PL_SQL_CHECK_PART_VALUES},
    {PL_CHECK_VALUE, PL_SQL_CHECK_FRAME_VALUES},
    {PL_CHECK_VALUE, PL_SQL_CHECK_NAME_VALUES},
    {PL_CHECK_VALUE, PL_SQL_CHECK_FUNCTION_VALUES},
    {PL_CHECK_VALUE, PL_SQL_CHECK_MODULE_VALUES},
    {PL_CHECK_VALUE, PL_SQL_CHECK_EPOCH_VALUES},
    {PL_CHECK_VALUE, PL_SQL_CHECK_OUTCOME_VALUES},
    {PL_CHECK_OUTCOME, PL_SQL_CHECK_OUTCOME_MISSING},
    {PL_CHECK_STACK, PL_SQL_CHECK_STACK_IDS},
    {PL_CHECK_STACK, PL_SQL_CHECK_EPOCHS},
    {PL_CHECK_STACK, PL_SQL_CHECK_FORGOTTEN_STACKS},
};

void pl_check_found(struct pl_check *check, enum pl_check_kind kind, const char *format,
                    ...)
{
    char message[512];
    va_list args;
    check->result.findings++;
    if (check->told[kind]++ >= PL_CHECK_TOLD_MAX)
        return;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    check->visitor->finding(check->visitor->self, kind_words[kind], message);
}

enum pl_status pl_check_settle(struct pl_check *check, enum pl_status status,
                               const struct pl_error *err)
{
    if (status != PL_INPUT)
        return status;
    pl_check_found(check, PL_CHECK_SQLITE, "%s", err->message);
    return PL_OK;
}

/* "Page 5: unable to get the page. error code=7": memory that was not to be had is no
 * damage, while a page that the disk does not give is. */
static bool lacks_memory(const char *line, size_t len)
{
    static const char words[] = "error code=";
    const char *found = memmem(line, len, words, sizeof words - 1);
    int code = found ? (int)strtol(found + sizeof words - 1, NULL, 10) : 0;
    return code == SQLITE_NOMEM || code == SQLITE_IOERR_NOMEM;
}

/* SQLite's own check tells several things in one text, a line each. */
static enum pl_status tell_lines(struct pl_check *check, const char *text,
                                 struct pl_error *err)
{
    static const char headline[] = "*** in database";
    while (*text) {
        size_t len = strcspn(text, "\n");
        if (lacks_memory(text, len))
            return pl_error_set(err, PL_NOMEM, "out of memory to check the file");
        if (len && strncmp(text, headline, sizeof headline - 1) != 0)
            pl_check_found(check, PL_CHECK_SQLITE, "%.*s", (int)len, text);
        text += len + (text[len] != '\0');
    }
    return PL_OK;
}

static enum pl_status check_file(struct pl_check *check, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    enum pl_status status =
        pl_stmt_get(check->store, PL_SQL_CHECK_INTEGRITY, &stmt, err);
    while (status == PL_OK && (status = pl_stmt_row(stmt, &row, err)) == PL_OK && row) {
        const char *text = pl_stmt_column_text(stmt, 0);
        if (strcmp(text, "ok") != 0)
            status = tell_lines(check, text, err);
        if (status != PL_OK)
            pl_stmt_reset(stmt);
    }
    return pl_check_settle(check, status, err);
}

/* Each row of the statement is a finding. */
static enum pl_status tell_rows(struct pl_check *check, enum pl_check_kind kind,
                                enum pl_sql sql, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    enum pl_status status = pl_stmt_get(check->store, sql, &stmt, err);
    while (status == PL_OK && (status = pl_stmt_row(stmt, &row, err)) == PL_OK && row) {
        pl_check_found(check, kind, "%s", pl_stmt_column_text(stmt, 0));
    }
    return pl_check_settle(check, status, err);
}

static enum pl_status count_rows(struct pl_check *check, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row = false;
    enum pl_status status = pl_stmt_get(check->store, PL_SQL_CHECK_COUNTS, &stmt, err);
    if (status == PL_OK)
        status = pl_stmt_row(stmt, &row, err);
    if (row) {
        check->result.sessions = pl_stmt_column_int(stmt, 0);
        check->result.threads = pl_stmt_column_int(stmt, 1);
        check->result.chunks = pl_stmt_column_int(stmt, 2);
        check->result.outcomes = pl_stmt_column_int(stmt, 3);
        pl_stmt_reset(stmt);
    }
    return pl_check_settle(check, status, err);
}

static enum pl_status check_all(struct pl_check *check, struct pl_error *err)
{
    enum pl_status status = check_file(check, err);
    if (status == PL_OK)
        status = count_rows(check, err);
    for (size_t i = 0; i < sizeof statements / sizeof *statements && status == PL_OK;
         i++)
        status = tell_rows(check, statements[i].kind, statements[i].sql, err);
    if (status == PL_OK)
        status = pl_check_stacks(check, err);
    if (status == PL_OK)
        status = pl_check_samples(check, err);
    if (status == PL_OK)
        status = pl_check_rollups(check, err);
    return status;
}

enum pl_status pl_store_check(struct pl_store *store,
                              const struct pl_check_visitor *visitor,
                              struct pl_check_result *result_out, struct pl_error *err)
{
    struct pl_check check = {.store = store, .visitor = visitor};
    struct pl_error own = {0}; /* messages of damage are needed, wanted or not */
    enum pl_status status = pl_db_begin_read(store, &own);
    if (status == PL_OK) {
        status = check_all(&check, &own);
        pl_db_end_read(store);
    }
    free(check.depths);
    free(check.frames);
    *result_out = check.result;
    return status == PL_OK ? PL_OK : pl_error_set(err, status, "%s", own.message);
}
