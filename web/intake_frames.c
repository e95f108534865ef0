#include "web/intake_frames.h"

#include "base/hash.h"
#include "web/intake_code.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define COCOA_BITS  UINT64_C(0xfffffffff) /* of an address; above: signatures */
#define COCOA_END   UINT64_C(0xffffffffc)
#define CALLER      UINT32_MAX
#define IMAGES_MOST 4096 /* looked at for an address */

struct pl_intake_memory {
    struct pl_intake_memory *next;
    max_align_t bytes[];
};

void *pl_intake_alloc(struct pl_intake_memory **memory, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count + 1, size, &bytes))
        return NULL;
    struct pl_intake_memory *block = calloc(1, sizeof *block + bytes);
    if (!block)
        return NULL;
    block->next = *memory;
    *memory = block;
    return block->bytes;
}

void pl_intake_free_last(struct pl_intake_memory **memory)
{
    struct pl_intake_memory *last = *memory;
    *memory = last->next;
    free(last);
}

void pl_intake_memory_free(struct pl_intake_memory *memory)
{
    while (memory) {
        struct pl_intake_memory *next = memory->next;
        free(memory);
        memory = next;
    }
}

struct build {
    const struct pl_sent *p;
    struct pl_intake_image *images;
    struct pl_intake_memory **memory;
    struct pl_intake_frames *to;
    struct pl_sink_module *modules; /* these are written to */
    struct pl_sink_frame *frames;
    uint32_t *image_modules; /* image -> module + 1 */
    uint32_t *name_modules;  /* hash of a name -> module + 1 */
    size_t name_mask;
    uint32_t *exact; /* native frame -> the one for leaves + 1, or CALLER */
    struct pl_intake_codes codes;
    uint32_t build_module; /* the build's mapping + 1 */
};

static const char *text(const struct build *b, uint32_t at)
{
    return at ? pl_sent_text(b->p, at) : NULL;
}

static const char *text_or(const struct build *b, uint32_t at, uint32_t other)
{
    return pl_sent_text(b->p, at ? at : other);
}

/* React Native mixes both kinds of frames. */
static bool is_cocoa(const struct build *b, const struct pl_sent_frame *frame)
{
    uint32_t platform = frame && frame->platform ? frame->platform : b->p->platform;
    return strcmp(pl_sent_text(b->p, platform), "cocoa") == 0;
}

/* ---- modules ---- */

static uint32_t add_module(struct build *b, struct pl_sink_module module)
{
    b->modules[b->to->module_count] = module;
    return (uint32_t)b->to->module_count++;
}

/* Where a function is said to be: a package, a file of code. */
static uint32_t module_of_name(struct build *b, uint32_t name)
{
    if (!name)
        return PL_NO_INDEX;
    size_t at = (size_t)pl_hash_mix(7, name) & b->name_mask;
    const char *path = text(b, name);
    for (; b->name_modules[at]; at = (at + 1) & b->name_mask)
        if (b->modules[b->name_modules[at] - 1].path == path)
            return b->name_modules[at] - 1;
    uint32_t module =
        add_module(b, (struct pl_sink_module){.path = path, .build_id = ""});
    b->name_modules[at] = module + 1;
    return module;
}

static bool holds(const struct pl_sent_image *image, uint64_t address)
{
    return image->address && address >= image->address &&
           address - image->address < image->size;
}

/* The image that an address lies in. One of unknown size reaches up to the next. */
static const struct pl_sent_image *find_image(const struct build *b, uint64_t address)
{
    const struct pl_sent_image *open = NULL;
    for (size_t i = 0; i < b->p->image_count && i < IMAGES_MOST; i++) {
        const struct pl_sent_image *image = &b->p->images[i];
        if (!b->images[i].is_native)
            continue;
        if (holds(image, address))
            return image;
        if (image->address && image->address <= address &&
            (!open || image->address > open->address))
            open = image;
    }
    return open && !open->size ? open : NULL;
}

/* Images are few and frames name few of them; NULL: in none. */
static const struct pl_sent_image *
image_of(const struct build *b, const struct pl_sent_frame *frame, uint64_t *address)
{
    const struct pl_sent_image *image = find_image(b, *address);
    if (image || !is_cocoa(b, frame))
        return image;
    *address &= COCOA_BITS;
    return find_image(b, *address);
}

static uint32_t module_of_image(struct build *b, const struct pl_sent_image *sent)
{
    uint32_t *module = &b->image_modules[sent - b->p->images];
    struct pl_intake_image *image = &b->images[sent - b->p->images];
    image->is_used = true;
    if (!*module)
        *module = add_module(b, (struct pl_sink_module){.path = image->path,
                                                        .build_id = image->build_id,
                                                        .debug_id = image->debug_id,
                                                        .kind = image->kind}) +
                  1;
    return *module - 1;
}

/* The code that explains what a frame says; 0: none. */
static uint32_t code_of(struct build *b, const struct pl_sent_frame *frame)
{
    uint32_t image = pl_intake_code(&b->codes, frame);
    if (image == PL_NO_INDEX)
        return 0;
    if (image < b->p->image_count)
        return module_of_image(b, &b->p->images[image]) + 1;
    if (!b->build_module)
        b->build_module =
            add_module(b, (struct pl_sink_module){.path = b->codes.build->path,
                                                  .build_id = b->codes.build->build_id,
                                                  .debug_id = b->codes.build->debug_id,
                                                  .kind = b->codes.build->kind}) +
            1;
    return b->build_module;
}

