/* The crash ledger: a drain is killed at any instant, another goes on from its journal
 * and the segment, and the sink ends up with what an undisturbed drain gives it, to
 * the byte. The salvager is killed, too. Then journals that make no sense. */
#include "tests/drain_support.h"

#include "collector/journal_wire.h"
#include "collector/salvage.h"

#include <dirent.h>
#include <sys/prctl.h>
#include <time.h>

#define TICKS      70
#define CHUNK_NS   (200 * PL_NS_PER_MS)
#define MAX_PUTS   64
#define UNTOUCHED  (-1) /* a drain that is not killed */
#define ASIDE_FILE "refused.journal"

/* ---- a store, as far as it matters: each call happens or does not ---- */

struct committed {
    size_t text_len, puts;
    bool begun, ended;
};

static struct ledger {
    _Atomic unsigned active; /* of `at`: one store makes a call happen */
    struct committed at[2];
    struct {
        struct pl_id chunk;
        int64_t start_ns;
    } put[MAX_PUTS];
} * ledger;

static struct committed *begin_call(void)
{
    unsigned active = atomic_load(&ledger->active);
    ledger->at[1 - active] = ledger->at[active];
    text_len = ledger->at[active].text_len;
    return &ledger->at[1 - active];
}

static void commit_call(struct committed *next)
{
    next->text_len = text_len;
    atomic_store(&ledger->active, 1 - atomic_load(&ledger->active));
}

static enum pl_status store_begin(void *self, const struct pl_sink_session *session,
                                  struct pl_error *err)
{
    struct committed *next = begin_call();
    if (next->begun)
        return PL_OK;
    next->begun = true;
    enum pl_status status = on_begin(self, session, err);
    commit_call(next);
    return status;
}

static enum pl_status store_put(void *self, const struct pl_sink_part *part,
                                struct pl_error *err)
{
    struct committed *next = begin_call();
    for (size_t i = 0; i < next->puts; i++)
        if (ledger->put[i].start_ns == part->start_ns &&
            memcmp(&ledger->put[i].chunk, &part->chunk_id, sizeof part->chunk_id) == 0)
            return PL_OK;
    CHECK(next->puts < MAX_PUTS);
    ledger->put[next->puts].chunk = part->chunk_id;
    ledger->put[next->puts++].start_ns = part->start_ns;
    enum pl_status status = on_put(self, part, err);
    commit_call(next);
    return status;
}

static enum pl_status store_end(void *self, const struct pl_id *id, int64_t end_ns,
                                enum pl_session_state state, int exit_status,
                                struct pl_error *err)
{
    struct committed *next = begin_call();
    if (next->ended)
        return PL_OK;
    next->ended = true;
    enum pl_status status = on_end(self, id, end_ns, state, exit_status, err);
    commit_call(next);
    return status;
}

static const struct pl_chunk_sink store = {
    .session_begin = store_begin, .put = store_put, .session_end = store_end};

