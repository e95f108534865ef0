/* Classes are found once, by one walk over the text; the members of a class are read
 * when it is first asked for and sorted by their obfuscated name, those of one name as
 * they stand in the file.
 *
 * Lines of one name and one range that stand one after the other are one place in the
 * program: what was inlined first, the method itself last. */
#include "process/proguard.h"

#include "base/hash.h"
#include "process/jvm_signature.h"
#include "process/map.h"
#include "process/proguard_text.h"
#include "store/arena.h"

#include <stdlib.h>
#include <string.h>

#define NAME_BYTES 4096 /* of a method with its signature; what is longer is cut */

struct class_entry {
    struct pl_slice original, obfuscated;
    struct pl_slice text; /* of its members */
    const char *name;     /* original, as text; NULL: not made yet */
    const char *file;     /* NULL: not said */
    struct pl_proguard_member *members;
    size_t member_count;
    bool read;
};

struct pl_proguard {
    struct class_entry *classes;
    size_t class_count, class_cap;
    struct pl_map by_obfuscated, by_original; /* hash -> class */
    struct pl_arena *texts;
};

static bool same(struct pl_slice a, struct pl_slice b)
{
    return a.len == b.len && (!a.len || memcmp(a.at, b.at, a.len) == 0);
}

static struct pl_slice slice_of(const char *text)
{
    return (struct pl_slice){text, strlen(text)};
}

static uint64_t hash_of(struct pl_slice name)
{
    uint64_t hash = pl_hash_bytes(name.at, name.len);
    return hash ? hash : 1;
}

/* NULL when memory ran out. */
static const char *text_of(struct pl_proguard *p, struct pl_slice slice)
{
    size_t len = slice.len < NAME_BYTES ? slice.len : NAME_BYTES;
    char *text = pl_arena_alloc(p->texts, len + 1);
    if (text)
        memcpy(text, slice.at, len);
    return text;
}

/* ---- classes ---- */

static bool add_class(struct pl_proguard *p, struct pl_slice original,
                      struct pl_slice obfuscated)
{
    uint32_t known;
    if (p->class_count == p->class_cap) {
        size_t cap = p->class_cap ? 2 * p->class_cap : 1024;
        struct class_entry *grown = realloc(p->classes, cap * sizeof *grown);
        if (!grown || cap > UINT32_MAX)
            return false;
        p->classes = grown;
        p->class_cap = cap;
    }
    uint32_t index = (uint32_t)p->class_count++;
    p->classes[index] =
        (struct class_entry){.original = original, .obfuscated = obfuscated};
    uint64_t names[] = {hash_of(obfuscated), hash_of(original)};
    struct pl_map *maps[] = {&p->by_obfuscated, &p->by_original};
    for (int i = 0; i < 2; i++)
        if (!pl_map_get(maps[i], names[i], &known) &&
            !pl_map_put(maps[i], names[i], index))
            return false;
    return true;
}

/* A note right below a class says where it comes from. */
static bool take_note(struct pl_proguard *p, struct pl_slice line)
{
    char text[PL_NOTE_BYTES];
    struct class_entry *class = &p->classes[p->class_count - 1];
    if (class->file || !memmem(line.at, line.len, "sourceFile", 10) ||
        pl_proguard_note(line, text) != PL_NOTE_SOURCE_FILE)
        return true;
    class->file = pl_arena_text(p->texts, text);
    return class->file;
}

static bool read_classes(struct pl_proguard *p, const char *bytes, const char *end)
{
    struct pl_slice line, original, obfuscated;
    bool indented, ok = true;
    const char *at = bytes;
    while (ok && pl_proguard_line(&at, end, &line, &indented)) {
        struct class_entry *class =
            p->class_count ? &p->classes[p->class_count - 1] : NULL;
        if (line.len && *line.at == '#') {
            ok = !class || take_note(p, line);
        } else if (!indented && pl_proguard_class_line(line, &original, &obfuscated)) {
            if (class)
                class->text.len = (size_t)(line.at - class->text.at);
            ok = add_class(p, original, obfuscated);
            p->classes[p->class_count - 1].text =
                (struct pl_slice){at, (size_t)(end - at)};
        }
    }
    return ok;
}

