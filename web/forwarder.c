#include "web/forwarder.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "process/lease.h"
#include "web/forward_body.h"
#include "web/forward_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEASE_NS       (120 * PL_NS_PER_S)
#define BACKOFF_NS     PL_NS_PER_S
#define BACKOFF_MAX_NS (300 * PL_NS_PER_S)
#define PAUSE_NS       (300 * PL_NS_PER_S)
#define PAUSE_MAX_NS   (3600 * PL_NS_PER_S)
#define LOOK_NS        PL_NS_PER_S /* between looks for something new */

struct pl_forwarder {
    struct pl_forward_options options;
    char *db_path, *folder;
    struct pl_dsn dsn;
    char name[PL_FORWARD_NAME];
    char owner[PL_LEASE_OWNER_BYTES];
    struct pl_forward_request *request;

    struct pl_store *store;
    struct pl_outbox_target target;
    bool fresh;  /* nothing was tried yet: no pause of an earlier run counts */
    bool filled; /* `generation` means something */
    bool starved;
    bool revive;
    uint64_t generation;
    int64_t open_chunks;
    int64_t leased_ns; /* until then the target is ours */
    int64_t done_row; /* of the row tried last: so many of its requests are done with */
    size_t done;
    struct pl_forward_try refused; /* one of them: it will never be taken */
};

/* ---- lifecycle ---- */

bool pl_forward_name(const char *text, char name_out[static PL_FORWARD_NAME])
{
    struct pl_dsn dsn;
    if (!pl_dsn_parse(text, &dsn))
        return false;
    (void)snprintf(name_out, PL_FORWARD_NAME, "%s://%s%s/%lld", dsn.scheme, dsn.host,
                   dsn.path, (long long)dsn.project_id);
    return true;
}

static char *folder_of(const char *path)
{
    char *folder = strdup(path), *slash = folder ? strrchr(folder, '/') : NULL;
    if (slash)
        slash[slash == folder] = '\0';
    else if (folder)
        memcpy(folder, ".", 2);
    return folder;
}

enum pl_status pl_forwarder_new(const struct pl_forward_options *options,
                                struct pl_forwarder **forwarder_out,
                                struct pl_error *err)
{
    struct pl_forwarder *f = calloc(1, sizeof *f);
    if (!f)
        return pl_error_set(err, PL_NOMEM, "out of memory");
    f->options = *options;
    f->fresh = true;
    f->db_path = strdup(options->db_path);
    f->folder = folder_of(options->db_path);
    pl_lease_owner(f->owner);
    enum pl_status status = PL_OK;
    if (!f->db_path || !f->folder || strlen(f->db_path) < 1)
        status = pl_error_set(err, PL_NOMEM, "out of memory");
    else if (!pl_dsn_parse(options->dsn, &f->dsn) ||
             !pl_forward_name(options->dsn, f->name))
        status = pl_error_set(err, PL_USAGE,
                              "not a DSN (http://KEY@HOST/PROJECT) to forward to");
    if (status == PL_OK)
        status = pl_forward_request_new(&f->dsn, options->timeout_ms, options->stop,
                                        &f->request, err);
    if (status == PL_OK)
        *forwarder_out = f;
    else
        pl_forwarder_free(f);
    return status;
}

static void close_store(struct pl_forwarder *f)
{
    if (f->store && f->leased_ns)
        pl_outbox_release(f->store, f->target.id, f->owner);
    pl_store_close(f->store);
    f->store = NULL;
    f->filled = false;
    f->leased_ns = 0;
}

void pl_forwarder_free(struct pl_forwarder *f)
{
    if (!f)
        return;
    close_store(f);
    pl_forward_request_free(f->request);
    free(f->db_path);
    free(f->folder);
    free(f);
}

const char *pl_forwarder_name(const struct pl_forwarder *forwarder)
{
    return forwarder->name;
}

void pl_forwarder_revive(struct pl_forwarder *forwarder)
{
    forwarder->revive = true;
}

/* ---- the store and the lease ---- */

static enum pl_status open_store(struct pl_forwarder *f, struct pl_error *err)
{
    if (f->store)
        return PL_OK;
    enum pl_status status = pl_store_open(f->db_path, PL_STORE_WRITE, &f->store, err);
    if (status == PL_OK)
        status = pl_outbox_target(f->store, f->name, &f->target, err);
    return status;
}

