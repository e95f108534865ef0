/* The documented format of Android's method tracing:
 *
 *   *version\n3\nclock=dual\n...*threads\nTID\tNAME\n...
 *   *methods\n0xID\tCLASS\tMETHOD\tSIGNATURE\tFILE[\tLINE]\n...*end\n
 *   "SLOW" version:16 header_bytes:16 start_us:64 [record_bytes:16] ...
 *   ( thread:16 method|action:32 delta_us:32 [wall_delta_us:32] )*
 *
 * little-endian; action 0 enters, 1 and 2 leave. Times count from the start; of the
 * two of a dual clock the wall's is taken. Each event of a thread changes its stack,
 * and the stack it leaves is a sample. Frames are "class.method" with the signature
 * as it came, for deobfuscation. */
#include "formats/android_trace.h"

#include "base/hash.h"
#include "formats/decimal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC      UINT32_C(0x574f4c53) /* "SLOW" */
#define DEPTH_MOST 1000
#define NAME_MOST  1300 /* bytes of a class, a method or a signature */
#define EMPTY      UINT32_MAX

static const char bad_trace[] = "profiling_invalid_sampled_profile";
static const char too_large[] = "profiling_exceed_size_limit";

/* A stack that occurred: its leaf, and the stack below. */
struct node {
    uint32_t parent, frame; /* parent EMPTY: none */
    uint32_t stack;         /* of the profile + 1; 0: not made yet */
};

struct thread_state {
    uint32_t thread; /* of the profile */
    uint32_t node;   /* EMPTY: nothing runs */
    uint32_t sample; /* its last one + 1 */
    int depth;
};

struct method {
    uint32_t id, frame;
};

struct trace {
    struct pl_sent *p;
    const unsigned char *at, *end;
    struct method *methods; /* sorted by id once all are read */
    size_t method_count, method_cap;
    struct thread_state *states;
    size_t state_count, state_cap;
    uint16_t *state_of; /* tid -> state + 1 */
    struct node *nodes;
    size_t node_count, node_cap;
    uint32_t *table; /* hash -> node + 1 */
    size_t table_size;
    uint32_t empty_stack; /* + 1 */
};

#define GROW(t, array, count, cap)                                                     \
    grow((t)->p, (void **)&(t)->array, (t)->count, &(t)->cap, sizeof *(t)->array)
#define GROW_SENT(p, array, count, cap)                                                \
    grow(p, (void **)&(p)->array, (p)->count, &(p)->cap, sizeof *(p)->array)

static bool grow(struct pl_sent *p, void **array, size_t count, size_t *cap,
                 size_t size)
{
    return pl_budget_grow(&p->budget, array, count, cap, size);
}

/* ---- base64 ---- */

