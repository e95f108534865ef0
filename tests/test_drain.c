/* The drain against segments that the test writes itself: what goes in is known,
 * so every part that comes out is compared as text. */
#include "tests/drain_support.h"

/* ---- hashes that say nothing ---- */

static bool all_hashes_same;

uint64_t __real_pl_hash_bytes(const void *bytes, size_t len);
uint64_t __wrap_pl_hash_bytes(const void *bytes, size_t len);
uint64_t __wrap_pl_hash_bytes(const void *bytes, size_t len)
{
    return all_hashes_same ? 7 : __real_pl_hash_bytes(bytes, len);
}

/* ---- merging ---- */

static void test_merge(void)
{
    struct fixture f;
    open_fixture(&f, false, 10 * PL_NS_PER_S, NOON);
    tick(&f, 0);
    start(&f, 0, 100, 5);
    start(&f, 1, 101, 0);
    ran(&f, 0, 0, PL_RAN_SIGNALLED, 6);
    ran(&f, 1, 0, PL_RAN_QUIET, 1);
    answer(&f, 0, 0, 0x10);
    quiet(&f, 1, 0, 0x20);
    tick(&f, 1); /* both keep */
    tick(&f, 2);
    ran(&f, 0, 2, PL_RAN_SIGNALLED, 8);
    ran(&f, 1, 2, PL_RAN_SAME, 2);
    step(&f);
    answer(&f, 0, 2, 0x30); /* after its event */
    tick(&f, 3);
    tick(&f, 4);
    end(&f, 1, 3);
    step(&f);
    expect("");
    finish(&f);
    expect("begin app wall at 0\n"
           "part 0..50 ticks 5\n"
           " 100 worker cpu 3: 1*10;11!+ 1*10;11! 1*30;31!+ 2*30;31!\n"
           " 101 worker cpu 3: 1*20;21!+ 1*20;21! 1*20;21!+ 1*20;21! 1*none\n"
           "end abandoned -1\n");
    close_fixture(&f);
}

/* Stacks of one hash are as many as before. */
static void test_collisions(void)
{
    all_hashes_same = true;
    test_merge();
    all_hashes_same = false;
}

static void test_late(void)
{
    struct fixture f;
    open_fixture(&f, false, 10 * PL_NS_PER_S, NOON);
    tick(&f, 0);
    start(&f, 0, 100, 1);
    ran(&f, 0, 0, PL_RAN_SIGNALLED, 2);
    answer(&f, 0, 0, 0x10);
    tick(&f, 1);
    ran(&f, 0, 1, PL_RAN_SIGNALLED, 3); /* answered 60 ticks later */
    for (uint32_t i = 2; i < 60; i++)
        tick(&f, i);
    step(&f);
    answer(&f, 0, 1, 0x20);
    step(&f);
    tick(&f, 60);
    ran(&f, 0, 60, PL_RAN_SIGNALLED, 4); /* has no CPU for more than a second */
    for (uint32_t i = 61; i < 165; i++)
        tick(&f, i);
    step(&f);
    answer(&f, 0, 60, 0x50);
    tick(&f, 165);
    ran(&f, 0, 165, PL_RAN_SIGNALLED, 5); /* in the kernel: 166 answers for it */
    tick(&f, 166);
    ran(&f, 0, 166, PL_RAN_SIGNALLED, 6);
    answer(&f, 0, 166, 0x30);
    tick(&f, 167);
    ran(&f, 0, 167, PL_RAN_SIGNALLED, 7); /* runs, and does not answer */
    tick(&f, 168);
    ran(&f, 0, 168, PL_RAN_SIGNALLED, 8);
    for (uint32_t i = 169; i < 280; i++)
        tick(&f, i);
    step(&f);
    answer(&f, 0, 167, 0x60); /* too late */
    answer(&f, 0, 168, 0x70);
    finish(&f);
    expect("begin app wall at 0\n"
           "part 0..2800 ticks 280\n"
           " 100 worker cpu 7: 1*10;11!+ 1*20;21!+ 58*20;21! 1*50;51!+ 104*50;51! "
           "2*30;31!+ 1*none 1*70;71!+ 111*70;71!\n"
           "  lost 1 no_answer\n"
           "end abandoned -1\n");
    close_fixture(&f);
}

