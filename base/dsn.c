#include "base/dsn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From `from` up to `end`, if it fits and is not empty. */
static bool take(char *to, size_t room, const char *from, const char *end)
{
    size_t len = (size_t)(end - from);
    if (!len || len >= room)
        return false;
    memcpy(to, from, len);
    to[len] = '\0';
    return true;
}

static bool parse_project(const char *text, int64_t *project_out)
{
    size_t len = strlen(text);
    if (!len || len > 18 || text[strspn(text, "0123456789")])
        return false;
    *project_out = strtoll(text, NULL, 10);
    return *project_out > 0;
}

bool pl_dsn_parse(const char *text, struct pl_dsn *dsn_out)
{
    struct pl_dsn dsn = {0};
    const char *keys = strstr(text, "://");
    if (!keys || !take(dsn.scheme, sizeof dsn.scheme, text, keys) ||
        (strcmp(dsn.scheme, "http") != 0 && strcmp(dsn.scheme, "https") != 0))
        return false;
    keys += 3;
    const char *slash = strchr(keys, '/'), *at = strchr(keys, '@');
    const char *project = strrchr(keys, '/');
    if (!slash || !at || at > slash || !parse_project(project + 1, &dsn.project_id))
        return false;
    const char *colon = memchr(keys, ':', (size_t)(at - keys));
    if (!take(dsn.public_key, sizeof dsn.public_key, keys, colon ? colon : at) ||
        (colon && colon + 1 < at &&
         !take(dsn.secret_key, sizeof dsn.secret_key, colon + 1, at)) ||
        !take(dsn.host, sizeof dsn.host, at + 1, slash) ||
        (project > slash && !take(dsn.path, sizeof dsn.path, slash, project)))
        return false;
    *dsn_out = dsn;
    return true;
}

bool pl_dsn_format(const struct pl_dsn *dsn, char *text_out, size_t room)
{
    int len = -1;
    if (dsn->scheme[0] && dsn->host[0])
        len = snprintf(text_out, room, "%s://%s%s%s@%s%s/%lld", dsn->scheme,
                       dsn->public_key, dsn->secret_key[0] ? ":" : "", dsn->secret_key,
                       dsn->host, dsn->path, (long long)dsn->project_id);
    if (len > 0 && (size_t)len < room)
        return true;
    text_out[0] = '\0';
    return false;
}
