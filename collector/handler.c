/* Signal handler: thread -> stack in its ring.
 *
 * Runs in the profiled thread, with all signals blocked, between two of its
 * instructions. It makes no call into libc, takes no lock, needs little stack (what is
 * large is written straight into the reserved ring space), and leaves errno alone.
 * Where the walk reads memory that is not surely mapped, the kernel does the reading.
 *
 * The handler's context also tells a system call that our signal broke off: it is
 * started again, see restart_call(). */
#include "collector/handler.h"

#include "collector/state.h"
#include "collector/sys.h"
#include "collector/vclock.h"

#include <asm/prctl.h>
#include <errno.h>
#include <time.h>
#include <ucontext.h>

#define WINDOW_BYTES  4096u
#define WINDOW_MOVES  64u
#define STACK_RECORD  (sizeof(struct pl_rec) + PL_MAX_FRAMES * sizeof(uint64_t))
#define RECORD_NEED   ((uint32_t)STACK_RECORD + WINDOW_BYTES)
#define REGISTERS_AT  sizeof(struct pl_rec)
#define STACK_COPY_AT (REGISTERS_AT + sizeof(struct pl_registers))

_Atomic(struct pl_state *) pl_state_current;
_Atomic uint64_t pl_state_cookie;
_Atomic int pl_state_signal = PL_SIGNAL;

/* The host's own action. Two copies, so that a handler never sees half of one;
 * `host_current` says which is valid. Writers are serialized by host_lock. */
static struct sigaction host_actions[2];
static _Atomic unsigned host_current;
static _Atomic unsigned host_lock;
static _Atomic bool installed;

/* ---- a system call that our signal broke off ---- */

/* Calls that may be made again after EINTR as if nothing had happened. */
static bool is_restartable(uint32_t number)
{
    switch (number) {
    case SYS_poll:
    case SYS_ppoll:
    case SYS_select:
    case SYS_pselect6:
    case SYS_epoll_wait:
    case SYS_epoll_pwait:
#ifdef SYS_epoll_pwait2
    case SYS_epoll_pwait2:
#endif
    case SYS_nanosleep:
    case SYS_clock_nanosleep:
    case SYS_pause:
    case SYS_rt_sigsuspend:
    case SYS_rt_sigtimedwait:
    case SYS_futex:
    case SYS_semop:
    case SYS_semtimedop:
    case SYS_msgrcv:
    case SYS_msgsnd:
    case SYS_io_getevents:
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_accept:
    case SYS_accept4:
        return true;
    default:
        return false;
    }
}

/* Does the kernel drop that signal, once it is not blocked? While it is, as all are in
 * this handler, it waits like any other. */
static bool is_ignored(int number)
{
    struct {
        void (*handler)(int);
        uint64_t flags, restorer, mask;
    } action = {SIG_DFL, 0, 0, 0};
    if (pl_sys4(SYS_rt_sigaction, number, 0, PL_ARG(&action), sizeof action.mask) < 0)
        return false;
    if (action.handler == SIG_DFL)
        return number == SIGCHLD || number == SIGCONT || number == SIGURG ||
               number == SIGWINCH;
    return action.handler == SIG_IGN;
}

static bool would_interrupt(uint64_t pending)
{
    for (int number = 1; number <= 64; number++)
        if ((pending >> (number - 1) & 1) && !is_ignored(number))
            return true;
    return false;
}

/* The sampler signals only threads it has just seen running, but such a thread may
 * reach a blocking call before the signal reaches it, and some calls then fail with
 * EINTR even under SA_RESTART. They have hardly begun: make them again. Done only
 * where the code says which call it was (mov $number,%eax; syscall), and not when a
 * signal that the host handles, or that ends or stops it, waits to be delivered: that
 * has a right to its EINTR. */
static void restart_call(ucontext_t *context)
{
    greg_t *regs = context->uc_mcontext.gregs;
    if (regs[REG_RAX] != -EINTR || regs[REG_RCX] != regs[REG_RIP])
        return;
    uint64_t pc = (uint64_t)regs[REG_RIP];
    uint8_t code[7]; /* b8 imm32 0f 05 */
    long tid = pl_sys3(SYS_gettid, 0, 0, 0);
    if (pl_sys_read_memory((int)tid, pc - sizeof code, code, sizeof code) !=
            (long)sizeof code ||
        code[0] != 0xb8 || code[5] != 0x0f || code[6] != 0x05)
        return;
    uint32_t number;
    __builtin_memcpy(&number, code + 1, sizeof number);
    uint64_t pending = 0, blocked = 0;
    uint64_t ours = UINT64_C(1) << (atomic_load(&pl_state_signal) - 1);
    __builtin_memcpy(&blocked, &context->uc_sigmask, sizeof blocked);
    if (!is_restartable(number) ||
        pl_sys3(SYS_rt_sigpending, PL_ARG(&pending), sizeof pending, 0) < 0 ||
        would_interrupt(pending & ~blocked & ~ours))
        return;
    regs[REG_RAX] = (greg_t)number;
    regs[REG_RIP] = (greg_t)(pc - 2);
}

