/* Events: GET /api/v1/events tells a page that the store's data have changed, as
 * server-sent events (WHATWG HTML, "Server-sent events"):
 *
 *   data: {"generation":"123"}
 *
 * one at once, then one for each change. What changed is not said: the page asks
 * again for what it shows. Nothing is looked at while nobody listens. */
#ifndef PL_WEB_EVENTS_H
#define PL_WEB_EVENTS_H

#include "web/http.h"
#include "web/pool.h"
#include "web/reply.h"

struct pl_events;

/* Starts the thread that looks. `pool` must outlive it.  Errors  NOMEM, IO. */
PL_MUST_CHECK enum pl_status pl_events_start(struct pl_pool *pool,
                                             struct pl_events **events_out,
                                             struct pl_error *err);

/* Every stream ends soon after; on any thread. NULL is fine. */
void pl_events_interrupt(struct pl_events *events);

/* Are there streams open now? On any thread. */
bool pl_events_has_listeners(struct pl_events *events);

/* Nobody may be in pl_events_stream any more. NULL is fine. */
void pl_events_stop(struct pl_events *events);

/* Write events to `peer` until it is gone or the server stops: blocks the calling
 * thread, a server worker, all that time. Returns 0, or, having written nothing, the
 * status in `error` when there are too many listeners. */
int pl_events_stream(struct pl_events *events, const struct pl_peer *peer, bool head,
                     struct pl_http_error *error);

#endif