/* A sampler that woke late: its next samples weigh more; long gaps are lost. */
static void test_missed(void)
{
    struct fixture f;
    open_fixture(&f, false, 10 * PL_NS_PER_S, NOON);
    tick(&f, 0);
    start(&f, 0, 100, 1);
    ran(&f, 0, 0, PL_RAN_SIGNALLED, 2);
    answer(&f, 0, 0, 0x10);
    tick(&f, 3); /* kept over two missed ticks */
    tick(&f, 102);
    ran(&f, 0, 102, PL_RAN_SAME, 3); /* one second in all: still near */
    tick(&f, 203);
    ran(&f, 0, 203, PL_RAN_SAME, 4); /* just over a second */
    finish(&f);
    expect("begin app wall at 0\n"
           "part 0..2040 ticks 204 -1 -2 -4..101 -103..202\n"
           " 100 worker cpu 3: 1*10;11!+ 2*none 1*10;11!=30 98*none 1*10;11!+=990 "
           "100*none 1*10;11!+\n"
           "  lost 100 tick_missed\n"
           "end abandoned -1\n");
    close_fixture(&f);
}

static void test_losses(void)
{
    struct fixture f;
    open_fixture(&f, false, 10 * PL_NS_PER_S, NOON);
    tick(&f, 0);
    start(&f, 0, 100, 1);
    ran(&f, 0, 0, PL_RAN_SIGNALLED, 2);
    tick(&f, 1);
    ran(&f, 0, 1, PL_RAN_SIGNALLED, 3);
    f.seg->threads[0].lost[PL_LOSS_RING_FULL] = 1; /* of tick 0 */
    answer(&f, 0, 1, 0x10);
    f.seg->lost[PL_LOSS_EVENT_FULL] = 1;
    f.seg->lost[PL_LOSS_NO_SLOT] = 7;
    tick(&f, 5); /* 2 to 4 are missing, one of them for want of room */
    tick(&f, 6);
    ran(&f, 0, 6, PL_RAN_QUIET, 4); /* and no record in the sampler's ring */
    tick(&f, 7);
    ran(&f, 0, 7, PL_RAN_SAME, 5);
    finish(&f);
    expect("begin app wall at 0\n"
           "part 0..80 ticks 8 -2 -3 -4\n"
           " 100 worker cpu 4: 1*none 1*10;11!+ 3*none 1*10;11!=30 2*none\n"
           "  lost 1 ring_full\n"
           "  lost 1 no_answer\n"
           "  lost 1 event_full\n"
           "  lost 1 unknown_stack\n"
           " lost 7 no_slot\n"
           "end abandoned -1\n");
    struct pl_drain_stats stats;
    pl_drain_get_stats(f.drain, &stats);
    CHECK(stats.samples == 2 && stats.lost == 11 && stats.chunks == 1);
    close_fixture(&f);
}

static void test_walk_ends(void)
{
    struct fixture f;
    open_fixture(&f, false, 10 * PL_NS_PER_S, NOON);
    tick(&f, 0);
    start(&f, 0, 100, 1);
    static const enum pl_walk_end ends[] = {PL_WALK_ROOT_ZERO, PL_WALK_DEPTH,
                                            PL_WALK_NO_MODULE};
    for (uint32_t i = 0; i < 3; i++) {
        if (i)
            tick(&f, i);
        ran(&f, 0, i, PL_RAN_SIGNALLED, 2 + i);
        f.seg->threads[0].head +=
            make_record(&f, ring_at(&f, 0), 0, i, i == 2 ? 0x20000 : 0x10, ends[i]);
    }
    finish(&f);
    expect("begin app wall at 0\n"
           "part 0..30 ticks 3\n"
           " 100 worker cpu 3: 1*10;11!+ 1*[truncated];10;11!+"
           " 1*[unknown caller];?30000;?30001!+\n"
           "end abandoned -1\n");
    struct pl_drain_stats stats;
    pl_drain_get_stats(f.drain, &stats);
    CHECK(stats.walks_complete == 1 && stats.walks_cut == 2);
    close_fixture(&f);
}

/* A module noticed after its first address was captured; another one later at the
 * same place. */
