#include "collector/cfi.h"

#include "collector/cfi_program.h"
#include "collector/cfi_rows.h"

#include <stdlib.h>
#include <string.h>

#define MAX_SECTION_BYTES (UINT64_C(512) << 20)
#define MAX_FDES          (4u << 20)
#define ENTRY_BYTES       128u /* of start-up code without rules */

struct fde {
    uint64_t start, end;
    uint64_t cie;          /* offset in the section */
    uint64_t at, at_bytes; /* its instructions */
};

struct section {
    uint8_t *bytes;
    size_t count;
    uint64_t vaddr;
    bool has_end;
    const struct pl_elf_image *elf;
    struct fde *fdes;
    size_t fde_count, fde_capacity;
    struct pl_cfi_cie cie; /* the one parsed last */
    uint64_t cie_at;       /* and its offset + 1; 0 none */
    uint64_t cie_work;     /* bytes of CIEs parsed, to end a file made to be slow */
    bool cie_ok;
};

static struct pl_cfi_bytes cursor(const struct section *s, uint64_t at, uint64_t bytes)
{
    return (struct pl_cfi_bytes){
        .at = s->bytes + at, .end = s->bytes + at + bytes, .vaddr = s->vaddr + at};
}

/* Offset and length of the entry's body (after its length field), false at the
 * end of what can be read. */
static bool entry_at(const struct section *s, uint64_t at, uint64_t *body,
                     uint64_t *body_bytes)
{
    if (at > s->count || s->count - at < 4)
        return false;
    struct pl_cfi_bytes b = cursor(s, at, s->count - at);
    uint64_t length = pl_cfi_get(&b, 4);
    if (length == UINT32_MAX)
        length = pl_cfi_get(&b, 8);
    *body = (uint64_t)(b.at - s->bytes);
    if (b.bad || length > s->count - *body)
        return false;
    *body_bytes = length;
    return true;
}

static bool parse_augmentation(struct pl_cfi_cie *cie, const char *text,
                               struct pl_cfi_bytes data)
{
    for (; *text; text++) {
        switch (*text) {
        case 'R':
            cie->pointer_encoding = (uint8_t)pl_cfi_get(&data, 1);
            break;
        case 'P': {
            uint8_t encoding = (uint8_t)pl_cfi_get(&data, 1);
            (void)pl_cfi_pointer(&data, encoding & 0x7f); /* bit 7: indirect */
            break;
        }
        case 'L':
            (void)pl_cfi_get(&data, 1);
            break;
        case 'S':
            cie->signal_frame = true;
            break;
        default: /* what follows cannot be read; 'R' mostly came before */
            return false;
        }
    }
    return !data.bad;
}

static bool parse_cie(struct pl_cfi_cie *cie, struct pl_cfi_bytes b)
{
    *cie = (struct pl_cfi_cie){.pointer_encoding = 0};
    if (pl_cfi_get(&b, 4) != 0) /* a CIE's id */
        return false;
    uint64_t version = pl_cfi_get(&b, 1);
    const char *augmentation = (const char *)b.at;
    size_t len = strnlen(augmentation, (size_t)(b.end - b.at));
    (void)pl_cfi_slice(&b, (uint64_t)len + 1);
    if (b.bad || (version != 1 && version != 3))
        return false;
    cie->code_align = pl_cfi_uleb(&b);
    cie->data_align = pl_cfi_sleb(&b);
    uint64_t ra = version == 1 ? pl_cfi_get(&b, 1) : pl_cfi_uleb(&b);
    if (b.bad || ra != 16 || !cie->code_align)
        return false;
    if (augmentation[0] == 'z') {
        struct pl_cfi_bytes data = pl_cfi_slice(&b, pl_cfi_uleb(&b));
        cie->has_augmentation_data = true;
        if (b.bad || !parse_augmentation(cie, augmentation + 1, data))
            return false;
    } else if (augmentation[0]) {
        return false;
    }
    cie->instructions = b;
    return pl_cfi_run_initial(cie);
}

/* Linkers merge CIEs, and FDEs that share one mostly follow each other. */
static const struct pl_cfi_cie *cie_at(struct section *s, uint64_t at)
{
    if (s->cie_at != at + 1) {
        uint64_t body, bytes;
        s->cie_at = at + 1;
        s->cie_ok = entry_at(s, at, &body, &bytes);
        s->cie_work += s->cie_ok ? bytes : 0;
        s->cie_ok = s->cie_ok && s->cie_work / 4 <= s->count + (1u << 20) &&
                    parse_cie(&s->cie, cursor(s, body, bytes));
    }
    return s->cie_ok ? &s->cie : NULL;
}

