/* Hanging up: makes a server that is being stopped stop soon.
 *
 * CivetWeb's threads look at its stop flag every 2 s only, between waits for
 * bytes or for connections, and it gives no access to its sockets. This thread
 * finds them among the process's descriptors by the server's port and shuts them
 * down, which ends the waits; CivetWeb closes them. */
#ifndef PL_WEB_HANGUP_H
#define PL_WEB_HANGUP_H

#include "base/error.h"

struct pl_hangup;

/* Start hanging up on everybody connected to `port`, and go on until
 * pl_hangup_end. Errors  IO, NOMEM; then stopping just takes longer. */
PL_MUST_CHECK enum pl_status pl_hangup_begin(int port, struct pl_hangup **hangup_out,
                                             struct pl_error *err);
void pl_hangup_end(struct pl_hangup *hangup); /* NULL is fine */

#endif
