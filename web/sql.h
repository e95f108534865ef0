/* SQL: one statement that only reads, of whoever holds the token.
 *
 * It runs in a process of its own, this program started again: a statement can take
 * all memory there is, and SQLite's limits and callbacks do not reach into one long
 * function call. The process has little memory, may write no file, and is killed when
 * its time is up (docs/API.md names the limits). */
#ifndef PL_WEB_SQL_H
#define PL_WEB_SQL_H

#include "base/buf.h"
#include "web/http.h"

#define PL_SQL_ARGUMENT   "__sql" /* the hidden command that runs the worker */
#define PL_SQL_BODY_BYTES 65536   /* of a request */
#define PL_SQL_TIME_MS    2000    /* for the statement ... */
#define PL_SQL_KILL_MS    2200    /* ... and for the whole process */
#define PL_SQL_ROWS       10000
#define PL_SQL_BYTES      ((size_t)8 << 20)
#define PL_SQL_MEMORY     ((size_t)256 << 20)
#define PL_SQL_AT_ONCE    4

/* Run what `body` asks (SQL, or {"sql":"..."}) on the store; `program` is what to
 * start, NULL: this very program. Returns 0 and the answer in `out`, or the status in
 * `error`.  Threads  any; blocks for up to PL_SQL_KILL_MS. */
int pl_sql_run(const char *program, const char *db_path, const char *body,
               size_t body_len, struct pl_buf *out, struct pl_http_error *error);

/* The worker: a request on `fd_in`, the answer on `fd_out`. Returns its exit code. */
int pl_sql_worker_main(const char *db_path, int fd_in, int fd_out);

#endif
