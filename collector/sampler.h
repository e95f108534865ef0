/* Sampler: the thread that decides, tick by tick, whose stack is taken and how.
 *
 * It is a bare kernel thread, unknown to libc, with a file-descriptor table of its
 * own and every signal blocked: the host sees neither a thread that keeps the
 * process alive nor a descriptor. It may use nothing of libc that needs
 * thread-local storage or a lock: system calls come from sys.h. */
#ifndef PL_COLLECTOR_SAMPLER_H
#define PL_COLLECTOR_SAMPLER_H

#include "collector/codemap.h"
#include "collector/state.h"

#define PL_QUIET_WINDOW_BYTES (24u * 1024)

/* awake.c: what it takes to leave sleeping threads alone. */
struct pl_awake {
    int load_fd;            /* /proc/loadavg; -1 */
    int64_t others_cpu_ns;  /* CPU time of the process without us, when last read */
    int64_t known_cpu_ns;   /* as much of it as was found in threads */
    int64_t now_ns, ran_ns; /* of this tick; of the last one that found someone */
    int64_t next_read_ns, next_sweep_ns;
    uint32_t turn;    /* where looking in turn goes on */
    uint32_t ran;     /* threads found to have run this tick */
    uint32_t running; /* and to run */
    bool sweep;       /* this tick everyone is looked at */
};

/* What sampling costs, as last looked at (budget.c). */
struct pl_budget {
    int64_t next_ns, at_ns; /* mono; next_ns 0: not looked at yet */
    int64_t cost_ns, cpu_ns;
};

/* The sampler's own data, one per capture. */
struct pl_sampler {
    struct pl_state *state;
    struct pl_segment *segment;
    struct pl_codemap *codemap;
    int segment_fd;
    _Atomic uint32_t ready; /* futex: 1 sampling, 2 could not; the fds are closed */
    uint64_t random;
    int task_fd;  /* /proc/self/task */
    int first_fd; /* the first thread's, from before the host may close /proc to us */
    int tid;
    int64_t origin_ns; /* of tick 0 */
    uint32_t tick, next_tick;
    uint64_t event_head; /* published when the tick is done */
    uint32_t event_room;
    uint64_t scan;
    uint64_t task_links; /* link count of the task folder at the last scan */
    int64_t next_scan_ns, next_gone_ns;
    int64_t settled_ns; /* unmet.c: CPU time told of threads that have ended */
    bool settled;       /* it has a beginning */
    int64_t met_ns;     /* when a thread was last met for the first time */
    uint64_t read_tail; /* of the events, as last seen to move */
    int64_t read_ns;    /* and when */
    bool scan_wanted;
    bool ran_since_scan;
    bool gone_suspected; /* a thread looks as if it had ended */
    bool started;        /* threads found from now on are new */
    uint32_t code_version;
    bool code_version_changed; /* since the round before */
    uint32_t unsampled;        /* threads without a slot, found by the last scan */
    enum pl_loss unsampled_why;
    struct pl_budget budget;
    uint32_t label_changes; /* of the label table, when slots were linked to it */
    bool relink_labels;
    uint32_t live_count;
    uint32_t awake_count;
    uint16_t live[PL_SEG_MAX_THREADS];       /* slots of live threads: awake, asleep */
    uint16_t by_tid[2 * PL_SEG_MAX_THREADS]; /* hash: slot + 1 */
    struct pl_awake awake;
    int64_t next_events_ns; /* cpu mode: of rounds with events */
    bool tell;              /* this round is one: it tells CPU clocks */
    uint8_t quiet_window[PL_QUIET_WINDOW_BYTES];
    struct pl_walk quiet_walk;
    uint64_t quiet_pcs[PL_MAX_FRAMES];
    long long quiet_registers[NGREG];
    char buffer[32 * 1024];
};

/* The sampler's life: returns when it is to stop, with the status to end its thread
 * with (it counts when that is the last of the process). Threads  its own only. */
int pl_sampler_run(struct pl_sampler *sampler);

/* ---- events ---- */

/* False when the ring has no room; nothing is visible before the publish. */
static inline bool pl_event_put(struct pl_sampler *sampler, struct pl_event event)
{
    if (!sampler->event_room)
        return false;
    sampler->event_room--;
    sampler->segment->events[sampler->event_head++ & (PL_EVENT_RING_SLOTS - 1)] = event;
    return true;
}

/* ---- threads.c ---- */

/* Find threads that came and went; gives new ones a slot. */
void pl_threads_scan(struct pl_sampler *sampler, int64_t now_ns);

/* Has the set of threads (probably) changed since the last scan? */
bool pl_threads_changed(struct pl_sampler *sampler);

/* Publish START and NAME of a thread, if there is room for `spare` more events. */
bool pl_threads_announce(struct pl_sampler *sampler, unsigned index, uint32_t spare);

/* The thread is gone: END, and its slot is free once the drain is done with it. */
void pl_threads_end(struct pl_sampler *sampler, unsigned index);

/* Read the thread's name if it is time to, and tell a new one. */
void pl_threads_name(struct pl_sampler *sampler, unsigned index, bool now);