enum pl_status pl_proguard_open(const char *bytes, size_t len,
                                struct pl_proguard **mapping_out, struct pl_error *err)
{
    struct pl_proguard *p = calloc(1, sizeof *p);
    enum pl_status status = PL_OK;
    if (p)
        p->texts = pl_arena_new();
    if (!p || !p->texts || !read_classes(p, bytes, bytes + len))
        status = pl_error_set(err, PL_NOMEM, "out of memory for a mapping");
    else if (!p->class_count)
        status = pl_error_set(err, PL_INPUT, "not a ProGuard mapping");
    if (status == PL_OK)
        *mapping_out = p;
    else
        pl_proguard_close(p);
    return status;
}

void pl_proguard_close(struct pl_proguard *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->class_count; i++)
        free(p->classes[i].members);
    free(p->classes);
    pl_map_deinit(&p->by_obfuscated);
    pl_map_deinit(&p->by_original);
    pl_arena_free(p->texts);
    free(p);
}

static struct class_entry *find_class(struct pl_proguard *p, struct pl_slice name,
                                      bool original)
{
    uint32_t index;
    const struct pl_map *map = original ? &p->by_original : &p->by_obfuscated;
    if (!pl_map_get(map, hash_of(name), &index))
        return NULL;
    struct class_entry *class = &p->classes[index];
    return same(original ? class->original : class->obfuscated, name) ? class : NULL;
}

static const char *class_name(struct pl_proguard *p, struct class_entry *class)
{
    if (!class->name)
        class->name = text_of(p, class->original);
    return class->name;
}

const char *pl_proguard_class(struct pl_proguard *p, const char *obfuscated)
{
    struct class_entry *class = find_class(p, slice_of(obfuscated), false);
    return class ? class_name(p, class) : NULL;
}

/* ---- members ---- */

static int compare_slices(struct pl_slice a, struct pl_slice b)
{
    int order = memcmp(a.at, b.at, a.len < b.len ? a.len : b.len);
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* Pieces of the file tell the order of members of one name. */
static int compare_members(const void *left, const void *right)
{
    const struct pl_proguard_member *a = left, *b = right;
    int order = compare_slices(a->obfuscated, b->obfuscated);
    return order ? order : (a->name.at > b->name.at) - (a->name.at < b->name.at);
}

static bool add_member(struct class_entry *class, size_t *cap,
                       const struct pl_proguard_member *member)
{
    if (class->member_count == *cap) {
        size_t wanted = *cap ? 2 * *cap : 16;
        struct pl_proguard_member *grown =
            realloc(class->members, wanted * sizeof *grown);
        if (!grown)
            return false;
        class->members = grown;
        *cap = wanted;
    }
    class->members[class->member_count++] = *member;
    return true;
}

static void note_member(struct pl_proguard *p, struct pl_slice line,
                        struct pl_proguard_member *member)
{
    char text[PL_NOTE_BYTES];
    enum pl_proguard_note note = pl_proguard_note(line, text);
    member->synthesized |= note == PL_NOTE_SYNTHESIZED;
    const char *kept = note == PL_NOTE_RESIDUAL ? pl_arena_text(p->texts, text) : NULL;
    if (kept)
        member->residual = slice_of(kept);
}

/* False: out of memory, and the class has what was read so far. */
static bool read_members(struct pl_proguard *p, struct class_entry *class)
{
    struct pl_proguard_member member;
    struct pl_slice line;
    size_t cap = 0;
    bool indented, ok = true;
    const char *at = class->text.at, *end = at + class->text.len;
    if (class->read)
        return true;
    class->read = true;
    while (ok && pl_proguard_line(&at, end, &line, &indented)) {
        if (line.len && *line.at == '#' && class->member_count)
            note_member(p, line, &class->members[class->member_count - 1]);
        else if (pl_proguard_member_line(line, &member))
            ok = add_member(class, &cap, &member);
    }
    if (class->member_count)
        qsort(class->members, class->member_count, sizeof *class->members,
              compare_members);
    return ok;
}

/* Members of one obfuscated name: [first, end). */
struct span {
    const struct pl_proguard_member *first, *end;
};

static struct span named(const struct class_entry *class, struct pl_slice name)
{
    size_t lo = 0, hi = class->member_count;
    if (!hi)
        return (struct span){NULL, NULL};
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (compare_slices(class->members[middle].obfuscated, name) < 0)
            lo = middle + 1;
        else
            hi = middle;
    }
    struct span span = {class->members + lo, class->members + lo};
    while (span.end < class->members + class->member_count &&
           same(span.end->obfuscated, name))
        span.end++;
    return span;
}

