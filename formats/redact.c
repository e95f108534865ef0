#include "formats/redact.h"

#include <stdlib.h>
#include <string.h>

static const char *const kinds[] = {
    [PL_REDACT_PATH] = "path:",
    [PL_REDACT_LABEL] = "label:",
    [PL_REDACT_THREAD] = "thread:",
    [PL_REDACT_TRANSACTION] = "transaction:",
};

enum pl_status pl_redact_add(struct pl_redact *redact, const char *rule,
                             struct pl_error *err)
{
    const char *glob = NULL;
    enum pl_redact_kind kind = PL_REDACT_PATH;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && !glob; i++)
        if (strncmp(rule, kinds[i], strlen(kinds[i])) == 0) {
            kind = (enum pl_redact_kind)i;
            glob = rule + strlen(kinds[i]);
        }
    const char *equals = glob ? strchr(glob, '=') : NULL;
    size_t len = equals ? (size_t)(equals - glob) : glob ? strlen(glob) : 0;
    if (!len || (!equals && kind != PL_REDACT_LABEL))
        return pl_error_set(err, PL_USAGE,
                            "no such rule: %s; rules are path:GLOB=TEXT, label:KEY, "
                            "label:KEY=TEXT, thread:GLOB=TEXT and "
                            "transaction:GLOB=TEXT",
                            rule);
    if (redact->count == PL_REDACT_RULES)
        return pl_error_set(err, PL_USAGE, "more than %d rules", PL_REDACT_RULES);
    struct pl_redact_rule *to = &redact->rules[redact->count];
    *to = (struct pl_redact_rule){kind, strndup(glob, len), NULL};
    if (equals)
        to->text = strdup(equals + 1);
    if (!to->glob || (equals && !to->text)) {
        free(to->glob);
        return pl_error_set(err, PL_NOMEM, "out of memory");
    }
    redact->count++;
    return PL_OK;
}

void pl_redact_deinit(struct pl_redact *redact)
{
    for (size_t i = 0; i < redact->count; i++) {
        free(redact->rules[i].glob);
        free(redact->rules[i].text);
    }
    *redact = (struct pl_redact){0};
}

/* How much of `text` the glob takes, as much as it can; SIZE_MAX: it does not fit. Only
 * the last star is ever tried again, which is enough for a glob without groups. */
static size_t match(const char *glob, const char *text, bool in_folder, bool whole)
{
    const char *start = text, *star = NULL, *star_text = NULL;
    bool at_folder = glob[strlen(glob) - 1] == '/'; /* said so itself */
    for (;;) {
        bool ends = whole ? !*text : !*text || *text == '/' || at_folder;
        if (!*glob && ends)
            return (size_t)(text - start);
        if (*glob == '*') {
            star = glob++;
            star_text = text;
        } else if (*glob && *glob == *text) {
            glob++;
            text++;
        } else if (star && *star_text && !(in_folder && *star_text == '/')) {
            text = ++star_text;
            glob = star + 1;
        } else {
            return SIZE_MAX;
        }
    }
}

void pl_redact_put(const struct pl_redact *redact, enum pl_redact_kind kind,
                   const char *text, struct pl_buf *out)
{
    bool path = kind == PL_REDACT_PATH;
    for (size_t i = 0; redact && *text && i < redact->count; i++) {
        const struct pl_redact_rule *rule = &redact->rules[i];
        size_t taken =
            rule->kind == kind ? match(rule->glob, text, path, !path) : SIZE_MAX;
        if (taken == SIZE_MAX)
            continue;
        pl_buf_json_escape(out, rule->text);
        text += taken;
        break;
    }
    pl_buf_json_escape(out, text);
}

const char *pl_redact_label(const struct pl_redact *redact, const char *key,
                            const char *value)
{
    for (size_t i = 0; redact && i < redact->count; i++)
        if (redact->rules[i].kind == PL_REDACT_LABEL &&
            match(redact->rules[i].glob, key, false, true) != SIZE_MAX)
            return redact->rules[i].text;
    return value;
}
