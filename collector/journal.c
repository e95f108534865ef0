/* Journal, writing: operations gather in memory, one write commits them. See
 * journal.h; the state of a session is put together in journal_state.c. */
#include "collector/journal.h"

#include "base/clock.h"
#include "base/log.h"
#include "collector/drain_session.h"
#include "collector/journal_state.h"
#include "collector/journal_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define PENDING_BYTES ((size_t)128 << 20)
#define RETRY_NS      (2 * PL_NS_PER_S)
#define ROOM_BYTES    ((uint64_t)1 << 20) /* a smaller file is never written anew */
#define GROWTH        4u                  /* nor one that has not grown so far */

void pl_journal_init(struct pl_journal *j, int dir_fd, const struct pl_id *id)
{
    char text[PL_ID_TEXT];
    *j = (struct pl_journal){.dir_fd = dir_fd, .fd = -1};
    pl_id_format(id, text);
    snprintf(j->name, sizeof j->name, "%s" PL_JOURNAL_ENDING, text);
    pl_buf_init(&j->pending, PENDING_BYTES);
}

static void close_file(struct pl_journal *j)
{
    if (j->fd >= 0)
        close(j->fd);
    j->fd = -1;
    j->news = false;
    pl_buf_clear(&j->pending);
}

void pl_journal_deinit(struct pl_journal *j)
{
    close_file(j);
    pl_buf_deinit(&j->pending);
}

/* ---- operations ---- */

static inline bool is_on(const struct pl_journal *j)
{
    return j && j->fd >= 0;
}

/* Room for the batch's own head is made with its first operation. */
void pl_journal_put(struct pl_journal *j, struct pl_journal_op op, const void *body,
                    size_t bytes)
{
    static const struct pl_journal_batch none;
    static const char zeros[8];
    if (!j->pending.len)
        pl_buf_append(&j->pending, &none, sizeof none);
    j->news |= op.kind != PL_OP_ADVANCE;
    pl_buf_append(&j->pending, &op, sizeof op);
    if (bytes)
        pl_buf_append(&j->pending, body, bytes);
    if (bytes % 8)
        pl_buf_append(&j->pending, zeros, 8 - bytes % 8);
}

/* The same for one or two words, of which most operations are, and in a hurry. */
static inline void put_words(struct pl_journal *j, struct pl_journal_op op,
                             const uint64_t *words, size_t count)
{
    struct pl_buf *to = &j->pending;
    size_t bytes = count * sizeof *words;
    if (!to->len || to->failed || to->cap - to->len <= sizeof op + bytes) {
        pl_journal_put(j, op, words, bytes);
        return;
    }
    j->news |= op.kind != PL_OP_ADVANCE;
    memcpy(to->data + to->len, &op, sizeof op);
    memcpy(to->data + to->len + sizeof op, words, bytes);
    to->len += sizeof op + bytes;
    to->data[to->len] = '\0';
}

static void put_word(struct pl_journal *j, struct pl_journal_op op, uint64_t word)
{
    put_words(j, op, &word, 1);
}

void pl_journal_tick(struct pl_journal *j, uint32_t tick, int64_t mono_ns,
                     uint64_t event_full)
{
    uint64_t body[2] = {(uint64_t)mono_ns, event_full};
    if (is_on(j))
        pl_journal_put(j, (struct pl_journal_op){.kind = PL_OP_TICK, .arg = tick}, body,
                       sizeof body);
}

void pl_journal_event(struct pl_journal *j, const struct pl_event *event,
                      uint32_t generation)
{
    static const uint8_t kinds[] = {
        [PL_EVENT_START] = PL_OP_START,
        [PL_EVENT_NAME] = PL_OP_NAME,
        [PL_EVENT_RAN] = PL_OP_RAN,
        [PL_EVENT_END] = PL_OP_END,
    };
    uint64_t body[2] = {event->value, generation};
    if (!is_on(j) || event->kind >= sizeof kinds || !kinds[event->kind])
        return;
    struct pl_journal_op op = {.kind = kinds[event->kind],
                               .flags = event->flags,
                               .slot = event->slot,
                               .arg = event->arg};
    put_words(j, op, body, event->kind == PL_EVENT_START ? 2 : 1);
}