static void test_modules(void)
{
    struct fixture f;
    open_fixture(&f, false, 10 * PL_NS_PER_S, NOON);
    tick(&f, 0);
    start(&f, 0, 100, 1);
    ran(&f, 0, 0, PL_RAN_SIGNALLED, 2);
    answer(&f, 0, 0, 0x50010);
    step(&f);
    f.seg->modules[1] = (struct pl_seg_module){.start = CODE + 0x50000,
                                               .end = CODE + 0x60000,
                                               .bias = CODE + 0x50000,
                                               .from_ns = at_tick(&f, 1),
                                               .to_ns = at_tick(&f, 3)};
    f.seg->modules[2] = f.seg->modules[1];
    f.seg->modules[2].bias = CODE + 0x40000;
    f.seg->modules[2].from_ns = at_tick(&f, 4);
    f.seg->modules[2].to_ns = 0;
    atomic_store(&f.seg->module_count, 3);
    tick(&f, 5);
    ran(&f, 0, 5, PL_RAN_SIGNALLED, 3);
    answer(&f, 0, 5, 0x50010);
    finish(&f);
    expect("begin app wall at 0\n"
           "part 0..60 ticks 6 -1..4\n"
           " 100 worker cpu 2: 1*10;11!+ 4*none 1*10010;10011!+=50\n"
           "end abandoned -1\n");
    close_fixture(&f);
}

/* ---- threads ---- */

static void test_slot_reuse(void)
{
    struct fixture f;
    open_fixture(&f, false, 10 * PL_NS_PER_S, NOON);
    for (uint32_t i = 0; i < 6; i += 2) {
        tick(&f, i);
        start(&f, 0, 100 + i, 0);
        ran(&f, 0, i, PL_RAN_SIGNALLED, 1);
        answer(&f, 0, i, 0x10 * (i + 1));
        tick(&f, i + 1);
        end(&f, 0, 2);
        CHECK(f.seg->threads[0].drained < f.seg->threads[0].generation - 1);
        step(&f);
        CHECK(f.seg->threads[0].drained == f.seg->threads[0].generation - 1,
              "released once it is read");
        CHECK(f.seg->threads[0].tail == f.seg->threads[0].head);
    }
    tick(&f, 6); /* begins and ends between two ticks: only its time is known */
    start(&f, 0, 200, 0);
    end(&f, 0, 4);
    finish(&f);
    expect("begin app wall at 0\n"
           "part 0..70 ticks 7\n"
           " 100 worker cpu 2: 1*10;11!+ 6*none\n"
           " 102 worker cpu 2: 2*none 1*30;31!+ 4*none\n"
           " 104 worker cpu 2: 4*none 1*50;51!+ 2*none\n"
           " 200 worker cpu 4: 6*none 1*none\n"
           "end abandoned -1\n");
    close_fixture(&f);
}

/* ---- chunks ---- */

static void run_ticks(struct fixture *f, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        tick(f, i);
        if (i % 2000 == 0)
            step(f);
    }
    step(f);
}

static void test_chunks(void)
{
    struct fixture f;
    open_fixture(&f, false, 200 * PL_NS_PER_S, NOON);
    tick(&f, 0);
    start(&f, 0, 100, 1);
    ran(&f, 0, 0, PL_RAN_SIGNALLED, 3);
    answer(&f, 0, 0, 0x10);
    run_ticks(&f, 1, 6000);
    expect("");
    tick(&f, 6000); /* the first tick of the next chunk */
    ran(&f, 0, 6000, PL_RAN_SAME, 4);
    step(&f);
    run_ticks(&f, 6001, 6100);
    tick(&f, 13000); /* stopped for longer than a chunk: none for the time between */
    ran(&f, 0, 13000, PL_RAN_SAME, 5);
    finish(&f);
    expect("begin app wall at 0\n"
           "part 0..60000 ticks 6000\n"
           " 100 worker cpu 2: 1*10;11!+ 5999*10;11!\n"
           "part 60000..61000 ticks 100\n"
           " 100 worker cpu 1: 1*10;11!+ 99*10;11!\n"
           "  lost 6900 tick_missed\n"
           "part 130000..130010 ticks 1\n"
           " 100 worker cpu 1: 1*10;11!+\n"
           "end abandoned -1\n");
    close_fixture(&f);
}

/* 130 s are three chunks of one session, each beginning with the tick after the last
 * one of the chunk before. */
