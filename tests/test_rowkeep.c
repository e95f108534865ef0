/* Rows that outlive a recording: what is kept comes back, what was tampered with does
 * not, and the folder stays within bounds. */
#include "tests/test.h"

#include "collector/rowcache.h"
#include "collector/rowkeep.h"
#include "collector/rows_key.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIBC "/lib/x86_64-linux-gnu/libc.so.6"
#define LIBM "/lib/x86_64-linux-gnu/libm.so.6"

static char top[] = "/tmp/test_rowkeep.XXXXXX";
static char folder[256];

static const char *in(const char *where, const char *name)
{
    static char path[2][600];
    static unsigned turn;
    char *out = path[turn++ % 2];
    snprintf(out, sizeof path[0], "%s/%s", where, name);
    return out;
}

static void remove_all(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        char name[600];
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            unlink(name) != 0)
            remove_all(name);
    }
    if (dir)
        closedir(dir);
    rmdir(path);
}

static void set_up(void)
{
    if (!folder[0]) {
        CHECK(mkdtemp(top) != NULL);
        snprintf(folder, sizeof folder, "%s/cache/proflite/rows", top);
    }
    remove_all(folder);
}

/* The name of a file's rows, as of all with its build-id. */
static void name_of(const char *path, char name[static PL_ROWS_KEY_TEXT])
{
    struct pl_elf_image elf;
    struct pl_error err;
    CHECK_OK(pl_elf_open(&elf, path, &err), err);
    pl_rows_file_name(&(struct pl_rows_identity){.build_id = elf.build_id,
                                                 .build_id_bytes = elf.build_id_bytes},
                      name);
    pl_elf_close(&elf);
}

/* A recording of libm that needs libc, too: into a new folder, whose path is given. */
static struct pl_rowcache *record(char dir[static 64], bool needs_libc)
{
    struct pl_rowcache *cache = NULL;
    struct pl_error err;
    snprintf(dir, 64, "%s/recXXXXXX", top);
    CHECK(mkdtemp(dir) != NULL);
    CHECK_OK(pl_rowcache_open(dir, &cache, &err), err);
    pl_rowcache_keep(cache, folder);
    pl_rowcache_prepare_program(cache, LIBM);
    if (needs_libc)
        pl_rowcache_prepare(cache, LIBC);
    return cache;
}

static bool has_rows(const char *dir, const char *name)
{
    char rows[600];
    snprintf(rows, sizeof rows, "%s/rows/%s", dir, name);
    return access(rows, R_OK) == 0;
}

static bool same_bytes(const char *a, const char *b)
{
    char one[4096], other[4096];
    bool same = true;
    int first = open(a, O_RDONLY), second = open(b, O_RDONLY);
    ssize_t got = 1;
    while (same && got > 0) {
        got = read(first, one, sizeof one);
        same = read(second, other, sizeof other) == got && got >= 0 &&
               memcmp(one, other, (size_t)got) == 0;
    }
    close(first);
    close(second);
    return same;
}

static void test_second_recording(void)
{
    char libc[PL_ROWS_KEY_TEXT], libm[PL_ROWS_KEY_TEXT], dir[64];
    set_up();
    name_of(LIBC, libc);
    name_of(LIBM, libm);
    struct pl_rowcache *cache = record(dir, true);
    CHECK(has_rows(dir, libc) && has_rows(dir, libm));
    pl_rowcache_close(cache);
    struct stat st;
    CHECK(stat(folder, &st) == 0 && (st.st_mode & 0777) == 0700);
    CHECK(stat(in(folder, libm), &st) == 0 && (st.st_mode & 0777) == 0600);

    cache = record(dir, false);
    CHECK(has_rows(dir, libc), "what earlier ones used is there before it is asked");
    char rows[600];
    snprintf(rows, sizeof rows, "%s/rows/%s", dir, libc);
    CHECK(same_bytes(rows, in(folder, libc)));
    pl_rowcache_close(cache);

    cache = record(dir, false);
    CHECK(has_rows(dir, libc), "not forgotten by one that did without");
    pl_rowcache_close(cache);
}

/* ---- files without a build-id ---- */

