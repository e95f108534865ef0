/* The process that runs one statement. Answers with a letter, then text:
 *   A  the document        B  what is wrong with the request
 *   S  what is wrong with the store */
#include "store/query.h"
#include "web/json.h"
#include "web/sql.h"

#include <cjson/cJSON.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define CPU_SECONDS     3
#define FILE_BYTES      0 /* it writes none */
#define DESCRIPTORS     32
#define MOST_BLOB_BYTES 64 /* of one that is shown */

struct answer {
    struct pl_buf *out;
    size_t rows;
    bool truncated;
};

/* ---- the answer ---- */

static bool put_columns(void *self, size_t count, const char *const *names)
{
    struct answer *answer = self;
    pl_buf_puts(answer->out, "{\"schema\":1,\"columns\":[");
    for (size_t i = 0; i < count; i++) {
        if (i)
            pl_buf_putc(answer->out, ',');
        pl_json_string(answer->out, names[i]);
    }
    pl_buf_puts(answer->out, "],\"rows\":[");
    return true;
}

static void put_blob(struct pl_buf *out, const struct pl_cell *cell)
{
    pl_buf_puts(out, "\"x'");
    for (size_t i = 0; i < cell->len && i < MOST_BLOB_BYTES; i++)
        pl_buf_printf(out, "%02x", (unsigned char)cell->text[i]);
    pl_buf_puts(out, cell->len > MOST_BLOB_BYTES ? "...'\"" : "'\"");
}

static void put_cell(struct pl_buf *out, const struct pl_cell *cell)
{
    switch (cell->type) {
    case PL_CELL_INT:
        pl_json_int(out, cell->integer);
        break;
    case PL_CELL_REAL: /* JSON has no infinity */
        if (__builtin_isfinite(cell->real))
            pl_buf_printf(out, "%.17g", cell->real);
        else
            pl_buf_puts(out, cell->real > 0 ? "\"Inf\"" : "\"-Inf\"");
        break;
    case PL_CELL_TEXT:
        pl_json_string(out, cell->text);
        break;
    case PL_CELL_BLOB:
        put_blob(out, cell);
        break;
    default:
        pl_buf_puts(out, "null");
    }
}

static bool put_row(void *self, size_t count, const struct pl_cell *cells)
{
    struct answer *answer = self;
    size_t before = answer->out->len;
    if (answer->rows == PL_SQL_ROWS) {
        answer->truncated = true;
        return false;
    }
    pl_buf_puts(answer->out, answer->rows ? ",\n[" : "\n[");
    for (size_t i = 0; i < count; i++) {
        if (i)
            pl_buf_putc(answer->out, ',');
        put_cell(answer->out, &cells[i]);
    }
    pl_buf_putc(answer->out, ']');
    if (answer->out->failed || answer->out->len > PL_SQL_BYTES) {
        answer->out->len = before;
        answer->out->failed = false;
        answer->truncated = true;
        return false;
    }
    answer->rows++;
    return true;
}

/* ---- the request ---- */

static bool read_all(int fd, struct pl_buf *in)
{
    char piece[4096];
    for (;;) {
        ssize_t got = read(fd, piece, sizeof piece);
        if (got <= 0)
            return got == 0 && !in->failed;
        pl_buf_append(in, piece, (size_t)got);
    }
}

/* The statement: the text itself, or a JSON object's "sql". malloc'd. */
static char *find_sql(const struct pl_buf *in)
{
    const char *text = in->data ? in->data : "";
    if (text[strspn(text, " \t\r\n")] != '{')
        return strndup(text, in->len);
    cJSON *json = cJSON_ParseWithLength(text, in->len);
    const cJSON *sql = cJSON_GetObjectItemCaseSensitive(json, "sql");
    char *copy = cJSON_IsString(sql) ? strdup(sql->valuestring) : NULL;
    cJSON_Delete(json);
    return copy;
}

static void limit(int what, rlim_t value)
{
    const struct rlimit limits = {value, value};
    (void)setrlimit((__rlimit_resource_t)what, &limits);
}

/* Once the store is open, which may have to make the log's index. */
static void limit_everything(void)
{
    (void)signal(SIGXFSZ, SIG_IGN);
    limit(RLIMIT_CPU, CPU_SECONDS);
    limit(RLIMIT_FSIZE, FILE_BYTES);
    limit(RLIMIT_NOFILE, DESCRIPTORS);
#ifndef __SANITIZE_ADDRESS__ /* whose shadow is larger */
    limit(RLIMIT_AS, PL_SQL_MEMORY);
#endif
}

static char answer_sql(const char *db_path, const char *sql, struct pl_buf *out)
{
    struct pl_store *store = NULL;
    struct pl_error err = {0};
    struct answer answer = {.out = out};
    const struct pl_sql_consumer consumer = {
        .self = &answer, .columns = put_columns, .row = put_row};
    enum pl_status status = pl_store_open(db_path, PL_STORE_READ, &store, &err);
    char kind = status == PL_OK ? 'A' : 'S';
    if (status == PL_OK) {
        limit_everything();
        status = pl_query_sql(store, sql, PL_SQL_TIME_MS, &consumer, &err);
        if (status != PL_OK)
            kind = status == PL_INPUT ? 'B' : 'S';
    }
    if (status == PL_OK)
        pl_buf_printf(out, "],\"truncated\":%s}", answer.truncated ? "true" : "false");
    else {
        out->len = 0;
        pl_buf_puts(out, err.message);
    }
    pl_store_close(store);
    return kind;
}

static bool write_all(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t put = write(fd, bytes, len);
        if (put <= 0)
            return false;
        bytes += put;
        len -= (size_t)put;
    }
    return true;
}

int pl_sql_worker_main(const char *db_path, int fd_in, int fd_out)
{
    struct pl_buf in, out;
    char *sql = NULL, kind = 'B';
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    limit(RLIMIT_CORE, 0);
    pl_buf_init(&in, PL_SQL_BODY_BYTES);
    pl_buf_init(&out, PL_SQL_BYTES + (1 << 20));
    if (read_all(fd_in, &in))
        sql = find_sql(&in);
    if (sql)
        kind = answer_sql(db_path, sql, &out);
    else
        pl_buf_puts(&out, "send SQL as text, or as {\"sql\":\"SELECT ...\"}");
    bool ok = !out.failed && write_all(fd_out, &kind, 1) &&
              write_all(fd_out, out.data, out.len);
    free(sql);
    pl_buf_deinit(&in);
    pl_buf_deinit(&out);
    return ok ? 0 : 1;
}
