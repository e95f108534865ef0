/* Asking the symbolizer as the pass does, without a store. */
#ifndef PL_TESTS_ASKING_H
#define PL_TESTS_ASKING_H

#include "process/symbolicate.h"
#include "tests/test.h"

/* pl_symbolicate with separate debug files under `debug_root` (NULL: the usual). */
static inline enum pl_status
symbolicate_under(struct pl_symbolizer *symbolizer, const char *debug_root,
                  const struct pl_raw_frame_list *list, bool only_better,
                  struct pl_symbolicated *result_out, struct pl_error *err)
{
    const struct pl_places_options options = {.debug_root = debug_root};
    struct pl_places *places = NULL;
    enum pl_status status = pl_places_open(NULL, &options, &places, err);
    if (status == PL_OK)
        status =
            pl_symbolicate(symbolizer, places, 0, list, only_better, result_out, err);
    pl_places_close(places);
    return status;
}

/* At most 64 addresses in the file at `path`. */
static inline enum pl_status ask_addresses(struct pl_symbolizer *symbolizer,
                                           const char *path, const char *build_id,
                                           const uint64_t *addresses, size_t count,
                                           struct pl_resolved *resolved_out,
                                           struct pl_error *err)
{
    struct pl_lookup_key keys[64];
    const struct pl_symbol_place place = {.kind = PL_PLACE_PATH, .text = ""};
    const struct pl_symbol_question question = {.kind = PL_LOOKUP_ELF,
                                                .path = path,
                                                .build_id = build_id,
                                                .places = &place,
                                                .place_count = 1,
                                                .keys = keys,
                                                .key_count = count};
    for (size_t i = 0; i < count && i < 64; i++)
        keys[i] = (struct pl_lookup_key){.address = addresses[i]};
    return pl_symbolizer_ask(symbolizer, &question, resolved_out, err);
}

#endif
