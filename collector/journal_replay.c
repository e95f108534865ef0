/* Journal, reading: a session is made again from its state and what came in after.
 *
 * The file is hostile: each batch is checked by its hash, each operation by size, and
 * each number in it before it is used. The first one that makes no sense ends the
 * reading; what was read before it stands. */
#include "collector/journal_replay.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static bool add_id(struct pl_replay_ids *ids, uint32_t id)
{
    if (!pl_grow(&ids->list, &ids->capacity, ids->count + 1, sizeof *ids->list,
                 PL_REPLAY_MAX_ITEMS))
        return false;
    ids->list[ids->count++] = id;
    return true;
}

static void start_tables(struct pl_replay *r)
{
    r->frames.count = r->stacks.count = r->word_count = 0;
    r->pairs.count = r->sets.count = 0;
}

/* ---- what came in ---- */

static bool do_tick(struct pl_replay *r, const struct pl_journal_op *op,
                    const uint64_t body[static 2])
{
    struct pl_drain_timeline *t = &r->session->timeline;
    return pl_replay_is_time((int64_t)body[0]) &&
           pl_drain_timeline_tick(t, op->arg, (int64_t)body[0], body[1]);
}

static bool do_event(struct pl_replay *r, const struct pl_journal_op *op,
                     enum pl_event_kind kind, uint64_t value, uint64_t generation)
{
    struct pl_event event = {(uint8_t)kind, op->flags, op->slot, op->arg, value};
    pl_drain_timeline_event(&r->session->timeline, &event, (uint32_t)generation);
    return true;
}

static bool do_answer(struct pl_replay *r, const struct pl_journal_op *op,
                      const uint64_t body[static 2])
{
    struct pl_drain_timeline *t = &r->session->timeline;
    struct pl_answer answer = {
        .tick = op->arg,
        .stack = (uint32_t)body[0],
        .periods = (uint32_t)(body[0] >> 32),
        .mono_ns = (int64_t)body[1],
    };
    if (op->slot >= PL_SEG_MAX_THREADS || !t->by_slot[op->slot] ||
        !pl_replay_is_time(answer.mono_ns) || !answer.periods ||
        answer.periods > 1000000 || !pl_replay_stack(r, &answer.stack))
        return false;
    struct pl_drain_timeline_thread *thread = t->by_slot[op->slot];
    answer.labels = op->flags & 1 ? thread->told_quietly : thread->told_labels;
    pl_drain_timeline_answer(t, thread, op->flags & 1, &answer);
    return true;
}

static bool do_told(struct pl_replay *r, const struct pl_journal_op *op)
{
    struct pl_drain_timeline *t = &r->session->timeline;
    uint32_t set = op->arg;
    if (op->slot >= PL_SEG_MAX_THREADS || !t->by_slot[op->slot] ||
        !pl_replay_set(r, &set))
        return false;
    pl_drain_timeline_told(t, t->by_slot[op->slot], op->flags & 1, set);
    return true;
}

static bool do_slot(struct pl_replay *r, const struct pl_journal_op *op)
{
    struct pl_drain_timeline *t = &r->session->timeline;
    if (op->slot >= PL_SEG_MAX_THREADS || !t->by_slot[op->slot])
        return false;
    if (op->kind == PL_OP_RING_DAMAGED)
        pl_drain_timeline_ring_damaged(t, t->by_slot[op->slot]);
    else
        pl_drain_timeline_slot_release(t, op->slot);
    return true;
}

static bool do_loss(struct pl_replay *r, const struct pl_journal_op *op, uint64_t value)
{
    struct pl_drain_timeline *t = &r->session->timeline;
    bool now = op->kind == PL_OP_LOST;
    if (op->flags >= PL_LOSS_COUNT ||
        (op->slot >= PL_SEG_MAX_THREADS && op->slot != PL_JOURNAL_SEGMENT))
        return false;
    if (op->slot == PL_JOURNAL_SEGMENT)
        (now ? r->session->host_now : r->session->host_lost)[op->flags] = value;
    else
        (now ? t->host_now : t->host_lost)[op->slot][op->flags] = value;
    return true;
}

/* A window that goes takes the ids with it: the writer tells its tables anew, and a
 * file that does not must not reach into those that are there now. */
static bool do_advance(struct pl_replay *r, int64_t now_ns)
{
    struct pl_drain_timeline *t = &r->session->timeline;
    uint64_t popped = t->popped;
    if (!pl_replay_is_time(now_ns))
        return false;
    pl_drain_session_advance(r->shared, r->session, now_ns, false);
    if (t->popped != popped)
        start_tables(r);
    return true;
}

