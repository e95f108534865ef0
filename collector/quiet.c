/* Quiet capture: the stack of a blocked thread, taken without waking it.
 *
 * /proc/self/task/TID/syscall shows whether a thread runs and, if not, its SP and PC,
 * and the arguments of the system call it is in. Its stack is read through the kernel
 * only: the thread may go on, or end, at any moment. A walk that raced with it gives a
 * stack that was partly overwritten; the thread has then moved on, and its next tick
 * corrects it.
 *
 * BP is not shown. Rules that find it on the stack make it known, see unwind.c. */
#include "collector/sampler.h"

#include "base/hash.h"
#include "collector/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <ucontext.h>

#define MAX_OPEN    512 /* threads whose file is kept open */
#define QUIET_MOVES 24u
#define LEAST_COPY  2048u
#define KNOWN_PC_SP 3u

static long open_of_thread(int tid, const char *name)
{
    char path[64];
    char *at = pl_text_append(path, "/proc/self/task/");
    at = pl_text_append_number(at, (uint64_t)tid);
    pl_text_append(at, name);
    return pl_sys4(SYS_openat, AT_FDCWD, PL_ARG(path), O_RDONLY | O_CLOEXEC, 0);
}

void pl_quiet_open_first(struct pl_sampler *sampler)
{
    sampler->first_fd = (int)open_of_thread(sampler->state->pid, "/syscall");
}

static long open_syscall(struct pl_sampler *sampler, struct pl_slot *slot)
{
    if (slot->syscall_fd >= 0)
        return slot->syscall_fd;
    bool first = slot->tid == sampler->state->pid && sampler->first_fd >= 0;
    long fd = first ? sampler->first_fd : open_of_thread(slot->tid, "/syscall");
    if (first)
        sampler->first_fd = -1;
    if (fd >= 0 && (first || (fd < MAX_OPEN && sampler->live_count < MAX_OPEN)))
        slot->syscall_fd = (int)fd;
    return fd;
}

/* A process that is not to be inspected (PR_SET_DUMPABLE) shows its threads' registers
 * to nobody, itself included, but still whether they run. */
static enum pl_quiet look_from_afar(const struct pl_slot *slot)
{
    char text[128];
    long fd = open_of_thread(slot->tid, "/stat");
    if (fd < 0)
        return PL_QUIET_GONE;
    long got = pl_sys3(SYS_read, fd, PL_ARG(text), sizeof text);
    pl_sys3(SYS_close, fd, 0, 0);
    for (long at = got - 3; at > 0; at--) {
        if (text[at] == ')')
            return text[at + 2] == 'R' ? PL_QUIET_RUNNING : PL_QUIET_LOST;
    }
    return PL_QUIET_GONE;
}

/* The hexadecimal number that ends before `*length`, "0x..."; moves to before it. */
static bool parse_back(const char *text, long *length, uint64_t *word)
{
    long at = *length;
    *word = 0;
    while (at > 0 && (text[at - 1] == ' ' || text[at - 1] == '\n'))
        at--;
    for (unsigned shift = 0; at > 0 && text[at - 1] != ' ' && text[at - 1] != 'x';
         at--, shift += 4) {
        char c = text[at - 1];
        unsigned digit = c >= 'a' ? (unsigned)(c - 'a') + 10 : (unsigned)(c - '0');
        if (digit > 15 || shift > 60)
            return false;
        *word |= (uint64_t)digit << shift;
    }
    *length = at - 2;
    return at >= 2 && text[at - 1] == 'x';
}

/* "NR 0xARG... 0xSP 0xPC", where there are six arguments while in a system call, and
 * none where the thread is blocked otherwise. They are in registers as they were. */
static bool parse_registers(const char *text, long length, struct pl_walk *walk,
                            long long *registers)
{
    static const uint8_t arguments[] = {REG_R9,  REG_R8,  REG_R10,
                                        REG_RDX, REG_RSI, REG_RDI};
    uint64_t word;
    if (!parse_back(text, &length, &walk->pc) || !parse_back(text, &length, &walk->sp))
        return false;
    for (unsigned i = 0; i < 6 && parse_back(text, &length, &word); i++) {
        registers[arguments[i]] = (long long)word;
        walk->registers_known |= 1u << arguments[i];
    }
    walk->registers = registers;
    return walk->sp && walk->pc;
}

static enum pl_quiet read_registers(struct pl_sampler *sampler, struct pl_slot *slot,
                                    struct pl_walk *walk)
{
    char text[256];
    long fd = open_syscall(sampler, slot);
    if (fd == -EACCES || fd == -EPERM)
        return look_from_afar(slot);
    if (fd < 0)
        return PL_QUIET_GONE;
    long got = pl_sys4(SYS_pread64, fd, PL_ARG(text), sizeof text, 0);
    if (fd != slot->syscall_fd)
        pl_sys3(SYS_close, fd, 0, 0);
    if (got <= 0)
        return PL_QUIET_GONE;
    if (text[0] == 'r') /* "running" */
        return PL_QUIET_RUNNING;
    return parse_registers(text, got, walk, sampler->quiet_registers) ? PL_QUIET_TAKEN
                                                                      : PL_QUIET_GONE;
}

enum pl_quiet pl_quiet_state(struct pl_sampler *sampler, unsigned index)
{
    struct pl_walk walk = {.pc = 0};
    return read_registers(sampler, &sampler->state->slots[index], &walk);
}

