#include "web/upstream.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define CONNECT_MS   10000L
#define ANSWER_BYTES ((size_t)64 << 10)
#define LATEST_S     (7 * 24 * 3600) /* a Retry-After beyond that is none */

struct pl_upstream {
    CURL *curl;
    const atomic_bool *stop;
    char said[CURL_ERROR_SIZE];

    /* of the request that runs */
    const struct pl_spool *body;
    size_t at;
    struct pl_upstream_answer *answer;
    size_t answer_bytes;
    char detail[256]; /* X-Sentry-Error, else the beginning of the body */
    bool has_detail;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode global_code;

static void init_global(void)
{
    global_code = curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* ---- while a request runs ---- */

static size_t read_body(char *to, size_t size, size_t count, void *self)
{
    struct pl_upstream *upstream = self;
    size_t got = 0;
    if (pl_spool_read(upstream->body, upstream->at, to, size * count, &got, NULL) !=
        PL_OK)
        return CURL_READFUNC_ABORT;
    upstream->at += got;
    return got;
}

/* A connection kept from before may be dead: libcurl begins again. */
static int seek_body(void *self, curl_off_t offset, int origin)
{
    struct pl_upstream *upstream = self;
    if (origin != SEEK_SET || offset < 0 || (size_t)offset > upstream->body->len)
        return CURL_SEEKFUNC_FAIL;
    upstream->at = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

/* One line of what somebody else wrote. */
static void copy_line(char *to, size_t room, const char *text, size_t len)
{
    size_t used = 0;
    while (len && (*text == ' ' || *text == '\t')) {
        text++;
        len--;
    }
    for (size_t i = 0; i < len && used + 1 < room; i++)
        if (text[i] != '\r' && text[i] != '\n')
            to[used++] = (char)(text[i] >= ' ' && text[i] < 127 ? text[i] : '?');
    to[used] = '\0';
}

static void copy_text(char *to, size_t room, const char *text)
{
    copy_line(to, room, text, strlen(text));
}

static size_t take_answer(char *bytes, size_t size, size_t count, void *self)
{
    struct pl_upstream *upstream = self;
    size_t len = size * count;
    if (!upstream->answer_bytes && !upstream->has_detail)
        copy_line(upstream->detail, sizeof upstream->detail, bytes, len);
    upstream->answer_bytes += len;
    return upstream->answer_bytes > ANSWER_BYTES ? 0 : len;
}

/* Seconds, or an HTTP date. */
static int64_t retry_after(const char *text)
{
    char *end;
    long seconds = strtol(text, &end, 10);
    if (end == text || *end) {
        time_t at = curl_getdate(text, NULL);
        if (at == (time_t)-1)
            return -1;
        seconds = at > time(NULL) ? (long)(at - time(NULL)) : 0;
    }
    return seconds < 0 ? -1 : seconds > LATEST_S ? LATEST_S : seconds;
}

static bool is_header(const char *line, size_t len, const char *name)
{
    size_t n = strlen(name);
    return len > n && line[n] == ':' && strncasecmp(line, name, n) == 0;
}

static size_t take_header(char *line, size_t size, size_t count, void *self)
{
    struct pl_upstream *upstream = self;
    struct pl_upstream_answer *answer = upstream->answer;
    size_t len = size * count;
    char value[64];
    if (is_header(line, len, "Retry-After")) {
        copy_line(value, sizeof value, line + 12, len - 12);
        answer->retry_after_s = retry_after(value);
    } else if (is_header(line, len, "X-Sentry-Rate-Limits")) {
        size_t used = strlen(answer->rate_limits); /* may come more than once */
        if (used && used + 2 < sizeof answer->rate_limits)
            answer->rate_limits[used++] = ',';
        copy_line(answer->rate_limits + used, sizeof answer->rate_limits - used,
                  line + 21, len - 21);
    } else if (is_header(line, len, "Location")) {
        copy_line(answer->location, sizeof answer->location, line + 9, len - 9);
    } else if (is_header(line, len, "X-Sentry-Error")) {
        copy_line(upstream->detail, sizeof upstream->detail, line + 15, len - 15);
        upstream->has_detail = true;
    }
    return len;
}

static int look_for_stop(void *self, curl_off_t a, curl_off_t b, curl_off_t c,
                         curl_off_t d)
{
    const struct pl_upstream *upstream = self;
    (void)a;
    (void)b;
    (void)c;
    (void)d;
    return upstream->stop && atomic_load(upstream->stop);
}

/* ---- lifecycle ---- */

static bool set_options(struct pl_upstream *upstream, int timeout_ms)
{
    CURL *curl = upstream->curl;
    const char *ca = getenv("CURL_CA_BUNDLE");
    if (!ca || !*ca)
        ca = getenv("SSL_CERT_FILE");
    CURLcode codes[] = {
        curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https"),
        curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L),
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L),
        curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS),
        curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms),
        curl_easy_setopt(curl, CURLOPT_POST, 1L),
        curl_easy_setopt(curl, CURLOPT_READFUNCTION, read_body),
        curl_easy_setopt(curl, CURLOPT_READDATA, upstream),
        curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, seek_body),
        curl_easy_setopt(curl, CURLOPT_SEEKDATA, upstream),
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_answer),
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, upstream),
        curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header),
        curl_easy_setopt(curl, CURLOPT_HEADERDATA, upstream),
        curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, look_for_stop),
        curl_easy_setopt(curl, CURLOPT_XFERINFODATA, upstream),
        curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L),
        curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, upstream->said),
        ca && *ca ? curl_easy_setopt(curl, CURLOPT_CAINFO, ca) : CURLE_OK,
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (codes[i] != CURLE_OK)
            return false;
    return true;
}

