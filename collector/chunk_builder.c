#include "collector/chunk_builder.h"

#include "base/hash.h"
#include "collector/grow.h"

#define MAX_LABELS (4u << 20) /* rows of one part */

const char *pl_chunk_loss_name(unsigned reason)
{
    static const char *const names[] = {
#define X(name, text) text,
        PL_LOSS_LIST(X)
#undef X
    };
    return reason < PL_LOSS_COUNT ? names[reason] : "unknown";
}

void pl_chunk_free(struct pl_chunk *chunk)
{
    if (!chunk)
        return;
    for (size_t i = 0; chunk->module_texts && i < 2 * chunk->part.module_count; i++)
        free(chunk->module_texts[i]);
    for (size_t i = 0; chunk->thread_texts && i < chunk->part.thread_count; i++) {
        free(chunk->thread_texts[i].runs);
        free(chunk->thread_texts[i].times_ns);
    }
    free(chunk->ticks_ns);
    free(chunk->modules);
    free(chunk->module_texts);
    free(chunk->frames);
    free(chunk->stacks);
    free(chunk->stack_words);
    free(chunk->threads);
    free(chunk->thread_texts);
    free(chunk->losses);
    free(chunk->labels);
    free(chunk->label_text);
    free(chunk);
}

/* The way from the timeline's ids to the part's; PL_NO_INDEX: not used. */
struct maps {
    uint32_t *stacks, *frames, *modules;
    uint32_t *frame_modules; /* of each frame used, tried again */
};

struct builder {
    const struct pl_drain_timeline *timeline;
    const struct pl_drain_modules *modules;
    struct maps maps;
    struct pl_chunk *chunk;
};

static void *take(struct builder *b, size_t count, size_t size)
{
    b->chunk->bytes += (count + 1) * size;
    return calloc(count + 1, size);
}

static uint32_t *make_map(size_t count)
{
    uint32_t *map = malloc((count + 1) * sizeof *map);
    for (size_t i = 0; map && i < count; i++)
        map[i] = PL_NO_INDEX;
    return map;
}

static bool make_maps(struct builder *b)
{
    const struct pl_stacks *s = &b->timeline->stacks;
    b->maps.stacks = make_map(s->stack_count);
    b->maps.frames = make_map(s->frame_count);
    b->maps.frame_modules = make_map(s->frame_count);
    b->maps.modules = make_map(b->modules->count + 1); /* the last: the perf map */
    return b->maps.stacks && b->maps.frames && b->maps.frame_modules && b->maps.modules;
}

static uint32_t module_of(const struct builder *b, const struct pl_stack_frame *frame)
{
    if (frame->module != PL_NO_MODULE || frame->pseudo)
        return frame->module;
    uint64_t address = frame->exact ? frame->address : frame->address - 1;
    uint32_t found = pl_drain_modules_find(b->modules, address, frame->mono_ns);
    if (found == PL_NO_MODULE && b->modules->perf_map[0])
        return (uint32_t)b->modules->count;
    return found;
}

static void use_frame(struct builder *b, uint32_t id)
{
    if (b->maps.frames[id] != PL_NO_INDEX)
        return;
    b->maps.frames[id] = (uint32_t)b->chunk->part.frame_count++;
    uint32_t module = module_of(b, &b->timeline->stacks.frames[id]);
    b->maps.frame_modules[id] = module;
    if (module != PL_NO_MODULE && b->maps.modules[module] == PL_NO_INDEX)
        b->maps.modules[module] = (uint32_t)b->chunk->part.module_count++;
}

/* Number what the runs use, and count the stacks' words. */
static size_t use_stacks(struct builder *b)
{
    const struct pl_stacks *s = &b->timeline->stacks;
    size_t words = 0;
    for (size_t i = 0; i < b->timeline->thread_count; i++) {
        const struct pl_drain_timeline_thread *thread = b->timeline->threads[i];
        for (size_t r = 0; r < thread->run_count; r++) {
            uint32_t id = thread->runs[r].stack;
            if (id == PL_NO_INDEX || b->maps.stacks[id] != PL_NO_INDEX)
                continue;
            b->maps.stacks[id] = (uint32_t)b->chunk->part.stack_count++;
            words += s->stacks[id].frame_count;
            for (uint32_t f = 0; f < s->stacks[id].frame_count; f++)
                use_frame(b, s->words[s->stacks[id].first + f]);
        }
    }
    return words;
}

