/* The ELF symbol table as a resolver: function names only, for what has no debug
 * information. A symbol answers for its own bytes and no further, so that code
 * between the exported functions of a stripped file stays honestly unnamed. */
#include "process/demangle.h"
#include "process/symbols.h"

#include <gelf.h>
#include <stdlib.h>
#include <string.h>

struct elf_symbol {
    uint64_t value, end; /* end: exclusive; of unsized ones, the next symbol */
    const char *raw;     /* in the file's string table */
    char *pretty;        /* demangled when first asked for */
    unsigned char binding;
    bool sized;
};

struct pl_elf_symbols {
    struct elf_symbol *rows; /* by value, one a value */
    size_t count;
};

/* A hostile file may claim any number of symbols. */
#define MAX_SYMBOLS ((size_t)8 << 20)

static size_t leading_underscores(const char *name)
{
    return strspn(name, "_");
}

/* Of several names for one address, the one a person would use comes first:
 * sized, few underscores, global, short. */
static int compare(const void *left, const void *right)
{
    const struct elf_symbol *a = left, *b = right;
    if (a->value != b->value)
        return a->value < b->value ? -1 : 1;
    if (a->sized != b->sized)
        return a->sized ? -1 : 1;
    size_t under_a = leading_underscores(a->raw), under_b = leading_underscores(b->raw);
    if (under_a != under_b)
        return under_a < under_b ? -1 : 1;
    if (a->binding != b->binding) /* STB_LOCAL is 0, STB_GLOBAL 1, STB_WEAK 2 */
        return a->binding == STB_GLOBAL || b->binding == STB_LOCAL ? -1 : 1;
    size_t len_a = strlen(a->raw), len_b = strlen(b->raw);
    if (len_a != len_b)
        return len_a < len_b ? -1 : 1;
    return strcmp(a->raw, b->raw);
}

static bool in_code(Elf *elf, const GElf_Sym *sym)
{
    if (sym->st_shndx == SHN_UNDEF || sym->st_shndx >= SHN_LORESERVE)
        return false;
    GElf_Shdr header;
    Elf_Scn *section = elf_getscn(elf, sym->st_shndx);
    return section && gelf_getshdr(section, &header) &&
           (header.sh_flags & SHF_EXECINSTR) != 0;
}

static bool is_function(Elf *elf, const GElf_Sym *sym)
{
    if (sym->st_value == 0)
        return false;
    switch (GELF_ST_TYPE(sym->st_info)) {
    case STT_FUNC:
    case STT_GNU_IFUNC:
        return sym->st_shndx != SHN_UNDEF;
    case STT_NOTYPE: /* assembler without .type */
        return in_code(elf, sym);
    default:
        return false;
    }
}

static Elf_Scn *find_table(Elf *elf, GElf_Word type, GElf_Shdr *header_out)
{
    Elf_Scn *section = NULL;
    while ((section = elf_nextscn(elf, section)))
        if (gelf_getshdr(section, header_out) && header_out->sh_type == type)
            return section;
    return NULL;
}

static bool read_table(struct pl_elf_symbols *symbols, Elf *elf, Elf_Scn *section,
                       const GElf_Shdr *header)
{
    Elf_Data *data = elf_getdata(section, NULL);
    size_t entry = gelf_fsize(elf, ELF_T_SYM, 1, EV_CURRENT);
    if (!data || !entry)
        return false;
    size_t total = data->d_size / entry;
    if (total > MAX_SYMBOLS)
        total = MAX_SYMBOLS;
    symbols->rows = calloc(total + 1, sizeof symbols->rows[0]); /* and the entry */
    if (!symbols->rows)
        return false;
    for (size_t i = 0; i < total; i++) {
        GElf_Sym sym;
        if (!gelf_getsym(data, (int)i, &sym) || !is_function(elf, &sym))
            continue;
        const char *name = elf_strptr(elf, header->sh_link, sym.st_name);
        if (!name || !*name || *name == '$' || strncmp(name, ".L", 2) == 0)
            continue;
        symbols->rows[symbols->count++] = (struct elf_symbol){
            .value = sym.st_value,
            .end = sym.st_size > UINT64_MAX - sym.st_value ? UINT64_MAX
                                                           : sym.st_value + sym.st_size,
            .raw = name,
            .binding = GELF_ST_BIND(sym.st_info),
            .sized = sym.st_size != 0,
        };
    }
    return true;
}

