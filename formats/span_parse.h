/* Transactions and spans, for the names they give to samples: of each the little that
 * is needed is told, and nothing is kept. */
#ifndef PL_FORMATS_SPAN_PARSE_H
#define PL_FORMATS_SPAN_PARSE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Texts are "" where there was none. */
struct pl_span {
    char trace_id[40], span_id[24], parent_span_id[24];
    char event_id[40], profiler_id[40], profile_id[40];
    char thread_id[32];
    char thread_name[128], name[512], op[128];
    bool is_segment;
    int64_t start_ns, end_ns; /* Unix */
};

enum pl_span_format {
    PL_SPAN_TRANSACTION, /* one, a segment */
    PL_SPAN_LIST,        /* "items", span v2 */
};

/* False ends the parse. */
typedef bool pl_span_call(void *self, const struct pl_span *span);

struct pl_span_parser;

PL_MUST_CHECK enum pl_status pl_span_parser_new(enum pl_span_format format,
                                                pl_span_call *call, void *self,
                                                struct pl_span_parser **out,
                                                struct pl_error *err);
void pl_span_parser_free(struct pl_span_parser *parser); /* NULL is fine */
/* Errors  INPUT not JSON, not of this shape, or a call said false. */
PL_MUST_CHECK enum pl_status pl_span_parser_feed(struct pl_span_parser *parser,
                                                 const void *bytes, size_t len,
                                                 struct pl_error *err);
PL_MUST_CHECK enum pl_status pl_span_parser_finish(struct pl_span_parser *parser,
                                                   struct pl_error *err);

#endif
