/* DWARF as a resolver: functions, files, lines and what was inlined.
 *
 * Built as far as questions need it and kept:
 *   file  ──▶ ranges of all units          (once; needs no .debug_aranges)
 *   unit  ──▶ ranges of its functions      (when an address first falls into it)
 *   function ──▶ ranges of inlined calls   (likewise)
 * so that one address costs three binary searches and a look into the line table,
 * however large the unit. libdw's own dwarf_getscopes walks a unit's whole tree
 * for each address: milliseconds each in an amalgamated C file.
 *
 * The file is hostile: depth is bounded here, time and memory by the worker. */
#include "process/symbols.h"

#include "process/dwarf_names.h"
#include "process/map.h"
#include "process/paths.h"
#include "process/ranges.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TREE_DEPTH 128
#define NO_ITEM        UINT32_MAX

/* A call that was inlined, and where it was called from. */
struct inlined {
    Dwarf_Die die;
    uint32_t parent; /* the call it lies in, or NO_ITEM: the function itself */
    uint32_t depth;
    uint32_t call_file, call_line, call_column;
};

struct function {
    Dwarf_Die die;
    struct inlined *inlined;
    size_t inlined_count, inlined_cap;
    struct pl_ranges ranges; /* item: index into inlined */
    bool loaded;
};

struct unit {
    Dwarf_Die die;  /* with ranges and lines */
    Dwarf_Die tree; /* with functions: the split unit's DIE, else the same */
    struct function *functions;
    size_t function_count, function_cap;
    struct pl_ranges ranges; /* item: index into functions */
    bool loaded, deep;
};

/* What is said of a function wherever it appears. Strings in `texts`. */
struct subject {
    const char *name, *file;
    uint32_t decl_line;
};

struct pl_dwarf {
    Dwarf *dwarf;
    struct unit *units;
    size_t unit_count, unit_cap;
    struct pl_ranges ranges;  /* item: index into units */
    struct pl_map subject_of; /* DIE address -> index into subjects */
    struct subject *subjects;
    size_t subject_count, subject_cap;
    struct pl_dwarf_names names;
    struct pl_map file_of; /* address of libdw's file name -> index into texts */
    char **texts;
    size_t text_count, text_cap;
};

/* Room for one more row of a growing array. */
static bool reserve(void *rows_ptr, size_t row_bytes, size_t count, size_t *cap)
{
    if (count < *cap)
        return true;
    if (count >= NO_ITEM / 2)
        return false;
    size_t bigger = *cap ? *cap * 2 : 16;
    void *rows;
    memcpy(&rows, rows_ptr, sizeof rows); /* the caller's pointer has another type */
    rows = realloc(rows, bigger * row_bytes);
    if (!rows)
        return false;
    memcpy(rows_ptr, &rows, sizeof rows);
    *cap = bigger;
    return true;
}

static bool add_ranges(struct pl_ranges *ranges, Dwarf_Die *die, uint32_t item)
{
    Dwarf_Addr base = 0, lo, hi;
    ptrdiff_t offset = 0;
    while ((offset = dwarf_ranges(die, offset, &base, &lo, &hi)) > 0)
        if (!pl_ranges_add(ranges, lo, hi, item))
            return false;
    return true;
}

/* ---- file: units ---- */

static bool add_unit(struct pl_dwarf *dwarf, const Dwarf_Die *die,
                     const Dwarf_Die *tree)
{
    if (!reserve(&dwarf->units, sizeof dwarf->units[0], dwarf->unit_count,
                 &dwarf->unit_cap))
        return false;
    struct unit *unit = &dwarf->units[dwarf->unit_count];
    *unit = (struct unit){.die = *die, .tree = *tree};
    return add_ranges(&dwarf->ranges, &unit->die, (uint32_t)dwarf->unit_count++);
}