/* ---- tables ---- */

static bool do_frame(struct pl_replay *r, const struct pl_journal_op *op,
                     const uint64_t body[static 2])
{
    struct pl_stack_frame frame = {
        .address = body[0],
        .mono_ns = (int64_t)body[1],
        .module = op->arg,
        .exact = op->flags & 1,
        .pseudo = op->flags >> 1,
    };
    if (frame.pseudo > PL_PSEUDO_GUESSED ||
        (frame.module != PL_NO_MODULE && frame.module >= r->session->modules.count))
        return false;
    uint32_t id = pl_stacks_put_frame(&r->session->timeline.stacks, &frame);
    return id != UINT32_MAX && add_id(&r->frames, id);
}

static bool do_stack(struct pl_replay *r, const struct pl_journal_op *op,
                     const unsigned char *body)
{
    if (op->slot > r->word_count || op->slot + (uint64_t)op->arg > PL_REPLAY_MAX_WORDS)
        return false;
    for (uint32_t i = 0; i < op->arg; i++) {
        uint32_t frame;
        memcpy(&frame, body + i * sizeof frame, sizeof frame);
        if (frame >= r->frames.count)
            return false;
        r->words[op->slot + i] = r->frames.list[frame];
    }
    r->word_count = op->slot + op->arg;
    uint32_t id = pl_stacks_put(&r->session->timeline.stacks, r->words, r->word_count);
    return id != PL_NO_STACK && add_id(&r->stacks, id);
}

static bool do_pair(struct pl_replay *r, const struct pl_journal_op *op,
                    const unsigned char *body)
{
    uint32_t id;
    struct pl_label_sets *labels = &r->session->timeline.labels;
    return pl_label_sets_put_pair(labels, (const char *)body, op->arg, &id) &&
           add_id(&r->pairs, id);
}

static bool do_set(struct pl_replay *r, const struct pl_journal_op *op,
                   const unsigned char *body)
{
    uint32_t ids[PL_LABEL_SET_PAIRS], set;
    if (!op->arg || op->arg > PL_LABEL_SET_PAIRS)
        return false;
    memcpy(ids, body, op->arg * sizeof *ids);
    for (uint32_t i = 0; i < op->arg; i++) {
        if (ids[i] >= r->pairs.count)
            return false;
        ids[i] = r->pairs.list[ids[i]];
    }
    return pl_label_sets_put_set(&r->session->timeline.labels, ids, op->arg, &set) &&
           add_id(&r->sets, set);
}

static bool do_module(struct pl_replay *r, const struct pl_journal_op *op,
                      const unsigned char *body)
{
    struct pl_drain_modules *modules = &r->session->modules;
    struct pl_journal_module from;
    memcpy(&from, body, sizeof from);
    if (from.end < from.start || from.build_id_bytes > sizeof from.build_id ||
        !pl_grow(&modules->list, &modules->capacity, modules->count + 1,
                 sizeof *modules->list, PL_SEG_MAX_MODULES))
        return false;
    struct pl_drain_module *to = &modules->list[modules->count];
    *to = (struct pl_drain_module){
        .start = from.start,
        .end = from.end,
        .bias = from.bias,
        .from_ns = from.from_ns,
        .to_ns = from.to_ns,
        .path = strndup((const char *)body + sizeof from, op->arg),
        .build_id_bytes = from.build_id_bytes,
        .flags = from.flags,
    };
    memcpy(to->build_id, from.build_id, sizeof to->build_id);
    modules->count += to->path != NULL;
    return to->path != NULL;
}

static bool do_module_end(struct pl_replay *r, const struct pl_journal_op *op,
                          uint64_t to_ns)
{
    if (op->arg >= r->session->modules.count)
        return false;
    r->session->modules.list[op->arg].to_ns = (int64_t)to_ns;
    return true;
}

/* ---- operations ---- */

