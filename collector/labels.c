/* The order of stores here is what label_table.h promises to a signal handler that
 * interrupts them: fill, then show, then let the version move. */
#include "collector/labels.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static _Atomic(struct pl_label_table *) in_use;
static __thread struct pl_label_block *mine __attribute__((tls_model("initial-exec")));
static int forking_tid; /* between the fork handlers, which exclude each other */

static struct {
    _Atomic uint32_t begun, open;
    _Atomic uint32_t signals; /* futex */
    _Atomic bool awaited;     /* somebody sleeps until a root is begun */
    _Atomic(void (*)(void)) call;
} roots;

static struct {
    pthread_once_t once;
    pthread_key_t key;
    bool made;
} at_thread_end = {.once = PTHREAD_ONCE_INIT};

/* ---- root spans ---- */

/* The count first: who is about to sleep sees either it or the signal. */
static void root_begun(void)
{
    atomic_fetch_add(&roots.open, 1);
    atomic_fetch_add(&roots.begun, 1);
    if (atomic_load(&roots.awaited))
        pl_labels_wake();
    void (*call)(void) = atomic_load(&roots.call);
    if (call && atomic_compare_exchange_strong(&roots.call, &call, NULL))
        call();
}

/* Roots of an earlier use of the table are not counted any more. */
static void root_ended(const struct pl_label_block *block)
{
    const struct pl_label_table *table = atomic_load(&in_use);
    if (table && atomic_load(&block->epoch) == atomic_load(&table->epoch))
        atomic_fetch_sub(&roots.open, 1);
}

uint32_t pl_labels_roots_begun(void)
{
    return atomic_load(&roots.begun);
}

uint32_t pl_labels_roots_open(void)
{
    return atomic_load(&roots.open);
}

void pl_labels_on_root(void (*call)(void))
{
    atomic_store(&roots.call, call);
}

uint32_t pl_labels_signals(void)
{
    return atomic_load(&roots.signals);
}

/* Awaited first, then the count: the other side does it the other way round. */
void pl_labels_wait(uint32_t seen, int64_t timeout_ns, const uint32_t *begun)
{
    struct timespec timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    atomic_store(&roots.awaited, begun != NULL);
    if (!begun || atomic_load(&roots.begun) == *begun)
        (void)syscall(SYS_futex, &roots.signals, FUTEX_WAIT_PRIVATE, seen,
                      timeout_ns ? &timeout : NULL, NULL, 0);
    atomic_store(&roots.awaited, false);
}

void pl_labels_wake(void)
{
    int saved = errno;
    atomic_fetch_add(&roots.signals, 1);
    (void)syscall(SYS_futex, &roots.signals, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL,
                  0);
    errno = saved;
}

/* ---- blocks ---- */

static void change_begins(struct pl_label_block *block)
{
    atomic_fetch_add_explicit(&block->version, 1, memory_order_acq_rel);
}

static void change_ends(struct pl_label_block *block)
{
    atomic_fetch_add_explicit(&block->version, 1, memory_order_release);
}

/* False if it was over already: a span is ended once, by whomever. */
static bool end_entry(struct pl_label_span *entry, uint64_t id)
{
    return id && atomic_compare_exchange_strong(&entry->id, &id, 0);
}

static void end_all_spans(struct pl_label_block *block)
{
    for (uint32_t i = 0; i < PL_SPAN_DEPTH; i++) {
        struct pl_label_span *entry = &block->spans[i];
        bool root = entry->root;
        if (end_entry(entry, atomic_load(&entry->id)) && root)
            root_ended(block);
    }
}

static void clear(struct pl_label_block *block)
{
    change_begins(block);
    for (uint32_t i = 0; i < PL_LABEL_COUNT; i++)
        atomic_store_explicit(&block->labels[i].shown, 0, memory_order_relaxed);
    end_all_spans(block);
    atomic_store_explicit(&block->depth, 0, memory_order_relaxed);
    atomic_store_explicit(&block->named, 0, memory_order_relaxed);
    change_ends(block);
}

