/* Method traces of Android, part of sent_parse.c: as SDKs send them, and as Relay puts
 * them into words, lists of methods, events and threads in `profile`. */
#ifndef PL_FORMATS_SENT_WORDS_H
#define PL_FORMATS_SENT_WORDS_H

#include "formats/sent.h"
#include "formats/sent_rules.h"

/* The value of sampled_profile: base64 with or without padding, kept as it is until it
 * is known to be wanted. */
bool pl_sent_take_trace(struct pl_sent *profile, enum pl_json_type type,
                        const char *text, size_t len);

/* What is being read. */
struct pl_sent_words {
    struct pl_sent_method method;
    struct pl_sent_event event;
    uint32_t thread_id, thread_name; /* texts */
};

/* Of fields from F_TRACE on. False: not of that shape, or over the budget. */
void pl_sent_words_begin(struct pl_sent *profile, struct pl_sent_words *words, int id);
bool pl_sent_words_end(struct pl_sent *profile, struct pl_sent_words *words, int id);
bool pl_sent_words_scalar(struct pl_sent *profile, struct pl_sent_words *words, int id,
                          enum pl_json_type type, const char *text, size_t len);

#endif