static enum pl_status take_lease(struct pl_forwarder *f, struct pl_error *err)
{
    char holder[PL_OUTBOX_OWNER], other[PL_OUTBOX_OWNER];
    int64_t now_ns = pl_clock_mono_ns();
    if (f->leased_ns - now_ns > LEASE_NS / 2)
        return PL_OK;
    enum pl_status status =
        pl_outbox_lease(f->store, f->target.id, f->owner, "", LEASE_NS, holder, err);
    if (status == PL_BUSY && holder[0] && pl_lease_owner_is_dead(holder))
        status = pl_outbox_lease(f->store, f->target.id, f->owner, holder, LEASE_NS,
                                 other, err);
    f->leased_ns = status == PL_OK ? now_ns + LEASE_NS : 0;
    return status;
}

/* ---- time ---- */

/* A random part of it: all who failed together do not come again together. */
static int64_t random_part(int64_t most_ns)
{
    struct pl_id id;
    uint64_t word = (uint64_t)pl_clock_mono_ns();
    if (pl_id_new(&id, NULL) == PL_OK)
        memcpy(&word, id.bytes + 8, sizeof word); /* but for two bits, random */
    return (int64_t)((word << 2) % (uint64_t)most_ns) + PL_NS_PER_S / 20;
}

static int64_t doubled(int64_t first_ns, int64_t most_ns, int64_t times)
{
    int64_t ns = first_ns;
    while (times-- > 1 && ns < most_ns)
        ns *= 2;
    return ns < most_ns ? ns : most_ns;
}

/* ---- what becomes of a try ---- */

static enum pl_status keep_state(struct pl_forwarder *f, struct pl_error *err)
{
    return pl_outbox_set_state(f->store, &f->target, err);
}

static enum pl_status went_well(struct pl_forwarder *f, struct pl_error *err)
{
    f->starved = false;
    if (!f->target.failures && !f->target.paused && !f->target.trouble[0])
        return PL_OK;
    f->target.failures = f->target.next_try_ns = 0;
    f->target.paused = false;
    f->target.trouble[0] = '\0';
    return keep_state(f, err);
}

static enum pl_status failed(struct pl_forwarder *f, const struct pl_forward_try *try,
                             struct pl_error *err)
{
    int64_t wait_ns;
    f->filled = false; /* what waits outside comes in, and the oldest give way */
    f->target.failures++;
    f->target.paused = try->verdict == PL_TRY_PAUSE;
    if (f->target.paused)
        wait_ns = doubled(PAUSE_NS, PAUSE_MAX_NS, f->target.failures);
    else
        wait_ns = random_part(doubled(BACKOFF_NS, BACKOFF_MAX_NS, f->target.failures));
    if (try->retry_after_ns > wait_ns)
        wait_ns = try->retry_after_ns;
    f->target.next_try_ns = pl_clock_wall_ns() + wait_ns;
    (void)snprintf(f->target.trouble, sizeof f->target.trouble, "%s", try->message);
    pl_log(f->target.paused ? PL_LOG_WARN : PL_LOG_INFO, "forward", "%s: %s", f->name,
           try->message);
    return keep_state(f, err);
}

static enum pl_status keep_limits(struct pl_forwarder *f,
                                  const struct pl_forward_try *try,
                                  struct pl_error *err)
{
    enum pl_status status = PL_OK;
    int64_t now_ns = pl_clock_wall_ns();
    for (size_t i = 0; i < try->limit_count && status == PL_OK; i++)
        if (try->limits[i].seconds > 0)
            status = pl_outbox_limit(f->store, f->target.id, try->limits[i].category,
                                     now_ns + try->limits[i].seconds * PL_NS_PER_S,
                                     try->limits[i].reason, err);
    return status;
}

