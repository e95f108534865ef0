#include "collector/segment_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE_BYTES    4096u
#define WINDOW_BYTES  ((size_t)32 << 10) /* longer than any record */
#define MAX_PERIOD_NS INT64_C(3600000000000)
#define MAX_ORIGIN_NS (INT64_C(1) << 61) /* so that differences cannot overflow */

_Static_assert(WINDOW_BYTES >= PL_SEG_RECORD_BYTES, "a record fits");

size_t pl_segment_rings_offset(void)
{
    return (sizeof(struct pl_segment) + PAGE_BYTES - 1) & ~(size_t)(PAGE_BYTES - 1);
}

size_t pl_segment_file_bytes(uint32_t ring_count)
{
    return pl_segment_rings_offset() + (size_t)ring_count * PL_RING_BYTES;
}

static size_t file_bytes(int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid())
        return 0;
    return (size_t)st.st_size;
}

/* All but the rings: these are read from the file, so that a process that reads its own
 * does not have them in memory twice. */
static bool map(struct pl_segment_reader *reader)
{
    const int access = PROT_READ | PROT_WRITE;
    void *at = mmap(NULL, pl_segment_file_bytes(0), access,
                    reader->copied ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED,
                    reader->copied ? -1 : reader->fd, 0);
    reader->window = malloc(WINDOW_BYTES);
    reader->seg = at == MAP_FAILED ? NULL : at;
    return reader->seg && reader->window;
}

