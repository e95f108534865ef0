#include "web/params.h"

#include "base/id.h"

#include <stdlib.h>
#include <string.h>

/* In place. False for a broken escape or an encoded NUL. */
static bool decode(char *text)
{
    char *to = text;
    for (const char *s = text; *s; s++) {
        char c = *s == '+' ? ' ' : *s;
        if (c == '%') {
            int high = pl_hex_value(s[1]), low = high < 0 ? -1 : pl_hex_value(s[2]);
            if (low < 0 || (high == 0 && low == 0))
                return false;
            c = (char)(high << 4 | low);
            s += 2;
        }
        *to++ = c;
    }
    *to = '\0';
    return true;
}

static enum pl_status set_number(int64_t *field, const char *key, const char *value,
                                 struct pl_error *err)
{
    int64_t number = 0;
    bool ok = *value && !value[strspn(value, "0123456789")];
    for (const char *s = value; ok && *s; s++)
        ok = !__builtin_mul_overflow(number, 10, &number) &&
             !__builtin_add_overflow(number, *s - '0', &number);
    if (!ok)
        return pl_error_set(err, PL_USAGE, "%s takes a whole number, not '%.60s'", key,
                            value);
    *field = number;
    return PL_OK;
}

/* Is `key` in the comma-separated list of what the route takes? */
static bool is_own(const char *own, const char *key)
{
    size_t len = strlen(key);
    for (const char *in = own; *in; in += strcspn(in, ",") + (strchr(in, ',') != NULL))
        if (strcspn(in, ",") == len && memcmp(in, key, len) == 0)
            return true;
    return false;
}

static int64_t *find_number(struct pl_params *params, const char *key)
{
    const struct {
        const char *name;
        int64_t *field;
    } all[] = {{"bins", &params->bins},           {"boxes", &params->boxes},
               {"bucket_ns", &params->bucket_ns}, {"keys", &params->keys},
               {"limit", &params->limit},         {"max_nodes", &params->max_nodes},
               {"min_ns", &params->min_ns},       {"slices", &params->slices}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(key, all[i].name) == 0)
            return all[i].field;
    return NULL;
}

static char **find_text(struct pl_params *params, const char *key)
{
    const struct {
        const char *name;
        char **field;
    } all[] = {{"a", &params->a},           {"b", &params->b},
               {"by", &params->by},         {"file", &params->file},
               {"format", &params->format}, {"root", &params->root}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(key, all[i].name) == 0)
            return all[i].field;
    return NULL;
}

static enum pl_status set_text(char **field, const char *value, struct pl_error *err)
{
    free(*field);
    *field = strdup(value);
    return *field ? PL_OK : pl_error_set(err, PL_NOMEM, "out of memory for parameters");
}

static enum pl_status set(struct pl_params *params, const char *own, const char *key,
                          const char *value, struct pl_error *err)
{
    if (is_own(own, key)) {
        int64_t *number = find_number(params, key);
        char **text = find_text(params, key);
        if (number)
            return set_number(number, key, value, err);
        if (text)
            return set_text(text, value, err);
        return pl_transform_list_add(&params->transforms, value, err); /* t */
    }
    enum pl_status status = pl_selection_set(&params->selection, key, value, err);
    if (status == PL_NOT_FOUND)
        return pl_error_set(err, PL_USAGE, "unknown parameter '%.60s'", key);
    return status;
}

enum pl_status pl_params_parse(struct pl_params *params_out, const char *query,
                               const char *own, int64_t now_ns, struct pl_error *err)
{
    struct pl_params *params = params_out;
    enum pl_status status = PL_OK;
    *params = (struct pl_params){.bins = -1,
                                 .boxes = -1,
                                 .bucket_ns = -1,
                                 .keys = -1,
                                 .limit = -1,
                                 .max_nodes = -1,
                                 .min_ns = -1,
                                 .slices = -1};
    pl_selection_args_init(&params->selection, now_ns);
    char *copy = strdup(query), *rest = copy, *pair;
    if (!copy)
        return pl_error_set(err, PL_NOMEM, "out of memory reading parameters");
    while (status == PL_OK && (pair = strsep(&rest, "&"))) {
        if (!*pair)
            continue;
        char *value = pair + strcspn(pair, "=");
        if (*value)
            *value++ = '\0';
        if (decode(pair) && decode(value))
            status = set(params, own, pair, value, err);
        else
            status = pl_error_set(err, PL_USAGE, "a parameter is not encoded right");
    }
    free(copy);
    return status;
}

void pl_params_deinit(struct pl_params *params)
{
    pl_selection_args_deinit(&params->selection);
    pl_transform_list_deinit(&params->transforms);
    free(params->a);
    free(params->b);
    free(params->by);
    free(params->file);
    free(params->format);
    free(params->root);
}