static enum pl_status conclude(struct pl_forwarder *f, const struct pl_outbox_row *row,
                               const struct pl_forward_try *try, int64_t bytes,
                               struct pl_error *err)
{
    int64_t again_ns =
        pl_clock_wall_ns() +
        random_part(doubled(BACKOFF_NS, BACKOFF_MAX_NS, row->attempts + 1));
    enum pl_status status = keep_limits(f, try, err);
    if (status != PL_OK)
        return status;
    switch (try->verdict) {
    case PL_TRY_SENT:
        status = pl_outbox_sent(f->store, f->target.id, row->id, bytes, err);
        return status == PL_OK ? went_well(f, err) : status;
    case PL_TRY_DEAD:
        pl_log(PL_LOG_WARN, "forward", "%s will not take an envelope: %s", f->name,
               try->message);
        status = pl_outbox_dead(f->store, f->target.id, row->id, try->reason, err);
        return status == PL_OK ? went_well(f, err) : status;
    case PL_TRY_LIMITED:
        f->starved = true;
        return try->covered ? PL_OK
                            : pl_outbox_retry(f->store, f->target.id, row->id, again_ns,
                                              try->message, err);
    case PL_TRY_PAUSE:
        return failed(f, try, err);
    default:
        status = pl_outbox_retry(f->store, f->target.id, row->id, again_ns,
                                 try->message, err);
        return status == PL_OK ? failed(f, try, err) : status;
    }
}

/* ---- a row ---- */

struct sending {
    struct pl_forwarder *f;
    const struct pl_outbox_row *row;
    struct pl_forward_try try;
    size_t index; /* of the request, from 1 */
    int64_t bytes;
    bool limited; /* now that its categories are known */
};

/* Of what arrived the categories are known once it was looked into; then limits may
 * say no. */
static enum pl_status look_at_categories(struct sending *s,
                                         const struct pl_forward_body *body,
                                         struct pl_error *err)
{
    struct pl_outbox_row next;
    int64_t soonest;
    if (s->row->categories[0])
        return PL_OK;
    enum pl_status status =
        pl_outbox_set_categories(s->f->store, s->row->id, body->categories, err);
    if (status == PL_OK)
        status = pl_outbox_next(s->f->store, s->f->target.id, &next, &soonest, err);
    s->limited = status == PL_NOT_FOUND || (status == PL_OK && next.id != s->row->id);
    return status == PL_NOT_FOUND ? PL_OK : status;
}

static enum pl_status send_body(void *self, const struct pl_forward_body *body,
                                struct pl_error *err)
{
    struct sending *s = self;
    s->index++;
    if (s->row->id == s->f->done_row && s->index <= s->f->done)
        return PL_OK;
    if (s->try.covered) { /* the one before was taken, and is to be the last */
        s->try.verdict = PL_TRY_LIMITED;
        return PL_PARTIAL;
    }
    enum pl_status status = look_at_categories(s, body, err);
    if (status == PL_OK && s->limited)
        return PL_PARTIAL;
    if (status == PL_OK)
        status = take_lease(s->f, err); /* a chunk in pieces takes its time */
    if (status == PL_OK)
        status = pl_forward_request_try(s->f->request, body, &s->try, err);
    if (status != PL_OK)
        return status;
    if (s->try.verdict == PL_TRY_DEAD) /* which says nothing of the others */
        s->f->refused = s->try;
    else if (s->try.verdict != PL_TRY_SENT)
        return PL_PARTIAL;
    s->bytes += (int64_t)body->body->len;
    s->f->done_row = s->row->id;
    s->f->done = s->index;
    return PL_OK;
}

static enum pl_status send_row(struct pl_forwarder *f, const struct pl_outbox_row *row,
                               struct pl_error *err)
{
    const struct pl_forward_source source = {
        .store = f->store,
        .folder = f->folder,
        .dsn = &f->dsn,
        .redact = f->options.redact,
    };
    struct sending s = {.f = f, .row = row, .try = {.verdict = PL_TRY_SENT}};
    if (row->id != f->done_row)
        f->refused = (struct pl_forward_try){.verdict = PL_TRY_SENT};
    enum pl_status status = pl_forward_bodies(&source, row, send_body, &s, err);
    if (s.limited)
        return PL_OK;
    if (status == PL_INPUT || status == PL_USAGE || status == PL_UNSUPPORTED ||
        status == PL_NOT_FOUND) {
        s.try = (struct pl_forward_try){.verdict = PL_TRY_DEAD};
        (void)snprintf(s.try.reason, sizeof s.try.reason, "%s",
                       status == PL_NOT_FOUND ? "gone"
                       : status == PL_USAGE   ? "too_many_hops"
                                              : "unreadable");
        (void)snprintf(s.try.message, sizeof s.try.message, "%.250s",
                       err ? err->message : "");
        status = PL_OK;
    }
    if (status != PL_OK && status != PL_PARTIAL)
        return status;
    if (status == PL_OK && f->refused.verdict == PL_TRY_DEAD)
        s.try = f->refused;
    return conclude(f, row, &s.try, s.bytes, err);
}

