/* What a chunk brings besides samples: the images of its debug_meta, as they came, and
 * its measurements. */
#include "web/intake_build.h"
#include "web/intake_frames.h"

static const char *text_of(const struct pl_sent *p, uint32_t at)
{
    return at ? pl_sent_text(p, at) : NULL;
}

bool pl_intake_images(const struct pl_sent *p, const struct pl_intake_image *images,
                      struct pl_intake_chunk *chunk)
{
    struct pl_received_image *rows =
        pl_intake_alloc(&chunk->memory, p->image_count, sizeof *rows);
    if (!rows)
        return false;
    for (size_t i = 0; i < p->image_count; i++) {
        const struct pl_sent_image *image = &p->images[i];
        rows[i] = (struct pl_received_image){
            .type = pl_sent_text(p, image->type),
            .code_file = text_of(p, image->code_file),
            .code_id = text_of(p, image->code_id),
            .debug_file = text_of(p, image->debug_file),
            .debug_id = text_of(p, image->debug_id),
            .address = image->address,
            .size = image->size,
            .vmaddr = image->vmaddr,
            .module_path = images[i].is_used ? images[i].path : NULL,
            .module_build_id = images[i].is_used ? images[i].build_id : NULL,
            .is_native = images[i].is_native,
        };
    }
    struct pl_intake_image *build = pl_intake_alloc(&chunk->memory, 1, sizeof *build);
    if (!build)
        return false;
    if (p->build_id) { /* of the mapping that names an Android build */
        bool known = pl_intake_build_image(p, build);
        rows[p->image_count] = (struct pl_received_image){
            .type = "proguard",
            .debug_id = text_of(p, p->build_id),
            .module_path = known ? build->path : NULL,
            .module_build_id = known ? build->build_id : NULL,
        };
    }
    chunk->images = rows;
    chunk->image_count = p->image_count + (p->build_id != 0);
    return true;
}

bool pl_intake_measurements(const struct pl_sent *p, struct pl_intake_chunk *chunk)
{
    struct pl_received_measurement *rows =
        pl_intake_alloc(&chunk->memory, p->measurement_count, sizeof *rows);
    if (!rows)
        return false;
    for (size_t i = 0; i < p->measurement_count; i++)
        rows[i] = (struct pl_received_measurement){
            .name = pl_sent_text(p, p->measurements[i].name),
            .unit = pl_sent_text(p, p->measurements[i].unit),
            .ts_ns = p->measurements[i].at_ns,
            .value = pl_sent_text(p, p->measurements[i].value),
        };
    chunk->measurements = rows;
    chunk->measurement_count = p->measurement_count;
    return true;
}
