/* A source file with what its lines weigh.
 *
 * Only a file that the selection's own frames name is read, only text with a source
 * file's ending, never through a link: a profile from elsewhere may name anything. */
#include "store/query.h"
#include "web/api.h"
#include "web/document_views.h"
#include "web/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_BYTES (4 << 20)

static bool is_source(const char *path)
{
    static const char *const endings[] = {
        "c",   "h",   "cc",  "hh",  "cpp", "hpp", "cxx", "hxx", "inc",
        "inl", "ipp", "tcc", "S",   "s",   "rs",  "go",  "zig", "d",
        "m",   "mm",  "py",  "pyx", "js",  "mjs", "ts",  "kt",  "cs",
        "jsx", "tsx", "cjs", "rb",  "php", "lua", "pl",  "pm",  "java",
    };
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof endings[0]; i++)
        if (strcmp(dot + 1, endings[i]) == 0)
            return true;
    return false;
}

/* malloc'd; NULL with `err` set. */
static char *read_file(const char *path, size_t *len_out, struct pl_error *err)
{
    struct stat info;
    char *real = realpath(path, NULL), *text = NULL;
    size_t len = 0;
    int fd = real && is_source(real)
                 ? open(real, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
                 : -1;
    free(real);
    if (fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) &&
        info.st_size <= MOST_BYTES)
        text = malloc((size_t)info.st_size + 1);
    while (text && len < (size_t)info.st_size) {
        ssize_t got = read(fd, text + len, (size_t)info.st_size - len);
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    if (fd >= 0)
        close(fd);
    if (!text || memchr(text, '\0', len)) {
        free(text);
        (void)pl_error_set(err, PL_USAGE,
                           "%.300s cannot be read here: it is not there, no text, or "
                           "larger than 4 MiB",
                           path);
        return NULL;
    }
    text[len] = '\0';
    *len_out = len;
    return text;
}

static void put_lines(struct pl_buf *out, char *text)
{
    bool first = true;
    for (char *line; (line = strsep(&text, "\n"));) {
        size_t len = strlen(line);
        if (!text && !len)
            break; /* after the last newline */
        if (len && line[len - 1] == '\r')
            line[len - 1] = '\0';
        if (!first)
            pl_buf_putc(out, ',');
        pl_json_string(out, line);
        first = false;
    }
}

enum pl_status pl_api_source(struct pl_store *store, const struct pl_api_call *call,
                             struct pl_buf *out, struct pl_error *err)
{
    const char *file = call->params->file;
    struct pl_line_list lines;
    size_t len;
    if (!file || !is_source(file))
        return pl_error_set(err, PL_USAGE, "name a source file: file=PATH");
    enum pl_status status = pl_query_lines(
        store, &call->selection, call->params->selection.metric, file, &lines, err);
    if (status != PL_OK)
        return status;
    char *text = NULL;
    if (!lines.count)
        status = pl_error_set(err, PL_USAGE,
                              "no frame of this selection is in %.300s", file);
    else if (!(text = read_file(file, &len, err)))
        status = PL_USAGE;
    if (status == PL_OK) {
        pl_buf_puts(out, "{\"schema\":1");
        pl_json_string_field(out, "file", file);
        pl_json_lines_field(out, "weights", &lines);
        pl_buf_puts(out, ",\"lines\":[");
        put_lines(out, text);
        pl_buf_puts(out, "]}");
    }
    free(text);
    pl_line_list_deinit(&lines);
    return status;
}