static void clear_store(void)
{
    clear_text();
    if (!ledger)
        ledger = mmap(NULL, sizeof *ledger, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(ledger != MAP_FAILED);
    memset(ledger, 0, sizeof *ledger);
}

static const char *stored_text(void)
{
    text[ledger->at[atomic_load(&ledger->active)].text_len] = '\0';
    return text;
}

/* ---- a place ---- */

struct place {
    struct fixture f;
    char home[48], db[128], journals[160];
    struct {
        _Atomic int opened; /* the drain has its folder, by which it is found */
        _Atomic int over;   /* the program is done */
    } * told;               /* shared */
};

static void open_place(struct place *p, bool cpu_mode)
{
    memset(p, 0, sizeof *p);
    clear_store();
    origin_ns = 1700000000 * PL_NS_PER_S;
    p->f.mono_ns = pl_clock_mono_ns() - 5 * PL_NS_PER_S;
    snprintf(p->home, sizeof p->home, "/tmp/test_journal.XXXXXX");
    CHECK(mkdtemp(p->home) != NULL);
    snprintf(p->f.dir, sizeof p->f.dir, "%s/shm", p->home);
    snprintf(p->db, sizeof p->db, "%s/x.db", p->home);
    snprintf(p->journals, sizeof p->journals, "%s-journal.d", p->db);
    CHECK(mkdir(p->f.dir, 0700) == 0);
    int fd = open(p->db, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && close(fd) == 0);
    write_segment(&p->f, "a.seg", getpid(), cpu_mode);
    p->told =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(p->told != MAP_FAILED);
}

static void close_place(struct place *p)
{
    munmap(p->f.seg, p->f.bytes);
    munmap(p->told, 4096);
    pl_recording_dir_remove(p->f.dir);
    CHECK(access(p->f.dir, F_OK) != 0, "%s is left", p->f.dir);
    CHECK(access(p->journals, F_OK) != 0, "%s is left", p->journals);
    unlink(p->db);
    CHECK(rmdir(p->home) == 0, "%s is left", p->home);
}

static void pause_us(long us)
{
    nanosleep(&(struct timespec){0, us * 1000}, NULL);
}

static uint64_t random_state = 88172645463325252u;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* ---- what the program does: the same each time ---- */

static void wall_thread(struct fixture *f, uint16_t slot, uint32_t t)
{
    uint64_t at = 16 * ((t * 3 + slot) % 9);
    switch ((t * 7 + slot * 3) % 6) {
    case 0:
    case 1: /* some with a caller that was guessed */
        answer(f, slot, t, t % 5 ? at : PL_PC_GUESSED - CODE);
        ran(f, slot, t, PL_RAN_SIGNALLED, t * 2);
        break;
    case 2:
        quiet(f, slot, t, at);
        ran(f, slot, t, PL_RAN_QUIET, t * 2);
        break;
    case 3:
        ran(f, slot, t, PL_RAN_SAME, t * 2);
        break;
    case 4: /* its ring was full */
        if (t % 5 == 0) {
            f->seg->threads[slot].lost[PL_LOSS_RING_FULL]++;
            ran(f, slot, t, PL_RAN_SIGNALLED, t * 2);
        }
        break;
    default: /* stays where it was */
        break;
    }
}

static void wall_tick(struct fixture *f, uint32_t t)
{
    if (t == 30 || t == 31) /* missed */
        return;
    tick(f, t);
    if (t == 0)
        start(f, 0, 100, 0);
    if (t == 5)
        start(f, 1, 101, 3);
    if (t == 45)
        start(f, 2, 102, 0);
    wall_thread(f, 0, t);
    if (t >= 5 && t < 40)
        wall_thread(f, 1, t);
    if (t == 40)
        end(f, 1, 90);
    if (t >= 45)
        wall_thread(f, 2, t);
    if (t == 3)
        f->seg->lost[PL_LOSS_NO_SLOT] += 3;
    publish(f);
}

static void cpu_tick(struct fixture *f, uint32_t t)
{
    tick(f, t);
    if (t == 0)
        start(f, 0, 100, 0);
    ran(f, 0, t, PL_RAN_SIGNALLED, t);
    publish(f);
    if (t % 3)
        answer(f, 0, t, 16 * (t % 7));
    if (t % 10 == 9)
        f->seg->threads[0].lost[PL_LOSS_RING_FULL] += 2;
}

/* ---- those who are killed ---- */

static struct pl_drain_options options_of(const struct place *p)
{
    return (struct pl_drain_options){
        .dir = p->f.dir, .app = "app", .db = p->db, .chunk_ns = CHUNK_NS};
}

static _Noreturn void drain_in_child(const struct place *p)
{
    struct pl_drain *drain = NULL;
    struct pl_error err;
    const struct pl_drain_options options = options_of(p);
    enum pl_status status = pl_drain_open(&options, &store, &drain, &err);
    p->told->opened = 1;
    if (status != PL_OK)
        _exit(1);
    while (!p->told->over) {
        if (pl_drain_step(drain, &err) != PL_OK)
            _exit(2);
        pause_us(50);
    }
    if (pl_drain_finish(drain, &err) != PL_OK)
        _exit(3);
    pl_drain_close(drain);
    _exit(0);
}

static pid_t start_drain(const struct place *p)
{
    pid_t pid = fork();
    if (pid == 0)
        drain_in_child(p);
    while (!p->told->opened)
        pause_us(100);
    return pid;
}

static void kill_and_wait(pid_t pid)
{
    kill(pid, SIGKILL);
    CHECK(waitpid(pid, NULL, 0) == pid);
}

/* Salvagers, killed after a while that grows until one comes to its end. */
static void salvage_under_fire(const struct place *p)
{
    int status = -1;
    for (long us = 100; status != 0; us = us * 3 / 2) {
        pid_t pid = fork();
        if (pid == 0) {
            struct pl_salvage_result found;
            struct pl_error err;
            _exit(pl_salvage_into(p->db, &store, &found, &err) != PL_OK);
        }
        pause_us(us < 200000 ? us : 200000);
        kill(pid, SIGKILL);
        CHECK(waitpid(pid, &status, 0) == pid);
    }
}

/* The whole story; what the store has in the end is copied to `out`. */
static void run(struct place *p, bool cpu_mode, int kill_at, long kill_us, char *out)
{
    open_place(p, cpu_mode);
    pid_t pid = start_drain(p);
    pause_us(2000);
    for (int t = 0; t < TICKS; t++) {
        (cpu_mode ? cpu_tick : wall_tick)(&p->f, (uint32_t)t);
        pause_us(t == kill_at ? kill_us : 20);
        if (t == kill_at)
            kill_and_wait(pid);
    }
    if (kill_at == UNTOUCHED) {
        int status;
        p->told->over = 1;
        CHECK(waitpid(pid, &status, 0) == pid && status == 0, "status %x", status);
    } else {
        salvage_under_fire(p);
    }
    snprintf(out, TEXT_BYTES, "%s", stored_text());
    close_place(p);
}

/* Where a CPU-mode part ends depends on when its drain looked: only what the parts say
 * together is the same. */
static void merge_parts(char *stored)
{
    static char merged[TEXT_BYTES];
    unsigned long lost = 0, count;
    size_t len = 0;
    merged[0] = '\0';
    for (char *line = strtok(stored, "\n"); line; line = strtok(NULL, "\n")) {
        const char *runs = strstr(line, ": ");
        if (sscanf(line, "  lost %lu", &count) == 1)
            lost += count;
        else if (runs)
            len += (size_t)snprintf(merged + len, sizeof merged - len, "%s", runs + 1);
    }
    snprintf(stored, TEXT_BYTES, "%.100000s lost %lu\n", merged, lost);
}

static void check_kills(bool cpu_mode, int runs)
{
    static char wanted[TEXT_BYTES], got[TEXT_BYTES];
    struct place p;
    run(&p, cpu_mode, UNTOUCHED, 0, wanted);
    CHECK(strstr(wanted, "end abandoned") && strstr(wanted, "part"), "%s", wanted);
    if (cpu_mode)
        merge_parts(wanted);
    for (int i = 0; i < runs; i++) {
        int at = (int)(next_random() % TICKS);
        long us = (long)(next_random() % 400);
        run(&p, cpu_mode, at, us, got);
        if (cpu_mode)
            merge_parts(got);
        CHECK(strcmp(got, wanted) == 0, "killed %ld us after tick %d\n%s--- wanted\n%s",
              us, at, got, wanted);
    }
}

static void test_killed_anywhere(void)
{
    check_kills(false, 40);
}

static void test_killed_in_cpu_mode(void)
{
    check_kills(true, 20);
}

/* ---- two at once, and who is alive ---- */

static pid_t leave_journal(struct place *p)
{
    open_place(p, false);
    pid_t pid = start_drain(p);
    for (uint32_t t = 0; t < TICKS; t++) {
        wall_tick(&p->f, t);
        pause_us(100);
    }
    while (p->f.seg->event_tail != p->f.events)
        pause_us(100);
    return pid;
}

static void test_alive(void)
{
    struct place p;
    struct pl_salvage_result found;
    struct pl_error err;
    int status;
    pid_t pid = leave_journal(&p);
    CHECK_OK(pl_salvage_into(p.db, &store, &found, &err), err);
    CHECK(!found.recorders, "it is at work");
    p.told->over = 1;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    close_place(&p);
}

static void test_two_salvagers(void)
{
    struct place p;
    kill_and_wait(leave_journal(&p));
    pid_t pids[4];
    int salvaged = 0;
    for (size_t i = 0; i < 4; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            struct pl_salvage_result found;
            struct pl_error err;
            _exit(pl_salvage_into(p.db, &store, &found, &err) == PL_OK
                      ? (int)found.recorders
                      : 9);
        }
    }
    for (size_t i = 0; i < 4; i++) {
        int status;
        CHECK(waitpid(pids[i], &status, 0) == pids[i] && WIFEXITED(status));
        CHECK(WEXITSTATUS(status) <= 1);
        salvaged += WEXITSTATUS(status);
    }
    CHECK(salvaged == 1, "%d", salvaged);
    CHECK(ledger->at[ledger->active].ended);
    close_place(&p);
}