/* ---- the sample ---- */

/* Say which table is being used, so that the sampler does not take it back. From when
 * the slot became busy until this is seen, it takes back none. */
static const struct pl_code_table *take_table(struct pl_state *state,
                                              struct pl_slot *slot)
{
    const struct pl_code_table *table =
        atomic_load_explicit(&state->code, memory_order_acquire);
    atomic_store_explicit(&slot->using, table, memory_order_relaxed);
    return table;
}

static void set_memory(struct pl_slot *slot, struct pl_walk_memory *memory)
{
    uint64_t lo = atomic_load_explicit(&slot->stack_lo, memory_order_acquire);
    if (lo != PL_NO_BOUNDS) {
        memory->lo = lo;
        memory->hi = atomic_load_explicit(&slot->stack_hi, memory_order_relaxed);
    } else if (!atomic_load_explicit(&slot->tcb, memory_order_relaxed)) {
        uint64_t base = 0;
        pl_sys3(SYS_arch_prctl, ARCH_GET_FS, PL_ARG(&base), 0);
        atomic_store_explicit(&slot->tcb, base, memory_order_relaxed);
    }
}

static void fill_registers(struct pl_registers *to, const greg_t *regs)
{
    static const uint8_t order[] = {
        REG_RIP, REG_RSP, REG_RBP, REG_RBX, REG_R12, REG_R13, REG_R14, REG_R15, REG_RAX,
        REG_RCX, REG_RDX, REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11};
    uint64_t *word = &to->pc;
    for (unsigned i = 0; i < sizeof order; i++)
        word[i] = (uint64_t)regs[order[i]];
    to->pc_known = (UINT64_C(1) << sizeof order) - 1;
}

/* Registers and as much of the stack as there is, as fits, and as leaves most of what
 * is free in the ring. Returns the record's size. */
static uint32_t put_registers(struct pl_slot *slot, const struct pl_walk_memory *memory,
                              const struct pl_ring_space *space, struct pl_rec *rec,
                              const greg_t *regs)
{
    struct pl_registers *registers = (void *)(space->at + REGISTERS_AT);
    fill_registers(registers, regs);
    uint64_t sp = registers->sp & ~UINT64_C(7);
    uint32_t most = (space->room - (uint32_t)STACK_COPY_AT) / 4 & ~7u;
    if (most > PL_STACK_COPY_BYTES)
        most = PL_STACK_COPY_BYTES;
    if (sp >= memory->lo && sp < memory->hi && memory->hi - sp < most)
        most = (uint32_t)(memory->hi - sp) & ~7u;
    long got = pl_sys_read_memory(slot->tid, sp, space->at + STACK_COPY_AT, most);
    rec->kind = PL_REC_REGISTERS;
    rec->pc_count = 0;
    rec->stack_bytes = (uint16_t)(got > 0 ? got & ~7L : 0);
    return (uint32_t)STACK_COPY_AT + rec->stack_bytes;
}

/* The thread's labels, if they have changed, stand before the sample and are committed
 * with it. False when there is no room for both. */
static bool reserve(struct pl_slot *slot, const struct pl_rec *rec,
                    struct pl_ring_space *space, uint32_t *label_bytes)
{
    const struct pl_label_block *block =
        atomic_load_explicit(&slot->labels, memory_order_acquire);
    *label_bytes = 0;
    if (!pl_label_changed(block, slot->tid, &slot->told_labels))
        return pl_ring_reserve(&slot->ring, RECORD_NEED, space);
    if (!pl_ring_reserve(&slot->ring, RECORD_NEED + (uint32_t)PL_LABEL_RECORD_BYTES,
                         space))
        return false;
    *label_bytes =
        pl_label_put(block, slot->tid, false, rec, space->at, &slot->told_labels);
    space->at += *label_bytes;
    space->room -= *label_bytes;
    return true;
}

