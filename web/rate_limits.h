/* X-Sentry-Rate-Limits: "60:transaction;error:organization:reason, 3600::key". */
#ifndef PL_WEB_RATE_LIMITS_H
#define PL_WEB_RATE_LIMITS_H

#include <stddef.h>
#include <stdint.h>

#define PL_RATE_LIMITS_MOST 64
#define PL_RATE_LIMIT_S     60 /* where an upstream says to wait, and not how long */

struct pl_rate_limit {
    char category[64]; /* "": all */
    char reason[64];
    int64_t seconds;
};

/* How many it found; what makes no sense counts as a minute, as SDKs do. */
size_t pl_rate_limits_parse(const char *text,
                            struct pl_rate_limit list_out[static PL_RATE_LIMITS_MOST]);

/* The category of an item of that type; `platform` is of a chunk. */
const char *pl_rate_limit_category(const char *item_type, const char *platform);

#endif