static void put_frame(struct pl_journal *j, const struct pl_stack_frame *f)
{
    uint64_t body[2] = {f->address, (uint64_t)f->mono_ns};
    struct pl_journal_op op = {
        .kind = PL_OP_FRAME,
        .flags = (uint8_t)(f->exact | f->pseudo << 1),
        .arg = f->module,
    };
    pl_journal_put(j, op, body, sizeof body);
}

/* As what differs from the stack before it in the table. */
static void put_stack(struct pl_journal *j, const struct pl_stacks *s, size_t id)
{
    const struct pl_stack *stack = &s->stacks[id];
    const uint32_t *words = s->words + stack->first;
    uint32_t keep = 0;
    if (id) {
        const struct pl_stack *before = &s->stacks[id - 1];
        const uint32_t *other = s->words + before->first;
        while (keep < stack->frame_count && keep < before->frame_count &&
               words[keep] == other[keep])
            keep++;
    }
    uint32_t count = stack->frame_count - keep;
    struct pl_journal_op op = {
        .kind = PL_OP_STACK, .slot = (uint16_t)keep, .arg = count};
    pl_journal_put(j, op, words + keep, count * sizeof *words);
}

static void start_tables(struct pl_journal *j)
{
    if (!j->tables_void)
        return;
    pl_journal_put(j, (struct pl_journal_op){.kind = PL_OP_TABLES}, NULL, 0);
    j->tables_void = false;
    j->frames = j->stacks = j->pairs = j->sets = 0;
}

void pl_journal_stacks(struct pl_journal *j, const struct pl_stacks *stacks)
{
    start_tables(j);
    while (j->frames < stacks->frame_count)
        put_frame(j, &stacks->frames[j->frames++]);
    for (; j->stacks < stacks->stack_count; j->stacks++)
        put_stack(j, stacks, j->stacks);
}

static void put_blob(struct pl_journal *j, enum pl_journal_kind kind, uint32_t arg,
                     const struct pl_blobs *blobs, size_t id)
{
    struct pl_journal_op op = {.kind = (uint8_t)kind, .arg = arg};
    pl_journal_put(j, op, blobs->text + blobs->list[id].first, blobs->list[id].bytes);
}

void pl_journal_labels(struct pl_journal *j, const struct pl_label_sets *labels)
{
    start_tables(j);
    for (; j->pairs < labels->pairs.count; j->pairs++)
        put_blob(j, PL_OP_PAIR, labels->pairs.list[j->pairs].bytes, &labels->pairs,
                 j->pairs);
    for (; j->sets < labels->sets.count; j->sets++)
        put_blob(j, PL_OP_SET,
                 labels->sets.list[j->sets].bytes / (uint32_t)sizeof(uint32_t),
                 &labels->sets, j->sets);
}

void pl_journal_told(struct pl_journal *j, const struct pl_label_sets *labels,
                     uint16_t slot, bool quiet, uint32_t set)
{
    struct pl_journal_op op = {
        .kind = PL_OP_TOLD, .flags = quiet, .slot = slot, .arg = set};
    if (!is_on(j))
        return;
    pl_journal_labels(j, labels);
    pl_journal_put(j, op, NULL, 0);
}

void pl_journal_answer(struct pl_journal *j, const struct pl_stacks *stacks,
                       uint16_t slot, bool quiet, const struct pl_answer *answer)
{
    if (!is_on(j))
        return;
    if (j->tables_void || j->stacks < stacks->stack_count ||
        j->frames < stacks->frame_count)
        pl_journal_stacks(j, stacks);
    uint64_t body[2] = {answer->stack | (uint64_t)answer->periods << 32,
                        (uint64_t)answer->mono_ns};
    struct pl_journal_op op = {
        .kind = PL_OP_ANSWER, .flags = quiet, .slot = slot, .arg = answer->tick};
    put_words(j, op, body, 2);
}

void pl_journal_ring_damaged(struct pl_journal *j, uint16_t slot)
{
    if (is_on(j))
        pl_journal_put(j,
                       (struct pl_journal_op){.kind = PL_OP_RING_DAMAGED, .slot = slot},
                       NULL, 0);
}