static bool copy_perf_map(struct builder *b)
{
    uint32_t to = b->maps.modules[b->modules->count];
    if (to == PL_NO_INDEX)
        return true;
    char **texts = &b->chunk->module_texts[2 * to];
    texts[0] = strdup(b->modules->perf_map);
    texts[1] = calloc(1, 2 * sizeof b->modules->perf_map_id.bytes + 1);
    if (!texts[0] || !texts[1])
        return false;
    pl_hex_format(b->modules->perf_map_id.bytes, sizeof b->modules->perf_map_id.bytes,
                  texts[1]);
    b->chunk->modules[to] =
        (struct pl_sink_module){.path = texts[0], .build_id = texts[1]};
    return true;
}

static bool copy_modules(struct builder *b)
{
    struct pl_chunk *chunk = b->chunk;
    chunk->modules = take(b, chunk->part.module_count, sizeof *chunk->modules);
    chunk->module_texts =
        take(b, 2 * chunk->part.module_count, sizeof *chunk->module_texts);
    if (!chunk->modules || !chunk->module_texts)
        return false;
    for (size_t i = 0; i < b->modules->count; i++) {
        const struct pl_drain_module *module = &b->modules->list[i];
        uint32_t to = b->maps.modules[i];
        if (to == PL_NO_INDEX)
            continue;
        char **texts = &chunk->module_texts[2 * to];
        texts[0] = strdup(module->path);
        texts[1] = calloc(1, 2 * sizeof module->build_id + 1);
        if (!texts[0] || !texts[1])
            return false;
        pl_hex_format(module->build_id, module->build_id_bytes, texts[1]);
        chunk->modules[to] =
            (struct pl_sink_module){.path = texts[0], .build_id = texts[1]};
        chunk->bytes += strlen(texts[0]) + 64;
    }
    return copy_perf_map(b);
}

static struct pl_sink_frame sink_frame(const struct builder *b, uint32_t id)
{
    static const char *const pseudo[] = {NULL, "[truncated]", "[unknown caller]",
                                         "[guessed caller]"};
    const struct pl_stack_frame *frame = &b->timeline->stacks.frames[id];
    uint32_t module = b->maps.frame_modules[id];
    struct pl_sink_frame to = {
        .module = module == PL_NO_MODULE ? PL_NO_INDEX : b->maps.modules[module],
        .exact = frame->exact,
        .address = frame->address,
        .function = pseudo[frame->pseudo],
        .in_app = -1,
    };
    if (frame->module == PL_NO_MODULE && module < b->modules->count)
        to.address -= b->modules->list[module].bias; /* noticed only by now */
    if (frame->pseudo)
        to.in_app = 0;
    return to;
}

static bool copy_stacks(struct builder *b, size_t words)
{
    const struct pl_stacks *s = &b->timeline->stacks;
    struct pl_chunk *chunk = b->chunk;
    chunk->frames = take(b, chunk->part.frame_count, sizeof *chunk->frames);
    chunk->stacks = take(b, chunk->part.stack_count, sizeof *chunk->stacks);
    chunk->stack_words = take(b, words, sizeof *chunk->stack_words);
    if (!chunk->frames || !chunk->stacks || !chunk->stack_words)
        return false;
    for (uint32_t id = 0; id < s->frame_count; id++)
        if (b->maps.frames[id] != PL_NO_INDEX)
            chunk->frames[b->maps.frames[id]] = sink_frame(b, id);
    uint32_t *to = chunk->stack_words;
    for (uint32_t id = 0; id < s->stack_count; id++) {
        if (b->maps.stacks[id] == PL_NO_INDEX)
            continue;
        const struct pl_stack *from = &s->stacks[id];
        chunk->stacks[b->maps.stacks[id]] =
            (struct pl_sink_stack){from->frame_count, to};
        for (uint32_t f = 0; f < from->frame_count; f++)
            *to++ = b->maps.frames[s->words[from->first + f]];
    }
    return true;
}

