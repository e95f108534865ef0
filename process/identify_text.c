#include "process/identify_text.h"

#include <string.h>

/* Comments of bundlers stand at a file's end, mappings begin at its beginning. */
#define TAIL_BYTES ((size_t)64 << 10)
#define HEAD_BYTES ((size_t)256 << 10)

struct span {
    const char *at, *end;
};

/* ---- JSON: the outermost object's members, no more ---- */

static void skip_blanks(struct span *in)
{
    while (in->at < in->end && strchr(" \t\r\n", *in->at) && *in->at)
        in->at++;
}

/* What lies between the quotes, escapes as they are; false: no string here. */
static bool take_string(struct span *in, struct span *string_out)
{
    if (in->at >= in->end || *in->at != '"')
        return false;
    const char *start = ++in->at;
    for (; in->at < in->end && *in->at != '"'; in->at++)
        if (*in->at == '\\')
            in->at++;
    if (in->at >= in->end)
        return false;
    *string_out = (struct span){start, in->at++};
    return true;
}

/* Past one value of any kind. */
static bool skip_value(struct span *in)
{
    size_t depth = 0;
    struct span string;
    while (in->at < in->end) {
        char c = *in->at;
        if (c == '"') {
            if (!take_string(in, &string))
                return false;
            if (!depth)
                return true;
            continue;
        }
        if (!depth && (c == ',' || c == '}'))
            return true;
        depth += c == '{' || c == '[';
        in->at++;
        if ((c == '}' || c == ']') && --depth == 0)
            return true;
    }
    return false;
}

static bool is(const struct span *text, const char *other)
{
    size_t len = strlen(other);
    return (size_t)(text->end - text->at) == len && memcmp(text->at, other, len) == 0;
}

static void read_id(const struct span *text, char debug_id[static PL_DEBUG_ID_TEXT])
{
    char copy[PL_DEBUG_ID_TEXT];
    size_t len = (size_t)(text->end - text->at);
    if (len >= sizeof copy)
        len = sizeof copy - 1;
    memcpy(copy, text->at, len);
    copy[len] = '\0';
    (void)pl_debug_id_parse(copy, debug_id);
}

static bool is_source_map(struct span in, char debug_id[static PL_DEBUG_ID_TEXT])
{
    struct span key, value;
    bool version = false, mappings = false;
    for (in.at++;; in.at++) {
        skip_blanks(&in);
        if (!take_string(&in, &key))
            break;
        skip_blanks(&in);
        if (in.at >= in.end || *in.at++ != ':')
            break;
        skip_blanks(&in);
        value.at = in.at;
        if (!skip_value(&in))
            break;
        value.end = in.at;
        if (is(&key, "version"))
            version = value.at < value.end && *value.at == '3';
        mappings |= is(&key, "mappings") || is(&key, "sections");
        if ((is(&key, "debugId") || is(&key, "debug_id")) && *value.at == '"')
            read_id(&(struct span){value.at + 1, value.end - 1}, debug_id);
        skip_blanks(&in);
        if (in.at >= in.end || *in.at != ',')
            break;
    }
    return version && mappings;
}

/* ---- code and mappings ---- */

static bool find_comment(struct span in, const char *start, struct span *rest_out)
{
    const size_t len = strlen(start);
    const char *at = in.at, *found = NULL;
    while (at && (size_t)(in.end - at) >= len &&
           (at = memmem(at, (size_t)(in.end - at), start, len)))
        found = at += len;
    if (found) {
        const char *line = memchr(found, '\n', (size_t)(in.end - found));
        *rest_out = (struct span){found, line ? line : in.end};
    }
    return found != NULL;
}

/* "com.example.Shop -> a.b:" stands before anything but comments. */
static bool is_mapping(struct span in)
{
    while (in.at < in.end) {
        const char *end = memchr(in.at, '\n', (size_t)(in.end - in.at));
        struct span line = {in.at, end ? end : in.end};
        in.at = line.end + (end != NULL);
        while (line.end > line.at && strchr(" \t\r", line.end[-1]))
            line.end--;
        if (line.at == line.end || *line.at == '#')
            continue;
        return line.end[-1] == ':' && *line.at != ' ' &&
               memmem(line.at, (size_t)(line.end - line.at), " -> ", 4);
    }
    return false;
}

const char *pl_identify_text(const char *bytes, size_t len,
                             char debug_id[static PL_DEBUG_ID_TEXT],
                             const char **why_out)
{
    struct span all = {bytes, bytes + len}, rest;
    debug_id[0] = '\0';
    if (len >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
        all.at += 3;
    if (len >= 4 &&
        memcmp(all.at, ")]}'", 4) == 0) { /* against inclusion as a script */
        const char *line = memchr(all.at, '\n', (size_t)(all.end - all.at));
        all.at = line ? line + 1 : all.end;
    }
    skip_blanks(&all);
    if (all.at < all.end && *all.at == '{' && is_source_map(all, debug_id))
        return "sourcemap";
    struct span head = all, tail = all;
    if ((size_t)(all.end - all.at) > HEAD_BYTES)
        head.end = all.at + HEAD_BYTES;
    if (is_mapping(head))
        return "proguard";
    if ((size_t)(all.end - all.at) > TAIL_BYTES)
        tail.at = all.end - TAIL_BYTES;
    if (find_comment(tail, "//# debugId=", &rest)) {
        read_id(&rest, debug_id);
        if (debug_id[0])
            return "minified";
    }
    *why_out = find_comment(tail, "//# sourceMappingURL=", &rest)
                   ? "minified code without a debug id (//# debugId=)"
                   : "no ELF file, source map, minified code or ProGuard mapping";
    return NULL;
}
