/* Rows of a SQL result, printed as they come: table, CSV, TSV, JSON. */
#ifndef PL_CLI_ROWS_H
#define PL_CLI_ROWS_H

#include "store/query.h"

#include <stdbool.h>
#include <stdio.h>

enum pl_rows_form { PL_ROWS_TABLE, PL_ROWS_CSV, PL_ROWS_TSV, PL_ROWS_JSON, PL_ROWS_NL };

struct pl_rows;

/* NULL when out of memory. */
struct pl_rows *pl_rows_new(enum pl_rows_form form, FILE *out);

/* As struct pl_sql_consumer wants them; false after a failure. */
bool pl_rows_columns(struct pl_rows *rows, size_t count, const char *const *names);
bool pl_rows_row(struct pl_rows *rows, size_t count, const struct pl_cell *cells);

/* Print what is kept, end the output (`whole`: nothing went wrong before) and free.
 * Errors  IO, NOMEM: not everything was printed. */
enum pl_status pl_rows_free(struct pl_rows *rows, bool whole, struct pl_error *err);

#endif
