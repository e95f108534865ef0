/* Threads: who is there, under which name, with which slot and ring.
 *
 * The link count of /proc/self/task tells cheaply that a thread came or went; one
 * that came while another went is found by the CPU clock that fails and by a scan
 * every second. A slot is used again when the drain has read all of it. */
#include "collector/sampler.h"
#include "collector/sys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#define RINGS_AT_ONCE    4u
#define SCAN_EVERY_NS    INT64_C(1000000000)
#define LONGEST_NAME_GAP 64u
#define NO_SLOT          UINT32_MAX

struct entry { /* linux_dirent64 */
    uint64_t inode;
    int64_t next;
    uint16_t bytes;
    uint8_t type;
    char name[];
};

char *pl_text_append(char *at, const char *text)
{
    while (*text)
        *at++ = *text++;
    *at = '\0';
    return at;
}

char *pl_text_append_number(char *at, uint64_t number)
{
    char digits[24];
    unsigned count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
    } while (number /= 10);
    while (count)
        *at++ = digits[--count];
    *at = '\0';
    return at;
}

int64_t pl_thread_cpu_ns(int tid)
{
    struct timespec time;
    long clock = (long)(int)((~(unsigned)tid << 3) | 6);
    long result = pl_sys3(SYS_clock_gettime, clock, PL_ARG(&time), 0);
    return result < 0 ? result
                      : time.tv_sec * INT64_C(1000000000) + (int64_t)time.tv_nsec;
}

/* ---- rings ---- */

static uint64_t rings_offset(void)
{
    return (sizeof(struct pl_segment) + 4095) & ~UINT64_C(4095);
}

/* Make room in the file for some more rings. */
static bool add_rings(struct pl_sampler *sampler)
{
    struct pl_segment *segment = sampler->segment;
    uint32_t count = atomic_load_explicit(&segment->ring_count, memory_order_relaxed);
    uint64_t at = rings_offset() + (uint64_t)count * PL_RING_BYTES;
    uint64_t bytes = (uint64_t)RINGS_AT_ONCE * PL_RING_BYTES;
    if (count + RINGS_AT_ONCE > PL_SEG_MAX_THREADS ||
        pl_sys4(SYS_fallocate, sampler->segment_fd, 0, PL_ARG(at), PL_ARG(bytes)) < 0)
        return false;
    atomic_store_explicit(&segment->ring_count, count + RINGS_AT_ONCE,
                          memory_order_release);
    return true;
}

static void *map_bytes(uint64_t bytes, int flags, int fd, uint64_t offset)
{
    long address = pl_sys6(SYS_mmap, 0, PL_ARG(bytes), PROT_READ | PROT_WRITE, flags,
                           fd, PL_ARG(offset));
    if (address < 0 && address > -4096)
        return NULL;
    pl_sys3(SYS_madvise, address, PL_ARG(bytes), MADV_DONTFORK);
    return (void *)(uintptr_t)address;
}

/* A slot has the ring of its own index, for good. */
static bool give_ring(struct pl_sampler *sampler, unsigned index)
{
    struct pl_segment *segment = sampler->segment;
    struct pl_slot *slot = &sampler->state->slots[index];
    if (slot->ring.bytes)
        return true;
    while (atomic_load_explicit(&segment->ring_count, memory_order_relaxed) <= index) {
        if (!add_rings(sampler))
            return false;
    }
    uint8_t *bytes = map_bytes(PL_RING_BYTES, MAP_SHARED, sampler->segment_fd,
                               rings_offset() + (uint64_t)index * PL_RING_BYTES);
    if (!bytes)
        return false;
    segment->threads[index].ring = index;
    slot->ring = (struct pl_ring){.bytes = bytes,
                                  .size = PL_RING_BYTES,
                                  .head = &segment->threads[index].head,
                                  .tail = &segment->threads[index].tail};
    slot->cache =
        map_bytes(sizeof *slot->cache, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); /* or not */
    return true;
}

/* ---- slots ---- */

/* The drain is told of the end by an event and may read the slot long after: the
 * generation stays until it says that it is done with it. */
static bool is_free(const struct pl_sampler *sampler, unsigned index)
{
    struct pl_seg_thread *shared = &sampler->segment->threads[index];
    uint32_t generation =
        atomic_load_explicit(&shared->generation, memory_order_relaxed);
    if (sampler->state->slots[index].live)
        return false;
    return !generation || (atomic_load_explicit(&shared->drained,
                                                memory_order_acquire) == generation &&
                           atomic_load(&shared->tail) == atomic_load(&shared->head));
}

