/* /metrics: counters in Prometheus' text format.
 *
 * Those of work done are of the file (store/counters.h): whichever process did it, and
 * however often the server was started anew. Those of connections are this process's:
 * add a row to PL_LIVE_COUNTERS and call pl_live_add. A counter of the file gets its
 * name in metrics.c, one row there. */
#ifndef PL_WEB_METRICS_H
#define PL_WEB_METRICS_H

#include "base/buf.h"

#include <stdint.h>

struct pl_api_call;
struct pl_store;

/* id, family, suffix and labels, type, help, what 1 counts as. Rows of one family stand
 * together. */
#define PL_LIVE_COUNTERS(X)                                                            \
    X(INGEST_BYTES, "proflite_ingest_bytes_total", "", "counter",                      \
      "Bytes of request bodies that were taken, as sent.", 1)                          \
    X(INGEST_NS, "proflite_ingest_seconds", "_sum", "summary",                         \
      "Time from a request's head to its answer.", 1e-9)                               \
    X(INGEST_COUNT, "proflite_ingest_seconds", "_count", "", "", 1)                    \
    X(INGEST_200, "proflite_ingest_requests_total", "{status=\"200\"}", "counter",     \
      "Requests to ingest by the status of the answer.", 1)                            \
    X(INGEST_400, "proflite_ingest_requests_total", "{status=\"400\"}", "", "", 1)     \
    X(INGEST_403, "proflite_ingest_requests_total", "{status=\"403\"}", "", "", 1)     \
    X(INGEST_408, "proflite_ingest_requests_total", "{status=\"408\"}", "", "", 1)     \
    X(INGEST_413, "proflite_ingest_requests_total", "{status=\"413\"}", "", "", 1)     \
    X(INGEST_429, "proflite_ingest_requests_total", "{status=\"429\"}", "", "", 1)     \
    X(INGEST_503, "proflite_ingest_requests_total", "{status=\"503\"}", "", "", 1)     \
    X(INGEST_OTHER, "proflite_ingest_requests_total", "{status=\"other\"}", "", "", 1)

enum pl_live {
#define X(id, family, suffix, type, help, unit) PL_LIVE_##id,
    PL_LIVE_COUNTERS(X)
#undef X
        PL_LIVE_COUNT
};

/* Threads  any. Never fails. */
void pl_live_add(enum pl_live metric, uint64_t by);

/* One request to ingest was answered; `bytes` of body were taken. */
void pl_live_ingest(int status, uint64_t bytes, uint64_t took_ns);

/* The whole page; `store` may be NULL, then only this process's. As an API handler it
 * is answered without a token: it says how much, never what. */
PL_MUST_CHECK enum pl_status pl_metrics_write(struct pl_store *store,
                                              struct pl_buf *out, struct pl_error *err);
PL_MUST_CHECK enum pl_status pl_api_metrics(struct pl_store *store,
                                            const struct pl_api_call *call,
                                            struct pl_buf *out, struct pl_error *err);

#endif