/* ---- threads ---- */

static uint64_t total_lost(const struct pl_drain_timeline_thread *thread)
{
    uint64_t lost = 0;
    for (unsigned reason = 0; reason < PL_LOSS_COUNT; reason++)
        lost += thread->lost[reason];
    return lost;
}

static bool has_part(const struct pl_drain_timeline_thread *thread)
{
    return thread->run_count || thread->cpu_ns || total_lost(thread);
}

static void add_gap(struct pl_sink_thread *to, struct pl_sink_run *runs, uint64_t count)
{
    if (count)
        runs[to->run_count++] =
            (struct pl_sink_run){PL_NO_INDEX, (uint32_t)count, -1, 0};
}

static bool copy_runs(struct builder *b, const struct pl_drain_timeline_thread *thread,
                      struct pl_sink_thread *to, struct pl_chunk_thread *text)
{
    const struct pl_window *window = b->timeline->windows;
    text->runs = take(b, thread->run_count + 2, sizeof *text->runs);
    if (!text->runs)
        return false;
    uint64_t covered = 0;
    if (!b->timeline->cpu_mode && thread->start_tick > window->base)
        covered = thread->start_tick - window->base;
    if (covered > window->count)
        covered = window->count;
    add_gap(to, text->runs, covered);
    for (size_t i = 0; i < thread->run_count; i++) {
        struct pl_sink_run run = thread->runs[i];
        covered += run.count;
        if (run.stack == PL_NO_INDEX) {
            run.on_cpu = -1;
        } else {
            run.stack = b->maps.stacks[run.stack];
            b->chunk->samples += run.count;
        }
        text->runs[to->run_count++] = run;
    }
    if (!b->timeline->cpu_mode && covered < window->count)
        add_gap(to, text->runs, window->count - covered);
    to->runs = text->runs;
    return true;
}

static bool copy_thread(struct builder *b,
                        const struct pl_drain_timeline_thread *thread)
{
    struct pl_chunk *chunk = b->chunk;
    uint32_t index = (uint32_t)chunk->part.thread_count++;
    struct pl_sink_thread *to = &chunk->threads[index];
    struct pl_chunk_thread *text = &chunk->thread_texts[index];
    memcpy(text->name, thread->name, sizeof text->name);
    *to = (struct pl_sink_thread){
        .tid = thread->tid,
        .name = text->name,
        .cpu_ns = thread->cpu_known ? thread->cpu_ns : -1,
    };
    if (b->timeline->cpu_mode) {
        text->times_ns = take(b, thread->time_count, sizeof *text->times_ns);
        if (!text->times_ns)
            return false;
        if (thread->time_count)
            memcpy(text->times_ns, thread->times,
                   thread->time_count * sizeof *text->times_ns);
        to->times_ns = text->times_ns;
    }
    for (unsigned reason = 0; reason < PL_LOSS_COUNT; reason++) {
        if (!thread->lost[reason])
            continue;
        chunk->losses[chunk->part.loss_count++] = (struct pl_sink_loss){
            index, pl_chunk_loss_name(reason), thread->lost[reason]};
        chunk->lost += thread->lost[reason];
    }
    return copy_runs(b, thread, to, text);
}

static bool copy_threads(struct builder *b, const uint64_t *lost)
{
    struct pl_chunk *chunk = b->chunk;
    size_t count = 0;
    for (size_t i = 0; i < b->timeline->thread_count; i++)
        count += has_part(b->timeline->threads[i]);
    chunk->threads = take(b, count, sizeof *chunk->threads);
    chunk->thread_texts = take(b, count, sizeof *chunk->thread_texts);
    chunk->losses = take(b, (count + 1) * PL_LOSS_COUNT, sizeof *chunk->losses);
    if (!chunk->threads || !chunk->thread_texts || !chunk->losses)
        return false;
    for (size_t i = 0; i < b->timeline->thread_count; i++)
        if (has_part(b->timeline->threads[i]) &&
            !copy_thread(b, b->timeline->threads[i]))
            return false;
    for (unsigned reason = 0; reason < PL_LOSS_COUNT; reason++) {
        uint64_t n = lost[reason];
        if (reason == PL_LOSS_DAMAGED)
            n += b->timeline->damaged;
        if (n)
            chunk->losses[chunk->part.loss_count++] =
                (struct pl_sink_loss){PL_NO_INDEX, pl_chunk_loss_name(reason), n};
        chunk->lost += n;
    }
    return true;
}