static unsigned find_slot(struct pl_sampler *sampler)
{
    uint32_t high =
        atomic_load_explicit(&sampler->segment->thread_high, memory_order_relaxed);
    for (unsigned i = 0; i < high; i++) {
        if (is_free(sampler, i))
            return i;
    }
    return high < PL_SEG_MAX_THREADS ? high : NO_SLOT;
}

static unsigned hash_place(const struct pl_sampler *sampler, int tid)
{
    const unsigned mask = 2 * PL_SEG_MAX_THREADS - 1;
    unsigned place = (unsigned)tid * 2654435761u >> 16 & mask;
    while (sampler->by_tid[place] &&
           sampler->state->slots[sampler->by_tid[place] - 1].tid != tid)
        place = (place + 1) & mask;
    return place;
}

static void build_hash(struct pl_sampler *sampler)
{
    pl_zero(sampler->by_tid, sizeof sampler->by_tid);
    for (uint32_t i = 0; i < sampler->live_count; i++) {
        unsigned index = sampler->live[i];
        sampler->by_tid[hash_place(sampler, sampler->state->slots[index].tid)] =
            (uint16_t)(index + 1);
    }
}

static void add_thread(struct pl_sampler *sampler, int tid)
{
    struct pl_segment *segment = sampler->segment;
    int64_t cpu_ns = pl_thread_cpu_ns(tid);
    if (cpu_ns < 0)
        return; /* gone already */
    unsigned index = find_slot(sampler);
    if (index == NO_SLOT || !give_ring(sampler, index)) {
        sampler->unsampled++;
        sampler->unsampled_why = index == NO_SLOT ? PL_LOSS_NO_SLOT : PL_LOSS_NO_MEMORY;
        return;
    }
    struct pl_slot *slot = &sampler->state->slots[index];
    struct pl_seg_thread *shared = &segment->threads[index];
    slot->tid = tid;
    slot->cpu_ns = slot->told_cpu_ns = (uint64_t)cpu_ns;
    slot->credit_ns = slot->extra_ns = 0;
    slot->quiet_hash = 0;
    pl_zero(slot->name, sizeof slot->name);
    atomic_store(&slot->labels, NULL);
    slot->told_labels = slot->told_quietly = (struct pl_label_stream){0};
    sampler->relink_labels = true;
    slot->next_name = slot->name_gap = 1;
    slot->sequence = 0;
    slot->met_tick = sampler->tick;
    slot->announced = slot->sampled = slot->recapture = slot->met = false;
    slot->existed = !sampler->started;
    slot->begun_ns = slot->existed ? cpu_ns : 0;
    slot->syscall_fd = slot->timer_id = -1;
    atomic_store(&slot->want_tick, PL_NO_TICK);
    atomic_store(&slot->owed_periods, 0);
    atomic_store(&slot->taken_periods, 0);
    atomic_store(&slot->using, NULL);
    atomic_store(&slot->busy, false);
    atomic_store(&slot->tcb, 0);
    atomic_store(&slot->stack_lo, PL_NO_BOUNDS);
    shared->tid = (uint32_t)tid;
    shared->stack_lo = shared->stack_hi = 0;
    uint32_t generation = atomic_load(&shared->generation);
    slot->generation = generation ? generation + 2 : 1;
    atomic_store_explicit(&shared->generation, slot->generation, memory_order_release);
    if (index >= atomic_load_explicit(&segment->thread_high, memory_order_relaxed))
        atomic_store_explicit(&segment->thread_high, index + 1, memory_order_release);
    slot->live = true;
    pl_awake_add(sampler, index);
    sampler->by_tid[hash_place(sampler, tid)] = (uint16_t)(index + 1);
}

/* ---- scanning ---- */

static int tid_of(const char *name)
{
    int64_t tid = 0;
    for (; *name >= '0' && *name <= '9' && tid < INT32_MAX; name++)
        tid = tid * 10 + (*name - '0');
    return *name ? 0 : (int)tid;
}

static void see_thread(struct pl_sampler *sampler, int tid)
{
    if (tid <= 0 || tid == sampler->tid)
        return;
    for (size_t i = 0; i < PL_HIDDEN_THREADS; i++)
        if (tid == sampler->state->hidden_tids[i])
            return;
    unsigned place = hash_place(sampler, tid);
    if (!sampler->by_tid[place])
        add_thread(sampler, tid);
    place = hash_place(sampler, tid);
    if (sampler->by_tid[place])
        sampler->state->slots[sampler->by_tid[place] - 1].seen_scan = sampler->scan;
}