/* The thread ends: its block is the next one's. */
static void give_back(void *argument)
{
    struct pl_label_block *block = argument;
    if (block != mine || atomic_load(&block->tid) != gettid())
        return; /* of before a fork */
    struct pl_label_table *table = atomic_load(&in_use);
    mine = NULL;
    clear(block);
    atomic_store_explicit(&block->tid, 0, memory_order_release);
    if (table)
        atomic_fetch_add(&table->changes, 1);
}

static void make_key(void)
{
    at_thread_end.made = pthread_key_create(&at_thread_end.key, give_back) == 0;
}

static struct pl_label_block *find_free(struct pl_label_table *table)
{
    for (uint32_t i = 0; i < PL_LABEL_BLOCKS; i++) {
        struct pl_label_block *block = &table->blocks[i];
        int free_tid = 0;
        if (atomic_load_explicit(&block->tid, memory_order_relaxed) != 0 ||
            !atomic_compare_exchange_strong(&block->tid, &free_tid, -1))
            continue;
        uint32_t high = atomic_load(&table->high);
        while (high <= i && !atomic_compare_exchange_weak(&table->high, &high, i + 1))
            ;
        return block;
    }
    return NULL;
}

/* Once a thread, and again when the table has come into use anew. */
static struct pl_label_block *take_block(struct pl_label_table *table)
{
    bool known = mine >= table->blocks && mine < table->blocks + PL_LABEL_BLOCKS;
    int saved = errno;
    pthread_once(&at_thread_end.once, make_key);
    if (!known && at_thread_end.made) {
        mine = find_free(table);
        if (mine && pthread_setspecific(at_thread_end.key, mine) != 0) {
            atomic_store(&mine->tid, 0);
            mine = NULL;
        }
    }
    if (mine) {
        clear(mine);
        atomic_store(&mine->epoch, atomic_load(&table->epoch));
        atomic_store_explicit(&mine->tid, gettid(), memory_order_release);
        atomic_fetch_add(&table->changes, 1);
    }
    errno = saved;
    return mine;
}

static inline struct pl_label_block *my_block(void)
{
    struct pl_label_table *table = atomic_load_explicit(&in_use, memory_order_acquire);
    if (!table)
        return NULL;
    if (mine &&
        atomic_load_explicit(&mine->epoch, memory_order_relaxed) ==
            atomic_load_explicit(&table->epoch, memory_order_relaxed) &&
        mine >= table->blocks && mine < table->blocks + PL_LABEL_BLOCKS)
        return mine;
    return take_block(table);
}

void pl_labels_use(struct pl_label_table *table)
{
    struct pl_label_table *before = atomic_exchange(&in_use, NULL);
    if (before)
        atomic_fetch_add(&before->epoch, 1);
    atomic_store(&roots.open, 0);
    atomic_store(&in_use, table);
}

/* ---- labels ---- */

/* Copy as much as fits; the rest of `to` is left as it is behind the NUL. */
static void put_text(char *to, size_t size, const char *from)
{
    size_t length = strnlen(from, size - 1);
    memcpy(to, from, length);
    to[length] = '\0';
}

static struct pl_label *find_label(struct pl_label_block *block, const char *key,
                                   struct pl_label **spare)
{
    *spare = NULL;
    for (uint32_t i = 0; i < PL_LABEL_COUNT; i++) {
        struct pl_label *label = &block->labels[i];
        if (!atomic_load_explicit(&label->shown, memory_order_relaxed))
            *spare = *spare ? *spare : label;
        else if (strncmp(label->key, key, sizeof label->key - 1) == 0)
            return label;
    }
    return NULL;
}

int pl_labels_set(const char *key, const char *value)
{
    struct pl_label_block *block = my_block();
    struct pl_label *spare;
    if (!block)
        return PROFLITE_OFF;
    if (!key || !*key)
        return PROFLITE_INVALID;
    struct pl_label *label = find_label(block, key, &spare);
    if (!label && !value)
        return PROFLITE_OK;
    if (!label && !spare)
        return PROFLITE_INVALID;
    change_begins(block);
    if (!label) {
        label = spare;
        put_text(label->key, sizeof label->key, key);
    }
    uint32_t shown = 0;
    if (value) {
        shown = atomic_load_explicit(&label->shown, memory_order_relaxed) == 1 ? 2 : 1;
        put_text(label->value[shown - 1], PL_LABEL_VALUE_BYTES, value);
    }
    atomic_store_explicit(&label->shown, shown, memory_order_release);
    change_ends(block);
    return PROFLITE_OK;
}

