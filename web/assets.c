#include "web/assets.h"

#include "base/hash.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_LIMIT (16 << 20) /* bytes of one file in static_dir */

static const char *content_type(const char *path)
{
    static const char *const types[][2] = {
        {".html", "text/html; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".mjs", "text/javascript; charset=utf-8"},
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
        {".woff2", "font/woff2"},
    };
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof types / sizeof types[0]; i++)
        if (strcmp(dot, types[i][0]) == 0)
            return types[i][1];
    return NULL;
}

/* Plain names joined by single slashes: nothing encoded, hidden or upward. */
static bool is_plain(const char *path)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/";
    if (path[strspn(path, allowed)] || strlen(path) > 200)
        return false;
    if (path[0] == '.' || path[0] == '/' || strstr(path, "/.") || strstr(path, "//"))
        return false;
    return content_type(path) != NULL;
}

static const struct pl_asset *find(const char *path)
{
    size_t low = 0, high = pl_asset_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(path, pl_assets[middle].path);
        if (order == 0)
            return &pl_assets[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* The whole file, or NULL. Caller frees. */
static char *read_file(const char *folder, const char *path, size_t *len_out)
{
    char full[PATH_MAX];
    struct stat info;
    char *data = NULL;
    size_t len = 0;
    if ((size_t)snprintf(full, sizeof full, "%s/%s", folder, path) >= sizeof full)
        return NULL;
    int fd = open(full, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size <= FILE_LIMIT)
        data = malloc((size_t)info.st_size + 1);
    while (data && len < (size_t)info.st_size) {
        ssize_t got = read(fd, data + len, (size_t)info.st_size - len);
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    close(fd);
    *len_out = len;
    return data;
}

/* Does Accept-Encoding (NULL: not sent) allow it by name? */
static bool accepts(const char *header, const char *coding)
{
    size_t len = strlen(coding);
    for (const char *s = header; s && *s; s += strcspn(s, ","), s += *s == ',') {
        s += strspn(s, " \t");
        size_t name = strcspn(s, ",; \t");
        if (name != len || strncasecmp(s, coding, len) != 0)
            continue;
        const char *rest = s + name + strspn(s + name, " \t;");
        return strncasecmp(rest, "q=0", 3) != 0 ||
               strspn(rest + 3, ".0") != strcspn(rest + 3, ", \t");
    }
    return false;
}

/* Fill the body in the smallest form allowed; returns what tells its tag apart. */
static const char *choose_form(const struct pl_asset *asset, const char *accepted,
                               struct pl_http_response *response)
{
    bool is_packed = asset->gzip || asset->brotli;
    response->extra_headers = is_packed ? "Vary: Accept-Encoding\r\n" : NULL;
    response->body = asset->data;
    response->body_len = asset->len;
    if (asset->brotli && accepts(accepted, "br")) {
        response->extra_headers = "Content-Encoding: br\r\nVary: Accept-Encoding\r\n";
        response->body = asset->brotli;
        response->body_len = asset->brotli_len;
        return "-b";
    }
    if (asset->gzip && accepts(accepted, "gzip")) {
        response->extra_headers = "Content-Encoding: gzip\r\nVary: Accept-Encoding\r\n";
        response->body = asset->gzip;
        response->body_len = asset->gzip_len;
        return "-g";
    }
    return "";
}

int pl_asset_get(const char *static_dir, const struct pl_http_request *request,
                 struct pl_http_response *response, char **owned_out,
                 struct pl_http_error *error)
{
    const char *path = request->target + 1, *form = "";
    const struct pl_asset *asset = NULL;
    uint64_t hash = 0;
    *owned_out = NULL;
    if (!*path)
        path = "index.html";
    if (is_plain(path) && static_dir) {
        *owned_out = read_file(static_dir, path, &response->body_len);
        response->body = *owned_out;
        if (*owned_out)
            hash = pl_hash_bytes(*owned_out, response->body_len);
    } else if (is_plain(path) && (asset = find(path))) {
        form = choose_form(asset, pl_http_header(request, "Accept-Encoding"), response);
        hash = asset->hash;
    }
    if (!response->body)
        return pl_http_error_set(error, 404, "not_found", "there is nothing here");
    response->status = 200;
    response->type = content_type(path);
    response->cache = "no-cache"; /* ask again, by ETag: a new version shows at once */
    (void)snprintf(response->etag, sizeof response->etag, "\"%016llx-%zx%s\"",
                   (unsigned long long)hash, response->body_len, form);
    return 0;
}
