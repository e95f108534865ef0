#include "cli/rows.h"

#include "cli/cli.h"
#include "cli/table.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROW_LIMIT (256u << 20) /* bytes of one printed row */

struct pl_rows {
    enum pl_rows_form form;
    FILE *out;
    struct pl_table *table;
    char **names; /* owned */
    size_t count;
    bool begun; /* the columns are known */
    size_t rows;
    struct pl_buf buf;
    struct pl_error err; /* the first failure */
};

struct pl_rows *pl_rows_new(enum pl_rows_form form, FILE *out)
{
    struct pl_rows *rows = calloc(1, sizeof *rows);
    if (!rows)
        return NULL;
    rows->form = form;
    rows->out = out;
    pl_buf_init(&rows->buf, ROW_LIMIT);
    return rows;
}

static bool flush(struct pl_rows *rows)
{
    return pl_cli_print(&rows->buf, rows->out, &rows->err) == PL_OK;
}

/* ---- cells ---- */

static void put_hex(struct pl_buf *buf, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        pl_buf_printf(buf, "%02x", (unsigned char)bytes[i]);
}

/* The shortest digits that read back as the same number. */
static void put_real(struct pl_buf *buf, double real)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, real);
        if (strtod(text, NULL) == real)
            break;
    }
    if (isinf(real)) /* how SQLite and JSON can both write it */
        snprintf(text, sizeof text, "%s", real > 0 ? "9e999" : "-9e999");
    pl_buf_puts(buf, text);
    if (!strpbrk(text, ".en"))
        pl_buf_puts(buf, ".0");
}

/* The cell as plain text; NULL is nothing. */
static void put_plain(struct pl_buf *buf, const struct pl_cell *cell)
{
    switch (cell->type) {
    case PL_CELL_NULL:
        break;
    case PL_CELL_INT:
        pl_buf_printf(buf, "%" PRId64, cell->integer);
        break;
    case PL_CELL_REAL:
        put_real(buf, cell->real);
        break;
    case PL_CELL_TEXT:
        pl_buf_append(buf, cell->text, cell->len);
        break;
    case PL_CELL_BLOB:
        put_hex(buf, cell->text, cell->len);
        break;
    }
}

static void put_csv_text(struct pl_buf *buf, const char *text, size_t len)
{
    bool quoted = len && (memchr(text, ',', len) || memchr(text, '"', len) ||
                          memchr(text, '\n', len) || memchr(text, '\r', len) ||
                          text[0] == ' ' || text[len - 1] == ' ');
    if (!quoted) {
        pl_buf_append(buf, text, len);
        return;
    }
    pl_buf_putc(buf, '"');
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '"')
            pl_buf_putc(buf, '"');
        pl_buf_putc(buf, text[i]);
    }
    pl_buf_putc(buf, '"');
}

static void put_tsv_text(struct pl_buf *buf, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        static const char special[] = "\t\n\r\\", escaped[] = "tnr\\";
        const char *found = memchr(special, text[i], sizeof special - 1);
        if (found) {
            pl_buf_putc(buf, '\\');
            pl_buf_putc(buf, escaped[found - special]);
        } else {
            pl_buf_putc(buf, text[i]);
        }
    }
}

/* Text of SQLite may hold NULs, which end a C string but not the text. */
static void put_json_text(struct pl_buf *buf, const char *text, size_t len)
{
    pl_buf_putc(buf, '"');
    for (size_t at = 0; at < len;) {
        size_t piece = strnlen(text + at, len - at);
        pl_buf_json_escape(buf, text + at);
        at += piece;
        if (at < len) {
            pl_buf_puts(buf, "\\u0000");
            at++;
        }
    }
    pl_buf_putc(buf, '"');
}

static void put_json(struct pl_buf *buf, const struct pl_cell *cell)
{
    if (cell->type == PL_CELL_NULL) {
        pl_buf_puts(buf, "null");
    } else if (cell->type == PL_CELL_TEXT) {
        put_json_text(buf, cell->text, cell->len);
    } else if (cell->type == PL_CELL_BLOB) {
        pl_buf_putc(buf, '"');
        put_hex(buf, cell->text, cell->len);
        pl_buf_putc(buf, '"');
    } else {
        put_plain(buf, cell);
    }
}

/* ---- rows ---- */

static bool remember(struct pl_rows *rows, size_t count, const char *const *names)
{
    rows->names = calloc(count + 1, sizeof *rows->names);
    bool ok = rows->names;
    for (size_t i = 0; ok && i < count; i++) {
        rows->names[i] = strdup(names[i] ? names[i] : "");
        ok = rows->names[i] != NULL;
    }
    rows->count = rows->names ? count : 0;
    rows->begun = ok;
    if (!ok)
        (void)pl_error_set(&rows->err, PL_NOMEM, "out of memory for the columns");
    return ok;
}

