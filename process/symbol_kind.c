#include "process/symbol_kind.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static enum pl_status give_descriptor(void *self, int64_t id, int *fd_out,
                                      struct pl_error *err)
{
    (void)self;
    *fd_out = fcntl((int)id, F_DUPFD_CLOEXEC, 3);
    return *fd_out >= 0 ? PL_OK
                        : pl_error_set(err, PL_IO, "cannot pass the file on: %s",
                                       strerror(errno));
}

static void copy(char *to, size_t room, const char *from)
{
    (void)snprintf(to, room, "%s", from);
}

/* What the worker says is checked as any text from outside. */
static void read_fact(struct pl_symbol_kind *kind, const char *name, const char *value)
{
    char clean[PL_BUILD_ID_TEXT];
    if (strcmp(name, "kind") == 0)
        copy(kind->kind, sizeof kind->kind, value);
    else if (strcmp(name, "debug_id") == 0)
        (void)pl_debug_id_parse(value, kind->debug_id);
    else if (strcmp(name, "build_id") == 0 && pl_build_id_parse(value, clean))
        copy(kind->build_id, sizeof kind->build_id, clean);
    else if (strcmp(name, "content") == 0)
        (void)pl_debug_id_parse(value, kind->content);
    else if (strcmp(name, "has_debug") == 0)
        kind->has_debug = *value;
    else if (strcmp(name, "has_symbols") == 0)
        kind->has_symbols = *value;
}

static bool is_known_kind(const char *kind)
{
    return strcmp(kind, "elf") == 0 || strcmp(kind, "sourcemap") == 0 ||
           strcmp(kind, "minified") == 0 || strcmp(kind, "proguard") == 0;
}

enum pl_status pl_symbol_identify(struct pl_symbolizer *symbolizer, int fd,
                                  const char *name, struct pl_symbol_kind *kind_out,
                                  struct pl_error *err)
{
    const struct pl_symbol_place place = {
        .kind = PL_PLACE_FILE, .text = "", .open = give_descriptor, .id = fd};
    const struct pl_lookup_key key = {0};
    const struct pl_symbol_question question = {.kind = PL_LOOKUP_IDENTIFY,
                                                .path = name,
                                                .build_id = "",
                                                .places = &place,
                                                .place_count = 1,
                                                .keys = &key,
                                                .key_count = 1};
    struct pl_resolved resolved;
    struct pl_symbol_kind kind = {.kind = ""};
    enum pl_status status = pl_symbolizer_ask(symbolizer, &question, &resolved, err);
    if (status != PL_OK)
        return status;
    if (resolved.failure == PL_SYMBOLIZER_NO_START)
        status = pl_error_set(err, PL_IO, "%s", resolved.message);
    else if (resolved.failure != PL_SYMBOLIZER_OK || resolved.module != PL_MODULE_FOUND)
        status = pl_error_set(err, PL_INPUT, "%.200s: %s", name, resolved.message);
    for (size_t i = 0; status == PL_OK && i < resolved.frames[0].name_count; i++)
        read_fact(&kind, resolved.frames[0].names[i].function,
                  resolved.frames[0].names[i].file);
    pl_resolved_deinit(&resolved);
    if (status == PL_OK && (!is_known_kind(kind.kind) || !kind.content[0]))
        status = pl_error_set(err, PL_INPUT, "%.200s: the symbol worker makes no sense",
                              name);
    if (status == PL_OK)
        *kind_out = kind;
    return status;
}
