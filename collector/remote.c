#include "collector/remote.h"

#include "base/log.h"
#include "collector/remote_memory.h"

#include <dlfcn.h>
#include <libunwind-x86_64.h>
#include <stdlib.h>
#include <string.h>

#define LIBRARY "libunwind-x86_64.so.8"

/* Words read for one stack: ends expressions made to loop. A deep, cold stack
 * takes some ten thousands. */
#define MAX_READS 2000000u

typedef int search_table_fn(unw_addr_space_t space, unw_word_t ip, unw_dyn_info_t *info,
                            unw_proc_info_t *proc_out, int need_info, void *arg);

struct library {
    void *handle;
    unw_addr_space_t (*create_addr_space)(unw_accessors_t *accessors, int byte_order);
    void (*destroy_addr_space)(unw_addr_space_t space);
    int (*set_caching_policy)(unw_addr_space_t space, unw_caching_policy_t policy);
    void (*flush_cache)(unw_addr_space_t space, unw_word_t low, unw_word_t high);
    int (*init_remote)(unw_cursor_t *cursor, unw_addr_space_t space, void *arg);
    int (*step)(unw_cursor_t *cursor);
    int (*get_reg)(unw_cursor_t *cursor, int number, unw_word_t *value_out);
    int (*is_signal_frame)(unw_cursor_t *cursor);
    search_table_fn *search_table;
};

struct pl_remote {
    struct library lib;
    unw_addr_space_t space; /* NULL: no libunwind */
    struct pl_remote_memory memory;
    /* Rules cached by libunwind are right for this set of modules only. */
    uint64_t cached_version;
    /* of the walk going on */
    const struct pl_drain_modules *modules;
    const struct pl_remote_stack *stack;
    struct pl_registers registers; /* where the cursor began */
    unsigned reads;
    bool no_rule, no_module, beyond_stack, unknown_register; /* met in this step */
};

/* ---- accessors ---- */

static const struct pl_drain_module *module_at(const struct pl_remote *r,
                                               uint64_t address)
{
    uint32_t index = pl_drain_modules_find(r->modules, address, r->stack->mono_ns);
    return index == PL_NO_MODULE ? NULL : &r->modules->list[index];
}

static bool read_stack(struct pl_remote *r, uint64_t address, unw_word_t *value_out)
{
    uint64_t base = r->stack->registers->sp & ~UINT64_C(7);
    if (address < base || r->stack->stack_bytes < 8 ||
        address - base > r->stack->stack_bytes - 8)
        return false;
    memcpy(value_out, r->stack->stack + (address - base), sizeof *value_out);
    return true;
}

static int access_mem(unw_addr_space_t space, unw_word_t address, unw_word_t *value,
                      int write, void *arg)
{
    struct pl_remote *r = arg;
    (void)space;
    if (write || r->reads++ > MAX_READS)
        return -UNW_EINVAL;
    if (read_stack(r, address, value))
        return 0;
    const struct pl_drain_module *module = module_at(r, address);
    struct pl_remote_image *image =
        module ? pl_remote_memory_image(&r->memory, module) : NULL;
    *value = 0;
    if (image) {
        uint64_t vaddr = address - module->bias;
        for (unsigned bytes = 8; bytes; bytes--) /* fewer at a segment's end */
            if (pl_remote_memory_read(&r->memory, image, vaddr, value, bytes))
                return 0;
    }
    r->beyond_stack |= !module;
    return -UNW_EINVAL;
}

