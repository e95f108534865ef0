#include "collector/codemap.h"

#include "base/hash.h"
#include "collector/procmaps.h"
#include "collector/rowmap.h"
#include "collector/sys.h"
#include "collector/vclock.h"

#include <time.h>

/* One reading of /proc/self/maps goes through take_map(), which gathers
 * consecutive mappings of one file into a group; a group that begins with an ELF
 * header and holds code is a module. Executable ranges are kept as they come, so
 * they are sorted.
 *
 * Modules that are gone keep their entry (and their rows) for when the same file is
 * loaded again. Tables are re-used too, but never one that is current, or that a
 * handler says it is using, or that was retired a moment ago. */

#define BUFFER_BYTES   (32u * 1024)
#define MAX_RANGES     8192u
#define MAX_PENDING    64u
#define TABLES         8u
#define MAX_HOLE       (UINT64_C(1) << 30) /* between segments of one file */
#define NO_MODULE      UINT32_MAX
#define IN_GROUP       (UINT32_MAX - 1)
#define FIRST_GAP_NS   INT64_C(1000000)
#define LONGEST_GAP_NS INT64_C(2000000000)
#define RETIRED_FOR_NS INT64_C(100000000)
#define ASKED_SHARE    100 /* reading takes at most one part in so many of a core, */
#define CREDIT_NS      INT64_C(10000000) /* but a program may load many at once */
#define LOOK_SHARE     1000

struct module {
    uint64_t start, end, device, inode;
    struct pl_maps_elf elf;
    const struct pl_rows_header *rows;
    uint32_t log; /* index in the segment's log, NO_MODULE if it was full */
    bool live, seen;
};

struct range {
    uint64_t start, end;
    uint32_t module;
};

struct group {
    uint64_t start, end, device, inode;
    bool open, has_head, has_code;
    uint32_t first_range;
    char path[1024];
};

struct pl_codemap {
    struct pl_state *state;
    const char *dir;
    uint64_t main_address;
    int tid; /* a thread that lives as long as the map: the sampler */
    int64_t next_read_ns, next_look_ns, gap_ns;
    bool suspected;                 /* a thread has run since the mappings were read */
    int64_t credit_ns, credited_ns; /* what reading may still take; as of when */
    uint32_t rows_generation, version;
    uint32_t module_count, range_count, pending_count;
    uint64_t ranges_hash; /* of all ranges */
    bool changed;         /* since the last table was published */
    bool log_changed, stale;
    uint64_t guard_end; /* of the last mapping that nobody may access */
    struct group group;
    int64_t retired_ns[TABLES];
    uint16_t pending[MAX_PENDING]; /* slots whose stack bounds are looked for */
    struct module modules[PL_SEG_MAX_MODULES];
    struct range ranges[MAX_RANGES];
    char buffer[BUFFER_BYTES];
};

static int64_t mono_ns(void)
{
    return pl_vclock_ns(CLOCK_MONOTONIC);
}

