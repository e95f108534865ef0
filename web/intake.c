#include "web/intake.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "web/decode.h"
#include "web/intake_item.h"
#include "web/limits.h"

#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES 65536
#define QUIET_NS    (300 * PL_NS_PER_S) /* then a session is over */
#define SWEEP_NS    (60 * PL_NS_PER_S)
#define DONE_MOST   32

struct pl_intake {
    struct pl_store *store;
    char *folder; /* of the store, for bodies that do not fit in memory */
    int64_t swept_ns;
    struct pl_intake_counts counts;
    struct pl_intake_batch batch;
    /* Rows of which all items are taken, until one transaction says so of them all.
     * Killed before, they are read once more, and nothing is found to be taken. Some of
     * their items may be in the batch still. */
    int64_t done[DONE_MOST];
    size_t done_count;
    int64_t after_id; /* rows up to here are done, or are to be tried again later */
};

/* One row on its way. */
struct row {
    struct pl_intake *intake;
    struct pl_inbox_row info;
    struct pl_spool body;
    struct pl_envelope *envelope;
    uint64_t hashes[2]; /* of the body; 0: not made yet */
    struct pl_intake_item item;
    struct pl_item_header header;
    const struct pl_intake_kind *kind; /* of the item being read; NULL: passed over */
    void *self;
    enum pl_status status; /* of what a call of the envelope did */
    struct pl_error *err;
};

enum pl_status pl_intake_new(struct pl_store *store, struct pl_intake **intake_out,
                             struct pl_error *err)
{
    struct pl_intake *intake = calloc(1, sizeof *intake);
    char *folder = strdup(pl_store_path(store));
    if (!intake || !folder) {
        free(folder);
        free(intake);
        return pl_error_set(err, PL_NOMEM, "out of memory");
    }
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    else
        memcpy(folder, ".", 2);
    intake->store = store;
    intake->folder = folder;
    intake->batch = (struct pl_intake_batch){.store = store, .counts = &intake->counts};
    *intake_out = intake;
    return PL_OK;
}

void pl_intake_free(struct pl_intake *intake)
{
    if (!intake)
        return;
    pl_intake_batch_drop(&intake->batch);
    free(intake->folder);
    free(intake);
}

const struct pl_intake_counts *pl_intake_counts(const struct pl_intake *intake)
{
    return &intake->counts;
}

/* ---- items ---- */

const struct pl_intake_kind *pl_intake_kind_of(const struct pl_item_header *header)
{
    bool profile = strcmp(header->type, "profile") == 0 ||
                   strcmp(header->type, "profile_chunk") == 0;
    if (profile && strstr(header->content_type, "perfetto"))
        return &pl_intake_perfetto;
    if (profile)
        return &pl_intake_profile;
    if (strcmp(header->type, "transaction") == 0)
        return &pl_intake_transaction;
    if (strcmp(header->type, "span") == 0)
        return &pl_intake_spans;
    if (strcmp(header->type, "client_report") == 0)
        return &pl_intake_report;
    return NULL;
}

/* Two hashes of the whole body and the item's place in it: sent again, it is the
 * same. */
static void make_fallback(struct row *row)
{
    unsigned char piece[4096];
    size_t got = 0, end = row->hashes[0] ? 0 : row->body.len;
    for (size_t at = 0; at < end; at += got) {
        if (pl_spool_read(&row->body, at, piece, sizeof piece, &got, NULL) != PL_OK)
            break;
        uint64_t hash = pl_hash_bytes(piece, got);
        row->hashes[0] = pl_hash_mix(row->hashes[0], hash) | 1;
        row->hashes[1] = pl_hash_mix(row->hashes[1] + 1, hash);
    }
    uint64_t place = (uint64_t)row->item.index;
    const uint64_t id[2] = {pl_hash_mix(row->hashes[0], place),
                            pl_hash_mix(row->hashes[1], ~place)};
    memcpy(&row->item.fallback, id, sizeof row->item.fallback);
}

static bool on_header(void *self, const struct pl_envelope_header *header)
{
    (void)self;
    (void)header;
    return true;
}

static bool is_profile(const struct pl_intake_kind *kind)
{
    return kind == &pl_intake_profile || kind == &pl_intake_perfetto;
}