/* A copy of libm whose note of the build-id is of another type, written long ago. */
static void make_unnamed(const char *path)
{
    struct pl_elf_image elf;
    struct pl_error err;
    struct stat st;
    char *bytes = NULL, *note = NULL;
    int from = open(LIBM, O_RDONLY), to = open(path, O_WRONLY | O_CREAT, 0600);
    CHECK_OK(pl_elf_open(&elf, LIBM, &err), err);
    if (fstat(from, &st) == 0 && (bytes = malloc((size_t)st.st_size)) &&
        read(from, bytes, (size_t)st.st_size) == st.st_size)
        note = memmem(bytes, (size_t)st.st_size, elf.build_id, elf.build_id_bytes);
    CHECK(note && note[-8] == 3);
    if (note)
        note[-8] = 9;
    struct timespec times[2] = {{1000, 0}, {1000, 0}};
    CHECK(write(to, bytes, (size_t)st.st_size) == st.st_size &&
          futimens(to, times) == 0);
    pl_elf_close(&elf);
    free(bytes);
    close(from);
    close(to);
}

/* Makes the rows in a new recording; their name, and whether they are now kept. */
static bool make_rows(const char *path, char name[static PL_ROWS_KEY_TEXT])
{
    char dir[64];
    struct pl_elf_image elf;
    struct pl_error err;
    struct pl_rowcache_module module = {.path = path};
    snprintf(dir, sizeof dir, "%s/recXXXXXX", top);
    CHECK(mkdtemp(dir) != NULL);
    CHECK_OK(pl_elf_open(&elf, path, &err), err);
    CHECK(elf.build_id_bytes == 0);
    pl_rows_file_name(&(struct pl_rows_identity){.path = path,
                                                 .inode = elf.inode,
                                                 .size = elf.bytes,
                                                 .mtime_ns = elf.mtime_ns},
                      name);
    pl_elf_close(&elf);
    struct pl_rowcache *cache = NULL;
    CHECK_OK(pl_rowcache_open(dir, &cache, &err), err);
    pl_rowcache_keep(cache, folder);
    pl_rowcache_prepare_program(cache, path);
    bool ahead = has_rows(dir, name);
    CHECK_OK(pl_rowcache_make(cache, &module, &err), err);
    CHECK(has_rows(dir, name));
    pl_rowcache_close(cache);
    return ahead;
}

static void test_without_build_id(void)
{
    char name[PL_ROWS_KEY_TEXT], other[PL_ROWS_KEY_TEXT], path[64];
    set_up();
    snprintf(path, sizeof path, "%s/unnamed", top);
    make_unnamed(path);
    CHECK(!make_rows(path, name));
    CHECK(access(in(folder, name), F_OK) == 0);
    CHECK(make_rows(path, name), "there from the start the second time");

    struct timespec times[2] = {{2000, 0}, {2000, 0}};
    CHECK(utimensat(AT_FDCWD, path, times, 0) == 0);
    CHECK(!make_rows(path, other) && strcmp(name, other) != 0, "written since");
    CHECK(access(in(folder, other), F_OK) == 0);
    CHECK(utimensat(AT_FDCWD, path, NULL, 0) == 0);
    CHECK(!make_rows(path, other));
    CHECK(access(in(folder, other), F_OK) != 0, "just written: may be again");
    CHECK(unlink(path) == 0);
}

/* ---- what others may have done to the folder ---- */

static void cut_short(const char *path)
{
    CHECK(truncate(path, 4000) == 0);
}

static void flip(const char *path)
{
    unsigned char byte = 0;
    int fd = open(path, O_RDWR);
    CHECK(pread(fd, &byte, 1, 50000) == 1);
    byte ^= 4;
    CHECK(pwrite(fd, &byte, 1, 50000) == 1);
    close(fd);
}

/* Pages that lead out of the file, under a header that fits its size. */
static void lie(const char *path)
{
    uint32_t far[4] = {0, 0x7fffffff, 0x7fffffff, 5};
    int fd = open(path, O_RDWR);
    CHECK(pwrite(fd, far, sizeof far, sizeof(struct pl_rows_header)) == sizeof far);
    close(fd);
}

static void make_link(const char *path)
{
    char other[600];
    snprintf(other, sizeof other, "%s.other", path);
    CHECK(rename(path, other) == 0 && symlink(other, path) == 0);
}

static void open_to_others(const char *path)
{
    CHECK(chmod(path, 0666) == 0);
}

static void make_fifo(const char *path)
{
    CHECK(unlink(path) == 0 && mkfifo(path, 0600) == 0);
}

static void make_empty(const char *path)
{
    CHECK(truncate(path, 0) == 0);
}

static void make_huge(const char *path)
{
    CHECK(truncate(path, INT64_C(1) << 40) == 0);
}