/* Tie slots to the label blocks of their threads, if either has changed. */
void pl_threads_link_labels(struct pl_sampler *sampler);

/* CPU clock of a thread in ns, or a negative errno. */
int64_t pl_thread_cpu_ns(int tid);

/* Are all threads but the sampler gone (the first one may be left as a zombie, which
 * has its exit status)? */
bool pl_threads_all_gone(struct pl_sampler *sampler, int *status_out);

/* ---- awake.c ---- */

/* Once, at the start. */
void pl_awake_open(struct pl_sampler *sampler);

/* A tick begins: before any thread is looked at. */
void pl_awake_begin(struct pl_sampler *sampler, int64_t now_ns);

/* A thread was looked at and its CPU clock had moved by so much, or not (0). */
void pl_awake_note(struct pl_sampler *sampler, unsigned index, int64_t ran_ns);

/* `look` at all threads awake, and at as many of those asleep as have to be. */
void pl_awake_look(struct pl_sampler *sampler,
                   void (*look)(struct pl_sampler *sampler, unsigned index));

/* A new thread is awake; one that ended is in neither part. */
void pl_awake_add(struct pl_sampler *sampler, unsigned index);
void pl_awake_remove(struct pl_sampler *sampler, unsigned index);

/* CPU time of the process without our own threads. The kernel visits all of them. */
int64_t pl_awake_cpu_ns_of_others(const struct pl_sampler *sampler);

/* ---- unmet.c ---- */

/* CPU time that no thread, live or ended, has been told of. The first time it begins:
 * what was used before is nobody's. */
int64_t pl_unmet_ns(struct pl_sampler *sampler);

/* Before the threads that the scan did not find are ended: what each stands for. */
void pl_unmet_share(struct pl_sampler *sampler);

/* A thread has ended: its CPU clock to be told, with what it stands for besides. */
int64_t pl_unmet_end(struct pl_sampler *sampler, unsigned index);

/* Cpu mode: those seen to have run for the first time, before new ones are looked at.
 */
void pl_unmet_owe(struct pl_sampler *sampler, int64_t now_ns);

/* Cpu mode: none has been met for long, or none will be: what is owed to them is lost.
 */
void pl_unmet_lose(struct pl_sampler *sampler, int64_t now_ns);

/* ---- budget.c ---- */

/* Look, if it is time to, whether sampling costs too much, and set the stride. */
void pl_budget_look(struct pl_sampler *sampler, int64_t now_ns);

/* The tick after `tick` at which there is to be a round. */
uint32_t pl_budget_next(struct pl_sampler *sampler, uint32_t tick);

/* ---- cpu_mode.c ---- */

/* Once, at the start; returns the nanoseconds from one round to the next. */
int64_t pl_cpu_begin(struct pl_sampler *sampler);

/* Is this a round with events, or only one to look at who has run? */
bool pl_cpu_events_due(struct pl_sampler *sampler, int64_t now_ns);

/* Look at a thread, and ask it for the samples it owes. */
void pl_cpu_look(struct pl_sampler *sampler, unsigned index);

/* The same in cpu mode. */
int64_t pl_cpu_end(struct pl_sampler *sampler, unsigned index);

/* Sampling ends: what no sample stands for is lost. */
void pl_cpu_stop(struct pl_sampler *sampler, unsigned index);

/* ---- sampler.c ---- */

/* Send our signal; false if the thread is gone. */
bool pl_sampler_signal(struct pl_sampler *sampler, unsigned index);

void pl_sampler_put_ran(struct pl_sampler *sampler, unsigned index, enum pl_ran how,
                        int64_t cpu_ns);

/* Read the thread's name if it may have changed it and there is room to tell. */
void pl_sampler_tell_name(struct pl_sampler *sampler, unsigned index);

uint64_t pl_sampler_random(struct pl_sampler *sampler);

/* ---- quiet.c ---- */

enum pl_quiet {
    PL_QUIET_RUNNING, /* not blocked: signal it */
    PL_QUIET_TAKEN,
    PL_QUIET_SAME,
    PL_QUIET_LOST, /* the ring was full: counted */
    PL_QUIET_GONE,
};

/* Once, at the start: the first thread of the process. */
void pl_quiet_open_first(struct pl_sampler *sampler);

/* Is the thread running, or about to (RUNNING), blocked (TAKEN, LOST) or GONE? */
enum pl_quiet pl_quiet_state(struct pl_sampler *sampler, unsigned index);

/* Look whether the thread is blocked, and if so walk its stack, without disturbing
 * it (TAKEN). Then, if nothing happened meanwhile, put it into the ring. */
enum pl_quiet pl_quiet_registers(struct pl_sampler *sampler, unsigned index);
enum pl_quiet pl_quiet_put(struct pl_sampler *sampler, unsigned index, uint32_t tick,
                           int64_t now_ns);

/* Digits to text: returns the end. */
char *pl_text_append(char *at, const char *text);
char *pl_text_append_number(char *at, uint64_t number);

#endif