struct pl_dwarf *pl_dwarf_open(Elf *elf)
{
    struct pl_dwarf *dwarf = calloc(1, sizeof *dwarf);
    if (!dwarf || !(dwarf->dwarf = dwarf_begin_elf(elf, DWARF_C_READ, NULL))) {
        free(dwarf);
        return NULL;
    }
    Dwarf_CU *cu = NULL;
    Dwarf_Die die, split;
    uint8_t type;
    while (dwarf_get_units(dwarf->dwarf, cu, &cu, NULL, &type, &die, &split) == 0) {
        if (type != DW_UT_compile && type != DW_UT_skeleton)
            continue;
        bool is_split = type == DW_UT_skeleton && dwarf_tag(&split) > 0;
        if (!add_unit(dwarf, &die, is_split ? &split : &die))
            break;
    }
    pl_ranges_sort(&dwarf->ranges);
    return dwarf;
}

static void free_unit(struct unit *unit)
{
    for (size_t i = 0; i < unit->function_count; i++) {
        free(unit->functions[i].inlined);
        pl_ranges_deinit(&unit->functions[i].ranges);
    }
    free(unit->functions);
    pl_ranges_deinit(&unit->ranges);
}

void pl_dwarf_close(struct pl_dwarf *dwarf)
{
    if (!dwarf)
        return;
    for (size_t i = 0; i < dwarf->unit_count; i++)
        free_unit(&dwarf->units[i]);
    free(dwarf->units);
    pl_ranges_deinit(&dwarf->ranges);
    for (size_t i = 0; i < dwarf->text_count; i++)
        free(dwarf->texts[i]);
    free(dwarf->texts);
    free(dwarf->subjects);
    pl_dwarf_names_deinit(&dwarf->names);
    pl_map_deinit(&dwarf->subject_of);
    pl_map_deinit(&dwarf->file_of);
    dwarf_end(dwarf->dwarf);
    free(dwarf);
}

/* ---- unit: functions ---- */

static bool add_function(struct unit *unit, Dwarf_Die *die)
{
    size_t before = unit->ranges.count;
    if (!add_ranges(&unit->ranges, die, (uint32_t)unit->function_count))
        return false;
    if (unit->ranges.count == before)
        return true; /* a declaration, or only ever inlined */
    if (!reserve(&unit->functions, sizeof unit->functions[0], unit->function_count,
                 &unit->function_cap)) {
        unit->ranges.count = before;
        return false;
    }
    unit->functions[unit->function_count++] = (struct function){.die = *die};
    return true;
}

static bool may_hold_functions(int tag, bool deep)
{
    switch (tag) {
    case DW_TAG_namespace:
    case DW_TAG_module:
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
    case DW_TAG_union_type:
        return true;
    case DW_TAG_subprogram:
    case DW_TAG_lexical_block:
        return deep; /* nested functions: rare, and costly to look for */
    default:
        return false;
    }
}

static bool collect_functions(struct unit *unit, Dwarf_Die *parent, bool deep,
                              unsigned depth)
{
    Dwarf_Die die;
    if (depth > MAX_TREE_DEPTH || dwarf_child(parent, &die) != 0)
        return true;
    do {
        int tag = dwarf_tag(&die);
        if (tag == DW_TAG_subprogram && !add_function(unit, &die))
            return false;
        if (may_hold_functions(tag, deep) && dwarf_haschildren(&die) == 1 &&
            !collect_functions(unit, &die, deep, depth + 1))
            return false;
    } while (dwarf_siblingof(&die, &die) == 0);
    return true;
}

static void load_functions(struct unit *unit, bool deep)
{
    free_unit(unit);
    unit->functions = NULL;
    unit->function_count = unit->function_cap = 0;
    (void)collect_functions(unit, &unit->tree, deep, 0);
    pl_ranges_sort(&unit->ranges);
    unit->loaded = true;
    unit->deep = deep;
}

static struct function *find_function(struct unit *unit, uint64_t address)
{
    uint32_t at;
    if (!unit->loaded)
        load_functions(unit, false);
    if (pl_ranges_find(&unit->ranges, address, &at))
        return &unit->functions[at];
    if (!unit->deep)
        load_functions(unit, true);
    return pl_ranges_find(&unit->ranges, address, &at) ? &unit->functions[at] : NULL;
}

