#define ZLIB_CONST /* next_in points to const */
#include "formats/gzip.h"

#include <stdbool.h>
#include <stdlib.h>
#include <zlib.h>

#define GZIP_WINDOW (15 + 16) /* zlib's way to ask for a gzip header */
#define AT_ONCE     ((size_t)1 << 20)

struct pl_gzip {
    z_stream z;
    FILE *out;
    bool failed;
    unsigned char piece[1 << 14];
};

struct pl_gzip *pl_gzip_begin(FILE *out)
{
    struct pl_gzip *gzip = calloc(1, sizeof *gzip);
    if (!gzip)
        return NULL;
    gzip->out = out;
    if (deflateInit2(&gzip->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        free(gzip);
        return NULL;
    }
    return gzip;
}

static void deflate_all(struct pl_gzip *gzip, int flush)
{
    do {
        gzip->z.next_out = gzip->piece;
        gzip->z.avail_out = sizeof gzip->piece;
        if (deflate(&gzip->z, flush) == Z_STREAM_ERROR)
            gzip->failed = true;
        (void)fwrite(gzip->piece, 1, sizeof gzip->piece - gzip->z.avail_out, gzip->out);
    } while (gzip->z.avail_out == 0 && !gzip->failed);
}

void pl_gzip_write(struct pl_gzip *gzip, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    while (len && !gzip->failed) {
        size_t now = len < AT_ONCE ? len : AT_ONCE;
        gzip->z.next_in = at;
        gzip->z.avail_in = (uInt)now;
        deflate_all(gzip, Z_NO_FLUSH);
        at += now;
        len -= now;
    }
}

enum pl_status pl_gzip_end(struct pl_gzip *gzip, struct pl_error *err)
{
    if (!gzip)
        return PL_OK;
    gzip->z.avail_in = 0;
    if (!gzip->failed)
        deflate_all(gzip, Z_FINISH);
    bool failed = gzip->failed;
    (void)deflateEnd(&gzip->z);
    free(gzip);
    return failed ? pl_error_set(err, PL_NOMEM, "cannot compress the profile") : PL_OK;
}