/* The machine started anew: no segment, another clock. */
static void test_segment_gone(void)
{
    struct place p;
    struct pl_salvage_result found;
    struct pl_error err;
    kill_and_wait(leave_journal(&p));
    unlink(p.f.path);
    CHECK_OK(pl_salvage_into(p.db, &store, &found, &err), err);
    CHECK(found.sessions == 1 && ledger->at[ledger->active].puts == 4);
    close_place(&p);
}

static void test_failing_store(void)
{
    struct place p;
    struct pl_salvage_result found;
    struct pl_error err;
    kill_and_wait(leave_journal(&p));
    fail_puts = 1;
    size_t before = ledger->at[ledger->active].puts;
    ledger->at[ledger->active].puts = MAX_PUTS; /* so that none is known */
    ledger->at[ledger->active].puts = before;
    CHECK(pl_salvage_into(p.db, &store, &found, &err) == PL_BUSY);
    CHECK(access(p.journals, F_OK) == 0, "kept");
    fail_puts = 0;
    CHECK_OK(pl_salvage_into(p.db, &store, &found, &err), err);
    CHECK(found.recorders == 1 && ledger->at[ledger->active].ended);
    close_place(&p);
}

/* ---- journals that make no sense ---- */

static bool find_journal(const struct place *p, char path[512])
{
    bool found = false;
    DIR *outer = opendir(p->journals);
    struct dirent *entry;
    while (outer && !found && (entry = readdir(outer))) {
        char inner[300];
        snprintf(inner, sizeof inner, "%s/%.120s", p->journals, entry->d_name);
        DIR *dir = entry->d_name[0] == '.' ? NULL : opendir(inner);
        while (dir && !found && (entry = readdir(dir)))
            if (entry->d_name[0] != '.' && strstr(entry->d_name, ".journal")) {
                snprintf(path, 512, "%s/%.180s", inner, entry->d_name);
                found = true;
            }
        if (dir)
            closedir(dir);
    }
    if (outer)
        closedir(outer);
    return found;
}