static void test_no_seam(void)
{
    struct fixture f;
    open_fixture(&f, false, 200 * PL_NS_PER_S, NOON);
    tick(&f, 0);
    start(&f, 0, 100, 1);
    ran(&f, 0, 0, PL_RAN_SIGNALLED, 3);
    answer(&f, 0, 0, 0x10);
    run_ticks(&f, 1, 13000);
    finish(&f);
    expect("begin app wall at 0\n"
           "part 0..60000 ticks 6000\n"
           " 100 worker cpu 2: 1*10;11!+ 5999*10;11!\n"
           "part 60000..120000 ticks 6000\n"
           " 100 worker cpu 0: 6000*10;11!\n"
           "part 120000..130000 ticks 1000\n"
           " 100 worker cpu 0: 1000*10;11!\n"
           "end abandoned -1\n");
    close_fixture(&f);
}

static void test_hour(void)
{
    struct fixture f;
    open_fixture(&f, false, 60 * PL_NS_PER_S, NOON / HOUR_NS * HOUR_NS - 35000000);
    tick(&f, 0);
    start(&f, 0, 100, 1);
    ran(&f, 0, 0, PL_RAN_SIGNALLED, 3);
    answer(&f, 0, 0, 0x10);
    run_ticks(&f, 1, 6);
    expect("begin app wall at 0\n"
           "part 0..35 ticks 4\n"
           " 100 worker cpu 2: 1*10;11!+ 3*10;11!\n");
    finish(&f);
    expect("begin app wall at 0\n"
           "part 0..35 ticks 4\n"
           " 100 worker cpu 2: 1*10;11!+ 3*10;11!\n"
           "part 40..60 ticks 2\n"
           " 100 worker cpu 0: 2*10;11!\n"
           "end abandoned -1\n");
    close_fixture(&f);
}

/* A thread that answers late keeps its chunk open, not the ticks after it. */
static void test_late_at_boundary(void)
{
    struct fixture f;
    open_fixture(&f, false, 60 * PL_NS_PER_S, NOON / HOUR_NS * HOUR_NS - 30000000);
    tick(&f, 0);
    start(&f, 0, 100, 1);
    start(&f, 1, 101, 1);
    ran(&f, 0, 0, PL_RAN_SIGNALLED, 2);
    ran(&f, 1, 0, PL_RAN_SIGNALLED, 2);
    answer(&f, 0, 0, 0x10);
    answer(&f, 1, 0, 0x20);
    tick(&f, 1);
    tick(&f, 2);
    ran(&f, 0, 2, PL_RAN_SIGNALLED, 3);
    for (uint32_t i = 3; i < 6; i++) {
        tick(&f, i);
        ran(&f, 1, i, PL_RAN_SIGNALLED, i);
        answer(&f, 1, i, 0x30 + 0x10 * i);
    }
    step(&f);
    expect("");
    answer(&f, 0, 2, 0x40);
    step(&f);
    expect("begin app wall at 0\n"
           "part 0..30 ticks 3\n"
           " 100 worker cpu 2: 1*10;11!+ 1*10;11! 1*40;41!+\n"
           " 101 worker cpu 1: 1*20;21!+ 2*20;21!\n");
    text_len = 0;
    finish(&f);
    expect("part 30..60 ticks 3\n"
           " 100 worker cpu 0: 3*40;41!\n"
           " 101 worker cpu 3: 1*60;61!+ 1*70;71!+ 1*80;81!+\n"
           "end abandoned -1\n");
    close_fixture(&f);
}

static void test_failing_sink(void)
{
    struct fixture f;
    struct pl_error err;
    open_fixture(&f, false, 60 * PL_NS_PER_S, NOON / HOUR_NS * HOUR_NS - 10000000);
    tick(&f, 0);
    start(&f, 0, 100, 1);
    ran(&f, 0, 0, PL_RAN_SIGNALLED, 2);
    answer(&f, 0, 0, 0x10);
    tick(&f, 1);
    publish(&f);
    fail_puts = 2;
    CHECK(pl_drain_step(f.drain, &err) == PL_BUSY);
    CHECK(pl_drain_step(f.drain, &err) == PL_BUSY);
    finish(&f);
    expect("begin app wall at 0\n"
           "part 0..10 ticks 1\n"
           " 100 worker cpu 1: 1*10;11!+\n"
           "part 10..20 ticks 1\n"
           " 100 worker cpu 0: 1*10;11!\n"
           "end abandoned -1\n");
    close_fixture(&f);
}

/* ---- CPU mode ---- */