static int access_reg(unw_addr_space_t space, unw_regnum_t number, unw_word_t *value,
                      int write, void *arg)
{
    struct pl_remote *r = arg;
    const struct pl_registers *g = &r->registers;
    /* by libunwind's number: word of struct pl_registers */
    static const uint8_t words[] = {
        [UNW_X86_64_RIP] = 0,  [UNW_X86_64_RSP] = 1,  [UNW_X86_64_RBP] = 2,
        [UNW_X86_64_RBX] = 3,  [UNW_X86_64_R12] = 4,  [UNW_X86_64_R13] = 5,
        [UNW_X86_64_R14] = 6,  [UNW_X86_64_R15] = 7,  [UNW_X86_64_RAX] = 8,
        [UNW_X86_64_RCX] = 9,  [UNW_X86_64_RDX] = 10, [UNW_X86_64_RSI] = 11,
        [UNW_X86_64_RDI] = 12, [UNW_X86_64_R8] = 13,  [UNW_X86_64_R9] = 14,
        [UNW_X86_64_R10] = 15, [UNW_X86_64_R11] = 16,
    };
    (void)space;
    if (write || number < 0 || (size_t)number >= sizeof words)
        return -UNW_EBADREG;
    unsigned word = words[number];
    if (!(g->pc_known >> word & 1)) {
        r->unknown_register = true;
        return -UNW_EBADREG;
    }
    memcpy(value, (const char *)g + word * sizeof *value, sizeof *value);
    return 0;
}

static int access_fpreg(unw_addr_space_t space, unw_regnum_t number, unw_fpreg_t *value,
                        int write, void *arg)
{
    (void)space, (void)number, (void)value, (void)write, (void)arg;
    return -UNW_EBADREG;
}

static int no_resume(unw_addr_space_t space, unw_cursor_t *cursor, void *arg)
{
    (void)space, (void)cursor, (void)arg;
    return -UNW_EINVAL;
}

static int no_dynamic_info(unw_addr_space_t space, unw_word_t *address_out, void *arg)
{
    (void)space, (void)address_out, (void)arg;
    return -UNW_ENOINFO;
}

static void put_unwind_info(unw_addr_space_t space, unw_proc_info_t *info, void *arg)
{
    (void)space, (void)info, (void)arg; /* libunwind frees its own */
}

/* Where the module's sorted table of functions lies, as linkers write it. */
static bool describe_table(struct pl_remote *r, const struct pl_drain_module *module,
                           unw_dyn_info_t *info_out)
{
    uint8_t head[4];
    uint32_t count;
    struct pl_remote_image *image = pl_remote_memory_image(&r->memory, module);
    if (!image || image->elf.eh_frame_hdr_bytes < 12)
        return false;
    uint64_t hdr = image->elf.eh_frame_hdr;
    if (!pl_remote_memory_read(&r->memory, image, hdr, head, 4) ||
        !pl_remote_memory_read(&r->memory, image, hdr + 8, &count, 4))
        return false;
    /* version 1; pointer pcrel sdata4; count udata4; table datarel sdata4 */
    static const uint8_t usual[4] = {0x01, 0x1b, 0x03, 0x3b};
    if (memcmp(head, usual, sizeof usual) != 0 ||
        count > (image->elf.eh_frame_hdr_bytes - 12) / 8)
        return false;
    memset(info_out, 0, sizeof *info_out);
    info_out->format = UNW_INFO_FORMAT_REMOTE_TABLE;
    info_out->start_ip = module->start;
    info_out->end_ip = module->end;
    info_out->u.rti.segbase = hdr + module->bias;
    info_out->u.rti.table_data = hdr + 12 + module->bias;
    info_out->u.rti.table_len = count; /* in words of eight bytes */
    return true;
}

static int find_proc_info(unw_addr_space_t space, unw_word_t ip,
                          unw_proc_info_t *info_out, int need_info, void *arg)
{
    struct pl_remote *r = arg;
    unw_dyn_info_t table;
    const struct pl_drain_module *module = module_at(r, ip);
    if (!module || !describe_table(r, module, &table)) {
        r->no_rule |= module != NULL;
        r->no_module |= module == NULL;
        return -UNW_ENOINFO;
    }
    int code = r->lib.search_table(space, ip, &table, info_out, need_info, arg);
    r->no_rule |= code < 0;
    return code;
}

