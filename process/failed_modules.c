#include "process/failed_modules.h"

#include <stdlib.h>
#include <string.h>

void pl_failed_modules_deinit(struct pl_failed_modules *failed)
{
    for (size_t i = 0; i < failed->count; i++) {
        free(failed->rows[i].path);
        free(failed->rows[i].build_id);
    }
    free(failed->rows);
    *failed = (struct pl_failed_modules){0};
}

static bool is_same(const struct pl_failed_module *row,
                    const struct pl_symbol_question *question)
{
    return row->kind == question->kind && strcmp(row->path, question->path) == 0 &&
           strcmp(row->build_id, question->build_id) == 0;
}

const struct pl_failed_module *
pl_failed_modules_find(const struct pl_failed_modules *failed,
                       const struct pl_symbol_question *question)
{
    for (size_t i = 0; i < failed->count; i++)
        if (is_same(&failed->rows[i], question))
            return &failed->rows[i];
    return NULL;
}

void pl_failed_modules_add(struct pl_failed_modules *failed,
                           const struct pl_symbol_question *question,
                           const struct pl_resolved *resolved)
{
    struct pl_failed_module *rows =
        realloc(failed->rows, (failed->count + 1) * sizeof *rows);
    if (!rows)
        return;
    failed->rows = rows;
    struct pl_failed_module *row = &rows[failed->count];
    *row = (struct pl_failed_module){
        .kind = question->kind,
        .path = strdup(question->path),
        .build_id = strdup(question->build_id),
        .failure = resolved->failure,
    };
    memcpy(row->message, resolved->message, sizeof row->message);
    if (row->path && row->build_id) {
        failed->count++;
    } else {
        free(row->path);
        free(row->build_id);
    }
}