/* Bytes of the body, as the operation says; UINT64_MAX: no such operation. */
static uint64_t body_bytes(const struct pl_journal_op *op)
{
    static const uint16_t fixed[PL_OP_COUNT] = {
        [PL_OP_TICK] = 16,
        [PL_OP_START] = 16,
        [PL_OP_NAME] = 8,
        [PL_OP_RAN] = 8,
        [PL_OP_END] = 8,
        [PL_OP_ANSWER] = 16,
        [PL_OP_ADVANCE] = 8,
        [PL_OP_LOST] = 8,
        [PL_OP_DAMAGED] = 8,
        [PL_OP_FRAME] = 16,
        [PL_OP_MODULE_END] = 8,
        [PL_OP_EVENT_TAIL] = 8,
        [PL_OP_QUIET_TAIL] = 8,
        [PL_OP_TAIL] = 8,
        [PL_OP_EXPLAINED] = 8,
        [PL_OP_SESSION] = sizeof(struct pl_journal_session),
        [PL_OP_TIMELINE] = sizeof(struct pl_journal_timeline),
        [PL_OP_WINDOW] = sizeof(struct pl_journal_window),
        [PL_OP_THREAD] = sizeof(struct pl_journal_thread),
        [PL_OP_MODULE] = sizeof(struct pl_journal_module),
    };
    static const uint16_t each[PL_OP_COUNT] = {
        [PL_OP_STACK] = sizeof(uint32_t),
        [PL_OP_MODULE] = 1,
        [PL_OP_RUNS] = sizeof(struct pl_sink_run),
        [PL_OP_LABELS] = sizeof(struct pl_label_run),
        [PL_OP_PAIR] = 1,
        [PL_OP_SET] = sizeof(uint32_t),
        [PL_OP_TIMES] = sizeof(int64_t),
        [PL_OP_QUESTIONS] = sizeof(struct pl_question),
        [PL_OP_ANSWERS] = sizeof(struct pl_answer),
        [PL_OP_QUIETS] = sizeof(struct pl_answer),
    };
    if (!op->kind || op->kind >= PL_OP_COUNT)
        return UINT64_MAX;
    return fixed[op->kind] + (uint64_t)each[op->kind] * op->arg;
}

static bool do_table(struct pl_replay *r, const struct pl_journal_op *op,
                     const unsigned char *body, const uint64_t words[static 2])
{
    struct pl_segment_reader *reader = &r->session->reader;
    switch (op->kind) {
    case PL_OP_TABLES:
        start_tables(r);
        return true;
    case PL_OP_FRAME:
        return do_frame(r, op, words);
    case PL_OP_STACK:
        return do_stack(r, op, body);
    case PL_OP_PAIR:
        return do_pair(r, op, body);
    case PL_OP_SET:
        return do_set(r, op, body);
    case PL_OP_MODULE:
        return do_module(r, op, body);
    case PL_OP_MODULE_END:
        return do_module_end(r, op, words[0]);
    case PL_OP_EVENT_TAIL:
        reader->event_tail = words[0];
        return true;
    case PL_OP_QUIET_TAIL:
        reader->quiet_tail = words[0];
        return true;
    default:
        if (op->slot >= PL_SEG_MAX_THREADS)
            return false;
        reader->tails[op->slot] = words[0];
        return true;
    }
}

static bool do_input(struct pl_replay *r, const struct pl_journal_op *op,
                     const uint64_t words[static 2])
{
    struct pl_drain_session *s = r->session;
    switch (op->kind) {
    case PL_OP_TICK:
        return do_tick(r, op, words);
    case PL_OP_START:
        return do_event(r, op, PL_EVENT_START, words[0], words[1]);
    case PL_OP_NAME:
        return do_event(r, op, PL_EVENT_NAME, words[0], 0);
    case PL_OP_RAN:
        return do_event(r, op, PL_EVENT_RAN, words[0], 0);
    case PL_OP_END:
        return do_event(r, op, PL_EVENT_END, words[0], 0);
    case PL_OP_ANSWER:
        return do_answer(r, op, words);
    case PL_OP_TOLD:
        return do_told(r, op);
    case PL_OP_CUT:
        pl_drain_timeline_cut(&s->timeline);
        return true;
    case PL_OP_ADVANCE:
        return do_advance(r, (int64_t)words[0]);
    case PL_OP_DAMAGED:
        s->timeline.damaged = words[0];
        return true;
    case PL_OP_LOST:
    case PL_OP_EXPLAINED:
        return do_loss(r, op, words[0]);
    default:
        return do_slot(r, op);
    }
}

static bool do_op(struct pl_replay *r, const struct pl_journal_op *op,
                  const unsigned char *body, uint64_t bytes)
{
    uint64_t words[2] = {0};
    memcpy(words, body, bytes < sizeof words ? (size_t)bytes : sizeof words);
    if (op->kind != PL_OP_SESSION && !r->has_session)
        return false;
    if (op->kind >= PL_OP_SESSION && op->kind != PL_OP_EXPLAINED)
        return pl_replay_state(r, op, body);
    if (op->kind >= PL_OP_TABLES && op->kind != PL_OP_EXPLAINED)
        return do_table(r, op, body, words);
    return do_input(r, op, words);
}