/* ---- open and close ---- */

static bool find_symbol(struct library *lib, const char *name, void *function_out)
{
    void *symbol = dlsym(lib->handle, name);
    memcpy(function_out, &symbol, sizeof symbol);
    return symbol;
}

static bool load_library(struct library *lib)
{
    lib->handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!lib->handle)
        return false;
    return find_symbol(lib, "_Ux86_64_create_addr_space", &lib->create_addr_space) &&
           find_symbol(lib, "_Ux86_64_destroy_addr_space", &lib->destroy_addr_space) &&
           find_symbol(lib, "_Ux86_64_set_caching_policy", &lib->set_caching_policy) &&
           find_symbol(lib, "_Ux86_64_flush_cache", &lib->flush_cache) &&
           find_symbol(lib, "_Ux86_64_init_remote", &lib->init_remote) &&
           find_symbol(lib, "_Ux86_64_step", &lib->step) &&
           find_symbol(lib, "_Ux86_64_get_reg", &lib->get_reg) &&
           find_symbol(lib, "_Ux86_64_is_signal_frame", &lib->is_signal_frame) &&
           find_symbol(lib, "_Ux86_64_dwarf_search_unwind_table", &lib->search_table);
}

struct pl_remote *pl_remote_open(void)
{
    static unw_accessors_t accessors = {
        .find_proc_info = find_proc_info,
        .put_unwind_info = put_unwind_info,
        .get_dyn_info_list_addr = no_dynamic_info,
        .access_mem = access_mem,
        .access_reg = access_reg,
        .access_fpreg = access_fpreg,
        .resume = no_resume,
    };
    struct pl_remote *r = calloc(1, sizeof *r);
    if (!r || !pl_remote_memory_init(&r->memory)) {
        free(r);
        return NULL;
    }
    if (load_library(&r->lib))
        r->space = r->lib.create_addr_space(&accessors, 0);
    if (r->space)
        r->lib.set_caching_policy(r->space, UNW_CACHE_GLOBAL);
    else
        pl_log(PL_LOG_INFO, "collector",
               "%s is not installed: stacks in code without rows end early", LIBRARY);
    return r;
}

void pl_remote_close(struct pl_remote *r)
{
    if (!r)
        return;
    if (r->space)
        r->lib.destroy_addr_space(r->space);
    if (r->lib.handle)
        dlclose(r->lib.handle);
    pl_remote_memory_deinit(&r->memory);
    free(r);
}

bool pl_remote_available(const struct pl_remote *r)
{
    return r->space;
}

/* ---- walking ---- */

struct place {
    unw_word_t pc, sp;
};

static bool place_of(struct pl_remote *r, unw_cursor_t *cursor, struct place *place_out)
{
    return r->lib.get_reg(cursor, UNW_X86_64_RIP, &place_out->pc) == 0 &&
           r->lib.get_reg(cursor, UNW_X86_64_RSP, &place_out->sp) == 0;
}

/* Code without rules keeps frame pointers (compilers at run time, and what they
 * bring along), and only a frame record that makes sense is taken. libunwind has a
 * guess of its own for this, which leaves SP wrong for the frames above: walk on
 * with a new cursor. */
static bool step_frame_pointer(struct pl_remote *r, unw_cursor_t *cursor,
                               struct place *here)
{
    static const uint8_t kept[] = {UNW_X86_64_RBX, UNW_X86_64_R12, UNW_X86_64_R13,
                                   UNW_X86_64_R14, UNW_X86_64_R15};
    struct pl_registers next = {.pc_known = 7};
    unw_word_t bp;
    if (r->lib.get_reg(cursor, UNW_X86_64_RBP, &bp) != 0 || bp < here->sp ||
        !read_stack(r, bp, &next.bp) || !read_stack(r, bp + 8, &next.pc) ||
        next.pc >> 47 || (next.bp && (next.bp <= bp || next.bp & 7)))
        return false;
    next.sp = bp + 16;
    for (unsigned i = 0; i < sizeof kept; i++)
        if (r->lib.get_reg(cursor, kept[i], &next.bx + i) == 0)
            next.pc_known |= UINT64_C(1) << (3 + i);
    *here = (struct place){next.pc, next.sp};
    next.pc--; /* a new cursor looks up its address itself, not the call before it */
    r->registers = next;
    return r->lib.init_remote(cursor, r->space, r) == 0;
}

