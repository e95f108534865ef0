#include "web/intake_images.h"

#include <stdio.h>
#include <string.h>

static bool is_one_of(const char *text, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(text, *names) == 0)
            return true;
    return false;
}

/* Kinds of machine code; some SDKs name no kind and mean their system's. */
static const char *const native_kinds[] = {"elf",   "macho", "pe", "symbolic",
                                           "apple", "wasm",  "",   NULL};

static void copy_without_dashes(const char *from, char to[static PL_BUILD_ID_TEXT])
{
    size_t len = 0;
    for (; *from && len < PL_BUILD_ID_TEXT - 1; from++)
        if (*from != '-')
            to[len++] = *from;
    to[len] = '\0';
}

static void set_build_id(struct pl_intake_image *out, const char *code_id)
{
    bool is_elf = !*out->kind;
    if (*code_id && pl_build_id_parse(code_id, out->build_id))
        return;
    if (!out->debug_id)
        (void)snprintf(out->build_id, sizeof out->build_id, "%s",
                       is_elf ? "" : code_id);
    else if (is_elf)
        pl_debug_id_build_prefix(out->debug_id, out->build_id);
    else
        copy_without_dashes(out->debug_id, out->build_id);
}

bool pl_intake_build_image(const struct pl_sent *profile, struct pl_intake_image *out)
{
    *out = (struct pl_intake_image){.path = PL_MAPPING_PATH, .kind = "proguard"};
    if (!pl_debug_id_parse(pl_sent_text(profile, profile->build_id), out->debug_text))
        return false;
    out->debug_id = out->debug_text;
    set_build_id(out, "");
    return true;
}

void pl_intake_image(const struct pl_sent *profile, const struct pl_sent_image *image,
                     struct pl_intake_image *out)
{
    const char *type = pl_sent_text(profile, image->type);
    const char *code_id = pl_sent_text(profile, image->code_id);
    const char *path =
        pl_sent_text(profile, image->code_file ? image->code_file : image->debug_file);
    *out = (struct pl_intake_image){
        .path = path,
        .kind = strcmp(type, "elf") == 0 ? "" : type,
        .is_native = is_one_of(type, native_kinds),
    };
    if (pl_debug_id_parse(pl_sent_text(profile, image->debug_id), out->debug_text))
        out->debug_id = out->debug_text;
    if (!*path && strcmp(type, "proguard") == 0)
        out->path = PL_MAPPING_PATH;
    set_build_id(out, code_id);
    if (!out->debug_id && !*out->kind &&
        pl_debug_id_of_build_id(out->build_id, out->debug_text))
        out->debug_id = out->debug_text;
}