/* One batch; `first`: the state, later ones: what came in. */
static bool do_batch(struct pl_replay *r, const unsigned char *at, uint64_t bytes,
                     bool first)
{
    while (bytes) {
        struct pl_journal_op op;
        if (bytes < sizeof op)
            return false;
        memcpy(&op, at, sizeof op);
        uint64_t body = body_bytes(&op);
        bool misplaced = first ? op.kind <= PL_OP_ADVANCE : op.kind >= PL_OP_SESSION;
        if (body > bytes - sizeof op ||
            ((body + 7) & ~UINT64_C(7)) > bytes - sizeof op || misplaced ||
            !do_op(r, &op, at + sizeof op, body))
            return false;
        body = sizeof op + ((body + 7) & ~UINT64_C(7));
        at += body;
        bytes -= body;
    }
    return !first || pl_replay_check(r);
}

/* ---- the file ---- */

static enum pl_status read_file(int dir_fd, const char *name, unsigned char **bytes_out,
                                uint64_t *size_out, struct pl_error *err)
{
    struct stat st;
    enum pl_status status = PL_OK;
    unsigned char *bytes = NULL;
    uint64_t got = 0;
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0) {
        status = pl_error_set(err, PL_IO, "cannot open journal %s: %s", name,
                              strerror(errno));
        goto out;
    }
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > PL_JOURNAL_BYTES) {
        status = pl_error_set(err, PL_INPUT, "%s is no journal", name);
        goto out;
    }
    bytes = malloc((size_t)st.st_size + 1);
    if (!bytes) {
        status = pl_error_set(err, PL_NOMEM, "out of memory for journal %s", name);
        goto out;
    }
    while (got < (uint64_t)st.st_size) {
        ssize_t part =
            pread(fd, bytes + got, (size_t)((uint64_t)st.st_size - got), (off_t)got);
        if (part < 0 && errno == EINTR)
            continue;
        if (part <= 0)
            break;
        got += (uint64_t)part;
    }
    *bytes_out = bytes;
    *size_out = got;
    bytes = NULL;
out:
    free(bytes);
    if (fd >= 0)
        close(fd);
    return status;
}

/* True if there was at least the state. */
static bool do_file(struct pl_replay *r, const unsigned char *bytes, uint64_t size)
{
    struct pl_journal_head head;
    if (size < sizeof head)
        return false;
    memcpy(&head, bytes, sizeof head);
    if (head.magic != PL_JOURNAL_MAGIC || head.version != PL_JOURNAL_VERSION ||
        head.layout != pl_journal_layout())
        return false;
    bool first = true;
    for (uint64_t place = sizeof head;;) {
        struct pl_journal_batch batch;
        if (size - place < sizeof batch)
            break;
        memcpy(&batch, bytes + place, sizeof batch);
        const unsigned char *ops = bytes + place + sizeof batch;
        if (batch.bytes > size - place - sizeof batch ||
            batch.hash != pl_journal_hash(head.nonce, place, ops, batch.bytes))
            break; /* being written when the writer died */
        if (!do_batch(r, ops, batch.bytes, first))
            break;
        first = false;
        place += sizeof batch + batch.bytes;
    }
    return !first;
}

enum pl_status pl_journal_replay(struct pl_drain_shared *shared, int dir_fd,
                                 const char *name,
                                 struct pl_drain_session **session_out,
                                 struct pl_error *err)
{
    unsigned char *bytes = NULL;
    uint64_t size = 0;
    struct pl_replay *r = calloc(1, sizeof *r);
    *session_out = NULL;
    enum pl_status status =
        r ? PL_OK : pl_error_set(err, PL_NOMEM, "out of memory for a journal");
    if (status == PL_OK)
        status = read_file(dir_fd, name, &bytes, &size, err);
    if (status != PL_OK)
        goto out;
    r->shared = shared;
    r->session = pl_drain_session_new();
    if (!r->session)
        status = pl_error_set(err, PL_NOMEM, "out of memory for a journal");
    else if (!do_file(r, bytes, size))
        status = pl_error_set(
            err, PL_INPUT, "%s is no journal of this version, or it is damaged", name);
    if (status == PL_OK) {
        *session_out = r->session;
        r->session = NULL;
    }
out:
    if (r) {
        pl_drain_session_close(r->session);
        free(r->frames.list);
        free(r->stacks.list);
        free(r->pairs.list);
        free(r->sets.list);
    }
    free(r);
    free(bytes);
    return status;
}