/* ---- frames ---- */

static void build_frame(struct build *b, const struct pl_sent_frame *from,
                        struct pl_sink_frame *to)
{
    *to = (struct pl_sink_frame){.module = PL_NO_INDEX, .in_app = from->in_app};
    uint64_t address = from->address;
    const struct pl_sent_image *image =
        from->has_address ? image_of(b, from, &address) : NULL;
    if (image) {
        to->module = module_of_image(b, image);
        address = address - image->address + image->vmaddr;
    }
    to->address = address;
    to->platform = text(b, from->platform ? from->platform : b->p->platform);
    if (from->has_address && !from->function)
        return;
    if (!image)
        to->module = module_of_name(b, from->module ? from->module : from->package);
    to->function = pl_sent_text(b->p, from->function);
    to->file = text_or(b, from->path, from->file);
    to->line = from->line;
    to->column = from->column;
    to->code = from->has_address ? 0 : code_of(b, from);
}

static bool build_frames(struct build *b)
{
    size_t count = b->p->frame_count, size = 64;
    while (size < 2 * count)
        size *= 2;
    b->modules =
        pl_intake_alloc(b->memory, count + b->p->image_count + 1, sizeof *b->modules);
    b->image_modules =
        pl_intake_alloc(b->memory, b->p->image_count, sizeof *b->image_modules);
    b->name_modules = pl_intake_alloc(b->memory, size, sizeof *b->name_modules);
    b->name_mask = size - 1;
    size_t native = 0;
    for (size_t i = 0; i < count; i++)
        native += b->p->frames[i].has_address && !b->p->frames[i].function;
    b->frames = pl_intake_alloc(b->memory, count + native, sizeof *b->frames);
    b->exact = pl_intake_alloc(b->memory, native ? count : 0, sizeof *b->exact);
    if (!b->modules || !b->image_modules || !b->name_modules || !b->frames ||
        !b->exact || !pl_intake_codes(&b->codes, b->p, b->memory))
        return false;
    for (size_t i = 0; i < count; i++)
        build_frame(b, &b->p->frames[i], &b->frames[i]);
    b->to->frame_count = count;
    return true;
}

/* Which native frames are ever called from? */
static void mark_callers(struct build *b)
{
    for (size_t i = 0; i < b->p->stack_count; i++) {
        const struct pl_sent_stack *stack = &b->p->stacks[i];
        for (uint32_t f = 1; f < stack->count; f++) {
            uint32_t frame = b->p->indexes[stack->first + f];
            if (!b->frames[frame].function)
                b->exact[frame] = CALLER;
        }
    }
}

/* The leaf's address is the instruction itself, a caller's the one after the call;
 * a frame that is both becomes two. */
static uint32_t leaf(struct build *b, uint32_t frame)
{
    if (b->frames[frame].function)
        return frame;
    if (!b->exact[frame]) {
        b->frames[frame].exact = true;
        b->exact[frame] = frame + 1;
    } else if (b->exact[frame] == CALLER) {
        b->frames[b->to->frame_count] = b->frames[frame];
        b->frames[b->to->frame_count].exact = true;
        b->exact[frame] = (uint32_t)++b->to->frame_count;
    }
    return b->exact[frame] - 1;
}

/* Cocoa's walk ends in two frames that are none. */
static uint32_t real_count(const struct build *b, const struct pl_sent_stack *stack)
{
    if (stack->count < 2 || !is_cocoa(b, NULL))
        return stack->count;
    uint32_t root = b->p->indexes[stack->first + stack->count - 1];
    return b->p->frames[root].address == COCOA_END ? stack->count - 2 : stack->count;
}

/* Root first here, leaf first there. */
static bool build_stacks(struct build *b)
{
    const struct pl_sent *p = b->p;
    struct pl_sink_stack *stacks =
        pl_intake_alloc(b->memory, p->stack_count, sizeof *stacks);
    uint32_t *frames = pl_intake_alloc(b->memory, p->index_count, sizeof *frames);
    if (!stacks || !frames)
        return false;
    mark_callers(b);
    for (size_t i = 0; i < p->stack_count; i++) {
        const struct pl_sent_stack *from = &p->stacks[i];
        uint32_t *to = frames + from->first;
        const uint32_t count = real_count(b, from);
        for (uint32_t f = 0; f < count; f++)
            to[f] = p->indexes[from->first + count - 1 - f];
        if (count)
            to[count - 1] = leaf(b, to[count - 1]);
        stacks[i] = (struct pl_sink_stack){count, to};
    }
    b->to->stacks = stacks;
    return true;
}

bool pl_intake_frames(const struct pl_sent *profile, struct pl_intake_image *images,
                      struct pl_intake_memory **memory, struct pl_intake_frames *out)
{
    struct build b = {.p = profile, .images = images, .memory = memory, .to = out};
    bool ok = build_frames(&b) && build_stacks(&b);
    out->modules = b.modules;
    out->frames = b.frames;
    return ok;
}
