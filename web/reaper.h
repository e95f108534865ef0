/* Reaper: ends connections that take too long to ask.
 *
 * CivetWeb's timeout counts from the last byte, so a peer that sends one byte a
 * second holds a worker for ever. It gives no access to its sockets either; the
 * reaper finds them among the process's descriptors by the server's port. Shutting
 * a socket down makes the worker's read end; the worker closes it. */
#ifndef PL_WEB_REAPER_H
#define PL_WEB_REAPER_H

#include "base/error.h"

#include <stdbool.h>

struct pl_reaper;

/* Starts its thread. `port` is the server's. */
PL_MUST_CHECK enum pl_status pl_reaper_start(int port, struct pl_reaper **reaper_out,
                                             struct pl_error *err);

/* A request of the peer with that port was read whole and is being answered (or,
 * false, no more): its handler now minds the time. Threads  any. */
void pl_reaper_handling(struct pl_reaper *reaper, int peer_port, bool on);

/* From now on end every connection at once, until pl_reaper_stop: makes a server
 * that is being stopped stop soon. */
void pl_reaper_end_all(struct pl_reaper *reaper);

/* NULL is fine. */
void pl_reaper_stop(struct pl_reaper *reaper);

#endif