enum pl_status pl_upstream_new(int timeout_ms, const atomic_bool *stop,
                               struct pl_upstream **upstream_out, struct pl_error *err)
{
    pthread_once(&once, init_global);
    struct pl_upstream *upstream = calloc(1, sizeof *upstream);
    if (!upstream)
        return pl_error_set(err, PL_NOMEM, "out of memory");
    upstream->stop = stop;
    upstream->curl = global_code == CURLE_OK ? curl_easy_init() : NULL;
    if (!upstream->curl || !set_options(upstream, timeout_ms)) {
        pl_upstream_free(upstream);
        return pl_error_set(err, PL_UNSUPPORTED, "libcurl does not work here");
    }
    *upstream_out = upstream;
    return PL_OK;
}

void pl_upstream_free(struct pl_upstream *upstream)
{
    if (!upstream)
        return;
    curl_easy_cleanup(upstream->curl);
    free(upstream);
}

/* ---- a request ---- */

static struct curl_slist *header_list(const char *const *headers)
{
    /* no "Expect: 100-continue": a second of waiting for nothing */
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    for (; list && *headers; headers++) {
        struct curl_slist *longer = curl_slist_append(list, *headers);
        if (!longer)
            curl_slist_free_all(list);
        list = longer;
    }
    return list;
}

static enum pl_status finish(struct pl_upstream *upstream, CURLcode code,
                             struct pl_error *err)
{
    struct pl_upstream_answer *answer = upstream->answer;
    long status = 0;
    if (code == CURLE_ABORTED_BY_CALLBACK && upstream->stop &&
        atomic_load(upstream->stop))
        return pl_error_set(err, PL_BUSY, "stopped");
    /* More of an answer than one reads is no reason not to believe its head. */
    if (code == CURLE_OK || code == CURLE_WRITE_ERROR)
        (void)curl_easy_getinfo(upstream->curl, CURLINFO_RESPONSE_CODE, &status);
    answer->status = (int)status;
    if (status)
        (void)snprintf(answer->message, sizeof answer->message, "HTTP %ld%s%s", status,
                       upstream->detail[0] ? ": " : "", upstream->detail);
    else
        copy_text(answer->message, sizeof answer->message,
                  upstream->said[0] ? upstream->said : curl_easy_strerror(code));
    answer->message[sizeof answer->message - 1] = '\0';
    return PL_OK;
}

enum pl_status pl_upstream_post(struct pl_upstream *upstream, const char *url,
                                const char *const *headers, const struct pl_spool *body,
                                struct pl_upstream_answer *answer_out,
                                struct pl_error *err)
{
    CURL *curl = upstream->curl;
    struct curl_slist *list = header_list(headers);
    *answer_out = (struct pl_upstream_answer){.retry_after_s = -1,
                                              .sent_bytes = (int64_t)body->len};
    upstream->answer = answer_out;
    upstream->body = body;
    upstream->at = upstream->answer_bytes = 0;
    upstream->detail[0] = upstream->said[0] = '\0';
    upstream->has_detail = false;
    CURLcode code = CURLE_OUT_OF_MEMORY;
    if (list)
        code = curl_easy_setopt(curl, CURLOPT_URL, url);
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
    if (code == CURLE_OK)
        code =
            curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->len);
    if (code == CURLE_OK)
        code = curl_easy_perform(curl);
    enum pl_status status = list ? finish(upstream, code, err)
                                 : pl_error_set(err, PL_NOMEM, "out of memory");
    curl_slist_free_all(list);
    return status;
}

const char *pl_upstream_libcurl_version(void)
{
    const char *text = curl_version();
    return strncmp(text, "libcurl/", 8) == 0 ? text + 8 : text;
}
