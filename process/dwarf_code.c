#include "process/dwarf_code.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TREE_DEPTH 128

bool pl_dwarf_reserve(void *rows_ptr, size_t row_bytes, size_t count, size_t *cap)
{
    if (count < *cap)
        return true;
    if (count >= PL_DWARF_NONE / 2)
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

bool pl_dwarf_add_ranges(struct pl_ranges *ranges, Dwarf_Die *die, uint32_t item)
{
    Dwarf_Addr base = 0, lo, hi;
    ptrdiff_t offset = 0;
    while ((offset = dwarf_ranges(die, offset, &base, &lo, &hi)) > 0)
        if (!pl_ranges_add(ranges, lo, hi, item))
            return false;
    return true;
}

void pl_dwarf_unit_deinit(struct pl_dwarf_unit *unit)
{
    for (size_t i = 0; i < unit->function_count; i++) {
        free(unit->functions[i].inlined);
        pl_ranges_deinit(&unit->functions[i].ranges);
    }
    free(unit->functions);
    pl_ranges_deinit(&unit->ranges);
}

/* ---- unit: functions ---- */

static bool add_function(struct pl_dwarf_unit *unit, Dwarf_Die *die)
{
    size_t before = unit->ranges.count;
    if (!pl_dwarf_add_ranges(&unit->ranges, die, (uint32_t)unit->function_count))
        return false;
    if (unit->ranges.count == before)
        return true; /* a declaration, or only ever inlined */
    if (!pl_dwarf_reserve(&unit->functions, sizeof unit->functions[0],
                          unit->function_count, &unit->function_cap)) {
        unit->ranges.count = before;
        return false;
    }
    unit->functions[unit->function_count++] = (struct pl_dwarf_function){.die = *die};
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

static bool collect_functions(struct pl_dwarf_unit *unit, Dwarf_Die *parent, bool deep,
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

static void load_functions(struct pl_dwarf_unit *unit, bool deep)
{
    pl_dwarf_unit_deinit(unit);
    unit->functions = NULL;
    unit->function_count = unit->function_cap = 0;
    (void)collect_functions(unit, &unit->tree, deep, 0);
    pl_ranges_sort(&unit->ranges);
    unit->loaded = true;
    unit->deep = deep;
}

struct pl_dwarf_function *pl_dwarf_function_at(struct pl_dwarf_unit *unit,
                                               uint64_t address)
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

static bool add_inlined(struct pl_dwarf_function *function, Dwarf_Die *die,
                        uint32_t parent, uint32_t *added_out)
{
    if (!pl_dwarf_reserve(&function->inlined, sizeof function->inlined[0],
                          function->inlined_count, &function->inlined_cap))
        return false;
    uint32_t at = (uint32_t)function->inlined_count++;
    function->inlined[at] = (struct pl_dwarf_inlined){
        .die = *die,
        .parent = parent,
        .depth = parent == PL_DWARF_NONE ? 1 : function->inlined[parent].depth + 1,
        .call_file = number_attribute(die, DW_AT_call_file),
        .call_line = number_attribute(die, DW_AT_call_line),
        .call_column = number_attribute(die, DW_AT_call_column),
    };
    *added_out = at;
    return pl_dwarf_add_ranges(&function->ranges, die, at);
}

static bool may_hold_inlined(int tag)
{
    return tag == DW_TAG_lexical_block || tag == DW_TAG_inlined_subroutine ||
           tag == DW_TAG_try_block || tag == DW_TAG_catch_block ||
           tag == DW_TAG_with_stmt;
}

static bool collect_inlined(struct pl_dwarf_function *function, Dwarf_Die *scope,
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

uint32_t pl_dwarf_inlined_at(struct pl_dwarf_function *function, uint64_t address)
{
    uint32_t best = PL_DWARF_NONE;
    if (!function->loaded) {
        function->loaded = true;
        (void)collect_inlined(function, &function->die, PL_DWARF_NONE, 0);
    }
    for (size_t i = 0; i < function->ranges.count; i++) {
        const struct pl_range *range = &function->ranges.rows[i];
        if (address < range->lo || address >= range->hi)
            continue;
        if (best == PL_DWARF_NONE ||
            function->inlined[range->item].depth > function->inlined[best].depth)
            best = range->item;
    }
    return best;
}