static enum pl_walk_end why_failed(const struct pl_remote *r)
{
    if (r->unknown_register)
        return PL_WALK_LOST_BP;
    return r->beyond_stack ? PL_WALK_BAD_STACK : PL_WALK_NO_RULE;
}

/* One frame further, from `here` to `here`; false when the walk ends. */
static bool step(struct pl_remote *r, unw_cursor_t *cursor, struct place *here,
                 enum pl_walk_end *end)
{
    unw_cursor_t before = *cursor;
    struct place next = {0, 0};
    r->no_rule = r->no_module = r->beyond_stack = r->unknown_register = false;
    int code = r->lib.step(cursor);
    bool placed = code > 0 && place_of(r, cursor, &next);
    if (r->no_rule || r->no_module) {
        /* A stub of the procedure linkage table has the return address on top. */
        if (r->no_rule && placed && next.sp == here->sp + 8 && next.pc) {
            *here = next;
            return true;
        }
        *cursor = before;
        *end = r->no_rule ? PL_WALK_NO_RULE : PL_WALK_NO_MODULE;
        if (!step_frame_pointer(r, cursor, here))
            return false;
        *end = PL_WALK_ROOT_ZERO;
        return here->pc != 0;
    }
    if (code == 0 || (placed && next.pc == 0)) {
        *end = code == 0 ? PL_WALK_ROOT : PL_WALK_ROOT_ZERO;
        return false;
    }
    if (!placed || next.sp <= here->sp || next.pc >> 47) {
        *end = placed ? PL_WALK_BAD_STACK : why_failed(r);
        return false;
    }
    *here = next;
    return true;
}

static size_t walk(struct pl_remote *r, uint64_t *pcs, size_t most,
                   enum pl_walk_end *end)
{
    unw_cursor_t cursor;
    struct place here;
    if (r->lib.init_remote(&cursor, r->space, r) < 0 || !place_of(r, &cursor, &here))
        return 0;
    bool exact = true;
    for (size_t count = 0; count < most;) {
        pcs[count++] = here.pc | (exact ? PL_PC_EXACT : 0);
        exact = r->lib.is_signal_frame(&cursor) > 0;
        if (count < most && !step(r, &cursor, &here, end))
            return count;
    }
    *end = PL_WALK_DEPTH;
    return most;
}

size_t pl_remote_unwind(struct pl_remote *r, const struct pl_drain_modules *modules,
                        const struct pl_remote_stack *stack, uint64_t *pcs, size_t most,
                        enum pl_walk_end *end_out)
{
    size_t count = 0;
    *end_out = PL_WALK_NO_RULE;
    if (!most)
        return 0;
    if (r->space) {
        if (r->cached_version != modules->version)
            r->lib.flush_cache(r->space, 0, 0);
        r->cached_version = modules->version;
        r->modules = modules;
        r->stack = stack;
        r->registers = *stack->registers;
        r->reads = 0;
        count = walk(r, pcs, most, end_out);
    }
    if (!count) {
        pcs[0] = (stack->registers->pc & ~PL_PC_EXACT) | PL_PC_EXACT;
        count = 1;
    }
    return count;
}

#define TEXT(number)    TEXT_OF(number)
#define TEXT_OF(number) #number

const char *pl_remote_libunwind_version(void)
{
    return TEXT(UNW_VERSION_MAJOR) "." TEXT(UNW_VERSION_MINOR) "." TEXT(
        UNW_VERSION_EXTRA);
}