static void test_tampered(void)
{
    static const struct {
        const char *what;
        void (*tamper)(const char *path);
    } cases[] = {{"cut short", cut_short},
                 {"flipped", flip},
                 {"lying", lie},
                 {"link", make_link},
                 {"writable", open_to_others},
                 {"fifo", make_fifo},
                 {"empty", make_empty},
                 {"huge", make_huge}};
    char libc[PL_ROWS_KEY_TEXT], dir[64];
    name_of(LIBC, libc);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        set_up();
        pl_rowcache_close(record(dir, true));
        cases[i].tamper(in(folder, libc));
        struct pl_rowcache *cache = record(dir, false);
        CHECK(!has_rows(dir, libc), "%s: taken", cases[i].what);
        pl_rowcache_prepare(cache, LIBC);
        CHECK(has_rows(dir, libc), "%s: not made anew", cases[i].what);
        pl_rowcache_close(cache);
    }
}

static void test_tampered_uses(void)
{
    char libm[PL_ROWS_KEY_TEXT], libc[PL_ROWS_KEY_TEXT], dir[64], uses[600];
    set_up();
    name_of(LIBM, libm);
    name_of(LIBC, libc);
    pl_rowcache_close(record(dir, true));
    snprintf(uses, sizeof uses, "%s/%.*s.uses", folder, (int)strlen(libm) - 5, libm);
    FILE *file = fopen(uses, "w");
    CHECK(file != NULL);
    if (!file)
        return;
    fprintf(file, "../../../../etc/passwd\n/etc/passwd\n%s/x\n\n.rows\n", libc);
    for (int i = 0; i < 5000; i++)
        fprintf(file, "%08x.rows\n", (unsigned)i);
    for (int i = 0; i < 100000; i++)
        fputc('a' + i % 6, file);
    fprintf(file, "\n%s\n", libc);
    fclose(file);
    struct pl_rowcache *cache = record(dir, false);
    CHECK(!has_rows(dir, libc), "beyond what one program may use");
    pl_rowcache_prepare(cache, LIBC);
    pl_rowcache_close(cache);
    cache = record(dir, false);
    CHECK(has_rows(dir, libc), "the next one has it first");
    pl_rowcache_close(cache);
}

static void test_folder_of_others(void)
{
    set_up();
    struct pl_rowkeep *keep = pl_rowkeep_open(folder);
    CHECK(keep != NULL);
    pl_rowkeep_close(keep);
    CHECK(chmod(folder, 0755) == 0);
    CHECK(!pl_rowkeep_open(folder), "others can look into it");
    CHECK(rmdir(folder) == 0 && symlink("/tmp", folder) == 0);
    CHECK(!pl_rowkeep_open(folder), "a link");
    CHECK(unlink(folder) == 0);
    CHECK(!pl_rowkeep_open("rows") && !pl_rowkeep_open("/rows"));
    char dir[64];
    struct pl_rowcache *cache = record(dir, false);
    CHECK(cache != NULL);
    pl_rowcache_close(cache);
}

/* 300 MiB of files: the ones used longest ago go. */
static void test_bounds(void)
{
    char dir[64], name[PL_ROWS_KEY_TEXT];
    set_up();
    pl_rowkeep_close(pl_rowkeep_open(folder));
    for (unsigned i = 0; i < 30; i++) {
        snprintf(name, sizeof name, "%040x.rows", i);
        int fd = open(in(folder, name), O_WRONLY | O_CREAT, 0600);
        struct timespec times[2] = {{1000 + i, 0}, {1000 + i, 0}};
        CHECK(fd >= 0 && ftruncate(fd, 10 << 20) == 0 && futimens(fd, times) == 0);
        close(fd);
    }
    pl_rowcache_close(record(dir, true));
    unsigned there = 0;
    for (unsigned i = 0; i < 30; i++) {
        snprintf(name, sizeof name, "%040x.rows", i);
        there += access(in(folder, name), F_OK) == 0;
    }
    CHECK(there >= 20 && there <= 25, "%u of them", there);
    CHECK(access(in(folder, name), F_OK) == 0, "the newest stays");
    name_of(LIBC, name);
    CHECK(access(in(folder, name), F_OK) == 0);
}

static void test_clean_up(void)
{
    remove_all(top);
    CHECK(access(top, F_OK) != 0);
}

TEST_MAIN({"second_recording", test_second_recording},
          {"without_build_id", test_without_build_id}, {"tampered", test_tampered},
          {"tampered_uses", test_tampered_uses},
          {"folder_of_others", test_folder_of_others}, {"bounds", test_bounds},
          {"clean_up", test_clean_up})
