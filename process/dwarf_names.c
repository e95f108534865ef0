#include "process/dwarf_names.h"

#include "process/demangle.h"

#include <dwarf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH   64 /* of scopes in scopes */
#define MAX_ORIGINS 4  /* concrete -> abstract -> declaration, and one to spare */
#define NO_TEXT     UINT32_MAX

/* A namespace or class on the way to where the walk is. */
struct scope {
    struct scope *outer; /* NULL: the unit */
    Dwarf_Die *die;
    uint32_t text; /* NO_TEXT until it is needed */
};

/* ---- scopes ---- */

void pl_dwarf_names_deinit(struct pl_dwarf_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->texts[i]);
    free(names->texts);
    pl_map_deinit(&names->walked);
    pl_map_deinit(&names->scope_of);
    *names = (struct pl_dwarf_names){0};
}

/* Index of the kept text, or NO_TEXT. Takes `text`. */
static uint32_t keep(struct pl_dwarf_names *names, char *text)
{
    if (names->count == names->cap) {
        size_t cap = names->cap ? names->cap * 2 : 16;
        char **texts =
            cap < NO_TEXT ? realloc(names->texts, cap * sizeof *texts) : NULL;
        if (!texts) {
            free(text);
            return NO_TEXT;
        }
        names->texts = texts;
        names->cap = cap;
    }
    names->texts[names->count] = text;
    return (uint32_t)names->count++;
}

/* "outer::name", in the demangler's words. */
static uint32_t text_of(struct pl_dwarf_names *names, struct scope *scope)
{
    char text[PL_DEMANGLED_BYTES];
    const char *name = dwarf_diename(scope->die);
    if (scope->text != NO_TEXT)
        return scope->text;
    if (!name && dwarf_tag(scope->die) == DW_TAG_namespace)
        name = "(anonymous namespace)";
    uint32_t outer = scope->outer ? text_of(names, scope->outer) : NO_TEXT;
    if (!name)
        return scope->text = outer;
    int len = snprintf(text, sizeof text, "%s%s%s",
                       outer == NO_TEXT ? "" : names->texts[outer],
                       outer == NO_TEXT ? "" : "::", name);
    char *copy = len > 0 && (size_t)len < sizeof text ? strdup(text) : NULL;
    scope->text = copy ? keep(names, copy) : NO_TEXT;
    return scope->text;
}

static void add_function(struct pl_dwarf_names *names, Dwarf_Die *die,
                         struct scope *scope)
{
    if (!scope || dwarf_hasattr(die, DW_AT_linkage_name))
        return;
    uint32_t text = text_of(names, scope);
    if (text != NO_TEXT)
        (void)pl_map_put(&names->scope_of, (uintptr_t)die->addr, text);
}

static bool is_scope(int tag)
{
    return tag == DW_TAG_namespace || tag == DW_TAG_structure_type ||
           tag == DW_TAG_class_type || tag == DW_TAG_union_type;
}

static void walk(struct pl_dwarf_names *names, Dwarf_Die *parent, struct scope *scope,
                 unsigned depth)
{
    Dwarf_Die die;
    if (depth > MAX_DEPTH || dwarf_child(parent, &die) != 0)
        return;
    do {
        int tag = dwarf_tag(&die);
        struct scope inner = {.outer = scope, .die = &die, .text = NO_TEXT};
        if (tag == DW_TAG_subprogram)
            add_function(names, &die, scope);
        else if (is_scope(tag) && dwarf_haschildren(&die) == 1)
            walk(names, &die, &inner, depth + 1);
    } while (dwarf_siblingof(&die, &die) == 0);
}

/* The DIE that `die` is an instance of or completes. */
static bool find_origin(Dwarf_Die *die, Dwarf_Die *origin_out)
{
    Dwarf_Attribute attribute;
    return (dwarf_attr(die, DW_AT_abstract_origin, &attribute) ||
            dwarf_attr(die, DW_AT_specification, &attribute)) &&
           dwarf_formref_die(&attribute, origin_out);
}