static void cpu_answer(struct fixture *f, uint16_t slot, int64_t at_ms, uint64_t at,
                       uint32_t periods)
{
    char *to = ring_at(f, slot);
    f->seg->threads[slot].head += make_record(f, to, slot, 0, at, PL_WALK_ROOT);
    struct pl_rec rec;
    memcpy(&rec, to, sizeof rec);
    rec.mono_ns = f->mono_ns + at_ms * PL_NS_PER_MS;
    rec.periods = periods;
    memcpy(to, &rec, sizeof rec);
}

static void test_cpu_mode(void)
{
    struct fixture f;
    open_fixture(&f, true, 100 * PL_NS_PER_S, NOON);
    tick(&f, 0);
    start(&f, 0, 100, 0);
    start(&f, 1, 101, 0);
    cpu_answer(&f, 1, 7, 0x30, 1);
    cpu_answer(&f, 0, 5, 0x10, 1);
    cpu_answer(&f, 0, 15, 0x10, 1);
    cpu_answer(&f, 0, 45, 0x10, 3);
    cpu_answer(&f, 0, 60004, 0x20, 1);
    cpu_answer(&f, 0, 60005, 0x20, 1);
    f.seg->threads[1].lost[PL_LOSS_RING_FULL] = 2;
    step(&f);
    expect("begin app cpu at 0\n"
           "part 5..60005 ticks 0\n"
           " 100 worker cpu -1e-06: 2*10;11!+ 1*10;11!+=30 1*20;21!+\n"
           " 101 worker cpu -1e-06: 1*30;31!+\n"
           "  lost 2 ring_full\n");
    text_len = 0;
    tick(&f, 1);
    end(&f, 0, 60);
    finish(&f);
    expect("part 60005..60015 ticks 0\n"
           " 100 worker cpu 60: 1*20;21!+\n"
           "end abandoned -1\n");
    close_fixture(&f);
}

/* ---- life and death ---- */

static pid_t dead_child(int status, uint64_t *start_out)
{
    pid_t pid = fork();
    if (pid == 0) {
        pause();
        _exit(status);
    }
    *start_out = start_of(pid);
    kill(pid, SIGKILL);
    return pid;
}