static void put_sample(struct pl_state *state, struct pl_slot *slot,
                       struct pl_seg_thread *shared, struct pl_rec rec,
                       const greg_t *regs)
{
    struct pl_ring_space space;
    uint32_t label_bytes;
    if (!reserve(slot, &rec, &space, &label_bytes)) {
        pl_count(&shared->lost[PL_LOSS_RING_FULL], rec.periods);
        return;
    }
    struct pl_walk walk = {
        .cache = slot->cache,
        .memory = {.window = space.at + STACK_RECORD,
                   .window_bytes = WINDOW_BYTES,
                   .refills = WINDOW_MOVES,
                   .tid = slot->tid},
        .pc = (uint64_t)regs[REG_RIP],
        .sp = (uint64_t)regs[REG_RSP],
        .bp = (uint64_t)regs[REG_RBP],
        .bp_known = true,
        .registers = regs,
        .registers_known = UINT32_MAX,
        .max_frames = PL_MAX_FRAMES,
        .pcs = (uint64_t *)(void *)(space.at + sizeof(struct pl_rec)),
    };
    set_memory(slot, &walk.memory);
    walk.code = take_table(state, slot);
    pl_unwind_walk(&walk);
    atomic_store_explicit(&slot->using, NULL, memory_order_relaxed);
    if (walk.unknown_code || walk.memory.refills != WINDOW_MOVES)
        atomic_store_explicit(&state->segment->maps_stale, 1, memory_order_relaxed);

    uint32_t bytes;
    rec.end = (uint8_t)walk.end;
    if (walk.need_registers) {
        bytes = put_registers(slot, &walk.memory, &space, &rec, regs);
    } else {
        rec.kind = PL_REC_STACK;
        rec.pc_count = (uint16_t)walk.count;
        bytes = (uint32_t)(sizeof rec + walk.count * sizeof(uint64_t));
    }
    rec.bytes = bytes;
    *(struct pl_rec *)(void *)space.at = rec;
    pl_ring_commit(&slot->ring, &space, label_bytes + bytes);
}

static void sample(struct pl_state *state, unsigned index, const siginfo_t *info,
                   const greg_t *regs)
{
    struct pl_slot *slot = &state->slots[index];
    struct pl_seg_thread *shared = &state->segment->threads[index];
    struct pl_rec rec = {
        .slot = (uint16_t)index, .periods = 1, .generation = slot->generation};
    if (state->cpu_mode) {
        rec.periods = atomic_exchange(&slot->owed_periods, 0);
        if (info->si_code == SI_TIMER)
            rec.periods +=
                (1 + (info->si_overrun > 0 ? (uint32_t)info->si_overrun : 0)) *
                atomic_load_explicit(&slot->timer_periods, memory_order_relaxed);
        if (!rec.periods)
            return;
        pl_count(&slot->taken_periods, rec.periods);
        rec.tick = slot->sequence++;
    } else {
        rec.tick = atomic_exchange(&slot->want_tick, PL_NO_TICK);
        if (rec.tick == PL_NO_TICK)
            return; /* a signal that came late has answered already */
    }
    rec.mono_ns = pl_vclock_ns(CLOCK_MONOTONIC);
    put_sample(state, slot, shared, rec, regs);
    if (state->budget_ppm) {
        int64_t took_ns = pl_vclock_ns(CLOCK_MONOTONIC) - rec.mono_ns;
        pl_count(&state->handler_ns, (uint64_t)took_ns);
        pl_count(&state->handled, 1);
    }
}

/* ---- signals that are not ours ---- */

/* Run the host's handler as the kernel would have. */
static void chain(int number, siginfo_t *info, void *context)
{
    struct sigaction host = host_actions[atomic_load(&host_current) & 1];
    if (!(host.sa_flags & SA_SIGINFO) &&
        (host.sa_handler == SIG_DFL || host.sa_handler == SIG_IGN))
        return;
    if ((unsigned)host.sa_flags & SA_RESETHAND) {
        const struct sigaction reset = {.sa_handler = SIG_DFL};
        pl_handler_host_action(&reset, NULL);
    }
    /* During it, block what was blocked, its mask, and the signal itself. */
    uint64_t mask, add;
    __builtin_memcpy(&mask, &((ucontext_t *)context)->uc_sigmask, sizeof mask);
    __builtin_memcpy(&add, &host.sa_mask, sizeof add);
    mask |= add;
    if (!(host.sa_flags & SA_NODEFER))
        mask |= UINT64_C(1) << (number - 1);
    pl_sys4(SYS_rt_sigprocmask, SIG_SETMASK, PL_ARG(&mask), 0, sizeof mask);
    if (host.sa_flags & SA_SIGINFO)
        host.sa_sigaction(number, info, context);
    else
        host.sa_handler(number);
}

