/* An aligned table on a terminal or in a pipe.
 *
 * Rows are kept until PL_TABLE_KEEP of them are there, so that columns fit; later
 * rows are printed as they come, so that memory stays bounded. */
#ifndef PL_CLI_TABLE_H
#define PL_CLI_TABLE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define PL_TABLE_KEEP 1000

enum pl_align { PL_LEFT, PL_RIGHT };

struct pl_table_column {
    const char *title; /* borrowed */
    enum pl_align align;
    bool shrinks; /* cut to make the table fit the terminal */
};

struct pl_table;

/* NULL when out of memory. `columns` is copied. */
struct pl_table *pl_table_new(FILE *out, const struct pl_table_column *columns,
                              size_t count);

/* Print what is kept and free; NULL is fine. */
void pl_table_free(struct pl_table *table);

/* Cells of the row from left to right; any text, cleaned on the way. */
void pl_table_cell(struct pl_table *table, const char *text);
void pl_table_cell_bytes(struct pl_table *table, const char *text, size_t len);
void pl_table_cellf(struct pl_table *table, const char *format, ...) PL_PRINTF(2, 3);

/* Say how a column is aligned after all (before the first row is printed). */
void pl_table_align(struct pl_table *table, size_t column, enum pl_align align);

#endif
