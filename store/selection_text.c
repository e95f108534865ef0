/* A selection in one line of words (see selection.h). */
#include "store/selection.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum pl_status set_id(struct pl_selection_args *args, const char *key,
                             int64_t id, struct pl_error *err)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRId64, id);
    return pl_selection_set(args, key, text, err);
}

static enum pl_status set_label(struct pl_selection_args *args,
                                const struct pl_label *label, struct pl_error *err)
{
    char *text = NULL;
    int len = label->value ? asprintf(&text, "%s=%s", label->key, label->value)
                           : asprintf(&text, "%s", label->key);
    if (len < 0)
        return pl_error_set(err, PL_NOMEM, "out of memory reading the selection");
    enum pl_status status = pl_selection_set(args, "label", text, err);
    free(text);
    return status;
}

enum pl_status pl_selection_args_copy(struct pl_selection_args *to,
                                      const struct pl_selection_args *from,
                                      struct pl_error *err)
{
    const struct {
        const char *key, *value;
    } texts[] = {{"app", from->app},
                 {"release", from->release},
                 {"env", from->environment},
                 {"thread_name", from->thread_name},
                 {"function", from->function}};
    enum pl_status status = PL_OK;
    pl_selection_args_init(to, from->now_ns);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0] && status == PL_OK; i++)
        if (texts[i].value)
            status = pl_selection_set(to, texts[i].key, texts[i].value, err);
    for (size_t i = 0; i < from->session_count && status == PL_OK; i++)
        status = set_id(to, "session", from->sessions[i], err);
    for (size_t i = 0; i < from->thread_count && status == PL_OK; i++)
        status = set_id(to, "thread", from->threads[i], err);
    for (size_t i = 0; i < from->label_count && status == PL_OK; i++)
        status = set_label(to, &from->labels[i], err);
    to->from_ns = from->from_ns;
    to->to_ns = from->to_ns;
    to->metric = from->metric;
    to->uses_now = from->uses_now;
    return status;
}

/* The next word of *text, quotes taken off, into `word` (as large as the text);
 * false at the end. An open quote ends with the text. */
static bool next_word(const char **text, char *word)
{
    const char *s = *text + strspn(*text, " \t\r\n");
    bool quoted = false, some = *s != '\0';
    for (; *s && (quoted || !strchr(" \t\r\n", *s)); s++) {
        if (*s == '"') {
            quoted = !quoted;
            continue;
        }
        if (quoted && *s == '\\' && (s[1] == '"' || s[1] == '\\'))
            s++;
        *word++ = *s;
    }
    *word = '\0';
    *text = s;
    return some;
}

/* "FROM..TO" */
static enum pl_status set_range(struct pl_selection_args *args, char *range,
                                struct pl_error *err)
{
    char *to = strstr(range, "..");
    if (!to)
        return pl_error_set(
            err, PL_USAGE, "'@%.60s' is no time range: use @-2h..-1h or @-1h..", range);
    *to = '\0';
    enum pl_status status = pl_selection_set(args, "from", range, err);
    return status == PL_OK ? pl_selection_set(args, "to", to + 2, err) : status;
}

static enum pl_status set_word(struct pl_selection_args *args, char *word,
                               struct pl_error *err)
{
    if (word[0] == '@')
        return set_range(args, word + 1, err);
    if (strcmp(word, "all") == 0)
        return PL_OK;
    if (!word[strspn(word, "0123456789,")])
        return pl_selection_set(args, "session", word, err);
    char *value = word + strcspn(word, ":=");
    char sign = *value;
    if (sign)
        *value++ = '\0';
    if (sign && pl_selection_is_key(word))
        return pl_selection_set(args, word, value, err);
    return pl_error_set(err, PL_USAGE,
                        "'%.60s' selects nothing: use a session's id, @-2h..-1h, or "
                        "key:value with app, release, env, session, thread, from, to, "
                        "function, label or metric",
                        word);
}

enum pl_status pl_selection_parse(struct pl_selection_args *args, const char *text,
                                  struct pl_error *err)
{
    enum pl_status status = PL_OK;
    char *word = malloc(strlen(text) + 1);
    if (!word)
        return pl_error_set(err, PL_NOMEM, "out of memory reading the selection");
    while (status == PL_OK && next_word(&text, word))
        status = set_word(args, word, err);
    free(word);
    return status;
}
