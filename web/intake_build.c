/* Samples, thread by thread, into parts of at most a minute within an hour. A sample
 * weighs the time until the thread's next, the last one the thread's median of that.
 *
 * Another proflite lays samples end to end, to the ns, and ends them by one with an
 * empty stack (formats/sentry_chunk.h): that weighs nothing and is not kept. */
#include "web/intake_build.h"

#include "base/clock.h"
#include "formats/sentry_chunk.h"
#include "web/intake_frames.h"

#include <stdlib.h>
#include <string.h>

#define HOUR_NS        (3600 * PL_NS_PER_S)
#define PART_NS        (60 * PL_NS_PER_S)
#define PART_SAMPLES   200000              /* as rows of it are copied: about so many */
#define TICK_NS        PL_NS_PER_US        /* what times are stored to */
#define DEFAULT_GAP_NS (PL_NS_PER_S / 101) /* where one sample is all there is */

/* ---- what is built ---- */

struct build {
    struct pl_sent *p;
    struct pl_intake_chunk *chunk;
    bool laid; /* end to end, by a proflite */
    struct pl_segment_list segments;

    struct pl_intake_frames frames;
    int64_t *times_ns; /* of all samples, as stored */
    int64_t period_ns;
};

/* Of a sample, in the place of its time, which is in times_ns: a large chunk has a
 * million of them. */
static int64_t *weight(const struct build *b, size_t sample)
{
    return &b->p->samples[sample].at_ns;
}

static const char *text(const struct build *b, uint32_t at)
{
    return at ? pl_sent_text(b->p, at) : NULL;
}

/* ---- times and weights ---- */

static void swap(int64_t *values, size_t i, size_t j)
{
    int64_t value = values[i];
    values[i] = values[j];
    values[j] = value;
}

/* The value that sorting would put in the middle: only the part it is in is parted
 * again. Gaps that are all alike part evenly, too. */
static int64_t median(int64_t *values, size_t count)
{
    size_t low = 0, high = count, wanted = count / 2;
    while (high - low > 1) {
        int64_t pivot = values[low + (high - low - 1) / 2];
        size_t i = low, j = high - 1;
        for (;; i++, j--) {
            while (values[i] < pivot)
                i++;
            while (values[j] > pivot)
                j--;
            if (i >= j)
                break;
            swap(values, i, j);
        }
        if (wanted <= j)
            high = j + 1;
        else
            low = j + 1;
    }
    return count ? values[low] : 0;
}

static bool is_end(const struct build *b, size_t sample)
{
    return b->laid && !b->p->stacks[b->p->samples[sample].stack].count;
}

static bool is_laid(const struct build *b)
{
    const struct pl_sent *p = b->p;
    struct build laid = {.p = b->p, .laid = true};
    bool any = false;
    for (size_t i = 0; i < p->sample_count && !any; i++)
        any = !is_end(&laid, i);
    return any && p->kind == PL_SENT_CHUNK &&
           strcmp(pl_sent_text(p, p->sdk), PL_SENTRY_SDK) == 0;
}

/* Times as stored, but those of a proflite are exact as sent. */
static int64_t gap_after(const struct build *b, size_t sample)
{
    const struct pl_sent_sample *at = &b->p->samples[sample];
    return b->laid ? at[1].at_ns - at[0].at_ns
                   : b->times_ns[sample + 1] - b->times_ns[sample];
}

/* What only ended the one before goes. */
static void drop_ends(struct build *b)
{
    struct pl_sent *p = b->p;
    size_t kept = 0;
    for (size_t i = 0; i < p->sample_count; i++) {
        if (is_end(b, i)) {
            p->threads[p->samples[i].thread].samples--;
            continue;
        }
        p->samples[kept] = p->samples[i];
        b->times_ns[kept++] = b->times_ns[i];
    }
    p->sample_count = kept;
}

static size_t most_samples(const struct pl_sent *p)
{
    size_t most = 0;
    for (size_t i = 0; i < p->thread_count; i++)
        most = p->threads[i].samples > most ? p->threads[i].samples : most;
    return most;
}

/* Samples are sorted by thread and time. 0 is no weight a run can have: two samples
 * of one instant weigh a nanosecond. */
