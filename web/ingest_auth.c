#include "web/ingest_auth.h"

#include "base/dsn.h"
#include "base/id.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool pl_ingest_route(const char *target, struct pl_ingest_auth *auth_out)
{
    *auth_out = (struct pl_ingest_auth){0};
    if (strncmp(target, "/api/", 5) != 0)
        return false;
    const char *digits = target + 5;
    size_t len = strspn(digits, "0123456789");
    if (!len || len > 18 || digits[len] != '/')
        return false;
    const char *rest = digits + len + 1;
    size_t end = strcspn(rest, "/");
    if (rest[end] && strcmp(rest + end, "/") != 0)
        return false;
    auth_out->project_id = strtoll(digits, NULL, 10);
    auth_out->is_store = end == 5 && strncmp(rest, "store", 5) == 0;
    return auth_out->is_store || (end == 8 && strncmp(rest, "envelope", 8) == 0);
}

/* Keys are 32 hex digits, in any case. */
static int take_key(struct pl_ingest_auth *auth, const char *key, size_t len,
                    struct pl_http_error *error)
{
    char text[PL_KEY_TEXT];
    if (len != PL_KEY_TEXT - 1)
        return pl_http_error_set(error, 400, "bad_auth", "a key is 32 hex digits");
    for (size_t i = 0; i < len; i++) {
        text[i] = (char)tolower((unsigned char)key[i]);
        if (pl_hex_value(text[i]) < 0)
            return pl_http_error_set(error, 400, "bad_auth", "a key is 32 hex digits");
    }
    text[len] = '\0';
    if (auth->public_key[0] && strcmp(auth->public_key, text) != 0)
        return pl_http_error_set(error, 400, "bad_auth",
                                 "multiple keys that contradict each other");
    memcpy(auth->public_key, text, sizeof text);
    return 0;
}

/* One name=value of either place. */
static int take_pair(struct pl_ingest_auth *auth, const char *name, size_t name_len,
                     const char *value, size_t len, struct pl_http_error *error)
{
    if (name_len == 10 && strncmp(name, "sentry_key", 10) == 0)
        return take_key(auth, value, len, error);
    if (name_len == 13 && strncmp(name, "sentry_client", 13) == 0 &&
        len < sizeof auth->client) {
        memcpy(auth->client, value, len);
        auth->client[len] = '\0';
    }
    if (name_len == 14 && strncmp(name, "sentry_version", 14) == 0 &&
        (len != 1 || *value < '2' || *value > '7'))
        return pl_http_error_set(error, 400, "bad_auth",
                                 "protocol versions 2 to 7 are spoken here");
    return 0;
}

/* Pairs between separators: "Sentry a=b, c=d" or "a=b&c=d". */
static int take_pairs(struct pl_ingest_auth *auth, const char *text,
                      const char *separators, struct pl_http_error *error)
{
    int refused = 0;
    while (*text && !refused) {
        text += strspn(text, separators);
        size_t len = strcspn(text, separators), name = 0;
        while (name < len && text[name] != '=')
            name++;
        if (name < len)
            refused =
                take_pair(auth, text, name, text + name + 1, len - name - 1, error);
        text += len;
    }
    return refused;
}

static int take_header(struct pl_ingest_auth *auth, const char *value,
                       struct pl_http_error *error)
{
    if (strncasecmp(value, "Sentry ", 7) != 0)
        return pl_http_error_set(error, 400, "bad_auth",
                                 "the authorization is not Sentry's");
    return take_pairs(auth, value + 7, ", \t", error);
}

int pl_ingest_auth_read(const struct pl_http_request *request,
                        struct pl_ingest_auth *auth, struct pl_http_error *error)
{
    const char *plain = pl_http_header(request, "Authorization");
    int refused = 0;
    for (size_t i = 0; i < request->header_count && !refused; i++)
        if (strcasecmp(request->headers[i].name, "X-Sentry-Auth") == 0)
            refused = take_header(auth, request->headers[i].value, error);
    if (!refused && plain && strncasecmp(plain, "Sentry ", 7) == 0)
        refused = take_header(auth, plain, error);
    if (!refused)
        refused = take_pairs(auth, request->query, "&", error);
    return refused;
}

int pl_ingest_auth_dsn(const char *dsn, struct pl_ingest_auth *auth,
                       struct pl_http_error *error)
{
    struct pl_dsn parsed;
    int refused = 0;
    if (dsn[0] && !pl_dsn_parse(dsn, &parsed))
        return pl_http_error_set(error, 400, "bad_auth",
                                 "the dsn in the envelope is malformed");
    if (dsn[0] && parsed.project_id != auth->project_id)
        return pl_http_error_set(error, 400, "bad_auth",
                                 "the dsn in the envelope is of another project");
    if (dsn[0])
        refused = take_key(auth, parsed.public_key, strlen(parsed.public_key), error);
    if (!refused && !auth->public_key[0])
        return pl_http_error_set(error, 403, "no_auth",
                                 "missing authorization information");
    return refused;
}
