/* See sessions.h. A list: a recording has few sessions open at a time. */
#include "store/sessions.h"

#include <stdlib.h>
#include <string.h>

struct pl_session_copy {
    struct pl_session_copy *next;
    struct pl_sink_session session; /* its texts point to `texts` */
    char texts[];
};

enum { TEXTS = 10 };

/* The session's texts, all that have to be copied. */
static void list_texts(struct pl_sink_session *session, const char **texts[TEXTS])
{
    const char **all[TEXTS] = {
        &session->app,         &session->release,        &session->environment,
        &session->dist,        &session->host,           &session->platform,
        &session->mode,        &session->in_app_include, &session->in_app_exclude,
        &session->project_root};
    memcpy(texts, all, sizeof all);
}

static struct pl_session_copy *copy_session(const struct pl_sink_session *session)
{
    struct pl_sink_session own = *session;
    const char **texts[TEXTS];
    size_t bytes = 0;
    list_texts(&own, texts);
    for (size_t i = 0; i < TEXTS; i++)
        bytes += *texts[i] ? strlen(*texts[i]) + 1 : 0;
    struct pl_session_copy *copy = malloc(sizeof *copy + bytes);
    if (!copy)
        return NULL;
    copy->session = own;
    list_texts(&copy->session, texts);
    char *at = copy->texts;
    for (size_t i = 0; i < TEXTS; i++) {
        if (!*texts[i])
            continue;
        size_t len = strlen(*texts[i]) + 1;
        *texts[i] = memcpy(at, *texts[i], len);
        at += len;
    }
    return copy;
}

void pl_sessions_add(struct pl_sessions *sessions,
                     const struct pl_sink_session *session)
{
    struct pl_session_copy *copy =
        pl_sessions_find(sessions, &session->id) ? NULL : copy_session(session);
    if (!copy)
        return;
    copy->next = sessions->first;
    sessions->first = copy;
}

static bool is_of(const struct pl_session_copy *copy, const struct pl_id *id)
{
    return memcmp(&copy->session.id, id, sizeof *id) == 0;
}

const struct pl_sink_session *pl_sessions_find(const struct pl_sessions *sessions,
                                               const struct pl_id *id)
{
    for (const struct pl_session_copy *at = sessions->first; at; at = at->next)
        if (is_of(at, id))
            return &at->session;
    return NULL;
}

void pl_sessions_drop(struct pl_sessions *sessions, const struct pl_id *id)
{
    struct pl_session_copy **at = &sessions->first;
    while (*at && !is_of(*at, id))
        at = &(*at)->next;
    struct pl_session_copy *gone = *at;
    if (gone)
        *at = gone->next;
    free(gone);
}

void pl_sessions_deinit(struct pl_sessions *sessions)
{
    while (sessions->first)
        pl_sessions_drop(sessions, &sessions->first->session.id);
}
