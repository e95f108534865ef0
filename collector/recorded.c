#include "collector/recorded.h"

#include <dlfcn.h>
#include <string.h>

/* The preload library in this process, if it is there and of our version. */
static const struct pl_recorded *find_recorded(void)
{
    const struct pl_recorded *(*ask)(void) = NULL;
    void *symbol = dlsym(RTLD_DEFAULT, PL_RECORDED_SYMBOL);
    if (!symbol)
        return NULL;
    memcpy(&ask, &symbol, sizeof ask);
    const struct pl_recorded *recorded = ask();
    return recorded->bytes == sizeof *recorded ? recorded : NULL;
}

bool pl_recorded_session(uint8_t id_out[static 16])
{
    const struct pl_recorded *recorded = find_recorded();
    return recorded && recorded->session(id_out);
}

struct pl_label_table *pl_recorded_labels(void)
{
    uint8_t id[16];
    const struct pl_recorded *recorded = find_recorded();
    if (!recorded || !recorded->session(id))
        return pl_label_table_make();
    struct pl_label_table *table = recorded->labels();
    return table && table->magic == PL_LABEL_TABLE_MAGIC ? table : NULL;
}