/* The place that begins at `first`; its last member is the method itself. */
static struct span place_at(const struct pl_proguard_member *first,
                            const struct pl_proguard_member *end)
{
    struct span place = {first, first + 1};
    while (first->has_range && place.end < end && place.end->has_range &&
           place.end->from == first->from && place.end->to == first->to)
        place.end++;
    return place;
}

/* ---- one method ---- */

/* A search, and how the program's signature reads in the source. */
struct search {
    struct pl_proguard *p;
    struct class_entry *class; /* NULL: not in the mapping */
    const struct pl_proguard_method *method;
    struct pl_buf words; /* of the signature; "" if it is malformed */
};

static const char *rename_class(void *self, const char *name)
{
    return pl_proguard_class(self, name);
}

/* Does `words` go on with `text`, blanks aside? Moves on. */
static bool goes_on(const char **words, struct pl_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] == ' ')
            continue;
        *words += **words == ' ';
        if (**words != text.at[i])
            return false;
        (*words)++;
    }
    return true;
}

static bool fits(const struct search *s, const struct pl_proguard_member *m)
{
    if (!*s->method->signature)
        return true;
    if (m->residual.len)
        return same(m->residual, slice_of(s->method->signature));
    const char *words = s->words.data;
    if (!words || !goes_on(&words, slice_of("(")) || !goes_on(&words, m->parameters) ||
        !goes_on(&words, slice_of(")")))
        return false;
    if (*words && (!goes_on(&words, slice_of(":")) || !goes_on(&words, m->returns)))
        return false;
    return !*words && (words[-1] != ')' || same(m->returns, slice_of("void")));
}

/* The place that covers the line, of several the first whose signature fits; then one
 * that covers every line. */
static struct span by_line(const struct search *s, struct span all)
{
    struct span found = {0}, any = {0};
    uint32_t line = s->method->line;
    for (const struct pl_proguard_member *at = all.first; at < all.end;) {
        struct span place = place_at(at, all.end);
        bool right = fits(s, place.end - 1);
        if (line && at->has_range && at->from <= line && line <= at->to &&
            (!found.first || (right && !fits(s, found.end - 1))))
            found = place;
        if (!at->has_range && right && !any.first)
            any = place;
        at = place.end;
    }
    return found.first || !line ? found : any;
}

/* What all that fit agree on; all of them if none fits. Their last member, or NULL. */
static const struct pl_proguard_member *by_name(const struct search *s, struct span all)
{
    const struct pl_proguard_member *found = NULL, *other = NULL;
    bool clear = true, other_clear = true;
    for (const struct pl_proguard_member *at = all.first; at < all.end;) {
        const struct pl_proguard_member *method = place_at(at, all.end).end - 1;
        const struct pl_proguard_member **known = fits(s, method) ? &found : &other;
        bool same_name = !*known || (same((*known)->name, method->name) &&
                                     same((*known)->class_name, method->class_name));
        *(known == &found ? &clear : &other_clear) &= same_name;
        if (!*known)
            *known = method;
        at = method + 1;
    }
    if (found)
        return clear ? found : NULL;
    return other_clear ? other : NULL;
}

/* ---- rows ---- */

static uint32_t original_line(const struct pl_proguard_member *m, uint32_t line)
{
    if (!line || !m->has_original)
        return line;
    if (!m->has_range)
        return m->original_from <= line && line <= m->original_to ? line
                                                                  : m->original_from;
    uint64_t original = (uint64_t)m->original_from + (line - m->from);
    return original < m->original_to ? (uint32_t)original : m->original_to;
}