static bool begin_table(struct pl_rows *rows)
{
    struct pl_table_column *columns = calloc(rows->count + 1, sizeof *columns);
    for (size_t i = 0; columns && i < rows->count; i++)
        columns[i] =
            (struct pl_table_column){.title = rows->names[i], .align = PL_RIGHT};
    if (columns)
        rows->table = pl_table_new(rows->out, columns, rows->count);
    free(columns);
    if (!rows->table)
        (void)pl_error_set(&rows->err, PL_NOMEM, "out of memory for the table");
    return rows->table;
}

bool pl_rows_columns(struct pl_rows *rows, size_t count, const char *const *names)
{
    if (!remember(rows, count, names))
        return false;
    if (rows->form == PL_ROWS_TABLE)
        return begin_table(rows);
    if (rows->form == PL_ROWS_JSON)
        pl_buf_putc(&rows->buf, '[');
    if (rows->form != PL_ROWS_CSV && rows->form != PL_ROWS_TSV)
        return flush(rows);
    for (size_t i = 0; i < count; i++) {
        bool csv = rows->form == PL_ROWS_CSV;
        if (i)
            pl_buf_putc(&rows->buf, csv ? ',' : '\t');
        (csv ? put_csv_text : put_tsv_text)(&rows->buf, names[i], strlen(names[i]));
    }
    pl_buf_putc(&rows->buf, '\n');
    return flush(rows);
}

static void put_table_row(struct pl_rows *rows, const struct pl_cell *cells)
{
    for (size_t i = 0; i < rows->count; i++) {
        if (cells[i].type == PL_CELL_TEXT || cells[i].type == PL_CELL_BLOB)
            pl_table_align(rows->table, i, PL_LEFT);
        pl_buf_clear(&rows->buf);
        put_plain(&rows->buf, &cells[i]);
        pl_table_cell_bytes(rows->table, rows->buf.data ? rows->buf.data : "",
                            rows->buf.len);
    }
    pl_buf_clear(&rows->buf);
}

static void put_separated_row(struct pl_rows *rows, const struct pl_cell *cells)
{
    bool csv = rows->form == PL_ROWS_CSV;
    for (size_t i = 0; i < rows->count; i++) {
        if (i)
            pl_buf_putc(&rows->buf, csv ? ',' : '\t');
        if (cells[i].type != PL_CELL_TEXT)
            put_plain(&rows->buf, &cells[i]);
        else
            (csv ? put_csv_text : put_tsv_text)(&rows->buf, cells[i].text,
                                                cells[i].len);
    }
    pl_buf_putc(&rows->buf, '\n');
}

static void put_object(struct pl_rows *rows, const struct pl_cell *cells)
{
    bool array = rows->form == PL_ROWS_JSON;
    if (array)
        pl_buf_puts(&rows->buf, rows->rows ? ",\n" : "\n");
    pl_buf_putc(&rows->buf, '{');
    for (size_t i = 0; i < rows->count; i++) {
        if (i)
            pl_buf_putc(&rows->buf, ',');
        put_json_text(&rows->buf, rows->names[i], strlen(rows->names[i]));
        pl_buf_putc(&rows->buf, ':');
        put_json(&rows->buf, &cells[i]);
    }
    pl_buf_puts(&rows->buf, array ? "}" : "}\n");
}

bool pl_rows_row(struct pl_rows *rows, size_t count, const struct pl_cell *cells)
{
    if (!rows->begun || count != rows->count)
        return false;
    if (rows->form == PL_ROWS_TABLE)
        put_table_row(rows, cells);
    else if (rows->form == PL_ROWS_CSV || rows->form == PL_ROWS_TSV)
        put_separated_row(rows, cells);
    else
        put_object(rows, cells);
    rows->rows++;
    return flush(rows);
}

enum pl_status pl_rows_free(struct pl_rows *rows, bool whole, struct pl_error *err)
{
    pl_table_free(rows->table);
    if (rows->form == PL_ROWS_JSON && rows->begun && whole && !rows->err.status) {
        pl_buf_puts(&rows->buf, rows->rows ? "\n]\n" : "]\n");
        (void)flush(rows);
    }
    enum pl_status status = rows->err.status;
    if (status && err)
        *err = rows->err;
    for (size_t i = 0; i < rows->count; i++)
        free(rows->names[i]);
    free(rows->names);
    pl_buf_deinit(&rows->buf);
    free(rows);
    return status;
}
