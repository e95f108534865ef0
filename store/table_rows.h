/* Inside table_functions.c: what each table function asks and shows. */
#ifndef PL_STORE_TABLE_ROWS_H
#define PL_STORE_TABLE_ROWS_H

#include "store/db.h"
#include "store/query.h"
#include "store/query_diff.h"
#include "store/query_transform.h"
#include "store/selection.h"

/* A question of one use, and its answer: rows 0 .. count-1. */
struct pl_table_answer {
    struct pl_store *store;
    const char *own[2];            /* own arguments; NULL: not given */
    struct pl_selection_args args; /* what the common ones add up to */
    struct pl_selection selection;
    struct pl_transform_list transforms;
    size_t count;
    struct pl_profile profile;
    struct pl_diff diff;
    struct pl_timeline timeline;
    void *more; /* owned by the function: see its `end` */
};

struct pl_table_function {
    const char *name;
    const char *columns; /* as in CREATE TABLE, without the hidden ones */
    int column_count;
    const char *own[2]; /* names of its own arguments; NULL: none */
    enum pl_status (*ask)(struct pl_table_answer *answer, struct pl_error *err);
    /* More rows when all have been seen: count is of the new ones. NULL: there are
     * none. */
    enum pl_status (*more)(struct pl_table_answer *answer, struct pl_error *err);
    void (*show)(const struct pl_table_answer *answer, size_t row, int column,
                 sqlite3_context *out);
    void (*end)(struct pl_table_answer *answer); /* NULL: nothing to do */
};

/* Ends with name NULL. */
extern const struct pl_table_function pl_table_functions[];

/* table_samples.c */
enum pl_status pl_table_samples_ask(struct pl_table_answer *answer,
                                    struct pl_error *err);
enum pl_status pl_table_samples_more(struct pl_table_answer *answer,
                                     struct pl_error *err);
void pl_table_samples_show(const struct pl_table_answer *answer, size_t row, int column,
                           sqlite3_context *out);
void pl_table_samples_end(struct pl_table_answer *answer);
enum pl_status pl_table_weights_ask(struct pl_table_answer *answer,
                                    struct pl_error *err);
void pl_table_weights_show(const struct pl_table_answer *answer, size_t row, int column,
                           sqlite3_context *out);
void pl_table_weights_end(struct pl_table_answer *answer);

#endif