static int digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* In place: what comes out is shorter. */
static bool decode_base64(char *text, size_t *len)
{
    uint32_t bits = 0;
    int count = 0;
    size_t in = *len, out = 0;
    for (int padding = 0; in && padding < 2 && text[in - 1] == '='; padding++)
        in--;
    if (in % 4 == 1)
        return false;
    for (size_t i = 0; i < in; i++) {
        int value = digit(text[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        count += 6;
        if (count >= 8) {
            count -= 8;
            text[out++] = (char)(unsigned char)(bits >> count);
        }
    }
    *len = out;
    return true;
}

/* ---- text ---- */

/* The next line, without its end; NULL at the end of the data. */
static const char *next_line(struct trace *t, size_t *len_out)
{
    const unsigned char *from = t->at;
    const unsigned char *newline =
        from < t->end ? memchr(from, '\n', (size_t)(t->end - from)) : NULL;
    if (!newline)
        return NULL;
    t->at = newline + 1;
    *len_out = (size_t)(newline - from);
    return (const char *)from;
}

/* Up to the next tab, or the end; moves on behind it. */
static const char *next_field(const char **at, const char *end, size_t *len_out)
{
    const char *from = *at;
    const char *tab = from < end ? memchr(from, '\t', (size_t)(end - from)) : NULL;
    *len_out = (size_t)((tab ? tab : end) - from);
    *at = tab ? tab + 1 : end;
    return from;
}

static bool read_thread(struct trace *t, const char *line, const char *end)
{
    size_t id_len, name_len;
    const char *id = next_field(&line, end, &id_len);
    const char *name = next_field(&line, end, &name_len);
    uint32_t thread = pl_sent_thread(t->p, id, id_len);
    if (thread == UINT32_MAX)
        return false;
    t->p->threads[thread].name = pl_strings_add(&t->p->strings, name, name_len);
    return true;
}

static bool add_method(struct trace *t, uint32_t id, const struct pl_sent_frame *frame)
{
    if (!GROW_SENT(t->p, frames, frame_count, frame_cap) ||
        !GROW(t, methods, method_count, method_cap))
        return false;
    t->methods[t->method_count++] = (struct method){id, (uint32_t)t->p->frame_count};
    t->p->frames[t->p->frame_count++] = *frame;
    return true;
}

static bool read_method(struct trace *t, const char *line, const char *end)
{
    const char *fields[6];
    size_t lens[6];
    char name[4096];
    uint64_t id, number;
    for (int i = 0; i < 6; i++)
        fields[i] = next_field(&line, end, &lens[i]);
    if (!pl_decimal_u64(fields[0], lens[0], true, &id) || id > UINT32_MAX)
        return false;
    for (int i = 1; i < 4; i++)
        lens[i] = lens[i] < NAME_MOST ? lens[i] : NAME_MOST;
    int len = snprintf(name, sizeof name, "%.*s.%.*s%.*s", (int)lens[1], fields[1],
                       (int)lens[2], fields[2], (int)lens[3], fields[3]);
    struct pl_sent_frame frame = {.in_app = -1, .has_function = true};
    frame.function = pl_strings_add(&t->p->strings, name, (size_t)len);
    frame.file = pl_strings_add(&t->p->strings, fields[4], lens[4]);
    if (pl_decimal_u64(fields[5], lens[5], false, &number) && number < INT32_MAX)
        frame.line = (uint32_t)number;
    return add_method(t, (uint32_t)id, &frame);
}

static int compare_methods(const void *left, const void *right)
{
    const struct method *a = left, *b = right;
    return (a->id > b->id) - (a->id < b->id);
}

static void sort_methods(struct trace *t)
{
    if (t->method_count)
        qsort(t->methods, t->method_count, sizeof *t->methods, compare_methods);
}

static const char *read_text(struct trace *t)
{
    enum { OTHER, THREADS, METHODS } section = OTHER;
    const char *line;
    size_t len;
    while ((line = next_line(t, &len))) {
        if (len == 4 && memcmp(line, "*end", 4) == 0) {
            sort_methods(t);
            return NULL;
        }
        if (len && *line == '*')
            section = len == 8 && memcmp(line, "*threads", 8) == 0   ? THREADS
                      : len == 8 && memcmp(line, "*methods", 8) == 0 ? METHODS
                                                                     : OTHER;
        else if ((section == THREADS && !read_thread(t, line, line + len)) ||
                 (section == METHODS && !read_method(t, line, line + len)))
            return t->p->budget.exceeded ? too_large : bad_trace;
    }
    return bad_trace;
}

/* ---- stacks ---- */

static size_t slot_of(const struct trace *t, uint32_t parent, uint32_t frame)
{
    uint64_t hash = pl_hash_mix(pl_hash_mix(3, parent), frame);
    size_t at = (size_t)hash & (t->table_size - 1);
    for (; t->table[at]; at = (at + 1) & (t->table_size - 1)) {
        const struct node *node = &t->nodes[t->table[at] - 1];
        if (node->parent == parent && node->frame == frame)
            break;
    }
    return at;
}

static bool grow_table(struct trace *t)
{
    size_t size = t->table_size ? 2 * t->table_size : 1024;
    if (2 * t->node_count < t->table_size)
        return true;
    uint32_t *table = calloc(size, sizeof *table);
    if (!table)
        return false;
    free(t->table);
    t->table = table;
    t->table_size = size;
    for (size_t i = 0; i < t->node_count; i++)
        table[slot_of(t, t->nodes[i].parent, t->nodes[i].frame)] = (uint32_t)i + 1;
    return true;
}

/* EMPTY: over the budget. */
static uint32_t push(struct trace *t, uint32_t parent, uint32_t frame)
{
    if (!grow_table(t) || !GROW(t, nodes, node_count, node_cap))
        return EMPTY;
    size_t at = slot_of(t, parent, frame);
    if (!t->table[at]) {
        t->nodes[t->node_count++] = (struct node){parent, frame, 0};
        t->table[at] = (uint32_t)t->node_count;
    }
    return t->table[at] - 1;
}

/* The profile's stack of a node, made when it is first sampled. */
static bool stack_of(struct trace *t, uint32_t node, uint32_t *stack_out)
{
    struct pl_sent *p = t->p;
    uint32_t *known = node == EMPTY ? &t->empty_stack : &t->nodes[node].stack;
    if (!*known) {
        if (!GROW_SENT(p, stacks, stack_count, stack_cap))
            return false;
        struct pl_sent_stack *stack = &p->stacks[p->stack_count++];
        *stack = (struct pl_sent_stack){(uint32_t)p->index_count, 0};
        for (uint32_t n = node; n != EMPTY; n = t->nodes[n].parent, stack->count++) {
            if (!GROW_SENT(p, indexes, index_count, index_cap))
                return false;
            p->indexes[p->index_count++] = t->nodes[n].frame;
        }
        *known = (uint32_t)p->stack_count;
    }
    *stack_out = *known - 1;
    return true;
}

/* ---- events ---- */

static bool frame_of(struct trace *t, uint32_t id, uint32_t *frame_out)
{
    const struct method key = {.id = id};
    const struct method *method =
        t->method_count
            ? bsearch(&key, t->methods, t->method_count, sizeof key, compare_methods)
            : NULL;
    *frame_out = method ? method->frame : 0;
    return method;
}

static struct thread_state *state_of(struct trace *t, uint16_t tid)
{
    if (!t->state_of[tid]) {
        char id[8];
        int len = snprintf(id, sizeof id, "%u", tid);
        if (t->state_count == UINT16_MAX || !GROW(t, states, state_count, state_cap))
            return NULL;
        t->states[t->state_count] = (struct thread_state){
            .thread = pl_sent_thread(t->p, id, (size_t)len), .node = EMPTY};
        if (t->states[t->state_count].thread == UINT32_MAX)
            return NULL;
        t->state_of[tid] = (uint16_t)++t->state_count;
    }
    return &t->states[t->state_of[tid] - 1];
}

/* Leaving what was entered before the trace began changes nothing. */
static void leave(const struct trace *t, struct thread_state *state, uint32_t frame)
{
    uint32_t node = state->node;
    int depth = state->depth;
    while (node != EMPTY && t->nodes[node].frame != frame) {
        node = t->nodes[node].parent;
        depth--;
    }
    if (node == EMPTY)
        return;
    state->node = t->nodes[node].parent;
    state->depth = depth - 1;
}

/* What the thread does from now on; of several events of one instant the last. */
static bool sample(struct trace *t, struct thread_state *state, int64_t at_ns)
{
    struct pl_sent *p = t->p;
    uint32_t stack;
    if (!stack_of(t, state->node, &stack))
        return false;
    if (state->sample && p->samples[state->sample - 1].at_ns == at_ns) {
        p->samples[state->sample - 1].stack = stack;
        return true;
    }
    if (!GROW_SENT(p, samples, sample_count, sample_cap))
        return false;
    p->samples[p->sample_count++] = (struct pl_sent_sample){
        .at_ns = at_ns, .stack = stack, .thread = state->thread};
    p->threads[state->thread].samples++;
    state->sample = (uint32_t)p->sample_count;
    return true;
}

static bool take_event(struct trace *t, uint16_t tid, uint32_t method, bool leaves,
                       uint32_t at_us)
{
    uint32_t frame;
    struct thread_state *state = state_of(t, tid);
    if (!state)
        return false;
    if (!frame_of(t, method, &frame))
        return true; /* a method nobody named */
    if (leaves) {
        leave(t, state, frame);
    } else if (state->depth < DEPTH_MOST) {
        uint32_t node = push(t, state->node, frame);
        if (node == EMPTY)
            return false;
        state->node = node;
        state->depth++;
    }
    return sample(t, state, (int64_t)at_us * 1000);
}

static uint32_t word(const unsigned char *at, int bytes)
{
    uint32_t value = 0;
    for (int i = bytes; i-- > 0;)
        value = value << 8 | at[i];
    return value;
}

static const char *judge(const struct trace *t, uint32_t last_us)
{
    if (t->p->sample_count == t->p->embedded_samples)
        return "profiling_not_enough_samples";
    return last_us ? NULL : "profiling_duration_is_zero";
}

static const char *read_events(struct trace *t)
{
    size_t left = (size_t)(t->end - t->at);
    if (left < 16 || word(t->at, 4) != MAGIC)
        return bad_trace;
    uint32_t version = word(t->at + 4, 2), header = word(t->at + 6, 2);
    size_t tid_bytes = version == 1 ? 1 : 2, record = tid_bytes + 8;
    if (version < 1 || version > 3 || header > left || header < 16 ||
        (version == 3 && header < 18))
        return bad_trace;
    uint64_t start_us = word(t->at + 8, 4) | (uint64_t)word(t->at + 12, 4) << 32;
    if (version == 3)
        record = word(t->at + 16, 2);
    if (record < tid_bytes + 8)
        return bad_trace;
    if (!t->p->timestamp && start_us < INT64_MAX / 1000)
        t->p->start_ns = (int64_t)start_us * 1000;
    uint32_t last_us = 0;
    for (t->at += header; (size_t)(t->end - t->at) >= record; t->at += record) {
        const unsigned char *event = t->at + tid_bytes;
        bool dual = record >= tid_bytes + 12;
        uint32_t at_us = word(event + (dual ? 8 : 4), 4), value = word(event, 4);
        last_us = at_us > last_us ? at_us : last_us;
        if (!take_event(t, (uint16_t)word(t->at, (int)tid_bytes), value & ~UINT32_C(3),
                        value & 3, at_us))
            return too_large;
    }
    return judge(t, last_us);
}

/* ---- the same in words ---- */

static const char *take_words(struct trace *t)
{
    struct pl_sent *p = t->p;
    char name[3 * NAME_MOST + 2];
    uint32_t last_us = 0;
    for (size_t i = 0; i < p->method_count; i++) {
        const struct pl_sent_method *method = &p->methods[i];
        struct pl_sent_frame frame = {.in_app = -1,
                                      .has_function = true,
                                      .file = method->file,
                                      .line = method->line};
        int len = snprintf(name, sizeof name, "%.*s.%.*s%.*s", NAME_MOST,
                           pl_sent_text(p, method->class_name), NAME_MOST,
                           pl_sent_text(p, method->name), NAME_MOST,
                           pl_sent_text(p, method->signature));
        frame.function = pl_strings_add(&p->strings, name, (size_t)len);
        if (!add_method(t, method->id, &frame))
            return too_large;
    }
    sort_methods(t);
    if (!p->timestamp)
        p->start_ns = p->trace_start_ns;
    for (size_t i = 0; i < p->event_count; i++) {
        const struct pl_sent_event *event = &p->events[i];
        last_us = event->at_us > last_us ? event->at_us : last_us;
        if (!take_event(t, event->tid, event->method, event->leaves, event->at_us))
            return too_large;
    }
    return judge(t, last_us);
}

static const char *take_trace(struct trace *t)
{
    struct pl_sent *p = t->p;
    if (!p->trace)
        return bad_trace;
    if (!decode_base64(p->trace, &p->trace_len))
        return "profiling_invalid_base64_value";
    t->at = (const unsigned char *)p->trace;
    t->end = t->at + p->trace_len;
    const char *reason = read_text(t);
    return reason ? reason : read_events(t);
}

const char *pl_android_trace(struct pl_sent *profile)
{
    struct trace t = {.p = profile, .state_of = calloc(65536, sizeof *t.state_of)};
    const char *reason = NULL;
    if (!t.state_of)
        reason = too_large;
    else if (profile->from_task && profile->event_count)
        reason = take_words(&t);
    else
        reason = take_trace(&t);
    free(t.methods);
    free(t.states);
    free(t.state_of);
    free(t.nodes);
    free(t.table);
    return reason;
}