static bool build_weights(struct build *b)
{
    const struct pl_sent *p = b->p;
    size_t count = p->sample_count, gaps = 0, threads = 0;
    int64_t *scratch = malloc((most_samples(p) + 1) * sizeof *scratch);
    int64_t *medians = malloc((p->thread_count + 1) * sizeof *medians);
    b->times_ns = pl_intake_alloc(&b->chunk->memory, count, sizeof *b->times_ns);
    if (!scratch || !medians || !b->times_ns) {
        free(scratch);
        free(medians);
        return false;
    }
    for (size_t i = 0; i < count; i++)
        b->times_ns[i] = (p->samples[i].at_ns + TICK_NS - 1) / TICK_NS * TICK_NS;
    for (size_t i = 0; i < count; i++) {
        bool last = i + 1 == count || p->samples[i + 1].thread != p->samples[i].thread;
        int64_t gap = last ? 0 : gap_after(b, i);
        *weight(b, i) = gap ? gap : 1;
        if (gap && !is_end(b, i))
            scratch[gaps++] = gap;
        if (!last)
            continue;
        *weight(b, i) = median(scratch, gaps);
        if (gaps)
            medians[threads++] = *weight(b, i);
        gaps = 0;
    }
    b->period_ns = median(medians, threads);
    if (b->period_ns <= 0 || b->period_ns > PART_NS / 3)
        b->period_ns = DEFAULT_GAP_NS;
    for (size_t i = 0; i < count; i++)
        if (!*weight(b, i))
            *weight(b, i) = b->period_ns; /* alone in its thread */
    free(scratch);
    free(medians);
    if (b->laid)
        drop_ends(b);
    return true;
}

/* ---- a part ---- */

struct stretch {
    size_t first, count; /* of samples: one thread's in the part */
    uint32_t thread;     /* of the profile */
    bool own_times;
};

struct part {
    int64_t from_ns, to_ns;
    struct stretch *stretches;
    size_t stretch_count;
    int64_t *ticks_ns;
    size_t tick_count;
};

/* Threads, and where their samples of the part are. */
static bool find_stretches(struct build *b, struct part *part, size_t *total_out)
{
    const struct pl_sent *p = b->p;
    part->stretches =
        pl_intake_alloc(&b->chunk->memory, p->thread_count, sizeof *part->stretches);
    struct stretch *last = NULL;
    *total_out = 0;
    if (!part->stretches)
        return false;
    for (size_t i = 0; i < p->sample_count; i++) {
        if (b->times_ns[i] < part->from_ns || b->times_ns[i] >= part->to_ns)
            continue;
        if (!last || last->thread != p->samples[i].thread) {
            last = &part->stretches[part->stretch_count++];
            *last = (struct stretch){.first = i, .thread = p->samples[i].thread};
        } else if (b->times_ns[i] == b->times_ns[i - 1]) {
            last->own_times = true; /* two at one tick */
        }
        last->count++;
        ++*total_out;
    }
    return true;
}

/* Times of one thread, sorted, into `ticks`, sorted and without repeats. Goes backwards
 * through room behind them, as merging in place does. Returns how many there are. */
static size_t merge_ticks(int64_t *ticks, size_t count, const int64_t *times,
                          size_t more)
{
    size_t missing = 0;
    for (size_t t = 0, i = 0; i < more; i++) {
        while (t < count && ticks[t] < times[i])
            t++;
        missing +=
            (t == count || ticks[t] != times[i]) && (!i || times[i] != times[i - 1]);
    }
    const size_t all = count + missing;
    for (size_t to = all, t = count, i = more; missing; to--) {
        while (i > 1 && times[i - 1] == times[i - 2])
            i--;
        if (i && (!t || times[i - 1] >= ticks[t - 1])) {
            bool known = t && ticks[t - 1] == times[i - 1];
            ticks[to - 1] = times[--i];
            t -= known;
            missing -= !known;
        } else {
            ticks[to - 1] = ticks[--t];
        }
    }
    return all;
}

/* Ticks are shared where threads were seen at two of three of them; else each thread
 * keeps its own times, which is no more to store than the gaps would be. */