/* "total(int[], boolean): int" */
static const char *full_name(struct pl_proguard *p, const struct pl_proguard_member *m)
{
    struct pl_buf name;
    pl_buf_init(&name, NAME_BYTES);
    pl_buf_append(&name, m->name.at, m->name.len);
    pl_buf_putc(&name, '(');
    for (size_t i = 0; i < m->parameters.len; i++) {
        char c = m->parameters.at[i];
        if (c != ' ')
            pl_buf_putc(&name, c);
        if (c == ',')
            pl_buf_putc(&name, ' ');
    }
    pl_buf_putc(&name, ')');
    if (!same(m->returns, slice_of("void"))) {
        pl_buf_puts(&name, ": ");
        pl_buf_append(&name, m->returns.at, m->returns.len);
    }
    const char *text =
        name.failed ? text_of(p, m->name) : pl_arena_text(p->texts, name.data);
    pl_buf_deinit(&name);
    return text;
}

/* A name with the program's signature in words; as it is, if that is malformed. */
static const char *worded_name(const struct search *s, struct pl_slice own)
{
    const struct pl_jvm_classes classes = {rename_class, s->p};
    struct pl_buf name;
    pl_buf_init(&name, NAME_BYTES);
    pl_buf_append(&name, own.at, own.len);
    if (!pl_jvm_signature(s->method->signature, &classes, &name))
        pl_buf_puts(&name, s->method->signature);
    const char *text = name.failed ? NULL : pl_arena_text(s->p->texts, name.data);
    pl_buf_deinit(&name);
    return text;
}

static const char *row_name(const struct search *s, const struct pl_proguard_member *m,
                            bool inlined)
{
    if (!*s->method->signature)
        return text_of(s->p, m->name);
    return inlined || fits(s, m) ? full_name(s->p, m) : worded_name(s, m->name);
}

static void add_row(const struct search *s, const struct pl_proguard_member *m,
                    uint32_t line, struct pl_proguard_rows *out)
{
    struct class_entry *class = s->class;
    const char *name = NULL;
    if (m->class_name.len) {
        class = find_class(s->p, m->class_name, true);
        name = class ? NULL : text_of(s->p, m->class_name);
    }
    struct pl_proguard_row row = {
        .class_name = class ? class_name(s->p, class) : name,
        .name = row_name(s, m, out->count > 0),
        .file = class && class->file ? class->file : "",
        .line = line,
    };
    if (row.class_name && row.name && out->count < PL_PROGUARD_INLINES)
        out->rows[out->count++] = row;
}

static void add_unknown(const struct search *s, struct pl_proguard_rows *out)
{
    const struct pl_proguard_method *method = s->method;
    struct pl_proguard_row row = {
        .class_name = s->class ? class_name(s->p, s->class)
                               : pl_arena_text(s->p->texts, method->class_name),
        .name = worded_name(s, slice_of(method->name)),
        .file = "",
    };
    if (row.class_name && row.name && (s->class || *method->signature))
        out->rows[out->count++] = row;
}

static enum pl_proguard_match find_method(const struct search *s,
                                          struct pl_proguard_rows *out)
{
    struct span all = named(s->class, slice_of(s->method->name));
    struct span place = by_line(s, all);
    if (!place.first) {
        const struct pl_proguard_member *method = by_name(s, all);
        if (method)
            add_row(s, method, 0, out);
        return out->count ? PL_PROGUARD_METHOD : PL_PROGUARD_CLASS;
    }
    if (place.end[-1].synthesized && place.end - place.first > 1)
        place.end--; /* nobody wrote it */
    for (const struct pl_proguard_member *m = place.end; m-- > place.first;)
        add_row(s, m, original_line(m, s->method->line), out);
    return out->count ? PL_PROGUARD_METHOD : PL_PROGUARD_CLASS;
}

enum pl_proguard_match pl_proguard_find(struct pl_proguard *p,
                                        const struct pl_proguard_method *method,
                                        struct pl_proguard_rows *rows_out)
{
    const struct pl_jvm_classes classes = {rename_class, p};
    struct search s = {.p = p, .method = method};
    enum pl_proguard_match match = PL_PROGUARD_NONE;
    rows_out->count = 0;
    s.class = find_class(p, slice_of(method->class_name), false);
    if (s.class) {
        pl_buf_init(&s.words, NAME_BYTES);
        (void)pl_jvm_signature(method->signature, &classes, &s.words);
        match =
            read_members(p, s.class) ? find_method(&s, rows_out) : PL_PROGUARD_CLASS;
        pl_buf_deinit(&s.words);
    }
    if (match != PL_PROGUARD_METHOD)
        add_unknown(&s, rows_out);
    return match;
}