/* In the file's order: heads before what they say is there. */
static bool copy(struct pl_segment_reader *reader)
{
    char *to = (char *)reader->seg;
    for (size_t at = 0; at < pl_segment_file_bytes(0);) {
        ssize_t got =
            pread(reader->fd, to + at, pl_segment_file_bytes(0) - at, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += (size_t)got;
    }
    return true;
}

static void copy_text(char *to, size_t to_bytes, const char *from, size_t from_bytes)
{
    size_t len = strnlen(from, from_bytes);
    if (len >= to_bytes)
        len = to_bytes - 1;
    memcpy(to, from, len);
    to[len] = '\0';
}

static bool copy_facts(struct pl_segment_reader *reader)
{
    const struct pl_segment *seg = reader->seg;
    struct pl_segment_facts *f = &reader->facts;
    f->pid = seg->pid;
    f->parent_pid = seg->parent_pid;
    f->pid_start = seg->pid_start;
    memcpy(f->session_id, seg->session_id, sizeof f->session_id);
    memcpy(f->parent_session_id, seg->parent_session_id, sizeof f->session_id);
    f->cpu_mode = seg->cpu_mode == 1;
    f->period_ns = seg->period_ns;
    f->mono_origin_ns = seg->mono_origin_ns;
    f->wall_origin_ns = seg->wall_origin_ns;
    copy_text(f->app, sizeof f->app, seg->app, sizeof seg->app);
    copy_text(f->exe, sizeof f->exe, seg->exe, sizeof seg->exe);
    return f->pid && f->period_ns > 0 && f->period_ns <= MAX_PERIOD_NS &&
           f->mono_origin_ns >= 0 && f->mono_origin_ns < MAX_ORIGIN_NS &&
           f->wall_origin_ns >= 0 && f->wall_origin_ns < MAX_ORIGIN_NS;
}

static enum pl_status check(struct pl_segment_reader *reader, const char *name,
                            struct pl_error *err)
{
    const struct pl_segment *seg = reader->seg;
    if (atomic_load_explicit(&seg->state, memory_order_acquire) == PL_SEG_STARTING)
        return pl_error_set(err, PL_BUSY, "segment %s is not set up yet", name);
    if (seg->magic != PL_SEG_MAGIC || seg->version != PL_SEG_VERSION ||
        seg->header_bytes != sizeof *seg)
        return pl_error_set(err, PL_INPUT, "%s is not a segment of this version", name);
    if (!copy_facts(reader))
        return pl_error_set(err, PL_INPUT, "segment %s makes no sense", name);
    return PL_OK;
}

enum pl_status pl_segment_open(struct pl_segment_reader *reader, int dir_fd,
                               const char *name, bool copied, struct pl_error *err)
{
    enum pl_status status;
    memset(reader, 0, sizeof *reader);
    reader->copied = copied;
    reader->fd = openat(dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (reader->fd < 0)
        return pl_error_set(err, PL_IO, "cannot open %s: %s", name, strerror(errno));
    if (file_bytes(reader->fd) < pl_segment_file_bytes(0)) {
        status = pl_error_set(err, PL_INPUT, "%s is no segment of ours", name);
        goto out;
    }
    if (!map(reader) || (copied && !copy(reader))) {
        status = pl_error_set(err, PL_IO, "cannot map %s: %s", name, strerror(errno));
        goto out;
    }
    status = check(reader, name, err);
    if (status != PL_OK)
        goto out;
    reader->event_tail = atomic_load(&reader->seg->event_tail);
    reader->quiet_tail = atomic_load(&reader->seg->quiet_tail);
    for (uint32_t i = 0; i < PL_SEG_MAX_THREADS; i++)
        reader->tails[i] = atomic_load(&reader->seg->threads[i].tail);
    return PL_OK;
out:
    pl_segment_close(reader);
    return status;
}

void pl_segment_close(struct pl_segment_reader *reader)
{
    if (reader->seg)
        munmap(reader->seg, pl_segment_file_bytes(0));
    if (reader->fd >= 0)
        close(reader->fd);
    free(reader->window);
    reader->window = NULL;
    reader->seg = NULL;
    reader->fd = -1;
}

bool pl_segment_refresh(struct pl_segment_reader *reader)
{
    size_t bytes = file_bytes(reader->fd);
    if (bytes < pl_segment_file_bytes(reader->rings) ||
        (reader->copied && !copy(reader)))
        return false;
    uint32_t rings =
        atomic_load_explicit(&reader->seg->ring_count, memory_order_acquire);
    if (rings > PL_SEG_MAX_THREADS)
        rings = PL_SEG_MAX_THREADS;
    if (rings > reader->rings && bytes >= pl_segment_file_bytes(rings))
        reader->rings = rings;
    return true;
}

void pl_segment_stop(struct pl_segment_reader *reader)
{
    const uint32_t stop = 1;
    if (reader->copied)
        (void)!pwrite(reader->fd, &stop, sizeof stop,
                      (off_t)offsetof(struct pl_segment, stop));
    else
        atomic_store(&reader->seg->stop, stop);
}

/* ---- events ---- */

uint64_t pl_segment_event_head(struct pl_segment_reader *reader, bool *damaged_out)
{
    uint64_t head =
        atomic_load_explicit(&reader->seg->event_head, memory_order_acquire);
    *damaged_out = head - reader->event_tail > PL_EVENT_RING_SLOTS;
    if (*damaged_out) {
        reader->event_tail = head;
        reader->moved = true;
    }
    return head;
}

struct pl_event pl_segment_event(struct pl_segment_reader *reader)
{
    struct pl_event event;
    memcpy(&event, &reader->seg->events[reader->event_tail++ % PL_EVENT_RING_SLOTS],
           sizeof event);
    reader->moved = true;
    return event;
}

/* ---- records ---- */

struct ring {
    const uint8_t *bytes; /* NULL: in the file, at `place` */
    uint64_t place;
    uint32_t slot, size;
    _Atomic uint64_t *head;
    uint64_t *tail;
    uint64_t *unpublished, bit; /* to be marked when the tail moves */
};

static bool ring_of(struct pl_segment_reader *reader, uint32_t slot, struct ring *ring)
{
    struct pl_segment *seg = reader->seg;
    if (slot == PL_SEG_QUIET) {
        *ring = (struct ring){.bytes = seg->quiet_ring,
                              .size = PL_QUIET_RING_BYTES,
                              .head = &seg->quiet_head,
                              .tail = &reader->quiet_tail};
        return true;
    }
    struct pl_seg_thread *thread = &seg->threads[slot];
    uint32_t index = thread->ring;
    if (index >= reader->rings)
        return false;
    *ring = (struct ring){.place = pl_segment_file_bytes(index),
                          .slot = slot,
                          .size = PL_RING_BYTES,
                          .head = &thread->head,
                          .tail = &reader->tails[slot],
                          .unpublished = &reader->unpublished[slot / 64],
                          .bit = UINT64_C(1) << slot % 64};
    return true;
}

/* `bytes` at the tail, of the `room` that are there in one piece. What is between tail
 * and head does not change: it is read once. NULL: it cannot be read. */
static const uint8_t *at_tail(struct pl_segment_reader *reader, const struct ring *ring,
                              uint64_t bytes, uint64_t room)
{
    uint64_t tail = *ring->tail, offset = tail & (ring->size - 1);
    if (ring->bytes)
        return ring->bytes + offset;
    if (reader->window_slot != ring->slot || tail < reader->window_from ||
        tail > reader->window_to || bytes > reader->window_to - tail) {
        size_t wanted = room < WINDOW_BYTES ? (size_t)room : WINDOW_BYTES;
        ssize_t got =
            pread(reader->fd, reader->window, wanted, (off_t)(ring->place + offset));
        reader->window_slot = ring->slot;
        reader->window_from = tail;
        reader->window_to = got > 0 ? tail + (uint64_t)got : tail;
    }
    return bytes <= reader->window_to - tail
               ? reader->window + (tail - reader->window_from)
               : NULL;
}

static void set_tail(struct pl_segment_reader *reader, const struct ring *ring,
                     uint64_t tail)
{
    *ring->tail = tail;
    reader->moved = true;
    if (ring->unpublished)
        *ring->unpublished |= ring->bit;
}

static bool plausible(const struct pl_rec *rec, uint64_t room)
{
    if (rec->bytes % 8 || rec->bytes > room || rec->bytes > PL_SEG_RECORD_BYTES ||
        rec->bytes < sizeof *rec || rec->end >= PL_WALK_COUNT)
        return false;
    size_t body = rec->bytes - sizeof *rec;
    if (rec->kind == PL_REC_STACK)
        return rec->pc_count <= PL_MAX_FRAMES && rec->pc_count * 8u <= body;
    if (rec->kind == PL_REC_LABELS)
        return rec->stack_bytes <= PL_LABELS_BYTES && rec->stack_bytes <= body;
    return rec->kind == PL_REC_REGISTERS && rec->stack_bytes <= PL_STACK_COPY_BYTES &&
           sizeof(struct pl_registers) + rec->stack_bytes <= body;
}

enum pl_segment_read pl_segment_peek(struct pl_segment_reader *reader, uint32_t slot,
                                     void *buffer)
{
    struct ring ring;
    if (!ring_of(reader, slot, &ring))
        return PL_READ_NONE;
    uint64_t head = atomic_load_explicit(ring.head, memory_order_acquire);
    while (head != *ring.tail) {
        uint64_t there = head - *ring.tail;
        uint64_t offset = *ring.tail & (ring.size - 1);
        uint64_t room = ring.size - offset < there ? ring.size - offset : there;
        if (there > ring.size || there % 8 || offset % 8)
            break;
        struct pl_rec rec = {0};
        size_t first = room < sizeof rec ? (size_t)room : sizeof rec;
        const uint8_t *at = at_tail(reader, &ring, first, room);
        if (!at)
            break;
        memcpy(&rec, at, first);
        if (rec.kind == PL_REC_PAD) {
            if (rec.bytes % 8 || !rec.bytes || rec.bytes > room)
                break;
            set_tail(reader, &ring, *ring.tail + rec.bytes);
            continue;
        }
        if (room < sizeof rec || !plausible(&rec, room))
            break;
        at = at_tail(reader, &ring, rec.bytes, room);
        if (!at)
            break;
        memcpy(buffer, at, rec.bytes);
        memcpy(buffer, &rec, sizeof rec); /* as checked, whatever it says by now */
        return PL_READ_RECORD;
    }
    if (head == *ring.tail)
        return PL_READ_NONE;
    set_tail(reader, &ring, head);
    return PL_READ_DAMAGED;
}

void pl_segment_take(struct pl_segment_reader *reader, uint32_t slot,
                     const void *buffer)
{
    struct ring ring;
    struct pl_rec rec;
    memcpy(&rec, buffer, sizeof rec);
    if (ring_of(reader, slot, &ring))
        set_tail(reader, &ring, *ring.tail + rec.bytes);
}

bool pl_segment_has_more(struct pl_segment_reader *reader, uint32_t slot)
{
    struct ring ring;
    return ring_of(reader, slot, &ring) &&
           atomic_load_explicit(ring.head, memory_order_acquire) != *ring.tail;
}

void pl_segment_slot_begin(struct pl_segment_reader *reader, uint32_t slot)
{
    uint64_t tail =
        atomic_load_explicit(&reader->seg->threads[slot].tail, memory_order_acquire);
    if (tail > reader->tails[slot]) /* another reader may have told it */
        reader->tails[slot] = tail;
}

void pl_segment_slot_release(struct pl_segment_reader *reader, uint32_t slot,
                             uint32_t generation)
{
    reader->drained[slot] = generation;
    reader->released[slot / 64] |= UINT64_C(1) << slot % 64;
    reader->moved = true;
}

/* Tails before releases: a slot is given away only when its ring is empty. */
void pl_segment_publish(struct pl_segment_reader *reader)
{
    struct pl_segment *seg = reader->seg;
    if (!reader->moved)
        return;
    atomic_store_explicit(&seg->event_tail, reader->event_tail, memory_order_release);
    atomic_store_explicit(&seg->quiet_tail, reader->quiet_tail, memory_order_release);
    for (uint32_t i = 0; i < PL_SEG_MAX_THREADS / 64; i++) {
        for (uint64_t left = reader->unpublished[i]; left; left &= left - 1) {
            uint32_t slot = i * 64 + (uint32_t)__builtin_ctzll(left);
            atomic_store_explicit(&seg->threads[slot].tail, reader->tails[slot],
                                  memory_order_release);
        }
        for (uint64_t left = reader->released[i]; left; left &= left - 1) {
            uint32_t slot = i * 64 + (uint32_t)__builtin_ctzll(left);
            atomic_store_explicit(&seg->threads[slot].drained, reader->drained[slot],
                                  memory_order_release);
        }
        reader->unpublished[i] = reader->released[i] = 0;
    }
    reader->moved = false;
}