static bool on_item(void *self, const struct pl_item_header *header)
{
    struct row *row = self;
    row->item.index++;
    row->item.profiles += strcmp(header->type, "profile") == 0;
    row->kind = NULL;
    if (row->item.index < row->info.items_done)
        return true;
    row->header = *header;
    row->kind = pl_intake_kind_of(header);
    if (row->kind && row->kind != &pl_intake_transaction)
        make_fallback(row);
    if (row->kind && !is_profile(row->kind)) /* it may refer to those before it */
        row->status = pl_intake_batch_flush(&row->intake->batch, row->err);
    if (row->kind && row->status == PL_OK) {
        row->self = row->kind->begin(&row->item, row->err);
        row->status = row->self ? PL_OK : PL_NOMEM;
    }
    return row->status == PL_OK;
}

static bool on_data(void *self, const void *bytes, size_t len)
{
    struct row *row = self;
    if (row->kind)
        row->status = row->kind->data(row->self, bytes, len, row->err);
    return row->status == PL_OK;
}

static bool on_end(void *self)
{
    struct row *row = self;
    if (!row->kind)
        return true;
    row->status = row->kind->end(row->self, row->err);
    row->kind->drop(row->self);
    row->self = NULL;
    row->kind = NULL;
    if (row->status == PL_OK)
        row->status = pl_intake_batch_settle(&row->intake->batch, row->err);
    return row->status == PL_OK;
}

/* ---- a row ---- */

static enum pl_status feed_envelope(void *self, const void *bytes, size_t len,
                                    struct pl_error *err)
{
    struct row *row = self;
    return pl_envelope_feed(row->envelope, bytes, len, err);
}

typedef enum pl_status feed_piece(void *to, const void *bytes, size_t len,
                                  struct pl_error *err);

/* The body by the piece. */
static enum pl_status feed_body(struct row *row, feed_piece *feed, void *to,
                                struct pl_error *err)
{
    unsigned char *piece = malloc(PIECE_BYTES);
    enum pl_status status =
        piece ? PL_OK : pl_error_set(err, PL_NOMEM, "out of memory");
    size_t at = 0, got = 1;
    while (status == PL_OK && got) {
        status = pl_spool_read(&row->body, at, piece, PIECE_BYTES, &got, err);
        if (status == PL_OK && got)
            status = feed(to, piece, got, err);
        at += got;
    }
    free(piece);
    return status;
}

struct decoding {
    struct pl_decoder *decoder;
    struct row *row;
};

static enum pl_status feed_decoder(void *self, const void *bytes, size_t len,
                                   struct pl_error *err)
{
    const struct decoding *d = self;
    return pl_decoder_feed(d->decoder, bytes, len, feed_envelope, d->row, err);
}

static enum pl_status read_envelope(struct row *row, struct pl_error *err)
{
    static const struct pl_envelope_calls calls = {on_header, on_item, on_data, on_end};
    struct pl_decoder *decoder = NULL;
    enum pl_status status = pl_envelope_new(&calls, row, &row->envelope, err);
    if (status == PL_OK)
        status = pl_decoder_new(row->info.encoding, PL_LIMIT_ENVELOPE, &decoder, err);
    if (status == PL_OK)
        status = feed_body(row, feed_decoder, &(struct decoding){decoder, row}, err);
    if (status == PL_OK)
        status = pl_decoder_finish(decoder, err);
    if (status == PL_OK)
        status = pl_envelope_finish(row->envelope, err);
    if (row->status != PL_OK)
        status = row->status; /* ours, not the envelope's word for it */
    pl_decoder_free(decoder);
    pl_envelope_free(row->envelope);
    if (row->self)
        row->kind->drop(row->self);
    return status;
}

/* The body is one profile. */
static enum pl_status read_task(struct row *row, struct pl_error *err)
{
    const struct pl_intake_kind *kind = &pl_intake_profile;
    if (row->info.items_done) /* killed before the row said that it is done */
        return PL_OK;
    row->item.index = 0;
    row->item.is_task = true;
    make_fallback(row);
    row->self = kind->begin(&row->item, err);
    enum pl_status status =
        row->self ? feed_body(row, kind->data, row->self, err) : PL_NOMEM;
    if (status == PL_OK)
        status = kind->end(row->self, err);
    kind->drop(row->self);
    return status == PL_OK ? pl_intake_batch_settle(&row->intake->batch, err) : status;
}

