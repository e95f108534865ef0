/* Call-frame programs: the byte code of one CIE or FDE, run into states, which
 * become rows (cfi_rows.h).
 * Inside of cfi.c; see there. */
#ifndef PL_COLLECTOR_CFI_PROGRAM_H
#define PL_COLLECTOR_CFI_PROGRAM_H

#include "collector/cfi_bytes.h"
#include "collector/cfi_rows.h"

struct pl_cfi_cie {
    uint64_t code_align;
    int64_t data_align;
    uint8_t pointer_encoding;
    bool has_augmentation_data;
    bool signal_frame;
    struct pl_cfi_bytes instructions;
    struct pl_cfi_state initial; /* after the CIE's instructions */
};

/* Run cie->instructions into cie->initial; false if they make no sense. */
bool pl_cfi_run_initial(struct pl_cfi_cie *cie);

/* Run an FDE's instructions over [start, end) and add its rows. */
void pl_cfi_run(const struct pl_cfi_cie *cie, struct pl_cfi_bytes instructions,
                uint64_t start, uint64_t end, struct pl_cfi_builder *builder);

#endif