static size_t read_journal(const struct place *p, unsigned char *bytes, size_t size)
{
    char path[512];
    CHECK(find_journal(p, path));
    FILE *file = fopen(path, "re");
    size_t got = file ? fread(bytes, 1, size, file) : 0;
    if (file)
        fclose(file);
    return got;
}

static void write_journal(const char *path, const unsigned char *bytes, size_t size)
{
    FILE *file = fopen(path, "we");
    CHECK(file && fwrite(bytes, 1, size, file) == size);
    if (file)
        fclose(file);
}

/* Make the hashes right again, so that what is in the batches is looked at. */
static void seal_batches(unsigned char *bytes, size_t size)
{
    struct pl_journal_head head;
    memcpy(&head, bytes, sizeof head);
    for (size_t at = sizeof head; size - at >= sizeof(struct pl_journal_batch);) {
        struct pl_journal_batch batch;
        memcpy(&batch, bytes + at, sizeof batch);
        if (batch.bytes > size - at - sizeof batch)
            return;
        batch.hash =
            pl_journal_hash(head.nonce, at, bytes + at + sizeof batch, batch.bytes);
        memcpy(bytes + at, &batch, sizeof batch);
        at += sizeof batch + batch.bytes;
    }
}

static void test_torn(void)
{
    static unsigned char bytes[1 << 20];
    struct place p;
    char path[512];
    kill_and_wait(leave_journal(&p));
    size_t size = read_journal(&p, bytes, sizeof bytes / 2);
    struct pl_journal_batch torn = {.bytes = 64}; /* the last one was being written */
    CHECK(size > 500 && find_journal(&p, path));
    memcpy(bytes + size, &torn, sizeof torn);
    write_journal(path, bytes, size + sizeof torn + 40);
    struct pl_salvage_result found;
    struct pl_error err;
    unlink(p.f.path);
    CHECK_OK(pl_salvage_into(p.db, &store, &found, &err), err);
    CHECK(found.sessions == 1 && ledger->at[ledger->active].puts >= 3);
    CHECK(!found.refused);
    close_place(&p);
}

