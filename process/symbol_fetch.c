#include "process/symbol_fetch.h"

#include "base/clock.h"
#include "base/log.h"
#include "process/symbol_kind.h"
#include "store/symbol_files.h"
#include "store/symbol_sources.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MOST_BYTES (INT64_C(512) << 20)

/* A file that is not there today may be tomorrow; a server in trouble sooner. */
#define MISS_NS    (24 * 3600 * PL_NS_PER_S)
#define TROUBLE_NS (600 * PL_NS_PER_S)

/* As debuginfod's clients ask. */
static bool make_url(char *out, size_t room, const char *base, const char *build_id)
{
    size_t len = strlen(base);
    while (len && base[len - 1] == '/')
        len--;
    int got =
        snprintf(out, room, "%.*s/buildid/%s/debuginfo", (int)len, base, build_id);
    return got > 0 && (size_t)got < room;
}

/* Only the very file that was asked for. */
static enum pl_status keep(struct pl_store *store, struct pl_symbolizer *symbolizer,
                           int fd, const char *whole, const char *url,
                           const char *build_id, struct pl_error *err)
{
    struct pl_symbol_kind kind;
    int64_t id;
    bool known;
    enum pl_status status = pl_symbol_identify(symbolizer, fd, whole, &kind, err);
    if (status != PL_OK)
        return status;
    if (strcmp(kind.kind, "elf") != 0 || strcmp(kind.build_id, build_id) != 0)
        return pl_error_set(err, PL_INPUT, "%.300s is another file", whole);
    const struct pl_symbol_file file = {
        .kind = kind.kind,
        .debug_id = kind.debug_id,
        .build_id = kind.build_id,
        .content = kind.content,
        .name = build_id,
        .origin = url,
        .has_debug = kind.has_debug,
    };
    return pl_symbol_file_add(store, &file, fd, &id, &known, err);
}

static enum pl_status get(const struct pl_fetch_options *options, const char *url,
                          int64_t most_ms, int64_t *left_ms, int fd,
                          struct pl_error *err)
{
    const int64_t from_ns = pl_clock_mono_ns();
    enum pl_status status =
        options->get(url, options->most_bytes ? options->most_bytes : MOST_BYTES,
                     (int)most_ms, fd, err);
    *left_ms -= (pl_clock_mono_ns() - from_ns) / PL_NS_PER_MS;
    return status;
}

/* What went wrong there is no error here: names just stay unknown. */
static enum pl_status note_failure(struct pl_store *store, const char *url,
                                   const char *build_id, enum pl_status why,
                                   enum pl_fetched *fetched_out,
                                   const struct pl_error *failure, struct pl_error *err)
{
    int64_t wait_ns = why == PL_NOT_FOUND || why == PL_INPUT ? MISS_NS : TROUBLE_NS;
    *fetched_out = why == PL_NOT_FOUND ? PL_FETCHED_NOTHING
                   : why == PL_BUSY    ? PL_FETCHED_LATE
                                       : PL_FETCHED_FAILED;
    if (why != PL_NOT_FOUND)
        pl_log(PL_LOG_WARN, "process", "%s", failure->message);
    return pl_symbol_miss_add(store, url, build_id, pl_clock_wall_ns() + wait_ns, err);
}

enum pl_status pl_symbol_fetch(struct pl_store *store, struct pl_symbolizer *symbolizer,
                               const struct pl_fetch_options *options, const char *url,
                               const char *build_id, int64_t *left_ms,
                               enum pl_fetched *fetched_out, struct pl_error *err)
{
    char whole[2048];
    bool known = false;
    struct pl_error failure = {0};
    *fetched_out = PL_FETCHED_NOTHING;
    if (!options->get || !make_url(whole, sizeof whole, url, build_id))
        return PL_OK;
    enum pl_status status = pl_symbol_miss_known(store, url, build_id, &known, err);
    if (status != PL_OK || known)
        return status;
    int64_t most_ms = pl_symbolizer_left_ms(symbolizer);
    if (most_ms > *left_ms)
        most_ms = *left_ms;
    if (most_ms <= 0) {
        *fetched_out = PL_FETCHED_LATE;
        return PL_OK;
    }
    int fd = memfd_create("proflite-fetched", MFD_CLOEXEC);
    if (fd < 0)
        return pl_error_set(err, PL_IO, "no room for a download: %s", strerror(errno));
    enum pl_status got = get(options, whole, most_ms, left_ms, fd, &failure);
    if (got == PL_OK)
        got = keep(store, symbolizer, fd, whole, url, build_id, &failure);
    close(fd);
    if (got != PL_OK)
        return note_failure(store, url, build_id, got, fetched_out, &failure, err);
    *fetched_out = PL_FETCHED_FILE;
    return PL_OK;
}
