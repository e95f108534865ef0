#include "formats/sent_embedded.h"

#include <stdio.h>
#include <string.h>

#define PREFIX   "js:" /* of threads: Android's may have the same ids */
#define ID_BYTES 256
#define LONGEST_NS                                                                     \
    INT64_C(1000000000000000) /* what is later is no time since the start */

struct pl_sent_embedded pl_sent_embed_begin(const struct pl_sent *profile)
{
    return (struct pl_sent_embedded){
        .frames = profile->frame_count,
        .stacks = profile->stack_count,
        .indexes = profile->index_count,
        .samples = profile->sample_count,
    };
}

static uint32_t move(uint32_t index, size_t from, size_t count)
{
    size_t moved = from + index;
    return moved < count && moved < UINT32_MAX ? (uint32_t)moved : UINT32_MAX;
}

/* The thread of the embedded profile that is called as `thread`. */
static uint32_t own_thread(struct pl_sent *p, uint32_t thread)
{
    char id[ID_BYTES];
    uint32_t name = p->threads[thread].name;
    int len =
        snprintf(id, sizeof id, PREFIX "%s", pl_sent_text(p, p->threads[thread].id));
    if (len < 0 || (size_t)len >= sizeof id)
        len = sizeof id - 1;
    uint32_t own = pl_sent_thread(p, id, (size_t)len);
    if (own != UINT32_MAX && !p->threads[own].name)
        p->threads[own].name =
            name ? name : pl_strings_add(&p->strings, "JavaScript", 10);
    return own;
}

bool pl_sent_embed_end(struct pl_sent *p, const struct pl_sent_embedded *embedded)
{
    uint32_t javascript = pl_strings_add(&p->strings, "javascript", 10);
    for (size_t i = embedded->frames; i < p->frame_count; i++)
        if (!p->frames[i].platform)
            p->frames[i].platform = javascript;
    for (size_t i = embedded->indexes; i < p->index_count; i++)
        p->indexes[i] = move(p->indexes[i], embedded->frames, p->frame_count);
    for (size_t i = embedded->samples; i < p->sample_count; i++) {
        struct pl_sent_sample *sample = &p->samples[i];
        uint32_t thread = own_thread(p, sample->thread);
        if (thread == UINT32_MAX)
            return false;
        p->threads[sample->thread].samples--;
        p->threads[thread].samples++;
        p->malformed_samples |= sample->at_ns > LONGEST_NS;
        sample->stack = move(sample->stack, embedded->stacks, p->stack_count);
        sample->thread = thread;
    }
    p->embedded_samples += p->sample_count - embedded->samples;
    return true;
}
