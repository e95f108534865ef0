/* DSNs: where an SDK sends to, "http://PUBLIC[:SECRET]@HOST[:PORT][/PATH]/PROJECT". */
#ifndef PL_BASE_DSN_H
#define PL_BASE_DSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pl_dsn {
    char scheme[8]; /* http or https */
    char public_key[64];
    char secret_key[64]; /* "": none */
    char host[256];      /* with the port, if there is one */
    char path[256];      /* "" or "/prefix" */
    int64_t project_id;
};

/* False: not a DSN. */
bool pl_dsn_parse(const char *text, struct pl_dsn *dsn_out);

/* False: no scheme or host, or no room; then `text_out` is "". */
bool pl_dsn_format(const struct pl_dsn *dsn, char *text_out, size_t room);

#endif
