#include "process/proguard_text.h"

#include <stdio.h>
#include <string.h>
#include <yajl/yajl_tree.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct pl_slice trim(const char *at, const char *end)
{
    while (at < end && is_blank(*at))
        at++;
    while (at < end && is_blank(end[-1]))
        end--;
    return (struct pl_slice){at, (size_t)(end - at)};
}

bool pl_proguard_line(const char **at, const char *end, struct pl_slice *line_out,
                      bool *indented_out)
{
    if (*at >= end)
        return false;
    const char *newline = memchr(*at, '\n', (size_t)(end - *at));
    const char *line_end = newline ? newline : end;
    *line_out = trim(*at, line_end);
    *indented_out = line_out->len && line_out->at > *at;
    *at = newline ? newline + 1 : end;
    return true;
}

/* Around the last " -> ": names have no blanks, but who knows. */
static bool split_arrow(struct pl_slice line, struct pl_slice *left,
                        struct pl_slice *right)
{
    for (const char *at = line.at + line.len; at - line.at >= 4; at--)
        if (memcmp(at - 4, " -> ", 4) == 0) {
            *left = trim(line.at, at - 4);
            *right = trim(at, line.at + line.len);
            return left->len && right->len;
        }
    return false;
}

bool pl_proguard_class_line(struct pl_slice line, struct pl_slice *original_out,
                            struct pl_slice *obfuscated_out)
{
    if (!line.len || line.at[line.len - 1] != ':' || *line.at == '#')
        return false;
    line.len--;
    return split_arrow(line, original_out, obfuscated_out);
}

/* ---- members ---- */

static bool read_number(struct pl_slice *text, uint32_t *value_out)
{
    uint64_t value = 0;
    size_t len = 0;
    for (; len < text->len && text->at[len] >= '0' && text->at[len] <= '9'; len++)
        if (value <= UINT32_MAX)
            value = 10 * value + (uint64_t)(text->at[len] - '0');
    if (!len || value > UINT32_MAX)
        return false;
    *text = (struct pl_slice){text->at + len, text->len - len};
    *value_out = (uint32_t)value;
    return true;
}

static bool skip(struct pl_slice *text, char c)
{
    if (!text->len || *text->at != c)
        return false;
    *text = (struct pl_slice){text->at + 1, text->len - 1};
    return true;
}

/* "4:5:" or "4:" before the member. */
static bool read_range(struct pl_slice *text, struct pl_proguard_member *m)
{
    m->to = UINT32_MAX;
    if (!text->len || *text->at < '0' || *text->at > '9')
        return true;
    if (!read_number(text, &m->from))
        return false;
    m->has_range = true;
    if (!skip(text, ':'))
        return false;
    m->to = m->from;
    return !read_number(text, &m->to) || skip(text, ':');
}

/* ":7:8" or ":7" behind it. */
static bool read_original(struct pl_slice text, struct pl_proguard_member *m)
{
    if (!skip(&text, ':'))
        return !text.len;
    m->has_original = read_number(&text, &m->original_from);
    m->original_to = m->original_from;
    if (skip(&text, ':') && !read_number(&text, &m->original_to))
        return false;
    return m->has_original && !text.len;
}

static void split_class(struct pl_proguard_member *m)
{
    for (size_t i = m->name.len; i-- > 0;)
        if (m->name.at[i] == '.') {
            m->class_name = (struct pl_slice){m->name.at, i};
            m->name = (struct pl_slice){m->name.at + i + 1, m->name.len - i - 1};
            return;
        }
}

bool pl_proguard_member_line(struct pl_slice line, struct pl_proguard_member *out)
{
    struct pl_slice text;
    *out = (struct pl_proguard_member){0};
    if (!line.len || *line.at == '#' || !split_arrow(line, &text, &out->obfuscated) ||
        !read_range(&text, out))
        return false;
    const char *end = text.at + text.len;
    const char *blank = memchr(text.at, ' ', text.len);
    const char *open = memchr(text.at, '(', text.len);
    const char *close = memchr(text.at, ')', text.len);
    if (!blank || !open || !close || blank > open || open > close)
        return false;
    out->returns = trim(text.at, blank);
    out->name = trim(blank, open);
    out->parameters = trim(open + 1, close);
    split_class(out);
    return out->name.len && !memchr(out->returns.at, ':', out->returns.len) &&
           read_original((struct pl_slice){close + 1, (size_t)(end - close - 1)}, out);
}

/* ---- notes ---- */

static const char *member_text(yajl_val note, const char *key)
{
    const char *path[] = {key, NULL};
    return YAJL_GET_STRING(yajl_tree_get(note, path, yajl_t_string));
}

enum pl_proguard_note pl_proguard_note(struct pl_slice line,
                                       char text_out[static PL_NOTE_BYTES])
{
    static const struct {
        enum pl_proguard_note note;
        const char *id, *text;
    } notes[] = {
        {PL_NOTE_SOURCE_FILE, "sourceFile", "fileName"},
        {PL_NOTE_SYNTHESIZED, "com.android.tools.r8.synthesized", "id"},
        {PL_NOTE_RESIDUAL, "com.android.tools.r8.residualsignature", "signature"},
    };
    enum pl_proguard_note found = PL_NOTE_NOTHING;
    char json[PL_NOTE_BYTES];
    const char *brace = line.len ? memchr(line.at, '{', line.len) : NULL;
    size_t len = brace ? line.len - (size_t)(brace - line.at) : 0;
    if (!len || *line.at != '#' || len >= sizeof json)
        return found;
    memcpy(json, brace, len);
    json[len] = '\0';
    yajl_val note = yajl_tree_parse(json, NULL, 0);
    const char *id = note ? member_text(note, "id") : NULL;
    for (size_t i = 0; id && i < sizeof notes / sizeof notes[0]; i++) {
        const char *text =
            strcmp(id, notes[i].id) ? NULL : member_text(note, notes[i].text);
        if (!text)
            continue;
        found = notes[i].note;
        (void)snprintf(text_out, PL_NOTE_BYTES, "%s", text);
    }
    yajl_tree_free(note);
    return found;
}