static void test_refused(void)
{
    struct place p;
    char path[512], aside[300];
    struct pl_salvage_result found;
    struct pl_error err;
    kill_and_wait(leave_journal(&p));
    CHECK(find_journal(&p, path));
    write_journal(path, (const unsigned char *)"not a journal", 13);
    unlink(p.f.path);
    CHECK_OK(pl_salvage_into(p.db, &store, &found, &err), err);
    CHECK(found.refused == 1 && !found.sessions);
    snprintf(aside, sizeof aside, "%s/" ASIDE_FILE, p.journals);
    CHECK(unlink(aside) == 0 && rmdir(p.journals) == 0);
    close_place(&p);
}

static enum pl_status drop_part(void *self, const struct pl_sink_part *part,
                                struct pl_error *err)
{
    (void)self, (void)err;
    check_part(part);
    return PL_OK;
}

/* Whatever the bytes say: no crash, no hang, and parts that a sink can take. */
static void test_hostile(void)
{
    static unsigned char bytes[1 << 20], mutant[1 << 20];
    const struct pl_chunk_sink sieve = {
        .session_begin = on_begin, .put = drop_part, .session_end = on_end};
    struct place p;
    char path[512], folder[512], owner[600], aside[300];
    static char owner_text[65536];
    kill_and_wait(leave_journal(&p));
    size_t size = read_journal(&p, bytes, sizeof bytes);
    CHECK(find_journal(&p, path));
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    snprintf(owner, sizeof owner, "%s/owner", folder);
    snprintf(aside, sizeof aside, "%s/" ASIDE_FILE, p.journals);
    FILE *file = fopen(owner, "re");
    size_t owner_size = file ? fread(owner_text, 1, sizeof owner_text, file) : 0;
    if (file)
        fclose(file);
    unlink(p.f.path);
    for (int i = 0; i < 1000; i++) {
        struct pl_salvage_result found;
        struct pl_error err;
        memcpy(mutant, bytes, size);
        for (uint64_t n = 1 + next_random() % 4; n; n--) {
            size_t at = sizeof(struct pl_journal_head) +
                        next_random() % (size - sizeof(struct pl_journal_head));
            mutant[at] = (unsigned char)(next_random() % 3 ? next_random() : 0xff);
        }
        if (i % 8)
            seal_batches(mutant, size);
        clear_text();
        (void)mkdir(p.journals, 0700);
        CHECK(mkdir(folder, 0700) == 0 || i == 0);
        write_journal(owner, (const unsigned char *)owner_text, owner_size);
        write_journal(path, mutant, size);
        CHECK_OK(pl_salvage_into(p.db, &sieve, &found, &err), err);
        CHECK(access(folder, F_OK) != 0, "dealt with");
    }
    unlink(aside);
    (void)rmdir(p.journals);
    close_place(&p);
}