static bool add_fde(struct section *s, const struct fde *fde)
{
    if (s->fde_count == s->fde_capacity) {
        size_t capacity = s->fde_capacity ? 2 * s->fde_capacity : 1024;
        struct fde *fdes =
            capacity <= MAX_FDES ? realloc(s->fdes, capacity * sizeof *fdes) : NULL;
        if (!fdes)
            return false;
        s->fdes = fdes;
        s->fde_capacity = capacity;
    }
    s->fdes[s->fde_count++] = *fde;
    return true;
}

/* True and `fde_out` filled if the entry describes loaded code. */
static bool parse_fde(struct section *s, uint64_t body, uint64_t bytes,
                      struct fde *fde_out)
{
    struct pl_cfi_bytes b = cursor(s, body, bytes);
    uint64_t back = pl_cfi_get(&b, 4);
    if (b.bad || back > body)
        return false;
    const struct pl_cfi_cie *cie = cie_at(s, body - back);
    if (!cie)
        return false;
    uint64_t start = pl_cfi_pointer(&b, cie->pointer_encoding);
    uint64_t length = pl_cfi_pointer(&b, cie->pointer_encoding & 0x0f);
    if (cie->has_augmentation_data)
        (void)pl_cfi_slice(&b, pl_cfi_uleb(&b));
    if (b.bad || !length)
        return false;
    const struct pl_elf_segment *seg = pl_elf_segment_at(s->elf, start);
    if (!seg || !seg->executable)
        return false;
    uint64_t room = seg->file_bytes - (start - seg->vaddr);
    *fde_out = (struct fde){
        .start = start,
        .end = start + (length < room ? length : room),
        .cie = body - back,
        .at = (uint64_t)(b.at - s->bytes),
        .at_bytes = (uint64_t)(b.end - b.at),
    };
    return true;
}

static bool collect_fdes(struct section *s)
{
    uint64_t at = 0, body, bytes;
    while (entry_at(s, at, &body, &bytes)) {
        at = body + bytes;
        if (!bytes) { /* terminator; crtend's may be followed by more */
            if (!s->has_end)
                return true;
            continue;
        }
        struct pl_cfi_bytes b = cursor(s, body, bytes);
        struct fde fde;
        if (pl_cfi_get(&b, 4) != 0 && parse_fde(s, body, bytes, &fde) &&
            !add_fde(s, &fde))
            return false;
    }
    return true;
}

