#include "collector/elf_image.h"

#include "base/clock.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_PROGRAM_HEADERS 4096u
#define MAX_NAMES_BYTES     (1u << 20)

/* All of [offset, offset + bytes) of the file or memory, or false. */
static bool read_at(const struct pl_elf_image *elf, uint64_t offset, void *out,
                    size_t bytes)
{
    if (offset > elf->bytes || bytes > elf->bytes - offset)
        return false;
    if (elf->memory) {
        memcpy(out, elf->memory + offset, bytes);
        return true;
    }
    unsigned char *to = out;
    while (bytes) {
        ssize_t got = pread(elf->fd, to, bytes, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        to += got;
        offset += (uint64_t)got;
        bytes -= (size_t)got;
    }
    return true;
}

const struct pl_elf_segment *pl_elf_segment_at(const struct pl_elf_image *elf,
                                               uint64_t vaddr)
{
    for (unsigned i = 0; i < elf->segment_count; i++) {
        const struct pl_elf_segment *s = &elf->segments[i];
        if (vaddr >= s->vaddr && vaddr - s->vaddr < s->file_bytes)
            return s;
    }
    return NULL;
}

bool pl_elf_read(const struct pl_elf_image *elf, uint64_t vaddr, void *out,
                 size_t bytes)
{
    const struct pl_elf_segment *s = pl_elf_segment_at(elf, vaddr);
    if (!s || bytes > s->file_bytes - (vaddr - s->vaddr))
        return false;
    return read_at(elf, s->offset + (vaddr - s->vaddr), out, bytes);
}

static void add_segment(struct pl_elf_image *elf, const Elf64_Phdr *ph)
{
    if (ph->p_offset > elf->bytes || elf->segment_count == PL_ELF_MAX_SEGMENTS)
        return;
    uint64_t bytes = ph->p_filesz;
    if (bytes > elf->bytes - ph->p_offset)
        bytes = elf->bytes - ph->p_offset;
    if (!bytes || bytes > UINT64_MAX - ph->p_vaddr)
        return;
    elf->segments[elf->segment_count++] = (struct pl_elf_segment){
        .vaddr = ph->p_vaddr,
        .offset = ph->p_offset,
        .file_bytes = bytes,
        .executable = ph->p_flags & PF_X,
    };
}

static void find_build_id(struct pl_elf_image *elf, const Elf64_Phdr *ph)
{
    unsigned char notes[4096];
    size_t bytes = ph->p_filesz < sizeof notes ? (size_t)ph->p_filesz : sizeof notes;
    if (elf->build_id_bytes || !read_at(elf, ph->p_offset, notes, bytes))
        return;
    size_t at = 0;
    while (bytes - at >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr note;
        memcpy(&note, notes + at, sizeof note);
        at += sizeof note;
        uint64_t name = ((uint64_t)note.n_namesz + 3) & ~UINT64_C(3);
        uint64_t desc = ((uint64_t)note.n_descsz + 3) & ~UINT64_C(3);
        if (name > bytes - at || note.n_descsz > bytes - at - name)
            return;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
            memcmp(notes + at, "GNU", 4) == 0) {
            elf->build_id_bytes =
                note.n_descsz < PL_ELF_BUILD_ID ? note.n_descsz : PL_ELF_BUILD_ID;
            memcpy(elf->build_id, notes + at + name, elf->build_id_bytes);
            return;
        }
        if (desc > bytes - at - name)
            return;
        at += (size_t)(name + desc);
    }
}

static bool read_program_headers(struct pl_elf_image *elf, const Elf64_Ehdr *eh)
{
    if (eh->e_phentsize != sizeof(Elf64_Phdr) || eh->e_phnum > MAX_PROGRAM_HEADERS)
        return false;
    for (unsigned i = 0; i < eh->e_phnum; i++) {
        Elf64_Phdr ph;
        if (eh->e_phoff > elf->bytes ||
            !read_at(elf, eh->e_phoff + i * sizeof ph, &ph, sizeof ph))
            return false;
        if (ph.p_type == PT_LOAD)
            add_segment(elf, &ph);
        else if (ph.p_type == PT_NOTE)
            find_build_id(elf, &ph);
        else if (ph.p_type == PT_GNU_EH_FRAME) {
            elf->eh_frame_hdr = ph.p_vaddr;
            elf->eh_frame_hdr_bytes = ph.p_filesz;
        }
    }
    return true;
}

/* The content must lie within one segment, or loading does not show it. */
static void set_eh_frame(struct pl_elf_image *elf, uint64_t vaddr, uint64_t bytes)
{
    const struct pl_elf_segment *s = pl_elf_segment_at(elf, vaddr);
    if (!s)
        return;
    uint64_t room = s->file_bytes - (vaddr - s->vaddr);
    elf->eh_frame = vaddr;
    elf->eh_frame_has_end = bytes != 0;
    elf->eh_frame_bytes = bytes && bytes < room ? bytes : room;
}

static bool section_is(const char *names, size_t names_bytes, uint32_t name,
                       const char *wanted)
{
    size_t len = strlen(wanted) + 1;
    return name < names_bytes && len <= names_bytes - name &&
           memcmp(names + name, wanted, len) == 0;
}

