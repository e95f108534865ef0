#include "web/download.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#define CONNECT_MS     5000
#define MOST_REDIRECTS 4L

static CURLcode global_code;

static void init_curl(void)
{
    global_code = curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct download {
    int fd;
    int64_t left; /* bytes it may still take */
    bool too_large;
};

/* A server may lie about a length, or say none. */
static size_t take(char *bytes, size_t size, size_t count, void *self)
{
    struct download *download = self;
    size_t len = size * count, done = 0;
    if ((int64_t)len > download->left) {
        download->too_large = true;
        return 0;
    }
    download->left -= (int64_t)len;
    while (done < len) {
        ssize_t put = write(download->fd, bytes + done, len - done);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return 0;
        done += (size_t)put;
    }
    return len;
}

static CURLcode prepare(CURL *curl, const char *url, int timeout_ms,
                        struct download *download)
{
    const char *ca = getenv("SSL_CERT_FILE");
    const CURLcode codes[] = {
        curl_easy_setopt(curl, CURLOPT_URL, url),
        curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https"),
        curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https"),
        curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L),
        curl_easy_setopt(curl, CURLOPT_MAXREDIRS, MOST_REDIRECTS),
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L),
        curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L),
        curl_easy_setopt(curl, CURLOPT_USERAGENT, "proflite/" PL_VERSION),
        curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                         (long)(timeout_ms < CONNECT_MS ? timeout_ms : CONNECT_MS)),
        curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms),
        curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)download->left),
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take),
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, download),
        ca && *ca ? curl_easy_setopt(curl, CURLOPT_CAINFO, ca) : CURLE_OK,
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (codes[i] != CURLE_OK)
            return codes[i];
    return CURLE_OK;
}

static enum pl_status describe(CURL *curl, CURLcode code, const char *url,
                               const struct download *download, struct pl_error *err)
{
    long status = 0;
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK)
        return PL_OK;
    if (code == CURLE_HTTP_RETURNED_ERROR && (status == 404 || status == 410))
        return pl_error_set(err, PL_NOT_FOUND, "%.300s: not there", url);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return pl_error_set(err, PL_BUSY, "%.300s: too slow", url);
    if (code == CURLE_FILESIZE_EXCEEDED || download->too_large)
        return pl_error_set(err, PL_INPUT, "%.300s: too large", url);
    if (code == CURLE_HTTP_RETURNED_ERROR)
        return pl_error_set(err, PL_IO, "%.300s: status %ld", url, status);
    return pl_error_set(err, PL_IO, "%.300s: %s", url, curl_easy_strerror(code));
}

enum pl_status pl_download(const char *url, int64_t most_bytes, int timeout_ms, int fd,
                           struct pl_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct download download = {.fd = fd, .left = most_bytes};
    (void)pthread_once(&once, init_curl);
    CURL *curl = global_code == CURLE_OK ? curl_easy_init() : NULL;
    if (!curl)
        return pl_error_set(err, PL_IO, "cannot use libcurl");
    CURLcode code = prepare(curl, url, timeout_ms, &download);
    if (code == CURLE_OK)
        code = curl_easy_perform(curl);
    enum pl_status status = describe(curl, code, url, &download, err);
    curl_easy_cleanup(curl);
    return status;
}