static bool read_tasks(struct pl_sampler *sampler)
{
    long got;
    pl_sys3(SYS_lseek, sampler->task_fd, 0, 0);
    while ((got = pl_sys3(SYS_getdents64, sampler->task_fd, PL_ARG(sampler->buffer),
                          sizeof sampler->buffer)) > 0) {
        for (long at = 0; at < got;) {
            const struct entry *entry = (const void *)(sampler->buffer + at);
            see_thread(sampler, tid_of(entry->name));
            at += entry->bytes;
        }
    }
    return got == 0;
}

void pl_threads_scan(struct pl_sampler *sampler, int64_t now_ns)
{
    pl_threads_changed(sampler); /* notes the count this scan goes with */
    sampler->scan_wanted = false;
    sampler->next_scan_ns = now_ns + SCAN_EVERY_NS;
    sampler->scan++;
    sampler->unsampled = 0;
    build_hash(sampler);
    if (!read_tasks(sampler))
        return;
    if (!sampler->state->cpu_mode)
        pl_unmet_share(sampler);
    for (uint32_t i = sampler->live_count; i-- > 0;) {
        unsigned index = sampler->live[i];
        if (sampler->state->slots[index].seen_scan != sampler->scan)
            pl_threads_end(sampler, index);
    }
}

bool pl_threads_changed(struct pl_sampler *sampler)
{
    struct stat info;
    if (pl_sys3(SYS_fstat, sampler->task_fd, PL_ARG(&info), 0) < 0)
        return false;
    bool changed = sampler->task_links != info.st_nlink;
    sampler->task_links = info.st_nlink;
    return changed;
}

/* ---- what the drain is told ---- */

bool pl_threads_announce(struct pl_sampler *sampler, unsigned index, uint32_t spare)
{
    struct pl_slot *slot = &sampler->state->slots[index];
    if (sampler->event_room < spare + 3)
        return false;
    slot->announced = true;
    pl_event_put(sampler, (struct pl_event){.kind = PL_EVENT_START,
                                            .flags = slot->existed,
                                            .slot = (uint16_t)index,
                                            .arg = (uint32_t)slot->tid,
                                            .value = slot->cpu_ns});
    pl_threads_name(sampler, index, true);
    return true;
}

void pl_threads_end(struct pl_sampler *sampler, unsigned index)
{
    struct pl_slot *slot = &sampler->state->slots[index];
    struct pl_seg_thread *shared = &sampler->segment->threads[index];
    if (slot->announced && !sampler->event_room) {
        sampler->scan_wanted = true; /* say it at a later tick */
        return;
    }
    int64_t cpu_ns = sampler->state->cpu_mode ? pl_cpu_end(sampler, index)
                                              : pl_unmet_end(sampler, index);
    if (slot->announced)
        pl_event_put(sampler, (struct pl_event){.kind = PL_EVENT_END,
                                                .slot = (uint16_t)index,
                                                .arg = (uint32_t)slot->tid,
                                                .value = (uint64_t)cpu_ns});
    if (atomic_exchange(&slot->want_tick, PL_NO_TICK) != PL_NO_TICK)
        pl_count(&shared->lost[PL_LOSS_NO_ANSWER], 1);
    if (slot->syscall_fd >= 0)
        pl_sys3(SYS_close, slot->syscall_fd, 0, 0);
    if (slot->timer_id >= 0)
        pl_sys3(SYS_timer_delete, slot->timer_id, 0, 0);
    slot->syscall_fd = slot->timer_id = -1;
    slot->live = false;
    slot->tid = 0;
    pl_awake_remove(sampler, index);
}