/* ---- segments that make no sense, or are cut at any instant ---- */

static void write_file(const char *path, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    if (fd >= 0)
        close(fd);
}

/* Cuts the file off and makes it whole again, until it is killed. */
static pid_t start_cutter(const char *path, const void *bytes, size_t size)
{
    pid_t pid = fork();
    if (pid == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (pid == 0) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
            continue;
        (void)!ftruncate(fd, (off_t)(next_random() % size));
        (void)!pwrite(fd, bytes, size, 0);
        close(fd);
    }
    return pid;
}

static void test_cut_segment(void)
{
    static unsigned char journal[1 << 20], segment[4 << 20], mutant[4 << 20];
    static char owner_text[65536];
    const struct pl_chunk_sink sieve = {
        .session_begin = on_begin, .put = drop_part, .session_end = on_end};
    struct place p;
    char path[512], folder[512], owner[600];
    kill_and_wait(leave_journal(&p));
    size_t size = read_journal(&p, journal, sizeof journal), bytes = p.f.bytes;
    CHECK(find_journal(&p, path) && bytes <= sizeof segment);
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    snprintf(owner, sizeof owner, "%s/owner", folder);
    int fd = open(owner, O_RDONLY | O_CLOEXEC);
    ssize_t owner_size = read(fd, owner_text, sizeof owner_text);
    close(fd);
    p.f.seg->events[p.f.events % PL_EVENT_RING_SLOTS] =
        (struct pl_event){PL_EVENT_TICK, 0, 0, TICKS, (uint64_t)at_tick(&p.f, TICKS)};
    p.f.seg->event_head = ++p.f.events; /* something the journal does not have */
    memcpy(segment, p.f.seg, bytes);
    pid_t cutter = start_cutter(p.f.path, segment, bytes);
    for (int i = 0; i < 80; i++) {
        struct pl_salvage_result found;
        struct pl_error err;
        memcpy(mutant, segment, bytes);
        for (uint64_t n = i % 3 ? 0 : 1 + next_random() % 2000; n; n--)
            mutant[sizeof(uint64_t) + next_random() % (bytes - sizeof(uint64_t))] =
                (unsigned char)next_random();
        clear_text();
        (void)mkdir(p.f.dir, 0700);
        (void)mkdir(p.journals, 0700);
        (void)mkdir(folder, 0700);
        write_file(p.f.path, mutant, bytes);
        write_file(path, journal, size);
        write_file(owner, owner_text, (size_t)owner_size);
        (void)!pl_salvage_into(p.db, &sieve, &found, &err); /* and lives */
        CHECK(found.recorders == 1 && strstr(text, "end "), "%d: %s", i, text);
    }
    kill_and_wait(cutter);
    close_place(&p);
}

TEST_MAIN({"killed_anywhere", test_killed_anywhere},
          {"killed_in_cpu_mode", test_killed_in_cpu_mode}, {"alive", test_alive},
          {"two_salvagers", test_two_salvagers}, {"segment_gone", test_segment_gone},
          {"failing_store", test_failing_store}, {"torn", test_torn},
          {"refused", test_refused}, {"hostile", test_hostile},
          {"cut_segment", test_cut_segment})
