/* The web server: viewer, API and, in the background, the processing pass.
 *
 *   pl_server_start(&options, &server, err);
 *   puts(pl_server_url(server));
 *   ... wait ...
 *   pl_server_stop(server);
 */
#ifndef PL_WEB_SERVER_H
#define PL_WEB_SERVER_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pl_redact;
struct pl_server;

struct pl_server_options {
    const char *listen;                /* NULL: 127.0.0.1:7717; see web/listen.h */
    const char *db_path;               /* need not exist yet */
    const char *static_dir;            /* NULL: the viewer inside the binary */
    const char *program;               /* what runs SQL; NULL: this very program */
    bool no_token;                     /* on loopback only */
    bool no_processing;                /* do not run the pass on what arrives */
    bool strict_keys;                  /* ingest: only keys that are there already */
    uint32_t ingest_per_minute;        /* requests of one project; 0: any number */
    const char *const *ingest_origins; /* web pages that may send besides those of
                                          this machine; borrowed until the stop */
    size_t ingest_origin_count;
    const char *const *forward; /* DSNs of upstreams */
    size_t forward_count;
    const struct pl_redact *forward_redact; /* nullable; borrowed until the stop */
    int symbolicate_ms; /* most for the names of one chunk; 0: 15 min */
    bool forward_received;                  /* also what arrived */
};

/* Returns once connections are accepted.
 * Ownership  the server is the caller's, to stop; options are copied.
 * Errors  USAGE options that make no sense; INPUT no such static_dir; IO the address is
 * taken or forbidden, or the token cannot be read; UNSUPPORTED; NOMEM. */
PL_MUST_CHECK enum pl_status pl_server_start(const struct pl_server_options *options,
                                             struct pl_server **server_out,
                                             struct pl_error *err);

/* "http://127.0.0.1:PORT/#t=TOKEN"; lives as long as the server. */
const char *pl_server_url(const struct pl_server *server);
int pl_server_port(const struct pl_server *server);
const char *pl_server_token(const struct pl_server *server); /* "" if none wanted */

/* Ends connections and threads; a query that runs, or the chunk being processed,
 * delays it by as long as it takes. NULL is fine. */
void pl_server_stop(struct pl_server *server);

const char *pl_server_civetweb_version(void);

#endif
