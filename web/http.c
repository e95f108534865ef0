#include "web/http.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

const char *pl_http_header(const struct pl_http_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++)
        if (strcasecmp(request->headers[i].name, name) == 0)
            return request->headers[i].value;
    return NULL;
}

size_t pl_http_header_count(const struct pl_http_request *request, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < request->header_count; i++)
        count += strcasecmp(request->headers[i].name, name) == 0;
    return count;
}

bool pl_http_etag_matches(const char *if_none_match, const char *etag)
{
    size_t len = strlen(etag);
    if (!if_none_match || !len)
        return false;
    if (strcmp(if_none_match, "*") == 0)
        return true;
    /* Ours are quoted and hold no quote: found quoted is found whole. */
    for (const char *s = if_none_match; (s = strstr(s, etag)); s += len)
        if (s == if_none_match || s[-1] == ' ' || s[-1] == ',' || s[-1] == '/')
            return true;
    return false;
}

int pl_http_error_set(struct pl_http_error *error, int status, const char *code,
                      const char *format, ...)
{
    va_list args;
    va_start(args, format);
    error->status = status;
    error->code = code;
    (void)vsnprintf(error->message, sizeof error->message, format, args);
    va_end(args);
    return status;
}

void pl_http_error_from(struct pl_http_error *error, const struct pl_error *err)
{
    static const struct {
        int status;
        const char *code;
    } answers[] = {
        [PL_OK] = {500, "internal"},
        [PL_NOT_FOUND] = {503, "store_missing"},
        [PL_USAGE] = {400, "bad_request"},
        [PL_INPUT] = {500, "store_damaged"},
        [PL_IO] = {500, "store_io"},
        [PL_PARTIAL] = {500, "internal"},
        [PL_BUSY] = {503, "busy"},
        [PL_NOMEM] = {503, "out_of_memory"},
        [PL_UNSUPPORTED] = {501, "unsupported"},
    };
    size_t i = (size_t)err->status;
    if (i >= sizeof answers / sizeof answers[0])
        i = PL_OK;
    pl_http_error_set(error, answers[i].status, answers[i].code, "%s", err->message);
}

const char *pl_http_reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 204:
        return "No Content";
    case 304:
        return "Not Modified";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 413:
        return "Content Too Large";
    case 414:
        return "URI Too Long";
    case 421:
        return "Misdirected Request";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 501:
        return "Not Implemented";
    case 503:
        return "Service Unavailable";
    default:
        return status < 500 ? "Error" : "Internal Server Error";
    }
}