void pl_journal_release(struct pl_journal *j, uint16_t slot)
{
    if (is_on(j))
        pl_journal_put(j, (struct pl_journal_op){.kind = PL_OP_RELEASE, .slot = slot},
                       NULL, 0);
}

void pl_journal_cut(struct pl_journal *j)
{
    if (is_on(j))
        pl_journal_put(j, (struct pl_journal_op){.kind = PL_OP_CUT}, NULL, 0);
}

void pl_journal_advance(struct pl_journal *j, int64_t now_ns, bool turned)
{
    if (is_on(j) && (j->told || turned))
        put_word(j, (struct pl_journal_op){.kind = PL_OP_ADVANCE}, (uint64_t)now_ns);
    if (j)
        j->told = false;
}

void pl_journal_lost(struct pl_journal *j, uint16_t slot, unsigned reason,
                     uint64_t value)
{
    struct pl_journal_op op = {
        .kind = PL_OP_LOST, .flags = (uint8_t)reason, .slot = slot};
    if (is_on(j))
        put_word(j, op, value);
}

void pl_journal_put_module(struct pl_journal *j, const struct pl_drain_module *m)
{
    char body[sizeof(struct pl_journal_module) + PL_SEG_PATHS_BYTES];
    struct pl_journal_module head = {
        .start = m->start,
        .end = m->end,
        .bias = m->bias,
        .from_ns = m->from_ns,
        .to_ns = m->to_ns,
        .build_id_bytes = m->build_id_bytes,
        .flags = m->flags,
    };
    size_t len = strnlen(m->path, PL_SEG_PATHS_BYTES - 1);
    memcpy(head.build_id, m->build_id, sizeof head.build_id);
    memcpy(body, &head, sizeof head);
    memcpy(body + sizeof head, m->path, len);
    struct pl_journal_op op = {.kind = PL_OP_MODULE, .arg = (uint32_t)len};
    pl_journal_put(j, op, body, sizeof head + len);
}

void pl_journal_modules(struct pl_journal *j, struct pl_drain_modules *modules)
{
    if (!is_on(j))
        return;
    for (size_t i = 0; i < j->modules; i++) {
        struct pl_drain_module *m = &modules->list[i];
        struct pl_journal_op op = {.kind = PL_OP_MODULE_END, .arg = (uint32_t)i};
        if (m->to_ns != m->told_to_ns)
            put_word(j, op, (uint64_t)m->to_ns);
        m->told_to_ns = m->to_ns;
    }
    for (; j->modules < modules->count; j->modules++) {
        pl_journal_put_module(j, &modules->list[j->modules]);
        modules->list[j->modules].told_to_ns = modules->list[j->modules].to_ns;
    }
}

void pl_journal_popped(struct pl_journal *j)
{
    if (!j)
        return;
    j->stale = true;
    j->tables_void = true;
    j->damaged = 0;
}

/* ---- batches ---- */

static enum pl_status write_all(int fd, const char *bytes, size_t len, uint64_t place)
{
    while (len) {
        ssize_t done = pwrite(fd, bytes, len, (off_t)place);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return PL_IO;
        bytes += done;
        len -= (size_t)done;
        place += (uint64_t)done;
    }
    return PL_OK;
}

/* What is pending becomes a batch behind what the file has. */
static enum pl_status write_batch(struct pl_journal *j, int fd, uint64_t nonce,
                                  uint64_t place)
{
    if (j->pending.failed || place + j->pending.len > PL_JOURNAL_BYTES) {
        errno = EFBIG;
        return PL_IO;
    }
    struct pl_journal_batch batch = {.bytes = j->pending.len - sizeof batch};
    batch.hash =
        pl_journal_hash(nonce, place, j->pending.data + sizeof batch, batch.bytes);
    memcpy(j->pending.data, &batch, sizeof batch);
    return write_all(fd, j->pending.data, j->pending.len, place);
}

/* The file stays as it is: what it has may still be of use. */
static void fail(struct pl_journal *j, const char *doing)
{
    if (!j->failed)
        pl_log(PL_LOG_WARN, "collector",
               "cannot %s journal %s: %s; recording goes on without", doing, j->name,
               strerror(errno));
    j->failed = true;
    j->retry_ns = pl_clock_mono_ns() + RETRY_NS;
    close_file(j);
}