static bool read_comm(int tid, uint64_t *name)
{
    char path[64], text[32];
    char *at = pl_text_append(path, "/proc/self/task/");
    at = pl_text_append_number(at, (uint64_t)tid);
    pl_text_append(at, "/comm");
    long fd = pl_sys4(SYS_openat, AT_FDCWD, PL_ARG(path), O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return false;
    pl_zero(text, sizeof text);
    long got = pl_sys3(SYS_read, fd, PL_ARG(text), 16);
    pl_sys3(SYS_close, fd, 0, 0);
    if (got <= 0)
        return false;
    text[got - 1] = '\0'; /* the newline */
    pl_copy(name, text, 16);
    return true;
}

/* The name it was given through the library, else the kernel's. */
static bool read_name(const struct pl_slot *slot, uint64_t *name)
{
    char given[PL_THREAD_NAME_BYTES];
    pl_zero(name, PL_THREAD_NAME_BYTES);
    if (!pl_label_name(atomic_load(&slot->labels), slot->tid, given))
        return read_comm(slot->tid, name);
    pl_copy(name, given, sizeof given);
    return true;
}

void pl_threads_name(struct pl_sampler *sampler, unsigned index, bool now)
{
    struct pl_slot *slot = &sampler->state->slots[index];
    uint64_t name[PL_THREAD_NAME_BYTES / 8];
    uint32_t parts = 0;
    if (!now && slot->next_name-- > 1)
        return;
    if (slot->name_gap < LONGEST_NAME_GAP)
        slot->name_gap *= 2;
    slot->next_name = slot->name_gap;
    if (!read_name(slot, name))
        return;
    for (unsigned part = 0; part < PL_THREAD_NAME_BYTES / 8; part++)
        parts += name[part] != slot->name[part];
    /* A long name waits until there is room to spare. */
    if (sampler->event_room < (parts > 2 ? sampler->live_count + parts : parts)) {
        slot->next_name = 1;
        return;
    }
    for (unsigned part = 0; part < PL_THREAD_NAME_BYTES / 8; part++) {
        if (name[part] == slot->name[part])
            continue;
        slot->name[part] = name[part];
        pl_event_put(sampler, (struct pl_event){.kind = PL_EVENT_NAME,
                                                .flags = (uint8_t)part,
                                                .slot = (uint16_t)index,
                                                .arg = (uint32_t)slot->tid,
                                                .value = name[part]});
    }
}

/* Blocks of threads that have no slot yet are met again when one is given. */
void pl_threads_link_labels(struct pl_sampler *sampler)
{
    struct pl_label_table *table = atomic_load(&pl_label_table_current);
    uint32_t changes = table ? atomic_load(&table->changes) : 0;
    if (!table || (changes == sampler->label_changes && !sampler->relink_labels))
        return;
    sampler->label_changes = changes;
    sampler->relink_labels = false;
    uint32_t high = atomic_load_explicit(&table->high, memory_order_acquire);
    for (uint32_t i = 0; i < high && i < PL_LABEL_BLOCKS; i++) {
        int tid = atomic_load_explicit(&table->blocks[i].tid, memory_order_acquire);
        unsigned slot = tid > 0 ? sampler->by_tid[hash_place(sampler, tid)] : 0;
        if (slot)
            atomic_store_explicit(&sampler->state->slots[slot - 1].labels,
                                  &table->blocks[i], memory_order_release);
    }
}

/* State and exit status out of "pid (name) S ... status": the name may hold anything,
 * so the state is found from the right, where the status is last. */
static bool parse_stat(const char *text, long length, char *state, int *status)
{
    long at = length;
    int value = 0;
    while (at > 0 && text[at - 1] != ')')
        at--;
    if (!at || at + 1 >= length)
        return false;
    *state = text[at + 1];
    for (at = length; at > 0 && text[at - 1] != ' '; at--)
        ;
    for (; at < length && text[at] >= '0' && text[at] <= '9'; at++)
        value = value * 10 + (text[at] - '0');
    *status = value >> 8 & 0xff;
    return true;
}

/* After a pthread_exit of the first thread and the end of all others, libc ends the
 * process; a program without libc's threads relies on the kernel, which waits for
 * the sampler too. */
bool pl_threads_all_gone(struct pl_sampler *sampler, int *status_out)
{
    char path[64], text[1024], state;
    *status_out = 0;
    if (!sampler->live_count)
        return true;
    int tid = sampler->state->slots[sampler->live[0]].tid;
    if (sampler->live_count > 1 || tid != sampler->state->pid)
        return false;
    char *at = pl_text_append(path, "/proc/self/task/");
    at = pl_text_append_number(at, (uint64_t)tid);
    pl_text_append(at, "/stat");
    long fd = pl_sys4(SYS_openat, AT_FDCWD, PL_ARG(path), O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return false;
    long got = pl_sys3(SYS_read, fd, PL_ARG(text), sizeof text);
    pl_sys3(SYS_close, fd, 0, 0);
    return got > 0 && parse_stat(text, got, &state, status_out) &&
           (state == 'Z' || state == 'X');
}
