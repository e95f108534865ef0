/* Ingest: Sentry's envelope and store endpoints.
 *
 *   worker: auth ─▶ quota ─▶ body into a spool ─┐
 *   checking thread (2 MiB of stack): decode, framing, limits
 *   writing thread: inbox row, synced ──▶ 200
 *
 * What the items hold is looked at by the processing pass (web/intake.h). */
#ifndef PL_WEB_INGEST_H
#define PL_WEB_INGEST_H

#include "web/ingest_auth.h"
#include "web/ingest_body.h"
#include "web/reply.h"

struct pl_follow;
struct pl_ingest;

struct pl_ingest_options {
    const char *db_path;
    int port;
    bool admit_keys;            /* an unknown project or key is made on first use */
    uint32_t per_minute;        /* requests of one project; 0: any number */
    const char *const *origins; /* web pages that may send, besides loopback ones;
                                   "*" is any */
    size_t origin_count;
    struct pl_follow *follow; /* woken when something came; NULL: nobody */
};

/* Options are copied; `follow` and `origins` outlive it. */
PL_MUST_CHECK enum pl_status pl_ingest_start(const struct pl_ingest_options *options,
                                             struct pl_ingest **ingest_out,
                                             struct pl_error *err);
void pl_ingest_interrupt(struct pl_ingest *ingest); /* nothing more is taken */
/* Nobody may be in pl_ingest_answer any more. NULL is fine. */
void pl_ingest_stop(struct pl_ingest *ingest);

/* Answer a request whose Host and framing were checked. `auth` is of
 * pl_ingest_route.  Threads  any. */
void pl_ingest_answer(struct pl_ingest *ingest, const struct pl_source *source,
                      const struct pl_peer *peer, const struct pl_http_request *request,
                      struct pl_ingest_auth *auth);

/* May a page of that origin send here? */
bool pl_ingest_origin_allowed(const struct pl_ingest_options *options,
                              const char *origin);

#endif