static bool same_text(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

static uint32_t text_length(const char *text)
{
    uint32_t length = 0;
    while (text[length])
        length++;
    return length;
}

#define TABLE_BYTES                                                                    \
    ((sizeof(struct pl_code_table) + MAX_RANGES * sizeof(struct pl_code_range) + 63) & \
     ~(size_t)63)

/* The tables follow the struct; their memory is only touched as far as it is used. */
static struct pl_code_table *table_at(const struct pl_codemap *map, uint32_t i)
{
    size_t at = (sizeof *map + 63) & ~(size_t)63;
    return (struct pl_code_table *)((uintptr_t)map + at + i * TABLE_BYTES);
}

uint64_t pl_codemap_bytes(void)
{
    return sizeof(struct pl_codemap) + 64 + TABLES * TABLE_BYTES;
}

struct pl_codemap *pl_codemap_init(void *memory, struct pl_state *state,
                                   const char *dir, uint64_t main_address)
{
    struct pl_codemap *map = memory;
    map->state = state;
    map->dir = dir;
    map->main_address = main_address;
    map->gap_ns = FIRST_GAP_NS;
    map->credit_ns = CREDIT_NS;
    map->stale = true;
    atomic_store(&state->code, table_at(map, 0));
    return map;
}

void pl_codemap_set_tid(struct pl_codemap *map, int tid)
{
    map->tid = tid;
}

uint32_t pl_codemap_version(const struct pl_codemap *map)
{
    return map->version;
}

/* ---- rows ---- */

static void open_rows(struct pl_codemap *map, struct module *module)
{
    struct pl_rows_identity id = {.build_id = module->elf.build_id,
                                  .build_id_bytes = module->elf.build_id_bytes,
                                  .inode = module->inode};
    if (module->log == NO_MODULE)
        return;
    id.path =
        map->state->segment->paths + map->state->segment->modules[module->log].path;
    module->rows = pl_rowmap_open(map->dir, &id);
    if (module->rows)
        map->changed = true;
}

/* ---- the segment's module log ---- */

static uint32_t put_path(struct pl_segment *segment, const char *path)
{
    uint32_t count = atomic_load_explicit(&segment->module_count, memory_order_relaxed);
    for (uint32_t i = 0; i < count; i++) {
        if (same_text(segment->paths + segment->modules[i].path, path))
            return segment->modules[i].path;
    }
    uint32_t used = atomic_load_explicit(&segment->paths_used, memory_order_relaxed);
    uint32_t bytes = text_length(path) + 1;
    if (bytes > PL_SEG_PATHS_BYTES - used)
        return NO_MODULE;
    pl_copy(segment->paths + used, path, bytes);
    atomic_store_explicit(&segment->paths_used, used + bytes, memory_order_release);
    return used;
}

static uint32_t log_module(struct pl_codemap *map, const struct module *module,
                           const char *path, int64_t now_ns)
{
    struct pl_segment *segment = map->state->segment;
    uint32_t index = atomic_load_explicit(&segment->module_count, memory_order_relaxed);
    uint32_t path_at = index < PL_SEG_MAX_MODULES ? put_path(segment, path) : NO_MODULE;
    if (path_at == NO_MODULE)
        return NO_MODULE;
    struct pl_seg_module *entry = &segment->modules[index];
    entry->start = module->start;
    entry->end = module->end;
    entry->bias = module->elf.bias;
    entry->from_ns = now_ns;
    entry->path = path_at;
    entry->build_id_bytes = module->elf.build_id_bytes;
    pl_copy(entry->build_id, module->elf.build_id, sizeof entry->build_id);
    if (same_text(path, "[vdso]"))
        entry->flags |= PL_MODULE_VDSO;
    if (map->main_address >= module->start && map->main_address < module->end)
        entry->flags |= PL_MODULE_MAIN;
    atomic_store_explicit(&segment->module_count, index + 1, memory_order_release);
    map->log_changed = true;
    return index;
}

/* ---- mappings to modules ---- */

static struct module *find_module(struct pl_codemap *map, const struct group *group)
{
    for (uint32_t i = 0; i < map->module_count; i++) {
        struct module *module = &map->modules[i];
        if (module->live && module->start == group->start &&
            module->end == group->end && module->inode == group->inode &&
            module->device == group->device)
            return module;
    }
    return NULL;
}

static bool same_build(const struct pl_maps_elf *a, const struct pl_maps_elf *b)
{
    if (a->build_id_bytes != b->build_id_bytes)
        return false;
    for (unsigned i = 0; i < a->build_id_bytes; i++) {
        if (a->build_id[i] != b->build_id[i])
            return false;
    }
    return true;
}

/* An entry for a module not seen before: that of the same file when it was loaded
 * some time ago, else a new one. */
static struct module *new_module(struct pl_codemap *map, const struct group *group,
                                 const struct pl_maps_elf *elf)
{
    struct module *module = NULL, *unused = NULL;
    for (uint32_t i = 0; i < map->module_count && !module; i++) {
        struct module *old = &map->modules[i];
        if (old->live || old->seen)
            continue;
        if (old->inode == group->inode && old->device == group->device &&
            elf->build_id_bytes && same_build(&old->elf, elf))
            module = old;
        else if (!old->rows)
            unused = old;
    }
    if (!module)
        module = unused;
    if (!module && map->module_count < PL_SEG_MAX_MODULES)
        module = &map->modules[map->module_count++];
    if (!module)
        return NULL;
    module->start = group->start;
    module->end = group->end;
    module->device = group->device;
    module->inode = group->inode;
    module->elf = *elf;
    module->live = true;
    map->changed = true;
    return module;
}

static void close_group(struct pl_codemap *map)
{
    struct group *group = &map->group;
    struct pl_maps_elf elf;
    uint32_t found = NO_MODULE;
    if (group->open && group->has_head && group->has_code) {
        struct module *module = find_module(map, group);
        if (!module && pl_maps_read_elf(map->tid, group->start, &elf)) {
            module = new_module(map, group, &elf);
            if (module) {
                module->log = log_module(map, module, group->path, mono_ns());
                if (!module->rows)
                    open_rows(map, module);
            }
        }
        if (module) {
            module->seen = true;
            found = (uint32_t)(module - map->modules);
        }
    }
    for (uint32_t i = group->first_range; group->open && i < map->range_count; i++) {
        if (map->ranges[i].module == IN_GROUP)
            map->ranges[i].module = found;
    }
    group->open = false;
}

static void open_group(struct pl_codemap *map, const struct pl_map *at)
{
    struct group *group = &map->group;
    group->open = true;
    group->start = at->start;
    group->end = at->end;
    group->device = at->device;
    group->inode = at->inode;
    group->has_head = at->offset == 0;
    group->has_code = false;
    group->first_range = map->range_count;
    pl_copy(group->path, at->path, sizeof group->path);
}

/* Far away it is something else, such as functions that V8 copies to its own. */
static bool continues_group(const struct group *group, const struct pl_map *at)
{
    return group->open && at->inode && group->inode == at->inode &&
           group->device == at->device && at->start - group->end < MAX_HOLE &&
           (at->offset || (at->start == group->end && !group->has_code));
}

/* Bounds of stacks: the main thread's is named; another's holds the block libc keeps
 * at the end of it, so what lies below that block, down to the guard, is its stack
 * and stays mapped while the thread lives. Without a guard the mapping may go on into
 * something else, which may be unmapped: such a stack is only read by the kernel. */
static void take_stack(struct pl_codemap *map, const struct pl_map *at)
{
    bool main_stack = same_text(at->path, "[stack]");
    for (uint32_t i = 0; i < map->pending_count; i++) {
        struct pl_slot *slot = &map->state->slots[map->pending[i]];
        struct pl_seg_thread *shared = &map->state->segment->threads[map->pending[i]];
        uint64_t tcb =
            atomic_load_explicit(&slot->tcb, memory_order_relaxed) & ~UINT64_C(7);
        bool is_main = slot->tid == map->state->pid;
        if (is_main ? !main_stack : !(tcb > at->start && tcb < at->end))
            continue;
        bool bounded = is_main || map->guard_end == at->start;
        uint64_t start = bounded ? at->start : 0;
        uint64_t end = is_main ? at->end : bounded ? tcb : 0;
        atomic_store_explicit(&slot->stack_hi, end, memory_order_relaxed);
        atomic_store_explicit(&slot->stack_lo, start, memory_order_release);
        shared->stack_lo = start;
        shared->stack_hi = end;
    }
}

static bool take_map(void *context, const struct pl_map *at)
{
    struct pl_codemap *map = context;
    if ((at->access & (PL_MAP_READ | PL_MAP_WRITE)) == (PL_MAP_READ | PL_MAP_WRITE))
        take_stack(map, at);
    if (!(at->access & (PL_MAP_READ | PL_MAP_WRITE | PL_MAP_EXEC)))
        map->guard_end = at->end;
    bool vdso = same_text(at->path, "[vdso]");
    if (at->inode || vdso) {
        if (continues_group(&map->group, at)) {
            map->group.end = at->end;
        } else {
            close_group(map);
            open_group(map, at);
        }
    }
    if (!(at->access & PL_MAP_EXEC) || map->range_count == MAX_RANGES)
        return true;
    bool in_group = map->group.open && (at->inode || vdso);
    map->ranges_hash = pl_hash_mix(pl_hash_mix(map->ranges_hash, at->start), at->end);
    map->ranges[map->range_count++] =
        (struct range){at->start, at->end, in_group ? IN_GROUP : NO_MODULE};
    map->group.has_code |= in_group;
    return true;
}

/* Main stacks are looked at again every time: they grow. */
static void find_pending(struct pl_codemap *map)
{
    struct pl_state *state = map->state;
    uint32_t high =
        atomic_load_explicit(&state->segment->thread_high, memory_order_relaxed);
    map->pending_count = 0;
    for (uint32_t i = 0; i < high && map->pending_count < MAX_PENDING; i++) {
        struct pl_slot *slot = &state->slots[i];
        if (slot->live &&
            (slot->tid == state->pid ||
             (atomic_load(&slot->stack_lo) == PL_NO_BOUNDS && atomic_load(&slot->tcb))))
            map->pending[map->pending_count++] = (uint16_t)i;
    }
}

static void forget_unseen(struct pl_codemap *map, int64_t now_ns)
{
    for (uint32_t i = 0; i < map->module_count; i++) {
        struct module *module = &map->modules[i];
        if (module->live && !module->seen) {
            module->live = false;
            map->changed = true;
            if (module->log != NO_MODULE) {
                atomic_store_explicit(&map->state->segment->modules[module->log].to_ns,
                                      now_ns, memory_order_release);
                map->log_changed = true;
            }
        }
    }
}

static void read_maps(struct pl_codemap *map, int64_t now_ns)
{
    uint64_t ranges_hash = map->ranges_hash;
    for (uint32_t i = 0; i < map->module_count; i++)
        map->modules[i].seen = false;
    find_pending(map);
    map->range_count = 0;
    map->ranges_hash = 0;
    map->guard_end = 0;
    map->group.open = false;
    int result = pl_maps_read(map->buffer, sizeof map->buffer, take_map, map);
    close_group(map);
    if (result == 0)
        forget_unseen(map, now_ns);
    if (map->ranges_hash != ranges_hash)
        map->changed = true;
}

/* ---- publishing ---- */

/* A handler makes its slot busy, reads which table is current, then says so. */
static bool in_use(struct pl_codemap *map, const struct pl_code_table *table)
{
    uint32_t high = atomic_load(&map->state->segment->thread_high);
    for (uint32_t i = 0; i < high; i++) {
        const struct pl_slot *slot = &map->state->slots[i];
        if (!atomic_load(&slot->busy))
            continue;
        const struct pl_code_table *using = atomic_load(&slot->using);
        if (!using || using == table)
            return true;
    }
    return false;
}

static uint32_t spare_table(struct pl_codemap *map, int64_t now_ns)
{
    const struct pl_code_table *current = atomic_load(&map->state->code);
    for (uint32_t i = 0; i < TABLES; i++) {
        const struct pl_code_table *table = table_at(map, i);
        if (table != current && now_ns - map->retired_ns[i] >= RETIRED_FOR_NS &&
            !in_use(map, table))
            return i;
    }
    return TABLES;
}

static void fill_range(const struct pl_codemap *map, const struct range *from,
                       struct pl_code_range *to)
{
    *to = (struct pl_code_range){.start = from->start, .end = from->end};
    if (from->module == NO_MODULE)
        return;
    const struct module *module = &map->modules[from->module];
    to->in_module = true;
    if (module->rows) {
        to->base = module->elf.bias + module->rows->base;
        to->page = (const void *)(module->rows + 1);
        to->page_count = module->rows->page_count;
        to->rows = (const void *)(to->page + module->rows->page_count + 1);
        to->wide = (const void *)(to->rows + module->rows->row_count);
        to->wide_count = module->rows->wide_count;
    }
}

static bool publish(struct pl_codemap *map, int64_t now_ns)
{
    uint32_t spare = spare_table(map, now_ns);
    if (spare == TABLES)
        return false;
    struct pl_code_table *table = table_at(map, spare);
    table->version = ++map->version;
    table->count = map->range_count;
    for (uint32_t i = 0; i < map->range_count; i++)
        fill_range(map, &map->ranges[i], &table->ranges[i]);
    const struct pl_code_table *old = atomic_exchange(&map->state->code, table);
    for (uint32_t i = 0; i < TABLES; i++) {
        if (old == table_at(map, i))
            map->retired_ns[i] = now_ns;
    }
    return true;
}

static void look_for_rows(struct pl_codemap *map)
{
    uint32_t generation = atomic_load_explicit(&map->state->segment->rows_generation,
                                               memory_order_acquire);
    if (generation == map->rows_generation)
        return;
    map->rows_generation = generation;
    for (uint32_t i = 0; i < map->module_count; i++) {
        if (map->modules[i].live && !map->modules[i].rows)
            open_rows(map, &map->modules[i]);
    }
}

static int64_t at_least(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void pl_codemap_suspect(struct pl_codemap *map)
{
    map->suspected = true;
}

static void earn(struct pl_codemap *map, int64_t now_ns)
{
    if (map->credited_ns)
        map->credit_ns += (now_ns - map->credited_ns) / ASKED_SHARE;
    if (map->credit_ns > CREDIT_NS)
        map->credit_ns = CREDIT_NS;
    map->credited_ns = now_ns;
}

bool pl_codemap_refresh(struct pl_codemap *map, int64_t now_ns, bool force)
{
    map->log_changed = false;
    if (atomic_exchange_explicit(&map->state->segment->maps_stale, 0,
                                 memory_order_relaxed))
        map->stale = true;
    earn(map, now_ns);
    bool asked = map->stale && map->credit_ns > 0 && now_ns >= map->next_read_ns;
    bool due = map->suspected && now_ns >= map->next_look_ns;
    if (force || asked || due) {
        map->stale = map->suspected = false;
        int64_t cost_ns = mono_ns();
        read_maps(map, now_ns);
        atomic_store_explicit(&map->state->segment->maps_read_ns, now_ns,
                              memory_order_release);
        cost_ns = mono_ns() - cost_ns;
        /* Code made at run time asks again and again in vain: look less often. So
         * too where there are very many mappings. */
        map->gap_ns = map->log_changed ? FIRST_GAP_NS : map->gap_ns * (asked ? 2 : 1);
        if (map->gap_ns > LONGEST_GAP_NS)
            map->gap_ns = LONGEST_GAP_NS;
        map->credit_ns -= cost_ns;
        map->next_read_ns = now_ns + map->gap_ns;
        map->next_look_ns = now_ns + at_least(LONGEST_GAP_NS, cost_ns * LOOK_SHARE);
    }
    look_for_rows(map);
    if (map->changed && publish(map, now_ns))
        map->changed = false;
    return map->log_changed;
}