/* ---- function: inlined calls ---- */

static uint32_t number_attribute(Dwarf_Die *die, unsigned name)
{
    Dwarf_Attribute attribute;
    Dwarf_Word value;
    if (!dwarf_attr(die, name, &attribute) ||
        dwarf_formudata(&attribute, &value) != 0 || value > UINT32_MAX)
        return 0;
    return (uint32_t)value;
}

static bool add_inlined(struct function *function, Dwarf_Die *die, uint32_t parent,
                        uint32_t *added_out)
{
    if (!reserve(&function->inlined, sizeof function->inlined[0],
                 function->inlined_count, &function->inlined_cap))
        return false;
    uint32_t at = (uint32_t)function->inlined_count++;
    function->inlined[at] = (struct inlined){
        .die = *die,
        .parent = parent,
        .depth = parent == NO_ITEM ? 1 : function->inlined[parent].depth + 1,
        .call_file = number_attribute(die, DW_AT_call_file),
        .call_line = number_attribute(die, DW_AT_call_line),
        .call_column = number_attribute(die, DW_AT_call_column),
    };
    *added_out = at;
    return add_ranges(&function->ranges, die, at);
}

static bool may_hold_inlined(int tag)
{
    return tag == DW_TAG_lexical_block || tag == DW_TAG_inlined_subroutine ||
           tag == DW_TAG_try_block || tag == DW_TAG_catch_block ||
           tag == DW_TAG_with_stmt;
}

static bool collect_inlined(struct function *function, Dwarf_Die *scope,
                            uint32_t parent, unsigned depth)
{
    Dwarf_Die die;
    if (depth > MAX_TREE_DEPTH || dwarf_child(scope, &die) != 0)
        return true;
    do {
        int tag = dwarf_tag(&die);
        uint32_t inside = parent;
        if (!may_hold_inlined(tag))
            continue;
        if (tag == DW_TAG_inlined_subroutine &&
            !add_inlined(function, &die, parent, &inside))
            return false;
        if (dwarf_haschildren(&die) == 1 &&
            !collect_inlined(function, &die, inside, depth + 1))
            return false;
    } while (dwarf_siblingof(&die, &die) == 0);
    return true;
}

/* The innermost inlined call at `address`, or NO_ITEM. */
static uint32_t find_inlined(struct function *function, uint64_t address)
{
    uint32_t best = NO_ITEM;
    if (!function->loaded) {
        function->loaded = true;
        (void)collect_inlined(function, &function->die, NO_ITEM, 0);
    }
    for (size_t i = 0; i < function->ranges.count; i++) {
        const struct pl_range *range = &function->ranges.rows[i];
        if (address < range->lo || address >= range->hi)
            continue;
        if (best == NO_ITEM ||
            function->inlined[range->item].depth > function->inlined[best].depth)
            best = range->item;
    }
    return best;
}

/* ---- names, files, lines ---- */

/* Takes `text`. NULL when it is NULL or memory is short. */
static const char *keep_text(struct pl_dwarf *dwarf, char *text)
{
    if (!text || !reserve(&dwarf->texts, sizeof dwarf->texts[0], dwarf->text_count,
                          &dwarf->text_cap)) {
        free(text);
        return NULL;
    }
    dwarf->texts[dwarf->text_count++] = text;
    return text;
}

static bool has_folder(const char *path, const char *folder)
{
    size_t len = strlen(folder);
    return len && strncmp(path, folder, len) == 0 && path[len] == '/';
}