static bool find_ticks(struct build *b, struct part *part, size_t total)
{
    if (part->stretch_count == 1 && !part->stretches[0].own_times) {
        part->ticks_ns = b->times_ns + part->stretches[0].first;
        part->tick_count = total;
        return true;
    }
    int64_t *ticks = pl_intake_alloc(&b->chunk->memory, total, sizeof *ticks);
    size_t count = 0;
    bool shared = true;
    if (!ticks)
        return false;
    for (size_t s = 0; s < part->stretch_count && shared; s++) {
        const struct stretch *stretch = &part->stretches[s];
        count = merge_ticks(ticks, count, b->times_ns + stretch->first, stretch->count);
        shared = 3 * total >= 2 * count * part->stretch_count;
    }
    for (size_t s = 0; s < part->stretch_count && !shared; s++)
        part->stretches[s].own_times = true;
    if (!shared) {
        pl_intake_free_last(&b->chunk->memory);
        return true;
    }
    part->ticks_ns = ticks;
    part->tick_count = count;
    return true;
}

static struct pl_sink_run run_of(const struct build *b, size_t sample)
{
    return (struct pl_sink_run){.stack = b->p->samples[sample].stack,
                                .count = 1,
                                .on_cpu = -1,
                                .weight_ns = *weight(b, sample)};
}

/* Runs over the part's ticks: gaps where the thread was not seen. NULL: how many? */
static size_t shared_runs(const struct build *b, const struct part *part,
                          const struct stretch *s, struct pl_sink_run *runs)
{
    size_t tick = 0, count = 0;
    for (size_t i = s->first; i < s->first + s->count; i++) {
        uint32_t gap = 0;
        for (; part->ticks_ns[tick] != b->times_ns[i]; tick++)
            gap++;
        if (gap && runs)
            runs[count] = (struct pl_sink_run){.stack = PL_NO_INDEX, .count = gap};
        count += gap > 0;
        if (runs)
            runs[count] = run_of(b, i);
        count++;
        tick++;
    }
    return count;
}

static bool build_thread(struct build *b, const struct part *part,
                         const struct stretch *s, struct pl_sink_thread *thread)
{
    const struct pl_sent_thread *from = &b->p->threads[s->thread];
    size_t count = s->own_times ? s->count : shared_runs(b, part, s, NULL);
    struct pl_sink_run *runs = pl_intake_alloc(&b->chunk->memory, count, sizeof *runs);
    if (!runs)
        return false;
    *thread = (struct pl_sink_thread){.tid = from->tid,
                                      .name = pl_sent_text(b->p, from->name),
                                      .runs = runs,
                                      .run_count = count,
                                      .cpu_ns = -1};
    if (!s->own_times) {
        (void)shared_runs(b, part, s, runs);
        return true;
    }
    for (size_t i = 0; i < s->count; i++)
        runs[i] = run_of(b, s->first + i);
    thread->times_ns = b->times_ns + s->first;
    return true;
}

/* ---- labels ---- */