static void find_eh_frame_section(struct pl_elf_image *elf, const Elf64_Ehdr *eh)
{
    Elf64_Shdr *headers = NULL;
    char *names = NULL;
    size_t headers_bytes = (size_t)eh->e_shnum * sizeof *headers;
    if (!eh->e_shnum || eh->e_shentsize != sizeof *headers ||
        eh->e_shstrndx >= eh->e_shnum || headers_bytes > elf->bytes)
        return;
    headers = malloc(headers_bytes);
    if (!headers || !read_at(elf, eh->e_shoff, headers, headers_bytes))
        goto out;
    uint64_t names_bytes = headers[eh->e_shstrndx].sh_size;
    if (names_bytes > MAX_NAMES_BYTES || names_bytes > elf->bytes)
        goto out;
    names = malloc(names_bytes + 1);
    if (!names ||
        !read_at(elf, headers[eh->e_shstrndx].sh_offset, names, (size_t)names_bytes))
        goto out;
    for (unsigned i = 0; i < eh->e_shnum; i++) {
        const Elf64_Shdr *sh = &headers[i];
        if ((sh->sh_type == SHT_PROGBITS || sh->sh_type == SHT_X86_64_UNWIND) &&
            (sh->sh_flags & SHF_ALLOC) && sh->sh_size &&
            section_is(names, (size_t)names_bytes, sh->sh_name, ".eh_frame")) {
            set_eh_frame(elf, sh->sh_addr, sh->sh_size);
            break;
        }
    }
out:
    free(headers);
    free(names);
}

/* Files without section headers: .eh_frame_hdr's first field points there. */
static void find_eh_frame_by_hdr(struct pl_elf_image *elf)
{
    unsigned char hdr[8];
    if (elf->eh_frame_hdr_bytes < sizeof hdr ||
        !pl_elf_read(elf, elf->eh_frame_hdr, hdr, sizeof hdr) || hdr[0] != 1)
        return;
    int32_t offset;
    memcpy(&offset, hdr + 4, sizeof offset);
    if (hdr[1] == 0x1b) /* DW_EH_PE_pcrel | sdata4, what every linker writes */
        set_eh_frame(elf, elf->eh_frame_hdr + 4 + (uint64_t)(int64_t)offset, 0);
}

static enum pl_status read_headers(struct pl_elf_image *elf, const char *what,
                                   struct pl_error *err)
{
    Elf64_Ehdr eh;
    if (!read_at(elf, 0, &eh, sizeof eh) || memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0 ||
        eh.e_ident[EI_CLASS] != ELFCLASS64 || eh.e_ident[EI_DATA] != ELFDATA2LSB ||
        eh.e_machine != EM_X86_64)
        return pl_error_set(err, PL_INPUT, "%s is not an x86-64 ELF file", what);
    elf->entry = eh.e_entry;
    if (!read_program_headers(elf, &eh))
        return pl_error_set(err, PL_INPUT, "%s: damaged program headers", what);
    find_eh_frame_section(elf, &eh);
    if (!elf->eh_frame_bytes)
        find_eh_frame_by_hdr(elf);
    return PL_OK;
}

enum pl_status pl_elf_open(struct pl_elf_image *elf, const char *path,
                           struct pl_error *err)
{
    *elf = (struct pl_elf_image){.fd = -1};
    /* O_NONBLOCK: a name in a module log may be a pipe by now. */
    elf->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (elf->fd < 0)
        return pl_error_set(err, PL_IO, "cannot open %s: %s", path, strerror(errno));
    struct stat st;
    if (fstat(elf->fd, &st) != 0)
        return pl_error_set(err, PL_IO, "cannot stat %s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return pl_error_set(err, PL_INPUT, "%s is not a regular file", path);
    elf->bytes = (uint64_t)st.st_size;
    elf->inode = (uint64_t)st.st_ino;
    elf->mtime_ns = st.st_mtim.tv_sec * PL_NS_PER_S + st.st_mtim.tv_nsec;
    return read_headers(elf, path, err);
}

enum pl_status pl_elf_open_memory(struct pl_elf_image *elf, const void *image,
                                  size_t bytes, struct pl_error *err)
{
    *elf = (struct pl_elf_image){.fd = -1, .memory = image, .bytes = bytes};
    return read_headers(elf, "image in memory", err);
}

enum pl_status pl_elf_open_vdso(struct pl_elf_image *elf, struct pl_error *err)
{
    *elf = (struct pl_elf_image){.fd = -1};
    unsigned long address = getauxval(AT_SYSINFO_EHDR);
    if (!address)
        return pl_error_set(err, PL_NOT_FOUND, "this kernel shows no vdso");
    const void *image = (const void *)address; /* mapped by the kernel: to be trusted */
    Elf64_Ehdr eh;
    memcpy(&eh, image, sizeof eh);
    size_t bytes = (size_t)(eh.e_shoff + (uint64_t)eh.e_shnum * eh.e_shentsize);
    return pl_elf_open_memory(elf, image, bytes, err);
}

void pl_elf_close(struct pl_elf_image *elf)
{
    if (elf->fd >= 0)
        close(elf->fd);
    elf->fd = -1;
    elf->segment_count = 0;
}