/* A sampler's or a timer's signal of this capture; may come late, after the stop. */
static bool is_ours(const siginfo_t *info, uint64_t value)
{
    uint64_t cookie = atomic_load_explicit(&pl_state_cookie, memory_order_relaxed);
    return cookie && (value & PL_COOKIE_MASK) == cookie &&
           (info->si_code == SI_TIMER || info->si_code == SI_QUEUE);
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    uint64_t value = (uint64_t)(uintptr_t)info->si_value.sival_ptr;
    if (!is_ours(info, value)) {
        chain(number, info, context);
        return;
    }
    struct pl_state *state =
        atomic_load_explicit(&pl_state_current, memory_order_acquire);
    unsigned index = (unsigned)(value & ~PL_COOKIE_MASK);
    ucontext_t *interrupted = context;
    if (state && state->pid && index < PL_SEG_MAX_THREADS) {
        struct pl_slot *slot = &state->slots[index];
        atomic_exchange(&slot->busy, true); /* before anything else is read */
        if (slot->ring.bytes && !atomic_load(&state->stop))
            sample(state, index, info, interrupted->uc_mcontext.gregs);
        atomic_store_explicit(&slot->busy, false, memory_order_release);
    }
    if (!state || !atomic_load(&state->confined))
        restart_call(interrupted);
}

/* ---- installing ---- */

/* libc's own name: the preload library puts its own sigaction() before libc's. */
extern int __sigaction(int number, const struct sigaction *action,
                       struct sigaction *old);

/* SA_RESTART as the host wants it for its own handler; without one, always. */
static int set_kernel_action(const struct sigaction *host, struct sigaction *old)
{
    bool has_handler = host->sa_handler != SIG_DFL && host->sa_handler != SIG_IGN;
    struct sigaction ours = {.sa_flags = SA_SIGINFO | SA_ONSTACK};
    ours.sa_sigaction = on_signal;
    if (!has_handler || (host->sa_flags & SA_RESTART))
        ours.sa_flags |= SA_RESTART;
    __builtin_memset(&ours.sa_mask, 0xff, sizeof ours.sa_mask);
    return __sigaction(atomic_load(&pl_state_signal), &ours, old);
}

/* The lock is only ever held with signals blocked, so no handler waits for its own
 * thread. */
static uint64_t lock_host(void)
{
    uint64_t all = UINT64_MAX, mask = 0;
    pl_sys4(SYS_rt_sigprocmask, SIG_SETMASK, PL_ARG(&all), PL_ARG(&mask), sizeof mask);
    while (atomic_exchange_explicit(&host_lock, 1, memory_order_acquire))
        pl_sys3(SYS_sched_yield, 0, 0, 0);
    return mask;
}

static void unlock_host(uint64_t mask)
{
    atomic_store_explicit(&host_lock, 0, memory_order_release);
    pl_sys4(SYS_rt_sigprocmask, SIG_SETMASK, PL_ARG(&mask), 0, sizeof mask);
}

static void put_host_action(const struct sigaction *action)
{
    unsigned next = (atomic_load(&host_current) + 1) & 1;
    host_actions[next] = *action;
    atomic_store(&host_current, next);
}

int pl_handler_install(void)
{
    uint64_t mask = lock_host();
    int result = 0;
    if (!atomic_load(&installed)) {
        struct sigaction old;
        if (__sigaction(atomic_load(&pl_state_signal), NULL, &old) == 0) {
            put_host_action(&old);
            if (set_kernel_action(&old, NULL) == 0)
                atomic_store(&installed, true);
        }
        result = atomic_load(&installed) ? 0 : -EINVAL;
    }
    unlock_host(mask);
    return result;
}

void pl_handler_move(void)
{
    uint64_t mask = lock_host();
    struct sigaction host = host_actions[atomic_load(&host_current) & 1], old;
    if (atomic_load(&installed) && atomic_load(&pl_state_signal) == PL_SIGNAL &&
        __sigaction(PL_SPARE_SIGNAL, NULL, &old) == 0) {
        put_host_action(&old);
        atomic_store(&pl_state_signal, PL_SPARE_SIGNAL);
        (void)set_kernel_action(&old, NULL);
        (void)__sigaction(PL_SIGNAL, &host, NULL);
    }
    unlock_host(mask);
}

bool pl_handler_installed(void)
{
    return atomic_load(&installed);
}

void pl_handler_after_fork(void)
{
    atomic_store_explicit(&host_lock, 0, memory_order_relaxed);
}

int pl_handler_host_action(const struct sigaction *action, struct sigaction *old_out)
{
    uint64_t mask = lock_host();
    struct sigaction old = host_actions[atomic_load(&host_current) & 1];
    int result = 0;
    if (action) {
        struct sigaction copy = *action;
        result = set_kernel_action(&copy, NULL) ? -EINVAL : 0;
        if (!result)
            put_host_action(&copy);
    }
    if (old_out && !result)
        *old_out = old;
    unlock_host(mask);
    return result;
}
