#include "cli/target.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define SCRIPT_DEPTH 5u  /* how many interpreters deep the kernel goes */
#define SCRIPT_LINE  256 /* bytes of a #! line the kernel reads */
#define HEADERS_MAX  512u

/* ---- find ---- */

static int try_file(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return errno;
    if (S_ISDIR(st.st_mode))
        return EISDIR;
    return access(path, X_OK) == 0 ? 0 : errno;
}

static int not_runnable(const char *name, int error, struct pl_error *err)
{
    bool missing = error == ENOENT || error == ENOTDIR;
    (void)pl_error_set(err, missing ? PL_NOT_FOUND : PL_IO, "cannot run %s: %s", name,
                       missing && !strchr(name, '/') ? "command not found"
                                                     : strerror(error));
    return missing ? PL_EXIT_NOT_THERE : PL_EXIT_NOT_RUN;
}

int pl_target_find(const char *name, char path_out[static PATH_MAX],
                   struct pl_error *err)
{
    int error = ENOENT;
    if (strchr(name, '/')) {
        if ((size_t)snprintf(path_out, PATH_MAX, "%s", name) >= PATH_MAX)
            return not_runnable(name, ENAMETOOLONG, err);
        error = try_file(path_out);
        return error ? not_runnable(name, error, err) : 0;
    }
    const char *dir = getenv("PATH");
    if (!dir)
        dir = "/bin:/usr/bin";
    while (name[0]) {
        size_t len = strcspn(dir, ":");
        int wrote = snprintf(path_out, PATH_MAX, "%.*s%s%s", (int)len, dir,
                             len ? "/" : "./", name);
        int this_error = wrote < PATH_MAX ? try_file(path_out) : ENAMETOOLONG;
        if (!this_error)
            return 0;
        if (this_error == EACCES) /* remembered, as execvp does */
            error = EACCES;
        if (!dir[len])
            break;
        dir += len + 1;
    }
    return not_runnable(name, error, err);
}

/* ---- check ---- */

static enum pl_status refuse(const char *path, const char *why, struct pl_error *err)
{
    return pl_error_set(err, PL_UNSUPPORTED,
                        "cannot record %s: %s; --anyway runs it unrecorded", path, why);
}

/* The loader drops preloaded libraries from programs that gain rights. */
static enum pl_status check_rights(int fd, const char *path, struct pl_error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return PL_OK;
    if (st.st_mode & S_ISUID)
        return refuse(path, "it is set-user-ID", err);
    if ((st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP))
        return refuse(path, "it is set-group-ID", err);
    if (fgetxattr(fd, "security.capability", NULL, 0) > 0)
        return refuse(path, "it has file capabilities", err);
    return PL_OK;
}

static bool is_loader(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    return strncmp(base, "ld-linux", 8) == 0 || strcmp(base, "ld.so") == 0;
}

static enum pl_status check_headers(int fd, const char *path, const Elf64_Ehdr *elf,
                                    struct pl_error *err)
{
    Elf64_Phdr header;
    for (unsigned i = 0; i < elf->e_phnum && i < HEADERS_MAX; i++) {
        off_t at = (off_t)(elf->e_phoff + (uint64_t)i * sizeof header);
        if (pread(fd, &header, sizeof header, at) != (ssize_t)sizeof header)
            return PL_OK;
        if (header.p_type != PT_INTERP)
            continue;
        char interpreter[256] = "";
        size_t len = header.p_filesz < sizeof interpreter - 1 ? header.p_filesz
                                                              : sizeof interpreter - 1;
        if (pread(fd, interpreter, len, (off_t)header.p_offset) < 0)
            return PL_OK;
        if (strstr(interpreter, "ld-musl"))
            return refuse(path, "it uses musl, and recording needs glibc", err);
        return PL_OK;
    }
    if (is_loader(path))
        return PL_OK;
    return refuse(path, "it is statically linked", err);
}

static enum pl_status check_elf(int fd, const char *path, struct pl_error *err)
{
    Elf64_Ehdr elf;
    if (pread(fd, &elf, sizeof elf, 0) != (ssize_t)sizeof elf)
        return PL_OK;
    if (elf.e_ident[EI_CLASS] != ELFCLASS64 || elf.e_ident[EI_DATA] != ELFDATA2LSB ||
        elf.e_machine != EM_X86_64)
        return refuse(path, "it is not an x86-64 program", err);
    if (elf.e_phentsize != sizeof(Elf64_Phdr))
        return PL_OK;
    return check_headers(fd, path, &elf, err);
}

/* The program a script names, or what execvp runs files of no known kind with. */
static void script_interpreter(const char *line, char path_out[static PATH_MAX])
{
    size_t len = 0;
    if (strncmp(line, "#!", 2) == 0) {
        line += 2;
        line += strspn(line, " \t");
        len = strcspn(line, " \t\r\n");
    }
    if (len)
        snprintf(path_out, PATH_MAX, "%.*s", (int)len, line);
    else
        snprintf(path_out, PATH_MAX, "/bin/sh");
}

enum pl_status pl_target_check(const char *path, struct pl_error *err)
{
    char file[PATH_MAX];
    snprintf(file, sizeof file, "%s", path);
    for (unsigned depth = 0; depth < SCRIPT_DEPTH; depth++) {
        char start[SCRIPT_LINE + 1] = "";
        int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
            return PL_OK;
        ssize_t got = pread(fd, start, SCRIPT_LINE, 0);
        if (got >= SELFMAG && memcmp(start, ELFMAG, SELFMAG) == 0) {
            enum pl_status status = check_rights(fd, file, err);
            if (!status)
                status = check_elf(fd, file, err);
            close(fd);
            return status;
        }
        close(fd);
        if (got < 0)
            return PL_OK;
        script_interpreter(start, file);
    }
    return PL_OK;
}
