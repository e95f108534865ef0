#include "collector/drain_modules.h"

#include "collector/grow.h"

static _Atomic uint64_t last_version;

static char *copy_path(const struct pl_segment *seg, uint32_t offset)
{
    if (offset >= PL_SEG_PATHS_BYTES)
        return strdup("");
    return strndup(seg->paths + offset, PL_SEG_PATHS_BYTES - offset);
}

static bool add(struct pl_drain_modules *modules, const struct pl_segment *seg)
{
    const struct pl_seg_module *from = &seg->modules[modules->count];
    if (!pl_grow(&modules->list, &modules->capacity, modules->count + 1,
                 sizeof *modules->list, PL_SEG_MAX_MODULES))
        return false;
    struct pl_drain_module *to = &modules->list[modules->count];
    *to = (struct pl_drain_module){
        .start = from->start,
        .end = from->end,
        .bias = from->bias,
        .from_ns = from->from_ns,
        .path = copy_path(seg, from->path),
        .build_id_bytes = from->build_id_bytes,
        .flags = from->flags,
    };
    if (!to->path)
        return false;
    if (to->build_id_bytes > sizeof to->build_id)
        to->build_id_bytes = 0;
    memcpy(to->build_id, from->build_id, to->build_id_bytes);
    if (to->end < to->start)
        to->end = to->start;
    modules->count++;
    return true;
}

bool pl_drain_modules_refresh(struct pl_drain_modules *modules,
                              const struct pl_segment *seg)
{
    uint32_t there = atomic_load_explicit(&seg->module_count, memory_order_acquire);
    if (there > PL_SEG_MAX_MODULES)
        there = PL_SEG_MAX_MODULES;
    bool changed = false;
    while (modules->count < there && add(modules, seg))
        changed = true;
    for (size_t i = 0; i < modules->count; i++) {
        int64_t to_ns =
            atomic_load_explicit(&seg->modules[i].to_ns, memory_order_relaxed);
        changed |= to_ns != modules->list[i].to_ns;
        modules->list[i].to_ns = to_ns;
    }
    if (changed)
        modules->version = atomic_fetch_add(&last_version, 1) + 1;
    return changed;
}

void pl_drain_modules_deinit(struct pl_drain_modules *modules)
{
    for (size_t i = 0; i < modules->count; i++)
        free(modules->list[i].path);
    free(modules->list);
    *modules = (struct pl_drain_modules){.list = NULL};
}

uint32_t pl_drain_modules_find(const struct pl_drain_modules *modules, uint64_t address,
                               int64_t mono_ns)
{
    uint32_t then = PL_NO_MODULE, later = PL_NO_MODULE;
    for (uint32_t i = 0; i < modules->count; i++) {
        const struct pl_drain_module *m = &modules->list[i];
        if (address < m->start || address >= m->end)
            continue;
        if (m->to_ns && m->to_ns < mono_ns)
            continue;
        if (m->from_ns <= mono_ns)
            then = i; /* the log's order: the newest wins */
        else if (later == PL_NO_MODULE)
            later = i;
    }
    return then != PL_NO_MODULE ? then : later;
}
