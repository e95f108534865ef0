#include "collector/label_table.h"

#include "collector/sys.h"

#include <sys/mman.h>

#define TRIES 3

_Atomic(struct pl_label_table *) pl_label_table_current;

struct pl_label_table *pl_label_table_make(void)
{
    struct pl_label_table *table = atomic_load(&pl_label_table_current), *none = NULL;
    if (table)
        return table;
    long address = pl_sys6(SYS_mmap, 0, sizeof *table, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (address < 0 && address > -4096)
        return NULL;
    table = (struct pl_label_table *)(uintptr_t)address;
    table->magic = PL_LABEL_TABLE_MAGIC;
    atomic_store(&table->epoch, 1);
    if (atomic_compare_exchange_strong(&pl_label_table_current, &none, table))
        return table;
    pl_sys3(SYS_munmap, address, sizeof *table, 0);
    return none;
}

/* ---- reading ---- */

/* 0: the thread has none. */
static uint32_t version_of(const struct pl_label_block *block, int tid)
{
    const struct pl_label_table *table =
        atomic_load_explicit(&pl_label_table_current, memory_order_acquire);
    if (!block || !table ||
        atomic_load_explicit(&block->tid, memory_order_acquire) != tid ||
        atomic_load_explicit(&block->epoch, memory_order_relaxed) !=
            atomic_load_explicit(&table->epoch, memory_order_relaxed))
        return 0;
    return atomic_load_explicit(&block->version, memory_order_acquire);
}

bool pl_label_changed(const struct pl_label_block *block, int tid,
                      const struct pl_label_stream *told)
{
    return version_of(block, tid) != told->version;
}

struct text {
    uint8_t *at;
    uint32_t bytes, pairs;
};

static uint32_t length_of(const char *text, uint32_t size)
{
    uint32_t length = 0;
    while (length < size - 1 && text[length])
        length++;
    return length;
}

/* What does not fit any more is left out. */
static void add_pair(struct text *text, const char *key, const char *value,
                     uint32_t value_size)
{
    uint32_t key_bytes = length_of(key, PL_LABEL_KEY_BYTES);
    uint32_t value_bytes = length_of(value, value_size);
    if (text->bytes + key_bytes + value_bytes + 2 > PL_LABELS_BYTES)
        return;
    uint8_t *at = text->at + text->bytes;
    pl_copy(at, key, key_bytes);
    at[key_bytes] = '\0';
    pl_copy(at + key_bytes + 1, value, value_bytes);
    at[key_bytes + 1 + value_bytes] = '\0';
    text->bytes += key_bytes + value_bytes + 2;
    text->pairs++;
}

static char *add_hex(char *at, const uint8_t *bytes, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        *at++ = "0123456789abcdef"[bytes[i] >> 4];
        *at++ = "0123456789abcdef"[bytes[i] & 15];
    }
    return at;
}

static void add_root(struct text *text, const struct pl_label_span *span)
{
    char trace[2 * (16 + 8) + 2];
    char *at = add_hex(trace, span->trace_id, 16);
    *at++ = '-';
    at = add_hex(at, span->span_id, 8);
    *at = '\0';
    add_pair(text, "transaction", span->name, sizeof span->name);
    add_pair(text, "trace", trace, sizeof trace);
}

static void add_all(struct text *text, const struct pl_label_block *block)
{
    uint32_t depth = atomic_load_explicit(&block->depth, memory_order_acquire);
    for (uint32_t i = 0; i < PL_LABEL_COUNT; i++) {
        const struct pl_label *label = &block->labels[i];
        uint32_t shown = atomic_load_explicit(&label->shown, memory_order_acquire);
        if (shown)
            add_pair(text, label->key, label->value[(shown - 1) & 1],
                     PL_LABEL_VALUE_BYTES);
    }
    for (uint32_t i = 0; i < depth && i < PL_SPAN_DEPTH; i++) {
        const struct pl_label_span *span = &block->spans[i];
        if (!atomic_load_explicit(&span->id, memory_order_acquire))
            continue;
        if (span->root)
            add_root(text, span);
        add_pair(text, "span", span->name, sizeof span->name);
    }
}

uint32_t pl_label_put(const struct pl_label_block *block, int tid, bool foreign,
                      const struct pl_rec *rec, uint8_t *to,
                      struct pl_label_stream *told)
{
    struct text text = {.at = to + sizeof *rec};
    uint32_t version;
    int tries = 0;
    do {
        if (tries++ == TRIES)
            return 0;
        text.bytes = text.pairs = 0;
        version = version_of(block, tid);
        if (version)
            add_all(&text, block);
        atomic_thread_fence(memory_order_acquire);
    } while (foreign && (version & 1 || version_of(block, tid) != version));
    bool any = told->any;
    *told = (struct pl_label_stream){version, text.pairs != 0};
    if (!text.pairs && !any)
        return 0;
    struct pl_rec labels = *rec;
    labels.kind = PL_REC_LABELS;
    labels.pc_count = (uint16_t)text.pairs;
    labels.stack_bytes = (uint16_t)text.bytes;
    labels.bytes = (uint32_t)sizeof labels + ((text.bytes + 7) & ~7u);
    pl_copy(to, &labels, sizeof labels);
    return labels.bytes;
}

bool pl_label_name(const struct pl_label_block *block, int tid,
                   char name[static PL_THREAD_NAME_BYTES])
{
    if (!version_of(block, tid))
        return false;
    uint32_t named = atomic_load_explicit(&block->named, memory_order_acquire);
    if (!named || named & 1)
        return false;
    pl_copy(name, block->name, PL_THREAD_NAME_BYTES);
    name[PL_THREAD_NAME_BYTES - 1] = '\0';
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&block->named, memory_order_relaxed) == named;
}

/* ---- fork ---- */

static void drop_spans(struct pl_label_block *block)
{
    for (uint32_t i = 0; i < PL_SPAN_DEPTH; i++)
        atomic_store_explicit(&block->spans[i].id, 0, memory_order_relaxed);
    atomic_store_explicit(&block->depth, 0, memory_order_relaxed);
    block->random = 0; /* no id of the parent's again */
    atomic_fetch_add(&block->version, 2);
}

void pl_label_table_after_fork(int parent_tid)
{
    struct pl_label_table *table = atomic_load(&pl_label_table_current);
    int tid = (int)pl_sys3(SYS_gettid, 0, 0, 0);
    uint32_t high = table ? atomic_load(&table->high) : 0;
    for (uint32_t i = 0; i < high && i < PL_LABEL_BLOCKS; i++) {
        struct pl_label_block *block = &table->blocks[i];
        int owner = atomic_load(&block->tid);
        drop_spans(block);
        atomic_store(&block->tid, owner == parent_tid || owner == tid ? tid : 0);
    }
}
