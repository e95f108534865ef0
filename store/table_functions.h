/* Table functions for SQL: the profile query's answers as tables.
 *
 *   SELECT * FROM pl_functions('app:demo @-1h..') ORDER BY self_ns DESC LIMIT 10;
 *   SELECT * FROM pl_flame WHERE app = 'demo' AND since = '-1h';
 *
 * Arguments are hidden columns: a function's own ones first, then those every one
 * has (docs/SQL.md). Compiled into proflite and, once more, into proflite_sql.so for
 * any SQLite shell. Each use reads over a connection of its own, so what is asked
 * within an open transaction does not see that transaction's writes. */
#ifndef PL_STORE_TABLE_FUNCTIONS_H
#define PL_STORE_TABLE_FUNCTIONS_H

#include "store/db.h"

/* Make pl_samples, pl_weights, pl_flame, pl_functions, pl_callers, pl_callees, pl_diff
 * and pl_timeline known to a connection whose main database is a store. SQLite's
 * code. */
int pl_table_functions_register(sqlite3 *db);

#endif