/* First entry of the slot at or after `at_ns`. */
static uint32_t entry_at(const struct build *b, const struct part *part,
                         const struct stretch *s, int64_t at_ns)
{
    const int64_t *times = s->own_times ? b->times_ns + s->first : part->ticks_ns;
    size_t low = 0, high = s->own_times ? s->count : part->tick_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (times[middle] < at_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return (uint32_t)low;
}

struct labels {
    struct pl_sink_label *rows;
    size_t count, cap;
};

static bool add_labels(const struct build *b, const struct part *part, uint32_t thread,
                       const struct pl_segment *segment, struct labels *labels)
{
    const struct stretch *s = &part->stretches[thread];
    uint32_t first = entry_at(b, part, s, segment->start_ns);
    uint32_t end = entry_at(b, part, s, segment->end_ns);
    const char *const values[] = {segment->name, segment->trace_id, segment->span_id};
    static const char *const keys[] = {"transaction", "trace_id", "span_id"};
    for (int i = 0; i < 3 && end > first; i++) {
        if (!values[i][0])
            continue;
        if (labels->count == labels->cap) {
            size_t cap = labels->cap ? 2 * labels->cap : 64;
            void *grown = realloc(labels->rows, cap * sizeof *labels->rows);
            if (!grown)
                return false;
            labels->rows = grown;
            labels->cap = cap;
        }
        labels->rows[labels->count++] =
            (struct pl_sink_label){thread, first, end - first, keys[i], values[i]};
    }
    return true;
}

static bool build_labels(struct build *b, const struct part *part,
                         struct pl_sink_part *to)
{
    struct labels labels = {0};
    bool ok = true;
    for (size_t i = 0; i < b->segments.count && ok; i++)
        for (uint32_t t = 0; t < part->stretch_count && ok; t++) {
            const struct pl_segment *segment = &b->segments.rows[i];
            int64_t tid = b->p->threads[part->stretches[t].thread].tid;
            if (segment->any_thread || segment->tid == tid)
                ok = add_labels(b, part, t, segment, &labels);
        }
    struct pl_sink_label *rows =
        pl_intake_alloc(&b->chunk->memory, labels.count, sizeof *rows);
    if (ok && rows && labels.count)
        memcpy(rows, labels.rows, labels.count * sizeof *rows);
    free(labels.rows);
    to->labels = rows;
    to->label_count = labels.count;
    return ok && rows;
}

/* A profile of one transaction names it itself. */
static bool own_segment(struct build *b)
{
    const struct pl_sent *p = b->p;
    if (p->kind != PL_SENT_WITH_TXN)
        return true;
    b->segments.rows = calloc(1, sizeof *b->segments.rows);
    if (!b->segments.rows)
        return false;
    b->segments.count = 1;
    struct pl_segment *segment = b->segments.rows;
    *segment = (struct pl_segment){.end_ns = INT64_MAX,
                                   .any_thread = true,
                                   .name = pl_sent_text(p, p->transaction_name),
                                   .trace_id = pl_sent_text(p, p->trace_id),
                                   .span_id = ""};
    for (size_t i = 0; i < p->thread_count; i++)
        if (p->active_thread && p->threads[i].id == p->active_thread) {
            segment->any_thread = false;
            segment->tid = p->threads[i].tid;
        }
    return true;
}

/* ---- parts ---- */

/* Threads that were named and never seen come along, for their names. */
static bool build_threads(struct build *b, const struct part *part,
                          struct pl_sink_part *to)
{
    const struct pl_sent *p = b->p;
    struct pl_sink_thread *threads = pl_intake_alloc(
        &b->chunk->memory, part->stretch_count + p->thread_count, sizeof *threads);
    if (!threads)
        return false;
    for (size_t s = 0; s < part->stretch_count; s++)
        if (!build_thread(b, part, &part->stretches[s], &threads[s]))
            return false;
    to->thread_count = part->stretch_count;
    for (size_t i = 0; i < p->thread_count; i++)
        if (!p->threads[i].samples && p->threads[i].name)
            threads[to->thread_count++] =
                (struct pl_sink_thread){.tid = p->threads[i].tid,
                                        .name = pl_sent_text(p, p->threads[i].name),
                                        .cpu_ns = -1};
    to->threads = threads;
    return true;
}

static bool build_part(struct build *b, struct part *part)
{
    struct pl_intake_chunk *chunk = b->chunk;
    struct pl_sink_part *to = &chunk->parts[chunk->part_count];
    size_t total;
    if (!find_stretches(b, part, &total) || !total)
        return total == 0 && part->stretches;
    if (!find_ticks(b, part, total))
        return false;
    int64_t first_ns = INT64_MAX, last_ns = 0;
    for (size_t s = 0; s < part->stretch_count; s++) {
        const struct stretch *stretch = &part->stretches[s];
        int64_t from_ns = b->times_ns[stretch->first];
        int64_t to_ns = b->times_ns[stretch->first + stretch->count - 1];
        first_ns = from_ns < first_ns ? from_ns : first_ns;
        last_ns = to_ns > last_ns ? to_ns : last_ns;
    }
    *to = (struct pl_sink_part){
        .project_id = chunk->session.project_id,
        .origin = &chunk->origin,
        .session_id = chunk->session.id,
        .chunk_id = b->p->id,
        .start_ns = first_ns,
        .end_ns = last_ns + b->period_ns,
        .period_ns = b->period_ns,
        .ticks_ns = part->ticks_ns,
        .tick_count = part->tick_count,
        .modules = b->frames.modules,
        .module_count = b->frames.module_count,
        .frames = b->frames.frames,
        .frame_count = b->frames.frame_count,
        .stacks = b->frames.stacks,
        .stack_count = b->p->stack_count,
    };
    chunk->part_count++;
    return build_threads(b, part, to) && build_labels(b, part, to);
}

static bool build_parts(struct build *b, int64_t first_ns, int64_t last_ns)
{
    const int64_t part_ns = PART_NS / (int64_t)(b->p->sample_count / PART_SAMPLES + 1);
    /* never more: a chunk is 66 s long, an android one as long as it says */
    size_t most =
        (size_t)((last_ns - first_ns) / part_ns + 2 + (last_ns - first_ns) / HOUR_NS);
    b->chunk->parts = pl_intake_alloc(&b->chunk->memory, most, sizeof *b->chunk->parts);
    if (!b->chunk->parts)
        return false;
    for (int64_t at_ns = first_ns; at_ns <= last_ns;) {
        struct part part = {.from_ns = at_ns, .to_ns = at_ns + part_ns};
        int64_t hour_ns = (at_ns / HOUR_NS + 1) * HOUR_NS;
        part.to_ns = part.to_ns < hour_ns ? part.to_ns : hour_ns;
        at_ns = part.to_ns;
        if (!build_part(b, &part))
            return false;
    }
    return true;
}

/* ---- the rest of a chunk ---- */

static void build_session(struct build *b, const struct pl_inbox_row *row,
                          int64_t start_ns, const char *event_id)
{
    const struct pl_sent *p = b->p;
    bool of_txn = p->kind == PL_SENT_WITH_TXN;
    b->chunk->session = (struct pl_sink_session){
        .id = of_txn ? p->id : p->profiler_id,
        .app = row->app,
        .release = text(b, p->release),
        .environment = text(b, p->environment),
        .dist = text(b, p->dist),
        .platform = text(b, p->platform),
        .mode = "wall",
        .start_ns = start_ns,
        .project_id = row->project_id,
    };
    b->chunk->origin = (struct pl_sink_origin){
        .event_id = of_txn ? event_id : NULL,
        .platform = text(b, p->platform),
        .format = pl_sent_format(p),
        .source = text(b, p->sdk),
        .received_ns = row->received_ns,
    };
}

static enum pl_status find_segments(struct build *b, struct pl_store *store,
                                    int64_t first_ns, int64_t last_ns,
                                    struct pl_error *err)
{
    char profiler[PL_ID_TEXT];
    if (b->p->kind == PL_SENT_WITH_TXN)
        return own_segment(b) ? PL_OK : pl_error_set(err, PL_NOMEM, "out of memory");
    pl_id_format(&b->p->profiler_id, profiler);
    return pl_segments(store, b->chunk->session.project_id, profiler, first_ns,
                       last_ns + 1, &b->segments, err);
}

void pl_intake_chunk_deinit(struct pl_intake_chunk *chunk)
{
    pl_intake_memory_free(chunk->memory);
    pl_segment_list_deinit(&chunk->segments);
    *chunk = (struct pl_intake_chunk){0};
}

enum pl_status pl_intake_build(struct pl_store *store, const struct pl_inbox_row *row,
                               struct pl_sent *profile, struct pl_intake_chunk *chunk,
                               struct pl_error *err)
{
    struct build b = {.p = profile, .chunk = chunk};
    b.laid = is_laid(&b);
    char *event_id = pl_intake_alloc(&chunk->memory, PL_ID_TEXT, 1);
    struct pl_intake_image *images =
        pl_intake_alloc(&chunk->memory, profile->image_count, sizeof *images);
    for (size_t i = 0; images && i < profile->image_count; i++)
        pl_intake_image(profile, &profile->images[i], &images[i]);
    bool ok = event_id && images &&
              pl_intake_frames(profile, images, &chunk->memory, &b.frames) &&
              build_weights(&b) && pl_intake_images(profile, images, chunk) &&
              pl_intake_measurements(profile, chunk);
    if (!ok)
        return pl_error_set(err, PL_NOMEM, "out of memory");
    int64_t first_ns = profile->sample_count ? INT64_MAX : profile->start_ns;
    int64_t last_ns = 0;
    for (size_t i = 0; i < profile->sample_count; i++) {
        first_ns = b.times_ns[i] < first_ns ? b.times_ns[i] : first_ns;
        last_ns = b.times_ns[i] > last_ns ? b.times_ns[i] : last_ns;
    }
    pl_id_format(&profile->id, event_id);
    build_session(&b, row, first_ns, event_id);
    if (!profile->sample_count)
        return PL_OK;
    enum pl_status status = find_segments(&b, store, first_ns, last_ns, err);
    if (status == PL_OK && !build_parts(&b, first_ns, last_ns))
        status = pl_error_set(err, PL_NOMEM, "out of memory");
    chunk->segments = b.segments;
    pl_sent_forget(profile);
    return status;
}