static uint32_t put_registers(const struct pl_sampler *sampler,
                              const struct pl_walk *walk,
                              const struct pl_ring_space *space, struct pl_rec *rec)
{
    static const struct {
        uint8_t from, word; /* in gregs; in struct pl_registers */
    } known[] = {{REG_RDX, 10}, {REG_RSI, 11}, {REG_RDI, 12},
                 {REG_R8, 13},  {REG_R9, 14},  {REG_R10, 15}};
    struct pl_registers registers = {
        .pc = walk->pc, .sp = walk->sp, .pc_known = KNOWN_PC_SP};
    uint64_t *words = &registers.pc;
    for (unsigned i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (!(walk->registers_known >> known[i].from & 1))
            continue;
        words[known[i].word] = (uint64_t)walk->registers[known[i].from];
        registers.pc_known |= UINT64_C(1) << known[i].word;
    }
    uint32_t at = (uint32_t)(sizeof *rec + sizeof registers);
    uint32_t most = space->room / 8 & ~7u; /* leave room for the other threads */
    if (most < LEAST_COPY)
        most = LEAST_COPY;
    if (most > PL_STACK_COPY_BYTES)
        most = PL_STACK_COPY_BYTES;
    pl_copy(space->at + sizeof *rec, &registers, sizeof registers);
    long got =
        pl_sys_read_memory(sampler->tid, walk->sp & ~UINT64_C(7), space->at + at, most);
    rec->kind = PL_REC_REGISTERS;
    rec->stack_bytes = (uint16_t)(got > 0 ? got & ~7L : 0);
    return at + rec->stack_bytes;
}

static enum pl_quiet put_record(struct pl_sampler *sampler, unsigned index,
                                const struct pl_walk *walk, bool labels, uint32_t tick,
                                int64_t now_ns)
{
    struct pl_segment *segment = sampler->segment;
    struct pl_slot *slot = &sampler->state->slots[index];
    struct pl_seg_thread *shared = &segment->threads[index];
    struct pl_ring ring = {segment->quiet_ring, PL_QUIET_RING_BYTES,
                           &segment->quiet_head, &segment->quiet_tail};
    struct pl_rec rec = {.slot = (uint16_t)index,
                         .end = (uint8_t)walk->end,
                         .tick = tick,
                         .periods = 1,
                         .mono_ns = now_ns,
                         .generation = slot->generation};
    uint32_t need = (uint32_t)sizeof rec + walk->count * 8;
    if (walk->need_registers)
        need =
            (uint32_t)sizeof rec + (uint32_t)sizeof(struct pl_registers) + LEAST_COPY;
    struct pl_ring_space space;
    uint32_t label_bytes = 0, label_need = labels ? (uint32_t)PL_LABEL_RECORD_BYTES : 0;
    if (!pl_ring_reserve(&ring, need + label_need, &space)) {
        pl_count(&shared->lost[PL_LOSS_RING_FULL], 1);
        return PL_QUIET_LOST;
    }
    if (labels)
        label_bytes = pl_label_put(atomic_load(&slot->labels), slot->tid, true, &rec,
                                   space.at, &slot->told_quietly);
    space.at += label_bytes;
    space.room -= label_bytes;
    if (walk->need_registers) {
        rec.bytes = put_registers(sampler, walk, &space, &rec);
    } else {
        rec.kind = PL_REC_STACK;
        rec.pc_count = (uint16_t)walk->count;
        rec.bytes = need;
        pl_copy(space.at + sizeof rec, walk->pcs, walk->count * sizeof(uint64_t));
    }
    pl_copy(space.at, &rec, sizeof rec);
    pl_ring_commit(&ring, &space, label_bytes + rec.bytes);
    return PL_QUIET_TAKEN;
}

enum pl_quiet pl_quiet_registers(struct pl_sampler *sampler, unsigned index)
{
    struct pl_walk *walk = &sampler->quiet_walk;
    *walk = (struct pl_walk){.code = atomic_load(&sampler->state->code),
                             .memory = {.window = sampler->quiet_window,
                                        .window_bytes = PL_QUIET_WINDOW_BYTES,
                                        .refills = QUIET_MOVES,
                                        .tid = sampler->tid},
                             .guess_bp = true,
                             .max_frames = PL_MAX_FRAMES,
                             .pcs = sampler->quiet_pcs};
    enum pl_quiet found = read_registers(sampler, &sampler->state->slots[index], walk);
    if (found == PL_QUIET_TAKEN)
        pl_unwind_walk(walk);
    return found;
}

enum pl_quiet pl_quiet_put(struct pl_sampler *sampler, unsigned index, uint32_t tick,
                           int64_t now_ns)
{
    struct pl_slot *slot = &sampler->state->slots[index];
    const struct pl_walk *walk = &sampler->quiet_walk;
    if (walk->unknown_code)
        atomic_store_explicit(&sampler->segment->maps_stale, 1, memory_order_relaxed);
    slot->recapture = walk->need_registers || walk->unknown_code;
    uint64_t hash = pl_hash_mix(walk->sp, walk->count);
    for (uint32_t i = 0; i < walk->count; i++)
        hash = pl_hash_mix(hash, walk->pcs[i]);
    hash |= 1;
    bool labels =
        pl_label_changed(atomic_load(&slot->labels), slot->tid, &slot->told_quietly);
    if (hash == slot->quiet_hash && !labels)
        return PL_QUIET_SAME;
    enum pl_quiet put = put_record(sampler, index, walk, labels, tick, now_ns);
    slot->quiet_hash = put == PL_QUIET_TAKEN ? hash : 0;
    return put;
}