/* The last one counts: a definition may stand outside the class of its declaration. */
static const char *find_scope(struct pl_dwarf_names *names, const Dwarf_Die *function)
{
    Dwarf_Die die = *function, unit;
    uint32_t text = NO_TEXT, at;
    for (unsigned i = 0; i < MAX_ORIGINS; i++) {
        if (!dwarf_diecu(&die, &unit, NULL, NULL))
            break;
        if (!pl_map_get(&names->walked, (uintptr_t)unit.addr, &at) &&
            pl_map_put(&names->walked, (uintptr_t)unit.addr, 1))
            walk(names, &unit, NULL, 0);
        if (pl_map_get(&names->scope_of, (uintptr_t)die.addr, &at))
            text = at;
        if (!find_origin(&die, &die))
            break;
    }
    return text == NO_TEXT ? NULL : names->texts[text];
}

/* ---- lambdas ---- */

/* The class a parameter is of or points to. */
static bool find_class(Dwarf_Die *parameter, Dwarf_Die *class_out)
{
    Dwarf_Attribute attribute;
    *class_out = *parameter;
    for (unsigned i = 0; i < 6; i++) {
        if (!dwarf_attr_integrate(class_out, DW_AT_type, &attribute) ||
            !dwarf_formref_die(&attribute, class_out))
            return false;
        int tag = dwarf_tag(class_out);
        if (tag == DW_TAG_structure_type || tag == DW_TAG_class_type)
            return true;
    }
    return false;
}

/* GCC hands a lambda its closure as a parameter of this name. */
bool pl_dwarf_closure(Dwarf_Die *function, Dwarf_Die *closure_out)
{
    Dwarf_Die die = *function, child;
    for (unsigned i = 0; i < 3; i++) {
        if (dwarf_child(&die, &child) == 0)
            do {
                const char *name = dwarf_diename(&child);
                if (name && strcmp(name, "__closure") == 0)
                    return find_class(&child, closure_out);
            } while (dwarf_siblingof(&child, &child) == 0);
        if (!find_origin(&die, &die))
            break;
    }
    return false;
}

char *pl_dwarf_lambda_name(const char *file, uint32_t line)
{
    char name[PL_DEMANGLED_BYTES];
    const char *slash = strrchr(file, '/');
    (void)snprintf(name, sizeof name, "{lambda %.512s:%u}", slash ? slash + 1 : file,
                   line);
    return strdup(name);
}

/* ---- names ---- */

static const char *string_attribute(Dwarf_Die *die, unsigned name)
{
    Dwarf_Attribute attribute;
    return dwarf_attr_integrate(die, name, &attribute) ? dwarf_formstring(&attribute)
                                                       : NULL;
}

/* A linkage name that is not mangled is an alias made for the linker (glibc's
 * __GI_ names): the source's own name says more. */
static bool is_mangled(const char *name)
{
    return name && name[0] == '_' && strchr("ZRD", name[1]) && name[1];
}

char *pl_dwarf_name(struct pl_dwarf_names *names, Dwarf_Die *function)
{
    char full[PL_DEMANGLED_BYTES];
    const char *linkage = string_attribute(function, DW_AT_linkage_name);
    if (!linkage)
        linkage = string_attribute(function, DW_AT_MIPS_linkage_name);
    if (is_mangled(linkage))
        return pl_demangle(linkage);
    const char *name = string_attribute(function, DW_AT_name);
    if (!name || !*name)
        return linkage && *linkage ? pl_demangle(linkage) : NULL;
    const char *scope = find_scope(names, function);
    int len = scope ? snprintf(full, sizeof full, "%s::%s", scope, name) : 0;
    return len > 0 && (size_t)len < sizeof full ? strdup(full) : pl_demangle(name);
}
