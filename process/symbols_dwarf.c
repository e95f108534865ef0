/* DWARF as a resolver: functions, files, lines and what was inlined.
 *
 * Ranges of all units are read once (which needs no .debug_aranges), of the code in a
 * unit when it is first asked about (dwarf_code.h), so that one address costs three
 * binary searches and a look into the line table, however large the unit. libdw's own
 * dwarf_getscopes walks a unit's whole tree for each address: milliseconds each in an
 * amalgamated C file. */
#include "process/symbols.h"

#include "process/dwarf_code.h"
#include "process/dwarf_names.h"
#include "process/map.h"
#include "process/paths.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdlib.h>
#include <string.h>

/* What is said of a function wherever it appears. Strings in `texts`. */
struct subject {
    const char *name, *file;
    uint32_t decl_line;
};

struct pl_dwarf {
    Dwarf *dwarf;
    struct pl_dwarf_unit *units;
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

/* ---- file: units ---- */

static bool add_unit(struct pl_dwarf *dwarf, const Dwarf_Die *die,
                     const Dwarf_Die *tree)
{
    if (!pl_dwarf_reserve(&dwarf->units, sizeof dwarf->units[0], dwarf->unit_count,
                          &dwarf->unit_cap))
        return false;
    struct pl_dwarf_unit *unit = &dwarf->units[dwarf->unit_count];
    *unit = (struct pl_dwarf_unit){.die = *die, .tree = *tree};
    return pl_dwarf_add_ranges(&dwarf->ranges, &unit->die,
                               (uint32_t)dwarf->unit_count++);
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

void pl_dwarf_close(struct pl_dwarf *dwarf)
{
    if (!dwarf)
        return;
    for (size_t i = 0; i < dwarf->unit_count; i++)
        pl_dwarf_unit_deinit(&dwarf->units[i]);
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

/* ---- names, files, lines ---- */

/* Takes `text`. NULL when it is NULL or memory is short. */
static const char *keep_text(struct pl_dwarf *dwarf, char *text)
{
    if (!text || !pl_dwarf_reserve(&dwarf->texts, sizeof dwarf->texts[0],
                                   dwarf->text_count, &dwarf->text_cap)) {
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
    if (pl_dwarf_reserve(&dwarf->subjects, sizeof dwarf->subjects[0],
                         dwarf->subject_count, &dwarf->subject_cap) &&
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

/* Innermost of what is at an address. */
struct scope {
    struct pl_dwarf_function *function; /* NULL: not known */
    uint32_t inlined;                   /* into it, or PL_DWARF_NONE */
};

static bool is_in_scope(const struct pl_dwarf_unit *unit, const struct scope *scope,
                        Dwarf_Line *row)
{
    Dwarf_Addr address;
    uint32_t at;
    return scope->function && dwarf_lineaddr(row, &address) == 0 &&
           pl_ranges_find(&unit->ranges, address, &at) &&
           &unit->functions[at] == scope->function &&
           pl_dwarf_inlined_at(scope->function, address) == scope->inlined;
}

/* Rows of line 0 are code the compiler made up: a row of the same call that stands
 * right before them speaks. */
static struct place find_place(struct pl_dwarf *dwarf, struct pl_dwarf_unit *unit,
                               const struct scope *scope, uint64_t address)
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
        if (dwarf_lineendsequence(before, &is_end) != 0 || is_end ||
            !is_in_scope(unit, scope, before))
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
static size_t inline_path(const struct pl_dwarf_function *function, uint32_t innermost,
                          uint32_t path[static PL_MAX_INLINES])
{
    size_t count = 0;
    for (uint32_t at = innermost; at != PL_DWARF_NONE && count < PL_MAX_INLINES - 1;
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
static struct place call_place(struct pl_dwarf *dwarf, struct pl_dwarf_unit *unit,
                               const struct pl_dwarf_inlined *call)
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

static void add_function_chain(struct pl_dwarf *dwarf, struct pl_dwarf_unit *unit,
                               const struct scope *scope, struct place place,
                               struct pl_symbol_list *list)
{
    struct pl_dwarf_function *function = scope->function;
    uint32_t path[PL_MAX_INLINES];
    size_t count = inline_path(function, scope->inlined, path);
    struct subject subject = subject_of(dwarf, &function->die);
    for (size_t i = 0; i < count; i++) {
        struct pl_dwarf_inlined *call = &function->inlined[path[i]];
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
    struct pl_dwarf_unit *unit = &dwarf->units[at];
    struct scope scope = {pl_dwarf_function_at(unit, address), PL_DWARF_NONE};
    if (scope.function)
        scope.inlined = pl_dwarf_inlined_at(scope.function, address);
    struct place place = find_place(dwarf, unit, &scope, address);
    if (scope.function)
        add_function_chain(dwarf, unit, &scope, place, list_out);
    else if (place.file[0])
        add_symbol(list_out, (struct subject){.file = ""}, place);
    return list_out->count > 0;
}