static int by_start(const void *a, const void *b)
{
    const struct fde *x = a, *y = b;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* No rule from `start` to `end`, but for where the program begins: that has no
 * caller, and the dynamic linker's does not say so. */
static void add_gap(const struct section *s, struct pl_cfi_builder *builder,
                    uint64_t start, uint64_t end)
{
    uint64_t entry = s->elf->entry;
    pl_cfi_add_row(builder, start, (struct pl_row){.kind = PL_ROW_NONE});
    if (entry < start || entry >= end)
        return;
    pl_cfi_add_row(builder, entry, (struct pl_row){.kind = PL_ROW_END});
    if (end - entry > ENTRY_BYTES)
        pl_cfi_add_row(builder, entry + ENTRY_BYTES,
                       (struct pl_row){.kind = PL_ROW_NONE});
}

/* Rows of all functions in address order. Overlapping ones (no linker makes
 * them) end where the next begins. */
static void build_rows(struct section *s, struct pl_cfi_builder *builder)
{
    uint64_t covered = s->fdes[0].start;
    for (size_t i = 0; i < s->fde_count && !builder->failed; i++) {
        const struct fde *fde = &s->fdes[i];
        uint64_t end = fde->end;
        if (i + 1 < s->fde_count && s->fdes[i + 1].start < end)
            end = s->fdes[i + 1].start;
        if (end <= fde->start)
            continue;
        if (fde->start > covered)
            add_gap(s, builder, covered, fde->start);
        const struct pl_cfi_cie *cie = cie_at(s, fde->cie);
        if (cie)
            pl_cfi_run(cie, cursor(s, fde->at, fde->at_bytes), fde->start, end,
                       builder);
        covered = end;
    }
    pl_cfi_add_row(builder, covered, (struct pl_row){.kind = PL_ROW_NONE});
}

static bool build_pages(struct pl_cfi_rows *rows)
{
    struct pl_rows_header *h = &rows->header;
    uint32_t last = rows->rows[h->row_count - 1].pc;
    h->page_count = (last >> PL_ROWS_PAGE_SHIFT) + 1;
    rows->pages = malloc(((size_t)h->page_count + 1) * sizeof *rows->pages);
    if (!rows->pages)
        return false;
    uint32_t row = 0;
    for (uint32_t page = 0; page < h->page_count; page++) {
        while (row < h->row_count && rows->rows[row].pc < page << PL_ROWS_PAGE_SHIFT)
            row++;
        rows->pages[page] = row;
    }
    rows->pages[h->page_count] = h->row_count;
    return true;
}

static enum pl_status load(struct section *s, struct pl_error *err)
{
    const struct pl_elf_image *elf = s->elf;
    if (!elf->eh_frame_bytes)
        return pl_error_set(err, PL_NOT_FOUND, "no call-frame information");
    if (elf->eh_frame_bytes > MAX_SECTION_BYTES)
        return pl_error_set(err, PL_INPUT, "call-frame section too large");
    s->vaddr = elf->eh_frame;
    s->count = (size_t)elf->eh_frame_bytes;
    s->has_end = elf->eh_frame_has_end;
    s->bytes = malloc(s->count);
    if (!s->bytes)
        return pl_error_set(err, PL_NOMEM, "out of memory for call-frame information");
    if (!pl_elf_read(elf, s->vaddr, s->bytes, s->count))
        return pl_error_set(err, PL_INPUT, "call-frame section cannot be read");
    return PL_OK;
}

enum pl_status pl_cfi_compile(const struct pl_elf_image *elf,
                              struct pl_cfi_rows *rows_out, struct pl_error *err)
{
    struct section s = {.elf = elf};
    struct pl_cfi_builder builder = {0};
    *rows_out = (struct pl_cfi_rows){.header.magic = PL_ROWS_MAGIC};
    enum pl_status status = load(&s, err);
    if (status != PL_OK)
        goto out;
    if (!collect_fdes(&s)) {
        status = pl_error_set(err, PL_NOMEM, "too many functions");
        goto out;
    }
    if (!s.fde_count) {
        status = pl_error_set(err, PL_INPUT, "call-frame section describes nothing");
        goto out;
    }
    qsort(s.fdes, s.fde_count, sizeof *s.fdes, by_start);
    builder.base = s.fdes[0].start & ~((UINT64_C(1) << PL_ROWS_PAGE_SHIFT) - 1);
    build_rows(&s, &builder);
    struct pl_rows_header *h = &rows_out->header;
    h->base = builder.base;
    h->row_count = (uint32_t)builder.count;
    h->fde_count = (uint32_t)s.fde_count;
    h->wide_count = (uint32_t)builder.wide_count;
    rows_out->rows = builder.rows;
    rows_out->wide = builder.wide;
    builder.rows = NULL;
    builder.wide = NULL;
    for (uint32_t i = 0; i < h->row_count; i++)
        h->unsupported += rows_out->rows[i].kind == PL_ROW_UNSUPPORTED;
    if (builder.failed || !h->row_count || !build_pages(rows_out))
        status = pl_error_set(err, PL_NOMEM, "out of memory for unwind rows");
out:
    if (status != PL_OK)
        pl_cfi_rows_deinit(rows_out);
    free(builder.rows);
    free(builder.wide);
    free(s.fdes);
    free(s.bytes);
    return status;
}

void pl_cfi_rows_deinit(struct pl_cfi_rows *rows)
{
    free(rows->pages);
    free(rows->rows);
    free(rows->wide);
    *rows = (struct pl_cfi_rows){.pages = NULL};
}

struct pl_row pl_cfi_rows_find(const struct pl_cfi_rows *rows, uint64_t vaddr)
{
    const struct pl_row none = {.kind = PL_ROW_NONE};
    uint64_t offset = vaddr - rows->header.base;
    if (vaddr < rows->header.base ||
        offset >> PL_ROWS_PAGE_SHIFT >= rows->header.page_count)
        return none;
    uint64_t page = offset >> PL_ROWS_PAGE_SHIFT;
    uint32_t low = rows->pages[page], high = rows->pages[page + 1];
    while (low < high) { /* first row past the address */
        uint32_t middle = low + (high - low) / 2;
        if (rows->rows[middle].pc <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? rows->rows[low - 1] : none;
}