/* ---- labels ---- */

/* A label that stays while others change is one row: its last row by pair. */
struct label_rows {
    size_t *last; /* of each pair: row + 1; 0 none */
    size_t capacity;
};

static bool add_label(struct builder *b, struct label_rows *rows, uint32_t thread,
                      uint32_t pair, const struct pl_label_run *run)
{
    struct pl_chunk *chunk = b->chunk;
    struct pl_sink_label *last =
        rows->last[pair] ? &chunk->labels[rows->last[pair] - 1] : NULL;
    if (last && last->thread == thread &&
        last->first_tick + last->count == run->first) {
        last->count += run->count;
        return true;
    }
    if (!pl_grow(&chunk->labels, &rows->capacity, chunk->part.label_count + 1,
                 sizeof *chunk->labels, MAX_LABELS))
        return false;
    struct pl_sink_label row = {
        .thread = thread, .first_tick = run->first, .count = run->count};
    pl_label_pair(&b->timeline->labels, pair, &row.key, &row.value);
    chunk->labels[chunk->part.label_count++] = row;
    rows->last[pair] = chunk->part.label_count;
    return true;
}

static bool add_labels(struct builder *b, struct label_rows *rows,
                       const struct pl_drain_timeline_thread *thread, uint32_t index)
{
    for (size_t r = 0; r < thread->label_run_count; r++) {
        const uint32_t *pairs;
        size_t count =
            pl_label_set_pairs(&b->timeline->labels, thread->label_runs[r].set, &pairs);
        for (size_t i = 0; i < count; i++)
            if (!add_label(b, rows, index, pairs[i], &thread->label_runs[r]))
                return false;
    }
    return true;
}

/* The rows point into the timeline's text, which goes: into a copy instead. */
static bool copy_label_text(struct builder *b)
{
    const struct pl_blobs *pairs = &b->timeline->labels.pairs;
    struct pl_chunk *chunk = b->chunk;
    chunk->label_text = take(b, pairs->text_bytes, 1);
    if (!chunk->label_text)
        return false;
    if (pairs->text_bytes)
        memcpy(chunk->label_text, pairs->text, pairs->text_bytes);
    for (size_t i = 0; i < chunk->part.label_count; i++) {
        struct pl_sink_label *row = &chunk->labels[i];
        row->key = chunk->label_text + (row->key - (const char *)pairs->text);
        row->value = chunk->label_text + (row->value - (const char *)pairs->text);
    }
    return true;
}

static bool copy_labels(struct builder *b)
{
    const struct pl_drain_timeline *t = b->timeline;
    struct label_rows rows = {.last =
                                  calloc(t->labels.pairs.count + 1, sizeof(size_t))};
    bool ok = rows.last;
    uint32_t index = 0;
    for (size_t i = 0; ok && i < t->thread_count; i++)
        if (has_part(t->threads[i]))
            ok = add_labels(b, &rows, t->threads[i], index++);
    free(rows.last);
    b->chunk->bytes += b->chunk->part.label_count * sizeof *b->chunk->labels;
    return ok && copy_label_text(b);
}

/* ---- time ---- */

static bool copy_ticks(struct builder *b)
{
    const struct pl_window *window = b->timeline->windows;
    struct pl_chunk *chunk = b->chunk;
    chunk->ticks_ns = take(b, window->count, sizeof *chunk->ticks_ns);
    if (!chunk->ticks_ns)
        return false;
    for (size_t i = 0; i < window->count; i++) {
        int64_t time = window->times[i];
        chunk->ticks_ns[i] = time == PL_TICK_EVENT_FULL_NS ? INT64_MIN : time;
    }
    chunk->part.ticks_ns = chunk->ticks_ns;
    chunk->part.tick_count = window->count;
    chunk->part.start_ns = window->times[0];
    chunk->part.end_ns = window->times[window->count - 1] + b->timeline->period_ns;
    return true;
}