/* The absolute, clean form of a name from a file table of `unit_die`. */
static const char *clean_file(struct pl_dwarf *dwarf, Dwarf_Die *unit_die,
                              const char *raw)
{
    uint32_t at;
    Dwarf_Attribute attribute;
    if (!raw || strcmp(raw, "???") == 0)
        return "";
    if (pl_map_get(&dwarf->file_of, (uintptr_t)raw, &at))
        return dwarf->texts[at];
    const char *folder = NULL;
    if (dwarf_attr_integrate(unit_die, DW_AT_comp_dir, &attribute))
        folder = dwarf_formstring(&attribute);
    /* A relative folder (builds that map their paths away) may be in it already. */
    if (folder && folder[0] != '/' && has_folder(raw, folder))
        folder = NULL;
    const char *file = keep_text(dwarf, pl_path_join(folder, raw));
    if (!file)
        return "";
    (void)pl_map_put(&dwarf->file_of, (uintptr_t)raw, (uint32_t)dwarf->text_count - 1);
    return file;
}

static struct subject make_subject(struct pl_dwarf *dwarf, Dwarf_Die *die)
{
    struct subject subject = {.file = ""};
    Dwarf_Attribute attribute;
    Dwarf_Die declared = *die, unit_die; /* of a lambda, its closure is */
    int line;
    bool is_lambda = pl_dwarf_closure(die, &declared);
    if (dwarf_attr_integrate(&declared, DW_AT_decl_file, &attribute) &&
        dwarf_cu_die(attribute.cu, &unit_die, NULL, NULL, NULL, NULL, NULL, NULL))
        subject.file = clean_file(dwarf, &unit_die, dwarf_decl_file(&declared));
    if (dwarf_decl_line(&declared, &line) == 0 && line > 0)
        subject.decl_line = (uint32_t)line;
    subject.name = keep_text(
        dwarf, is_lambda ? pl_dwarf_lambda_name(subject.file, subject.decl_line)
                         : pl_dwarf_name(&dwarf->names, die));
    return subject;
}

/* What `die` (a function or an inlined call) is about. Inlined calls of one
 * function share their abstract instance's entry. */
static struct subject subject_of(struct pl_dwarf *dwarf, Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    Dwarf_Die origin = *die;
    uint32_t at;
    if (dwarf_tag(die) == DW_TAG_inlined_subroutine &&
        (!dwarf_attr(die, DW_AT_abstract_origin, &attribute) ||
         !dwarf_formref_die(&attribute, &origin)))
        origin = *die;
    uint64_t key = (uintptr_t)origin.addr;
    if (pl_map_get(&dwarf->subject_of, key, &at))
        return dwarf->subjects[at];
    struct subject subject = make_subject(dwarf, &origin);
    if (reserve(&dwarf->subjects, sizeof dwarf->subjects[0], dwarf->subject_count,
                &dwarf->subject_cap) &&
        pl_map_put(&dwarf->subject_of, key, (uint32_t)dwarf->subject_count))
        dwarf->subjects[dwarf->subject_count++] = subject;
    return subject;
}

struct place {
    const char *file; /* "" unknown */
    uint32_t line, column;
};

/* The last row at or before `address`, as an index; false: no row covers it. */
static bool find_row(Dwarf_Lines *lines, size_t count, uint64_t address, size_t *at_out)
{
    size_t lo = 0, hi = count;
    Dwarf_Addr start;
    bool is_end;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (dwarf_lineaddr(dwarf_onesrcline(lines, mid), &start) != 0)
            return false;
        if (start <= address)
            lo = mid + 1;
        else
            hi = mid;
    }
    *at_out = lo - 1;
    return lo > 0 &&
           dwarf_lineendsequence(dwarf_onesrcline(lines, lo - 1), &is_end) == 0 &&
           !is_end;
}

