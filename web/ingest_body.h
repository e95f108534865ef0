/* The body of a request, read within its time.
 *
 * The server library waits for as long as single bytes keep coming, and gives away
 * no socket. So those who read are on a list, and a thread that looks at the list
 * shuts down the receiving side of whoever is late: the read ends, and there is
 * still an answer. No more may read at once than the list is long. */
#ifndef PL_WEB_INGEST_BODY_H
#define PL_WEB_INGEST_BODY_H

#include "base/spool.h"
#include "web/http.h"

struct pl_readers;

/* The request's connection, as far as reading its body needs it. */
struct pl_source {
    void *conn;
    /* Bytes read; 0 the end; negative broken or too slow. */
    int (*read)(void *conn, char *bytes, size_t len);
    /* An answer before the answer: "100 Continue". */
    int (*write)(void *conn, const char *bytes, size_t len);
    int remote_port;
};

PL_MUST_CHECK enum pl_status pl_readers_start(int port, struct pl_readers **readers_out,
                                              struct pl_error *err);
void pl_readers_stop(struct pl_readers *readers); /* NULL is fine */

/* Read all of it into `body`. Its framing has been checked (web/guard.c). Returns 0,
 * or in `error` 400 broken off, 408 too slow, 413, 503. */
int pl_read_body(struct pl_readers *readers, const struct pl_source *source,
                 const struct pl_http_request *request, struct pl_spool *body,
                 struct pl_http_error *error);

#endif