/* ---- a step ---- */

static enum pl_status fill(struct pl_forwarder *f, struct pl_error *err)
{
    uint64_t generation = 0;
    bool failing = f->target.failures || f->target.paused || f->starved;
    enum pl_status status = pl_store_generation(f->store, &generation, err);
    if (status != PL_OK || (f->filled && generation == f->generation))
        return status;
    status = pl_outbox_fill(f->store, &f->target, &f->options.bounds,
                            f->options.received, failing, &f->open_chunks, err);
    f->generation = generation;
    f->filled = status == PL_OK;
    return status;
}

/* What is at the bounds outside comes in when there is room: look again. */
static enum pl_status next_row(struct pl_forwarder *f, struct pl_outbox_row *row,
                               int64_t *soonest, struct pl_error *err)
{
    enum pl_status status = pl_outbox_next(f->store, f->target.id, row, soonest, err);
    if (status != PL_NOT_FOUND)
        return status;
    f->starved = *soonest != 0;
    f->filled = false;
    status = fill(f, err);
    return status == PL_OK ? pl_outbox_next(f->store, f->target.id, row, soonest, err)
                           : status;
}

static int64_t until(int64_t at_ns)
{
    int64_t left_ns = at_ns - pl_clock_wall_ns();
    return left_ns < 0 ? 0 : left_ns;
}

/* True: nothing is sent before some time. */
static bool is_told_to_wait(struct pl_forwarder *f, struct pl_forward_step *step)
{
    step->failures = f->target.failures;
    if (f->fresh || !until(f->target.next_try_ns))
        return false;
    step->state = f->target.paused ? PL_FORWARD_PAUSED : PL_FORWARD_WAITS;
    step->wait_ns = until(f->target.next_try_ns);
    (void)snprintf(step->message, sizeof step->message, "%s", f->target.trouble);
    return true;
}

static void say_idle(struct pl_forwarder *f, int64_t soonest,
                     struct pl_forward_step *step)
{
    step->state = soonest ? PL_FORWARD_WAITS : PL_FORWARD_IDLE;
    step->wait_ns = soonest ? until(soonest) : LOOK_NS;
    if (soonest)
        (void)snprintf(step->message, sizeof step->message, "%s",
                       f->target.trouble[0] ? f->target.trouble
                                            : "the upstream wants no more for now");
}

static enum pl_status do_step(struct pl_forwarder *f, struct pl_forward_step *step,
                              struct pl_error *err)
{
    struct pl_outbox_row row;
    int64_t soonest = 0;
    enum pl_status status = open_store(f, err);
    if (status == PL_OK)
        status = take_lease(f, err);
    if (status == PL_BUSY) {
        step->state = PL_FORWARD_OTHER;
        step->wait_ns = 5 * LOOK_NS;
        return PL_OK;
    }
    if (status == PL_OK && f->fresh)
        status = pl_outbox_hurry(f->store, f->target.id, err);
    if (status == PL_OK && f->revive) {
        f->done_row = 0; /* and what of a row was done with counts no more */
        status = pl_outbox_revive(f->store, f->target.id, err);
        f->revive = false;
    }
    if (status == PL_OK)
        status = fill(f, err);
    step->open_chunks = f->open_chunks;
    if (status != PL_OK || is_told_to_wait(f, step))
        return status;
    f->fresh = false;
    status = next_row(f, &row, &soonest, err);
    step->open_chunks = f->open_chunks;
    if (status == PL_NOT_FOUND) {
        say_idle(f, soonest, step);
        return PL_OK;
    }
    if (status == PL_OK)
        status = send_row(f, &row, err);
    if (status == PL_OK && is_told_to_wait(f, step))
        return PL_OK;
    step->state = PL_FORWARD_SENT;
    return status;
}

enum pl_status pl_forwarder_step(struct pl_forwarder *f,
                                 struct pl_forward_step *step_out, struct pl_error *err)
{
    struct pl_error local = {0};
    *step_out = (struct pl_forward_step){0};
    enum pl_status status = do_step(f, step_out, err ? err : &local);
    if (status != PL_OK && status != PL_BUSY)
        close_store(f);
    return status;
}