static void test_death(void)
{
    static const struct {
        const char *name;
        uint32_t state;
        int exit_status;
        bool told, sampled;
        int wait_status;
        const char *wanted;
    } cases[] = {
        {"gone", PL_SEG_LIVE, 0, false, false, 0,
         "begin app wall at 0\nend killed -1\n"},
        {"exited", PL_SEG_EXITED, 3, false, false, 0,
         "begin app wall at 0\nend ended 3\n"},
        {"told", PL_SEG_LIVE, 0, true, false, 4 << 8,
         "begin app wall at 0\nend ended 4\n"},
        {"crashed", PL_SEG_LIVE, 0, true, false, SIGSEGV,
         "begin app wall at 0\nend crashed 139\n"},
        {"killed", PL_SEG_LIVE, 0, true, false, SIGKILL,
         "begin app wall at 0\nend killed 137\n"},
        {"exec", PL_SEG_EXECED, 0, false, false, 0, ""},
        {"exec sampled", PL_SEG_EXECED, 0, false, true, 0,
         "begin app wall at 0\npart 0..10 ticks 1\n 100 worker cpu 1: 1*10;11!+\n"
         "end ended -1\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fixture f;
        open_fixture(&f, false, 10 * PL_NS_PER_S, NOON);
        uint64_t started;
        pid_t pid = dead_child(0, &started);
        waitpid(pid, NULL, 0);
        f.seg->pid = (uint32_t)pid;
        f.seg->pid_start = started;
        atomic_store(&f.seg->exit_status, cases[i].exit_status);
        atomic_store(&f.seg->state, cases[i].state);
        if (cases[i].sampled) {
            tick(&f, 0);
            start(&f, 0, 100, 1);
            ran(&f, 0, 0, PL_RAN_SIGNALLED, 2);
            answer(&f, 0, 0, 0x10);
        }
        if (cases[i].told)
            pl_drain_process_ended(f.drain, pid, cases[i].wait_status);
        for (int n = 0; n < 8; n++) {
            step(&f);
            usleep(50000);
        }
        CHECK(strcmp(text, cases[i].wanted) == 0, "%s: got\n%s", cases[i].name, text);
        CHECK(access(f.path, F_OK) != 0, "%s: read and removed", cases[i].name);
        close_fixture(&f);
    }
}

/* The process runs another program: its new segment ends the old one. */
static void test_replaced(void)
{
    struct fixture f, newer;
    open_fixture(&f, false, 10 * PL_NS_PER_S, NOON);
    tick(&f, 0);
    start(&f, 0, 100, 1);
    ran(&f, 0, 0, PL_RAN_SIGNALLED, 2);
    answer(&f, 0, 0, 0x10);
    step(&f);
    newer = f;
    newer.mono_ns += PL_NS_PER_S;
    write_segment(&newer, "b.seg", getpid(), false);
    step(&f);
    expect("begin app wall at 0\npart 0..10 ticks 1\n 100 worker cpu 1: 1*10;11!+\n"
           "end ended -1\n");
    munmap(newer.seg, newer.bytes);
    finish(&f);
    close_fixture(&f);
}

/* ---- damage ---- */

static void test_damaged_records(void)
{
    struct fixture f;
    open_fixture(&f, false, 10 * PL_NS_PER_S, NOON);
    tick(&f, 0);
    start(&f, 0, 100, 1);
    ran(&f, 0, 0, PL_RAN_SIGNALLED, 2);
    memset(ring_at(&f, 0), 0xee, 64);
    f.seg->threads[0].head += 64;
    step(&f);
    tick(&f, 1);
    ran(&f, 0, 1, PL_RAN_SIGNALLED, 3);
    answer(&f, 0, 1, 0x10); /* what comes after is read */
    tick(&f, 0);            /* back in time: skipped with what follows it */
    ran(&f, 0, 0, PL_RAN_SIGNALLED, 9);
    tick(&f, 2);
    ran(&f, 7, 2, PL_RAN_SIGNALLED, 9); /* no such thread */
    event(&f, PL_EVENT_END, 0, 60000, 0, 0);
    finish(&f);
    expect("begin app wall at 0\n"
           "part 0..30 ticks 3\n"
           " 100 worker cpu 2: 1*none 1*10;11!+ 1*10;11!\n"
           "  lost 1 damaged\n"
           " lost 3 damaged\n"
           "end abandoned -1\n");
    close_fixture(&f);
}

static uint64_t random_state = 88172645463325252u;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    return random_state ^= random_state << 17;
}

/* Any bytes anywhere, while it runs: nothing to expect but to get through. */
static void test_hostile(void)
{
    for (int round = 0; round < 60; round++) {
        struct fixture f;
        struct pl_error err;
        open_fixture(&f, round % 4 == 3, 10 * PL_NS_PER_S, NOON);
        unsigned char *bytes = (unsigned char *)f.seg;
        for (uint32_t i = 0; i < 40; i++) {
            tick(&f, i);
            if (i % 10 == 0)
                start(&f, (uint16_t)(i / 10), 100 + i, 1);
            ran(&f, (uint16_t)(i / 10), i, PL_RAN_SIGNALLED, i);
            answer(&f, (uint16_t)(i / 10), i, 0x10 * i);
            if (i == 20)
                step(&f);
        }
        size_t from = round % 3 == 0 ? offsetof(struct pl_segment, heartbeat_ns)
                                     : offsetof(struct pl_segment, threads);
        size_t span = round % 3 == 1 ? 1024 : f.bytes - from;
        uint64_t n = round % 3 == 2 ? 30000 : 1 + next_random() % 400;
        for (; n; n--)
            bytes[from + next_random() % span] = (unsigned char)next_random();
        f.seg->thread_high = (uint32_t)next_random();
        CHECK_OK(pl_drain_step(f.drain, &err), err);
        for (size_t i = 0; i < PL_EVENT_RING_SLOTS * sizeof *f.seg->events; i++)
            ((unsigned char *)f.seg->events)[i] = (unsigned char)(next_random() % 7);
        f.seg->event_head += next_random() % PL_EVENT_RING_SLOTS;
        CHECK_OK(pl_drain_step(f.drain, &err), err);
        CHECK_OK(pl_drain_finish(f.drain, &err), err);
        close_fixture(&f);
    }
}

