/* What kind of symbol file is this, and what is it called by? As a lookup of the symbol
 * worker, for one file that comes as a descriptor. Its one key is answered with facts:
 * names whose `function` says which fact and whose `file` what it is.
 *
 *   kind       elf, sourcemap, minified, proguard
 *   debug_id   "" if it says none
 *   build_id   elf
 *   has_debug  elf: "1" with DWARF
 *   has_symbols  elf: "1" with a symbol table of its own
 *   content    UUID (v5) of the contents, as Sentry calls ProGuard mappings */
#include "process/symbols.h"

#include "base/id.h"
#include "process/identify_text.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uuid/uuid.h>

struct identified {
    enum pl_image_status status;
    const char *kind, *message;
    char debug_id[PL_DEBUG_ID_TEXT], build_id[PL_BUILD_ID_TEXT];
    char content[PL_DEBUG_ID_TEXT];
    bool has_debug, has_symbols;
};

/* A program without a build-id cannot be found again by any. */
static void identify_elf(struct identified *self, const char *bytes, size_t len)
{
    Elf *elf = elf_memory((char *)(uintptr_t)bytes, len);
    if (elf && elf_kind(elf) == ELF_K_ELF) {
        pl_elf_build_id(elf, self->build_id);
        self->has_debug = pl_elf_has_debug(elf);
        self->has_symbols = pl_elf_has_symbols(elf);
        self->kind = "elf";
    }
    elf_end(elf);
    if (!self->kind)
        self->message = "a damaged ELF file";
    else if (!pl_debug_id_of_build_id(self->build_id, self->debug_id)) {
        self->kind = NULL;
        self->message = "an ELF file without build-id";
    }
}

/* The namespace is that of the DNS name "guardsquare.com". */
static void hash_content(struct identified *self, const char *bytes, size_t len)
{
    static const char domain[] = "guardsquare.com";
    uuid_t namespace_id, id;
    uuid_generate_sha1(namespace_id, *uuid_get_template("dns"), domain,
                       sizeof domain - 1);
    uuid_generate_sha1(id, namespace_id, bytes, len);
    uuid_unparse_lower(id, self->content);
}

static void identify(struct identified *self, const char *bytes, size_t len)
{
    hash_content(self, bytes, len);
    if (len >= 4 && memcmp(bytes, "\177ELF", 4) == 0) {
        identify_elf(self, bytes, len);
    } else {
        self->kind = pl_identify_text(bytes, len, self->debug_id, &self->message);
        if (self->kind && strcmp(self->kind, "proguard") == 0)
            memcpy(self->debug_id, self->content, sizeof self->debug_id);
    }
    if (!self->kind)
        self->status = PL_IMAGE_UNSUPPORTED;
}

static void fail(struct identified *self, const char *message)
{
    self->status = PL_IMAGE_MALFORMED;
    self->message = message;
}

static void *open_identify(const struct pl_lookup_request *request)
{
    struct identified *self = calloc(1, sizeof *self);
    struct stat st;
    if (!self)
        return NULL;
    self->message = "";
    if (request->place_count != 1 || request->places[0].fd < 0 ||
        fstat(request->places[0].fd, &st) != 0 || st.st_size <= 0) {
        fail(self, "nothing in it");
        return self;
    }
    size_t len = (size_t)st.st_size;
    char *bytes =
        mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE, request->places[0].fd, 0);
    if (bytes == MAP_FAILED) {
        fail(self, "cannot be mapped into memory");
        return self;
    }
    identify(self, bytes, len);
    munmap(bytes, len);
    return self;
}

static void close_identify(void *self)
{
    free(self);
}

static enum pl_image_status identify_status(const void *self)
{
    return ((const struct identified *)self)->status;
}

static const char *identify_message(const void *self)
{
    return ((const struct identified *)self)->message;
}

static uint64_t identify_bytes(const void *self)
{
    (void)self;
    return 0; /* not mapped any more */
}

static void add_fact(struct pl_symbol_list *list, const char *name, const char *value)
{
    list->rows[list->count++] = (struct pl_symbol){.function = name, .file = value};
}

static bool find_facts(void *from, const struct pl_lookup_key *key,
                       struct pl_symbol_list *list_out)
{
    const struct identified *self = from;
    (void)key;
    if (self->status != PL_IMAGE_FOUND)
        return false;
    add_fact(list_out, "kind", self->kind);
    add_fact(list_out, "debug_id", self->debug_id);
    add_fact(list_out, "build_id", self->build_id);
    add_fact(list_out, "has_debug", self->has_debug ? "1" : "");
    add_fact(list_out, "has_symbols", self->has_symbols ? "1" : "");
    add_fact(list_out, "content", self->content);
    return true;
}

const struct pl_lookup pl_identify_lookup = {
    .open = open_identify,
    .close = close_identify,
    .status = identify_status,
    .message = identify_message,
    .file_bytes = identify_bytes,
    .find = find_facts,
    .once = true,
};