static void put_tails(struct pl_journal *j, const struct pl_segment_reader *reader)
{
    if (!reader->seg)
        return;
    put_word(j, (struct pl_journal_op){.kind = PL_OP_EVENT_TAIL}, reader->event_tail);
    put_word(j, (struct pl_journal_op){.kind = PL_OP_QUIET_TAIL}, reader->quiet_tail);
    for (uint32_t i = 0; i < PL_SEG_MAX_THREADS / 64; i++) {
        for (uint64_t left = reader->unpublished[i]; left; left &= left - 1) {
            uint32_t slot = i * 64 + (uint32_t)__builtin_ctzll(left);
            struct pl_journal_op op = {.kind = PL_OP_TAIL, .slot = (uint16_t)slot};
            put_word(j, op, reader->tails[slot]);
        }
    }
}

/* Into a file of another name, which then takes the journal's. */
static void write_anew(struct pl_journal *j, struct pl_drain_session *session)
{
    char name[sizeof j->name + 8];
    struct pl_journal_head head = {.magic = PL_JOURNAL_MAGIC,
                                   .version = PL_JOURNAL_VERSION,
                                   .layout = pl_journal_layout()};
    snprintf(name, sizeof name, ".%s", j->name);
    close_file(j);
    int fd = openat(j->dir_fd, name,
                    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        fail(j, "make");
        return;
    }
    pl_journal_put_state(j, session);
    bool ok = getrandom(&head.nonce, sizeof head.nonce, 0) == sizeof head.nonce &&
              write_batch(j, fd, head.nonce, sizeof head) == PL_OK &&
              write_all(fd, (const char *)&head, sizeof head, 0) == PL_OK &&
              renameat(j->dir_fd, name, j->dir_fd, j->name) == 0;
    if (!ok) {
        int code = errno;
        close(fd);
        (void)unlinkat(j->dir_fd, name, 0);
        errno = code;
        fail(j, "write");
        return;
    }
    j->fd = fd;
    j->nonce = head.nonce;
    j->snapshot_bytes = j->pending.len;
    j->bytes = sizeof head + j->pending.len;
    j->stale = j->failed = false;
    j->told = true;
    j->news = false;
    pl_buf_clear(&j->pending);
}

void pl_journal_commit(struct pl_journal *j, struct pl_drain_session *session, bool all)
{
    if (!j)
        return;
    if (j->fd < 0) {
        if (!j->failed && !j->stale)
            write_anew(j, session);
        return;
    }
    if (session->timeline.damaged != j->damaged) {
        j->damaged = session->timeline.damaged;
        put_word(j, (struct pl_journal_op){.kind = PL_OP_DAMAGED}, j->damaged);
    }
    if (!j->news && !session->reader.moved && !(all && j->pending.len))
        return;
    put_tails(j, &session->reader);
    if (write_batch(j, j->fd, j->nonce, j->bytes) != PL_OK) {
        fail(j, "write");
        return;
    }
    j->bytes += j->pending.len;
    j->told = true;
    j->news = false;
    pl_buf_clear(&j->pending);
}

static bool has_grown(const struct pl_journal *j)
{
    return j->bytes > ROOM_BYTES && j->bytes > GROWTH * j->snapshot_bytes;
}

void pl_journal_settle(struct pl_journal *j, struct pl_drain_session *session,
                       int64_t now_ns)
{
    if (!j || (j->failed && now_ns < j->retry_ns))
        return;
    if (j->stale || j->failed || (j->fd >= 0 && has_grown(j)))
        write_anew(j, session);
}

/* ---- the end ---- */

static void done_name(const struct pl_journal *j, char name[static PL_ID_TEXT + 16])
{
    snprintf(name, PL_ID_TEXT + 16, "%.*s" PL_JOURNAL_DONE, PL_ID_TEXT - 1, j->name);
}

void pl_journal_done(struct pl_journal *j)
{
    char name[PL_ID_TEXT + 16];
    done_name(j, name);
    close_file(j);
    (void)renameat(j->dir_fd, j->name, j->dir_fd, name);
}

void pl_journal_forget(struct pl_journal *j)
{
    char name[PL_ID_TEXT + 16];
    done_name(j, name);
    (void)unlinkat(j->dir_fd, name, 0);
}