static void find_times(struct builder *b)
{
    struct pl_sink_part *part = &b->chunk->part;
    int64_t first = INT64_MAX, last = INT64_MIN;
    for (size_t i = 0; i < b->timeline->thread_count; i++) {
        const struct pl_drain_timeline_thread *thread = b->timeline->threads[i];
        if (!thread->time_count)
            continue;
        if (thread->times[0] < first)
            first = thread->times[0];
        if (thread->times[thread->time_count - 1] > last)
            last = thread->times[thread->time_count - 1];
    }
    if (first > last)
        first = last = b->timeline->windows->start_ns;
    part->start_ns = first;
    part->end_ns = last + b->timeline->period_ns;
}

static bool build(struct builder *b, const uint64_t *lost)
{
    const struct pl_window *window = b->timeline->windows;
    struct pl_sink_part *part = &b->chunk->part;
    if (!make_maps(b))
        return false;
    size_t words = use_stacks(b);
    if (!copy_modules(b) || !copy_stacks(b, words) || !copy_threads(b, lost) ||
        !copy_labels(b))
        return false;
    if (b->timeline->cpu_mode)
        find_times(b);
    else if (!copy_ticks(b))
        return false;
    if (part->end_ns > window->limit_ns)
        part->end_ns = window->limit_ns;
    if (window->next && !b->timeline->cpu_mode && /* whose first tick may come early */
        part->end_ns > window->next->start_ns)
        part->end_ns = window->next->start_ns;
    part->period_ns = b->timeline->period_ns;
    part->modules = b->chunk->modules;
    part->frames = b->chunk->frames;
    part->stacks = b->chunk->stacks;
    part->threads = b->chunk->threads;
    part->losses = b->chunk->losses;
    part->labels = b->chunk->labels;
    return true;
}

/* The same for the same window of a session, whoever builds it: what was put before
 * its builder died is known again. The form is that of a random id. */
static void name_chunk(const struct pl_id *session_id, int64_t start_ns,
                       struct pl_id *id_out)
{
    uint64_t words[2] = {0};
    uint64_t hash = pl_hash_mix(UINT64_C(0x5f0a1c3e), (uint64_t)start_ns);
    hash = pl_hash_mix(hash, pl_hash_bytes(session_id->bytes, PL_ID_BYTES));
    memcpy(words, session_id->bytes, sizeof words);
    words[0] = pl_hash_mix(pl_hash_mix(hash, words[0]), words[1]);
    words[1] = pl_hash_mix(pl_hash_mix(words[0], words[1]), (uint64_t)start_ns);
    memcpy(id_out->bytes, words, PL_ID_BYTES);
    id_out->bytes[6] = (unsigned char)((id_out->bytes[6] & 0x0f) | 0x40);
    id_out->bytes[8] = (unsigned char)((id_out->bytes[8] & 0x3f) | 0x80);
}

enum pl_status pl_chunk_build(const struct pl_drain_timeline *timeline,
                              const struct pl_drain_modules *modules,
                              const uint64_t lost[static PL_LOSS_COUNT],
                              const struct pl_id *session_id,
                              struct pl_chunk **chunk_out, struct pl_error *err)
{
    enum pl_status status = PL_OK;
    struct builder b = {.timeline = timeline, .modules = modules};
    *chunk_out = NULL;
    b.chunk = calloc(1, sizeof *b.chunk);
    if (!b.chunk || !build(&b, lost)) {
        status = pl_error_set(err, PL_NOMEM, "out of memory for a chunk");
        goto out;
    }
    b.chunk->part.session_id = *session_id;
    name_chunk(session_id, timeline->windows->start_ns, &b.chunk->part.chunk_id);
    if (b.chunk->part.thread_count || b.chunk->part.loss_count) {
        *chunk_out = b.chunk;
        b.chunk = NULL;
    }
out:
    pl_chunk_free(b.chunk);
    free(b.maps.stacks);
    free(b.maps.frames);
    free(b.maps.modules);
    free(b.maps.frame_modules);
    return status;
}
