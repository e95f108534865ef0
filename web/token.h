/* The access token: 192 random bits as hex, kept beside the store so that the
 * address of the viewer stays the same from one run to the next. */
#ifndef PL_WEB_TOKEN_H
#define PL_WEB_TOKEN_H

#include "base/error.h"

#define PL_TOKEN_TEXT 49 /* 48 digits and a NUL */

/* Read `<db_path>-token`, or make it (0600, whole or not at all). A file that
 * others could have read, or that holds no token, is replaced. Where it cannot be
 * kept (a read-only folder), the token is fresh and lives in memory only.
 * Errors  IO no randomness, or the file belongs to somebody else. */
PL_MUST_CHECK enum pl_status pl_token_load(const char *db_path,
                                           char token_out[static PL_TOKEN_TEXT],
                                           struct pl_error *err);

#endif