/* A stripped program's entry point, the outermost frame of its main thread: the C
 * runtime's _start has this size (gcc's and clang's crt1.o for x86-64). */
#define START_BYTES 38

static void add_entry(struct pl_elf_symbols *symbols, Elf *elf)
{
    GElf_Ehdr header;
    GElf_Phdr segment;
    bool program = false;
    if (!gelf_getehdr(elf, &header) || !header.e_entry)
        return;
    for (int i = 0; !program && gelf_getphdr(elf, i, &segment); i++)
        program = segment.p_type == PT_INTERP;
    for (size_t i = 0; program && i < symbols->count; i++)
        program = symbols->rows[i].value < header.e_entry ||
                  symbols->rows[i].value >= header.e_entry + START_BYTES;
    if (!program || header.e_entry > UINT64_MAX - START_BYTES)
        return;
    symbols->rows[symbols->count++] = (struct elf_symbol){
        .value = header.e_entry,
        .end = header.e_entry + START_BYTES,
        .raw = "_start",
        .binding = STB_GLOBAL,
        .sized = true,
    };
}

/* Keep the best name of each address; unsized symbols reach to the next one. */
static void settle(struct pl_elf_symbols *symbols)
{
    struct elf_symbol *rows = symbols->rows;
    qsort(rows, symbols->count, sizeof rows[0], compare);
    size_t kept = 0;
    for (size_t i = 0; i < symbols->count; i++)
        if (kept == 0 || rows[i].value != rows[kept - 1].value)
            rows[kept++] = rows[i];
    symbols->count = kept;
    for (size_t i = 0; i < kept; i++)
        if (!rows[i].sized)
            rows[i].end = i + 1 < kept ? rows[i + 1].value : rows[i].value + 1;
}

struct pl_elf_symbols *pl_elf_symbols_open(Elf *elf, bool dynamic)
{
    GElf_Shdr header;
    Elf_Scn *section = find_table(elf, dynamic ? SHT_DYNSYM : SHT_SYMTAB, &header);
    if (!section)
        return NULL;
    struct pl_elf_symbols *symbols = calloc(1, sizeof *symbols);
    if (!symbols)
        return NULL;
    bool read = read_table(symbols, elf, section, &header);
    if (read)
        add_entry(symbols, elf);
    if (symbols->count == 0) {
        pl_elf_symbols_close(symbols);
        return NULL;
    }
    settle(symbols);
    return symbols;
}

void pl_elf_symbols_close(struct pl_elf_symbols *symbols)
{
    if (!symbols)
        return;
    for (size_t i = 0; i < symbols->count; i++)
        free(symbols->rows[i].pretty);
    free(symbols->rows);
    free(symbols);
}

/* "memcpy@@GLIBC_2.14" is memcpy. */
static char *pretty_name(const char *raw)
{
    const char *version = strchr(raw, '@');
    if (!version || version == raw)
        return pl_demangle(raw);
    char *bare = strndup(raw, (size_t)(version - raw));
    char *pretty = bare ? pl_demangle(bare) : NULL;
    free(bare);
    return pretty;
}

const char *pl_elf_symbols_find(struct pl_elf_symbols *symbols, uint64_t address)
{
    size_t lo = 0, hi = symbols->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (symbols->rows[mid].value <= address)
            lo = mid + 1;
        else
            hi = mid;
    }
    /* A few steps back: a label inside a sized function must not hide it. */
    struct elf_symbol *found = NULL;
    for (size_t back = 0; back < 64 && lo > 0; back++, lo--) {
        struct elf_symbol *symbol = &symbols->rows[lo - 1];
        if (address >= symbol->end)
            continue;
        if (!found || symbol->sized)
            found = symbol;
        if (symbol->sized)
            break;
    }
    if (found && !found->pretty)
        found->pretty = pretty_name(found->raw);
    return found ? found->pretty : NULL;
}