/* Rows of line 0 are code the compiler made up: the row before them speaks. */
static struct place find_place(struct pl_dwarf *dwarf, struct unit *unit,
                               uint64_t address)
{
    struct place place = {.file = ""};
    Dwarf_Lines *lines;
    size_t count, at;
    int number = 0, column = 0;
    bool is_end;
    if (dwarf_getsrclines(&unit->die, &lines, &count) != 0 ||
        !find_row(lines, count, address, &at))
        return place;
    Dwarf_Line *row = dwarf_onesrcline(lines, at);
    for (size_t back = 0; back < 16; back++) {
        row = dwarf_onesrcline(lines, at);
        if (dwarf_lineno(row, &number) != 0 || number > 0 || at == 0)
            break;
        Dwarf_Line *before = dwarf_onesrcline(lines, --at);
        if (dwarf_lineendsequence(before, &is_end) != 0 || is_end)
            break;
    }
    if (number > 0)
        place.line = (uint32_t)number;
    if (place.line && dwarf_linecol(row, &column) == 0 && column > 0)
        place.column = (uint32_t)column;
    place.file = clean_file(dwarf, &unit->die, dwarf_linesrc(row, NULL, NULL));
    return place;
}

/* ---- the answer ---- */

/* A function has one file, the declaration's, or it would be counted as two.
 * A line in another file (a body put together by #include) is not one of it. */
static void add_symbol(struct pl_symbol_list *list, struct subject subject,
                       struct place place)
{
    if (list->count == PL_MAX_INLINES)
        return;
    bool same =
        !subject.file[0] || !place.file[0] || strcmp(subject.file, place.file) == 0;
    list->rows[list->count++] = (struct pl_symbol){
        .function = subject.name,
        .file = subject.file[0] ? subject.file : place.file,
        .decl_line = subject.decl_line,
        .line = same ? place.line : 0,
        .column = same ? place.column : 0,
    };
}

/* From the innermost inlined call out to the function: fills `path` outermost
 * first and returns how many. The outermost are dropped if there are too many. */
static size_t inline_path(const struct function *function, uint32_t innermost,
                          uint32_t path[static PL_MAX_INLINES])
{
    size_t count = 0;
    for (uint32_t at = innermost; at != NO_ITEM && count < PL_MAX_INLINES - 1;
         at = function->inlined[at].parent)
        path[count++] = at;
    for (size_t i = 0; i < count / 2; i++) {
        uint32_t swapped = path[i];
        path[i] = path[count - 1 - i];
        path[count - 1 - i] = swapped;
    }
    return count;
}

/* Where an inlined call was written. */
static struct place call_place(struct pl_dwarf *dwarf, struct unit *unit,
                               const struct inlined *call)
{
    struct place place = {
        .file = "", .line = call->call_line, .column = call->call_column};
    Dwarf_Files *files;
    size_t count;
    if (call->call_file && dwarf_getsrcfiles(&unit->tree, &files, &count) == 0 &&
        call->call_file < count)
        place.file = clean_file(dwarf, &unit->die,
                                dwarf_filesrc(files, call->call_file, NULL, NULL));
    return place;
}

static void add_function_chain(struct pl_dwarf *dwarf, struct unit *unit,
                               struct function *function, uint64_t address,
                               struct place place, struct pl_symbol_list *list)
{
    uint32_t path[PL_MAX_INLINES];
    size_t count = inline_path(function, find_inlined(function, address), path);
    struct subject subject = subject_of(dwarf, &function->die);
    for (size_t i = 0; i < count; i++) {
        struct inlined *call = &function->inlined[path[i]];
        add_symbol(list, subject, call_place(dwarf, unit, call));
        subject = subject_of(dwarf, &call->die);
        if (!subject.name)
            subject.name = "[inlined]";
    }
    add_symbol(list, subject, place);
}

bool pl_dwarf_find(struct pl_dwarf *dwarf, uint64_t address,
                   struct pl_symbol_list *list_out)
{
    uint32_t at;
    list_out->count = 0;
    if (!pl_ranges_find(&dwarf->ranges, address, &at))
        return false;
    struct unit *unit = &dwarf->units[at];
    struct place place = find_place(dwarf, unit, address);
    struct function *function = find_function(unit, address);
    if (function)
        add_function_chain(dwarf, unit, function, address, place, list_out);
    else if (place.file[0])
        add_symbol(list_out, (struct subject){.file = ""}, place);
    return list_out->count > 0;
}