static void test_bad_files(void)
{
    struct fixture f;
    char path[160];
    open_fixture(&f, false, 10 * PL_NS_PER_S, NOON);
    f.seg->magic = 1;
    snprintf(path, sizeof path, "%s/short.seg", f.dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && write(fd, "x", 1) == 1);
    close(fd);
    snprintf(path, sizeof path, "%s/link.seg", f.dir);
    CHECK(symlink("/etc/passwd", path) == 0);
    snprintf(path, sizeof path, "%s/pipe.seg", f.dir);
    CHECK(mkfifo(path, 0600) == 0);
    step(&f);
    step(&f);
    finish(&f);
    expect("");
    close_fixture(&f);
}

/* A segment that is cut off under the drain's hands: what was read of it is kept. */
static void test_shrunk(void)
{
    struct fixture f;
    open_fixture(&f, false, 10 * PL_NS_PER_S, NOON);
    tick(&f, 0);
    start(&f, 0, 100, 1);
    ran(&f, 0, 0, PL_RAN_SIGNALLED, 2);
    answer(&f, 0, 0, 0x10);
    tick(&f, 1);
    step(&f);
    CHECK(truncate(f.path, 4096) == 0);
    struct pl_error err;
    CHECK_OK(pl_drain_step(f.drain, &err), err);
    CHECK_OK(pl_drain_finish(f.drain, &err), err);
    expect("begin app wall at 0\n"
           "part 0..20 ticks 2\n"
           " 100 worker cpu 1: 1*10;11!+ 1*10;11!\n"
           "end killed -1\n");
    close_fixture(&f);
}

/* ---- folders ---- */

static void test_recording_dir(void)
{
    struct pl_id id, stale_id;
    struct pl_error err;
    char dir[256], stale[256], path[300];
    struct stat st;
    CHECK_OK(pl_id_new(&stale_id, &err), err);
    CHECK_OK(pl_recording_dir_make(&stale_id, stale, sizeof stale, &err), err);
    CHECK(stat(stale, &st) == 0 && (st.st_mode & 0777) == 0700);
    uint64_t started;
    pid_t pid = dead_child(0, &started);
    waitpid(pid, NULL, 0);
    snprintf(path, sizeof path, "%s/owner", stale);
    FILE *owner = fopen(path, "we");
    if (owner) {
        fprintf(owner, "%d %lu\n", (int)pid, (unsigned long)started);
        fclose(owner);
    }
    CHECK_OK(pl_id_new(&id, &err), err);
    CHECK_OK(pl_recording_dir_make(&id, dir, sizeof dir, &err), err);
    CHECK(access(stale, F_OK) != 0, "its owner died: removed");
    pl_recording_dir_remove(dir);
    CHECK(access(dir, F_OK) != 0);
    CHECK(pl_recording_dir_make(&id, dir, 8, &err) == PL_IO, "name does not fit");
    char other[] = "/tmp/test_drain.XXXXXX"; /* open to others: not ours to remove */
    CHECK(mkdtemp(other) && chmod(other, 0755) == 0);
    pl_recording_dir_remove(other);
    CHECK(rmdir(other) == 0);
}

static void test_process_state(void)
{
    CHECK(!pl_process_gone((uint32_t)getpid(), start_of(getpid())));
    CHECK(pl_process_gone((uint32_t)getpid(), start_of(getpid()) + 1));
    uint64_t started;
    pid_t pid = dead_child(0, &started);
    siginfo_t info;
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
    CHECK(pl_process_gone((uint32_t)pid, started), "a zombie");
    waitpid(pid, NULL, 0);
    CHECK(pl_process_gone((uint32_t)pid, started));
    CHECK(pl_process_maps((uint32_t)getpid(), "libc.so"));
    CHECK(!pl_process_maps((uint32_t)getpid(), "no such file"));
}

TEST_MAIN({"merge", test_merge}, {"collisions", test_collisions}, {"late", test_late}, {"missed", test_missed},
          {"losses", test_losses}, {"walk_ends", test_walk_ends},
          {"modules", test_modules}, {"slot_reuse", test_slot_reuse},
          {"chunks", test_chunks}, {"no_seam", test_no_seam}, {"hour", test_hour},
          {"late_at_boundary", test_late_at_boundary},
          {"failing_sink", test_failing_sink}, {"cpu_mode", test_cpu_mode},
          {"death", test_death}, {"replaced", test_replaced},
          {"damaged_records", test_damaged_records}, {"hostile", test_hostile},
          {"bad_files", test_bad_files}, {"shrunk", test_shrunk},
          {"recording_dir", test_recording_dir}, {"process_state", test_process_state})
