/* Build tool: files of a folder become one C file of string literals.
 *
 *   embed_assets FOLDER LIST OUT.c     LIST: one path a line, sorted, in FOLDER
 *
 * The tables are declared in web/assets.h. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void fail(const char *what, const char *path)
{
    fprintf(stderr, "embed_assets: %s: ", what);
    perror(path);
    exit(1);
}

/* One file as `static const char data_N[]`; FNV-1a of it in *hash_out. Octal
 * escapes have three digits at most, so the next byte cannot join one. */
static size_t embed(FILE *out, const char *path, size_t number, uint64_t *hash_out)
{
    FILE *in = fopen(path, "rb");
    size_t len = 0;
    int c;
    if (!in)
        fail("cannot read", path);
    *hash_out = UINT64_C(0xcbf29ce484222325);
    fprintf(out, "static const char data_%zu[] =\n    \"", number);
    for (; (c = getc(in)) != EOF; len++) {
        *hash_out = (*hash_out ^ (unsigned)c) * UINT64_C(0x100000001b3);
        if (c == '\\' || c == '"')
            fprintf(out, "\\%c", c);
        else if (c == '\n')
            fputs("\\n\"\n    \"", out);
        else if (c < 0x20 || c > 0x7e || c == '?')
            fprintf(out, "\\%03o", (unsigned)c);
        else
            putc(c, out);
    }
    fputs("\";\n\n", out);
    if (ferror(in))
        fail("cannot read", path);
    fclose(in);
    return len;
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
        uint64_t hash;
        name[strcspn(name, "\n")] = '\0';
        if (!name[0])
            continue;
        if (strpbrk(name, "\"\\\r")) {
            fprintf(stderr, "embed_assets: rename '%s'\n", name);
            return 1;
        }
        (void)snprintf(path, sizeof path, "%s/%s", argv[1], name);
        size_t len = embed(out, path, count, &hash);
        fprintf(rows, "    {\"%s\", data_%zu, %zu, UINT64_C(0x%llx)},\n", name, count,
                len, (unsigned long long)hash);
        count++;
    }
    fclose(rows);
    fprintf(out,
            "const struct pl_asset pl_assets[] = {\n%s    {0, 0, 0, 0},\n};\n"
            "const size_t pl_asset_count = %zu;\n",
            table, count);
    free(table);
    if (ferror(out) || fclose(out) != 0)
        fail("cannot write", argv[3]);
    fclose(list);
    return 0;
}
