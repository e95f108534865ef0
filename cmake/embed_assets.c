/* Build tool: files of a folder become one C file of string literals, each as it is
 * and, where that is smaller, as gzip and as brotli. Of our own modules and style
 * sheets comments that have lines of their own stay behind; the lines stay, and their
 * numbers.
 *
 *   embed_assets FOLDER LIST OUT.c     LIST: one path a line, sorted, in FOLDER
 *
 * The tables are declared in web/assets.h. */
#include <brotli/encode.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static _Noreturn void fail(const char *what, const char *path)
{
    fprintf(stderr, "embed_assets: %s: ", what);
    perror(path);
    exit(1);
}

struct bytes {
    unsigned char *data; /* malloc'd; NULL: this form is not worth having */
    size_t len;
};

static struct bytes read_file(const char *path)
{
    struct bytes file = {NULL, 0};
    char *text = NULL;
    FILE *in = fopen(path, "rb"), *copy = open_memstream(&text, &file.len);
    int c;
    if (!in || !copy)
        fail("cannot read", path);
    while ((c = getc(in)) != EOF)
        putc(c, copy);
    if (ferror(in) || fclose(copy) != 0)
        fail("cannot read", path);
    fclose(in);
    file.data = (unsigned char *)text;
    return file;
}

static bool has_ending(const char *name, const char *ending)
{
    size_t len = strlen(name), tail = strlen(ending);
    return len > tail && strcmp(name + len - tail, ending) == 0;
}

static bool is_ours(const char *name)
{
    return strncmp(name, "vendor/", 7) != 0 &&
           (has_ending(name, ".js") || has_ending(name, ".css"));
}

/* In place. A comment is one if its line begins with it: strings have none such. */
static void leave_comments_out(struct bytes *file)
{
    size_t to = 0, at = 0;
    bool inside = false;
    while (at < file->len) {
        const unsigned char *line = file->data + at;
        const unsigned char *end = memchr(line, '\n', file->len - at);
        size_t len = end ? (size_t)(end - line) + 1 : file->len - at, skip = 0;
        while (skip < len && (line[skip] == ' ' || line[skip] == '\t'))
            skip++;
        bool begins = len - skip >= 2 && memcmp(line + skip, "/*", 2) == 0;
        bool whole = len - skip >= 2 && memcmp(line + skip, "//", 2) == 0;
        bool ends = len >= 3 && memcmp(line + len - 3, "*/\n", 3) == 0;
        at += len;
        if (inside || whole || (begins && (ends || !memmem(line, len, "*/", 2)))) {
            inside = !whole && !ends;
            file->data[to++] = '\n';
            continue;
        }
        memmove(file->data + to, line, len);
        to += len;
    }
    file->len = to;
}

/* Compressed bytes that save a tenth and more; the others go. */
static struct bytes if_smaller(struct bytes packed, struct bytes file)
{
    if (packed.len < file.len - file.len / 10)
        return packed;
    free(packed.data);
    return (struct bytes){NULL, 0};
}

static struct bytes gzip(struct bytes file, const char *path)
{
    z_stream stream = {.next_in = file.data, .avail_in = (uInt)file.len};
    if (deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK)
        fail("cannot compress", path);
    size_t room = deflateBound(&stream, (uLong)file.len);
    struct bytes packed = {malloc(room), 0};
    stream.next_out = packed.data;
    stream.avail_out = (uInt)room;
    if (!packed.data || deflate(&stream, Z_FINISH) != Z_STREAM_END)
        fail("cannot compress", path);
    packed.len = stream.total_out;
    deflateEnd(&stream);
    return if_smaller(packed, file);
}

static struct bytes brotli(struct bytes file, const char *path)
{
    size_t room = BrotliEncoderMaxCompressedSize(file.len) + 64;
    struct bytes packed = {malloc(room), room};
    if (!packed.data || !BrotliEncoderCompress(
                            BROTLI_MAX_QUALITY, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_TEXT,
                            file.len, file.data, &packed.len, packed.data))
        fail("cannot compress", path);
    return if_smaller(packed, file);
}

/* FNV-1a. */
static uint64_t hash_of(struct bytes file)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < file.len; i++)
        hash = (hash ^ file.data[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* One literal, and its part of the table's row. Octal escapes have three digits at
 * most, so the next byte cannot join one. */
static void embed(FILE *out, FILE *rows, struct bytes bytes)
{
    static size_t number;
    size_t column = 0;
    if (!bytes.data) {
        fputs("0, 0, ", rows);
        return;
    }
    fprintf(out, "static const char data_%zu[] =\n    \"", number);
    for (size_t i = 0; i < bytes.len; i++) {
        int c = bytes.data[i];
        if (c == '\\' || c == '"')
            column += (size_t)fprintf(out, "\\%c", c);
        else if (c == '\n')
            column += (size_t)fprintf(out, "\\n");
        else if (c < 0x20 || c > 0x7e || c == '?')
            column += (size_t)fprintf(out, "\\%03o", (unsigned)c);
        else
            column += putc(c, out) != EOF;
        if (c == '\n' || column > 4000)
            column = (size_t)(fputs("\"\n    \"", out) == EOF);
    }
    fputs("\";\n\n", out);
    fprintf(rows, "data_%zu, %zu, ", number++, bytes.len);
    free(bytes.data);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fputs("usage: embed_assets FOLDER LIST OUT.c\n", stderr);
        return 2;
    }
    FILE *list = fopen(argv[2], "r"), *out = fopen(argv[3], "w");
    char *table = NULL, name[512], path[4096];
    size_t table_len = 0, count = 0;
    FILE *rows = open_memstream(&table, &table_len);
    if (!list || !out || !rows)
        fail("cannot open", list ? argv[3] : argv[2]);
    fputs("/* Made from static/ by cmake/embed_assets.c. */\n"
          "#include \"web/assets.h\"\n\n",
          out);
    while (fgets(name, sizeof name, list)) {
        name[strcspn(name, "\n")] = '\0';
        if (!name[0])
            continue;
        if (strpbrk(name, "\"\\\r")) {
            fprintf(stderr, "embed_assets: rename '%s'\n", name);
            return 1;
        }
        (void)snprintf(path, sizeof path, "%s/%s", argv[1], name);
        struct bytes file = read_file(path);
        if (is_ours(name))
            leave_comments_out(&file);
        struct bytes gzipped = gzip(file, path), brotlied = brotli(file, path);
        fprintf(rows, "    {\"%s\", UINT64_C(0x%llx), ", name,
                (unsigned long long)hash_of(file));
        embed(out, rows, file);
        embed(out, rows, gzipped);
        embed(out, rows, brotlied);
        fputs("},\n", rows);
        count++;
    }
    fclose(rows);
    fprintf(
        out,
        "const struct pl_asset pl_assets[] = {\n%s    {0, 0, 0, 0, 0, 0, 0, 0},\n};\n"
        "const size_t pl_asset_count = %zu;\n",
        table, count);
    free(table);
    if (ferror(out) || fclose(out) != 0)
        fail("cannot write", argv[3]);
    fclose(list);
    return 0;
}