static enum pl_status finish_rows(struct pl_intake *intake, struct pl_error *err)
{
    enum pl_status status = pl_intake_batch_flush(&intake->batch, err);
    if (status == PL_OK)
        status =
            pl_inbox_finish_all(intake->store, intake->done, intake->done_count, err);
    intake->done_count = 0; /* after an error they are found again */
    return status;
}

/* What cannot be read was looked at before it was acknowledged, so it is rare; it is
 * set aside. Anything else is no fault of the row: it waits. */
static enum pl_status take_row(struct row *row, struct pl_error *err)
{
    struct pl_store *store = row->intake->store;
    enum pl_status status = PL_OK;
    if (!row->info.is_store) {
        status = pl_inbox_body(store, row->info.id, &row->body, err);
        if (status == PL_OK)
            status = row->info.is_task ? read_task(row, err) : read_envelope(row, err);
    }
    if (status == PL_INPUT || status == PL_UNSUPPORTED) {
        char why[sizeof err->message];
        memcpy(why, err->message, sizeof why);
        pl_log(PL_LOG_WARN, "web", "inbox row %lld: %s", (long long)row->info.id, why);
        status = pl_intake_batch_flush(&row->intake->batch, err); /* some may be its */
        return status == PL_OK ? pl_inbox_finish(store, row->info.id, why, err)
                               : status;
    }
    if (status != PL_OK)
        return status;
    row->intake->done[row->intake->done_count++] = row->info.id;
    return row->intake->done_count == DONE_MOST ? finish_rows(row->intake, err) : PL_OK;
}

static enum pl_status sweep(struct pl_intake *intake, struct pl_error *err)
{
    int64_t now_ns = pl_clock_wall_ns();
    if (now_ns - intake->swept_ns < SWEEP_NS && now_ns >= intake->swept_ns)
        return PL_OK;
    intake->swept_ns = now_ns;
    return pl_receive_end_quiet(intake->store, now_ns - QUIET_NS, err);
}

/* What is not in the store is found again. */
static void start_over(struct pl_intake *intake)
{
    pl_intake_batch_drop(&intake->batch);
    intake->done_count = 0;
    intake->after_id = 0;
}

enum pl_status pl_intake_run(void *self, struct pl_error *err)
{
    struct pl_intake *intake = self;
    struct pl_error local = {0};
    struct row row = {.intake = intake, .item.index = -1, .err = err ? err : &local};
    enum pl_status status =
        pl_inbox_next(intake->store, intake->after_id, &row.info, err);
    if (status == PL_NOT_FOUND) {
        enum pl_status done = finish_rows(intake, err);
        if (done == PL_OK)
            done = sweep(intake, err);
        start_over(intake);
        return done == PL_OK ? status : done;
    }
    if (status != PL_OK)
        return status;
    row.item.store = intake->store;
    row.item.batch = &intake->batch;
    row.item.counts = &intake->counts;
    row.item.row = &row.info;
    row.item.header = &row.header;
    pl_spool_init(&row.body, intake->folder, PL_LIMIT_BODY);
    status = take_row(&row, row.err);
    pl_spool_deinit(&row.body);
    intake->after_id = row.info.id;
    if (status != PL_OK)
        start_over(intake);
    return status;
}

enum pl_status pl_intake_unsampled(struct pl_intake *intake, int64_t project_id,
                                   int64_t received_ns, const void *profile, size_t len,
                                   struct pl_error *err)
{
    static const struct pl_item_header none = {0};
    const struct pl_intake_kind *kind = &pl_intake_profile;
    struct pl_inbox_row row;
    enum pl_status status =
        pl_inbox_row_of(intake->store, project_id, received_ns, &row, err);
    if (status != PL_OK)
        return status;
    const struct pl_intake_item item = {.store = intake->store,
                                        .row = &row,
                                        .header = &none,
                                        .counts = &intake->counts,
                                        .is_task = true,
                                        .unsampled = true};
    void *self = kind->begin(&item, err);
    status = self ? kind->data(self, profile, len, err) : PL_NOMEM;
    if (status == PL_OK)
        status = kind->end(self, err);
    kind->drop(self);
    return status;
}
