#include "cli/table.h"

#include "cli/term.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define CELL_LIMIT (64u * 1024) /* bytes of one cell that are shown */
#define SHRINK_TO  12u          /* a column is not cut below this width */

struct pl_table {
    FILE *out;
    size_t columns;
    struct pl_table_column *column;
    size_t *width;
    char **cells; /* PL_TABLE_KEEP rows of clean text; NULL: no memory for it */
    size_t kept;  /* cells, so kept / columns rows */
    bool started; /* widths are fixed, the header is out */
    bool colour;
};

struct pl_table *pl_table_new(FILE *out, const struct pl_table_column *columns,
                              size_t count)
{
    struct pl_table *table = calloc(1, sizeof *table);
    if (!table)
        return NULL;
    table->out = out;
    table->columns = count;
    table->colour = pl_term_colour(out);
    table->column = calloc(count ? count : 1, sizeof *table->column);
    table->width = calloc(count ? count : 1, sizeof *table->width);
    table->cells = calloc(count * PL_TABLE_KEEP + 1, sizeof *table->cells);
    if (!table->column || !table->width || !table->cells) {
        free(table->column);
        free(table->width);
        free(table->cells);
        free(table);
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        table->column[i] = columns[i];
    return table;
}

void pl_table_align(struct pl_table *table, size_t column, enum pl_align align)
{
    if (!table->started && column < table->columns)
        table->column[column].align = align;
}

/* One cell, padded or cut to its column; the last column is not padded. */
static void print_cell(const struct pl_table *table, size_t column, const char *cell)
{
    const char *text = cell ? cell : "?";
    size_t room = table->width[column], width = pl_term_width(text);
    bool last = column + 1 == table->columns;
    bool cut = width > room && table->column[column].shrinks && room > 1;
    size_t bytes = cut ? pl_term_fit(text, room - 1) : strlen(text);
    size_t pad = width < room ? room - width : 0;
    if (column)
        fputs("  ", table->out);
    if (table->column[column].align == PL_RIGHT)
        fprintf(table->out, "%*s", (int)pad, "");
    fwrite(text, 1, bytes, table->out);
    if (cut)
        fputs(pl_term_unicode() ? "\xe2\x80\xa6" : "~", table->out);
    if (table->column[column].align == PL_LEFT && !last)
        fprintf(table->out, "%*s", (int)pad, "");
}

/* Make the columns that may shrink share what the terminal has too little. */
static void fit_to_terminal(struct pl_table *table)
{
    size_t have = pl_term_columns(table->out);
    if (!have)
        return;
    for (;;) {
        size_t need = 2 * (table->columns - 1), widest = table->columns;
        for (size_t i = 0; i < table->columns; i++) {
            need += table->width[i];
            if (table->column[i].shrinks && table->width[i] > SHRINK_TO &&
                (widest == table->columns || table->width[i] > table->width[widest]))
                widest = i;
        }
        if (need <= have || widest == table->columns)
            return;
        table->width[widest]--;
    }
}

static void start(struct pl_table *table)
{
    table->started = true;
    for (size_t i = 0; i < table->columns; i++)
        table->width[i] = pl_term_width(table->column[i].title);
    for (size_t i = 0; i < table->kept; i++) {
        size_t column = i % table->columns;
        size_t width = table->cells[i] ? pl_term_width(table->cells[i]) : 1;
        if (width > table->width[column])
            table->width[column] = width;
    }
    if (table->columns)
        fit_to_terminal(table);
    if (table->colour)
        fputs(PL_BOLD, table->out);
    for (size_t i = 0; i < table->columns; i++)
        print_cell(table, i, table->column[i].title);
    if (table->colour)
        fputs(PL_RESET, table->out);
    if (table->columns)
        fputc('\n', table->out);
}

/* Print and drop the kept rows; an unfinished last row too. */
static void flush_rows(struct pl_table *table)
{
    if (!table->started)
        start(table);
    for (size_t i = 0; i < table->kept; i++) {
        print_cell(table, i % table->columns, table->cells[i]);
        free(table->cells[i]);
        if ((i + 1) % table->columns == 0 || i + 1 == table->kept)
            fputc('\n', table->out);
    }
    table->kept = 0;
}

void pl_table_free(struct pl_table *table)
{
    if (!table)
        return;
    flush_rows(table);
    free(table->column);
    free(table->width);
    free(table->cells);
    free(table);
}

void pl_table_cell_bytes(struct pl_table *table, const char *text, size_t len)
{
    struct pl_buf clean;
    if (!table->columns)
        return;
    pl_buf_init(&clean, 4 * CELL_LIMIT);
    pl_term_clean(&clean, text, len < CELL_LIMIT ? len : CELL_LIMIT);
    table->cells[table->kept++] = pl_buf_take(&clean, NULL);
    bool row_done = table->kept % table->columns == 0;
    if (row_done && (table->started || table->kept == table->columns * PL_TABLE_KEEP))
        flush_rows(table);
}

void pl_table_cell(struct pl_table *table, const char *text)
{
    pl_table_cell_bytes(table, text, strlen(text));
}

void pl_table_cellf(struct pl_table *table, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    pl_table_cell(table, text);
}