int pl_labels_name(const char *name)
{
    struct pl_label_table *table = atomic_load(&in_use);
    struct pl_label_block *block = my_block();
    if (!block || !table)
        return PROFLITE_OFF;
    if (!name || !*name)
        return PROFLITE_INVALID;
    atomic_fetch_add(&block->named, 1);
    memset(block->name, 0, sizeof block->name);
    put_text(block->name, sizeof block->name, name);
    atomic_fetch_add(&block->named, 1);
    atomic_store(&table->renamed, 1);
    return PROFLITE_OK;
}

/* ---- spans ---- */

static uint64_t next_random(struct pl_label_block *block)
{
    if (!block->random && getrandom(&block->random, sizeof block->random, 0) !=
                              (ssize_t)sizeof block->random)
        block->random = (uint64_t)(uintptr_t)block ^ (uint64_t)clock();
    uint64_t z = block->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void make_ids(struct pl_label_block *block, struct pl_label_span *entry)
{
    uint64_t words[3];
    for (int i = 0; i < 3; i++)
        words[i] = next_random(block);
    words[2] |= 1; /* all zero means none */
    memcpy(entry->trace_id, words, sizeof entry->trace_id);
    memcpy(entry->span_id, &words[2], sizeof entry->span_id);
}

/* Spans that were ended below one that is still open stay until it ends, too. */
static uint32_t open_depth(const struct pl_label_block *block)
{
    uint32_t depth = atomic_load_explicit(&block->depth, memory_order_relaxed);
    while (depth &&
           !atomic_load_explicit(&block->spans[depth - 1].id, memory_order_relaxed))
        depth--;
    return depth;
}

proflite_span pl_labels_begin(const char *name)
{
    proflite_span span = {0};
    struct pl_label_block *block = my_block();
    const struct pl_label_table *table = atomic_load(&in_use);
    if (!block || !table)
        return span;
    uint32_t depth = open_depth(block);
    if (depth == PL_SPAN_DEPTH)
        return span;
    struct pl_label_span *entry = &block->spans[depth];
    change_begins(block);
    atomic_store_explicit(&block->depth, depth, memory_order_release);
    entry->root = depth == 0;
    if (entry->root)
        make_ids(block, entry);
    put_text(entry->name, sizeof entry->name, name ? name : "");
    span.id = ++block->next_id;
    span.place = (uint32_t)(block - table->blocks) * PL_SPAN_DEPTH + depth;
    memcpy(span.trace_id, block->spans[0].trace_id, sizeof span.trace_id);
    memcpy(span.span_id, block->spans[0].span_id, sizeof span.span_id);
    atomic_store_explicit(&entry->id, span.id, memory_order_release);
    atomic_store_explicit(&block->depth, depth + 1, memory_order_release);
    change_ends(block);
    if (depth == 0)
        root_begun();
    return span;
}

void pl_labels_end(const proflite_span *span)
{
    struct pl_label_table *table = atomic_load_explicit(&in_use, memory_order_acquire);
    if (!table || span->place >= PL_LABEL_BLOCKS * PL_SPAN_DEPTH)
        return;
    struct pl_label_block *block = &table->blocks[span->place / PL_SPAN_DEPTH];
    struct pl_label_span *entry = &block->spans[span->place % PL_SPAN_DEPTH];
    bool root = entry->root;
    if (!end_entry(entry, span->id))
        return;
    atomic_fetch_add_explicit(&block->version, 2, memory_order_release);
    if (root)
        root_ended(block);
}

/* ---- fork ---- */

void pl_labels_fork_prepare(void)
{
    forking_tid = gettid();
}

void pl_labels_fork_child(void)
{
    pl_label_table_after_fork(forking_tid);
    atomic_store(&roots.open, 0);
    atomic_store(&roots.awaited, false);
}
