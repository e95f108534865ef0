#include "process/given_java.h"

#include "process/jvm_signature.h"

#include <string.h>

#define NAME_BYTES 16384

static const char *piece(struct pl_arena *arena, const char *from, size_t len)
{
    char *text = pl_arena_alloc(arena, len + 1);
    if (text)
        memcpy(text, from, len);
    return text;
}

bool pl_java_method(struct pl_arena *arena, const struct pl_given_frame *frame,
                    struct pl_java_method *out)
{
    const char *function = frame->function, *name = function;
    size_t open = strcspn(function, "(");
    *out = (struct pl_java_method){
        .class_name = frame->class_name,
        .signature = function + open,
        .whole = !*frame->class_name,
    };
    for (size_t i = 0; i < open && out->whole; i++)
        if (function[i] == '.')
            name = function + i + 1;
    size_t class_len = (size_t)(name - function);
    if (class_len)
        out->class_name = piece(arena, function, class_len - 1);
    out->name = piece(arena, name, open - class_len);
    return out->class_name && out->name;
}

/* "com.example.Cart.total(int[])", or the method alone. */
static const char *written(struct pl_arena *arena, const struct pl_java_method *method,
                           const char *class_name, const char *name)
{
    struct pl_buf text;
    if (!method->whole || !*class_name)
        return pl_arena_text(arena, name);
    pl_buf_init(&text, NAME_BYTES);
    pl_buf_puts(&text, class_name);
    pl_buf_putc(&text, '.');
    pl_buf_puts(&text, name);
    const char *kept = pl_arena_text(arena, text.failed ? name : text.data);
    pl_buf_deinit(&text);
    return kept;
}

const struct pl_frame_name *pl_java_names(struct pl_arena *arena,
                                          const struct pl_given_frame *frame,
                                          const struct pl_java_method *method,
                                          const struct pl_resolved_name *names,
                                          size_t count)
{
    struct pl_frame_name *rows = pl_arena_array(arena, count, sizeof rows[0]);
    for (size_t i = 0; i < count && rows; i++) {
        rows[i] = (struct pl_frame_name){
            .function = written(arena, method, names[i].module, names[i].function),
            .file =
                pl_arena_text(arena, *names[i].file || i ? names[i].file : frame->file),
            .module = method->whole ? "" : pl_arena_text(arena, names[i].module),
            .line = names[i].line,
            .in_app = i ? -1 : frame->in_app,
        };
        if (!rows[i].function || !rows[i].file || !rows[i].module)
            return NULL;
    }
    return rows;
}

const struct pl_frame_name *pl_java_words(struct pl_arena *arena,
                                          const struct pl_given_frame *frame,
                                          const struct pl_java_method *method,
                                          bool *changed_out)
{
    struct pl_frame_name *row = pl_arena_alloc(arena, sizeof *row);
    struct pl_buf name;
    pl_buf_init(&name, NAME_BYTES);
    pl_buf_puts(&name, method->name);
    *changed_out = pl_jvm_signature(method->signature, NULL, &name);
    if (row)
        *row = (struct pl_frame_name){
            .file = pl_arena_text(arena, frame->file),
            .module = pl_arena_text(arena, frame->class_name),
            .line = frame->line,
            .column = frame->column,
            .in_app = frame->in_app,
        };
    bool ok = row && row->file && row->module;
    if (ok && *changed_out)
        ok = (row->function = written(arena, method, method->class_name, name.data)) !=
             NULL;
    pl_buf_deinit(&name);
    return ok ? row : NULL;
}
