/* JSON as it arrives: bytes go in by the piece, calls come out, nothing is kept.
 *
 * A format is a table of rules: in this context, the value of that key is a scalar
 * to be told of, or a container that is another context. What no rule names is
 * passed over. Nesting is bounded, so is the length of one string. */
#ifndef PL_FORMATS_JSON_STREAM_H
#define PL_FORMATS_JSON_STREAM_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PL_JSON_DEPTH       64
#define PL_JSON_TOKEN_BYTES ((size_t)8 << 20)

enum pl_json_type {
    PL_JSON_NULL,
    PL_JSON_TRUE,
    PL_JSON_FALSE,
    PL_JSON_NUMBER, /* its text, as sent */
    PL_JSON_STRING, /* decoded, UTF-8 */
    PL_JSON_OTHER,  /* a container where the rule has none, or an array where it has
                       an object; passed over */
};

/* Contexts are numbers from 1; the document itself is a value in context 0. A table
 * has 256 rules at most. */
struct pl_json_rule {
    uint8_t in;      /* context; a table is sorted by it */
    uint8_t id;      /* told to the calls */
    uint8_t opens;   /* 0: a scalar; else the context inside the container */
    uint8_t key_len; /* 0: any key, or the elements of an array */
    const char *key;
};
#define PL_JSON_KEY(in, text, id, opens)                                               \
    {                                                                                  \
        in, id, opens, sizeof(text) - 1, text                                          \
    }
#define PL_JSON_ANY(in, id, opens)                                                     \
    {                                                                                  \
        in, id, opens, 0, NULL                                                         \
    }

/* `text` is not terminated and lives as long as the call. False ends the parse. */
struct pl_json_calls {
    bool (*begin)(void *self, int id, const char *key, size_t key_len);
    bool (*end)(void *self, int id);
    bool (*scalar)(void *self, int id, enum pl_json_type type, const char *text,
                   size_t len);
};

struct pl_json_stream;

/* Ownership  borrows all but the stream.  Errors  NOMEM. */
PL_MUST_CHECK enum pl_status
pl_json_stream_new(const struct pl_json_rule *rules, size_t rule_count,
                   const struct pl_json_calls *calls, void *self,
                   struct pl_json_stream **stream_out, struct pl_error *err);
void pl_json_stream_free(struct pl_json_stream *stream); /* NULL is fine */

/* Errors  INPUT not JSON, nested too deeply, or a call said false (then `err` is
 * not touched).  After an error the stream is good for nothing but free. */
PL_MUST_CHECK enum pl_status pl_json_stream_feed(struct pl_json_stream *stream,
                                                 const void *bytes, size_t len,
                                                 struct pl_error *err);
/* The end: one whole value has come. */
PL_MUST_CHECK enum pl_status pl_json_stream_finish(struct pl_json_stream *stream,
                                                   struct pl_error *err);

#endif
