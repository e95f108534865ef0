#include "web/intake_code.h"

#include "base/debug_id.h"
#include "base/hash.h"
#include "store/chunk_sink.h"

#include <string.h>

#define TRIES_MOST 256

/* A path as both sides may say it. */
struct path {
    const char *at;
    size_t len;
};

static bool begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* "file:///app/a.mjs" is "/app/a.mjs"; what a URL asks for beside the file is not part
 * of it. */
static struct path plain(const char *path)
{
    if (begins(path, "file:///"))
        return (struct path){path + 7, strcspn(path + 7, "?#")};
    bool url = strstr(path, "://");
    return (struct path){path, url ? strcspn(path, "?#") : strlen(path)};
}

/* Where it is, or would be; NULL: among so many of one hash that it is not looked for.
 */
static uint32_t *find(const struct pl_intake_codes *codes, struct path path)
{
    const struct pl_sent *p = codes->profile;
    size_t at = (size_t)pl_hash_bytes(path.at, path.len) & codes->mask;
    for (int tried = 0; codes->bundles[at]; at = (at + 1) & codes->mask) {
        if (tried++ == TRIES_MOST)
            return NULL;
        struct path known =
            plain(pl_sent_text(p, p->images[codes->bundles[at] - 1].code_file));
        if (known.len == path.len && memcmp(known.at, path.at, path.len) == 0)
            break;
    }
    return &codes->bundles[at];
}

bool pl_intake_codes(struct pl_intake_codes *codes, const struct pl_sent *profile,
                     struct pl_intake_memory **memory)
{
    size_t size = 16, images = profile->image_count;
    while (size < 2 * images)
        size *= 2;
    *codes = (struct pl_intake_codes){
        .profile = profile,
        .bundles = pl_intake_alloc(memory, size, sizeof *codes->bundles),
        .mask = size - 1,
        .mapping = PL_NO_INDEX,
    };
    codes->build = pl_intake_alloc(memory, 1, sizeof *codes->build);
    if (!codes->bundles || !codes->build)
        return false;
    if (pl_intake_build_image(profile, codes->build))
        codes->mapping = (uint32_t)images;
    for (uint32_t i = 0; i < images; i++) {
        const struct pl_sent_image *image = &profile->images[i];
        const char *type = pl_sent_text(profile, image->type);
        char debug_id[PL_DEBUG_ID_TEXT];
        if (!pl_debug_id_parse(pl_sent_text(profile, image->debug_id), debug_id))
            continue;
        if (strcmp(type, "proguard") == 0 && codes->mapping == PL_NO_INDEX)
            codes->mapping = i;
        if (strcmp(type, "sourcemap") != 0 || !image->code_file)
            continue;
        uint32_t *place = find(codes, plain(pl_sent_text(profile, image->code_file)));
        if (place && !*place)
            *place = i + 1;
    }
    return true;
}

static bool is_path_of(const char *path, bool node)
{
    if (strcmp(path, "native") == 0 || strcmp(path, "[native code]") == 0)
        return false;
    return !node || *path == '/' || begins(path, "app:") || begins(path, "webpack:") ||
           begins(path, "file:");
}

uint32_t pl_intake_code(const struct pl_intake_codes *codes,
                        const struct pl_sent_frame *frame)
{
    const struct pl_sent *p = codes->profile;
    const char *platform =
        pl_sent_text(p, frame->platform ? frame->platform : p->platform);
    bool node = strcmp(platform, "node") == 0;
    if (strcmp(platform, "android") == 0 || strcmp(platform, "java") == 0)
        return codes->mapping;
    if (!node && strcmp(platform, "javascript") != 0)
        return PL_NO_INDEX;
    const char *path = pl_sent_text(p, frame->path ? frame->path : frame->file);
    if (!*path || !frame->line || !is_path_of(path, node))
        return PL_NO_INDEX;
    const uint32_t *image = find(codes, plain(path));
    return image && *image ? *image - 1 : PL_NO_INDEX;
}
