/* The symbol worker's loop: question in, names out.
 *
 * Runs alone in its process, single-threaded, with nothing open but its socket.
 * A crash, an endless loop or a memory bomb in here costs one module its names. */
#include "process/worker.h"

#include "base/buf.h"
#include "base/hash.h"
#include "process/map.h"
#include "process/symbols.h"
#include "process/worker_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_OPEN_IMAGES 128

struct open_image {
    char *key; /* path, build-id, debug root; NUL-separated */
    size_t key_bytes;
    struct pl_image *image;
};

struct worker {
    int fd_in, fd_out;
    struct open_image images[MAX_OPEN_IMAGES];
    size_t image_count;
    struct pl_buf frames, names, texts;
    struct pl_map text_at; /* address of a string -> offset in texts */
};

static bool read_all(int fd, void *bytes, size_t len)
{
    char *at = bytes;
    while (len) {
        ssize_t got = read(fd, at, len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += got;
        len -= (size_t)got;
    }
    return true;
}

static bool write_all(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len) {
        ssize_t put = write(fd, at, len);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        at += put;
        len -= (size_t)put;
    }
    return true;
}

/* ---- limits ---- */

static void limit(int what, rlim_t value)
{
    struct rlimit now;
    if (getrlimit((__rlimit_resource_t)what, &now) != 0)
        return;
    now.rlim_cur = value < now.rlim_max ? value : now.rlim_max;
    (void)setrlimit((__rlimit_resource_t)what, &now);
}

/* Whatever the parent had open is none of our business. */
static void close_others(int fd_in, int fd_out)
{
    long most = sysconf(_SC_OPEN_MAX);
    int low = fd_in < fd_out ? fd_in : fd_out, high = fd_in < fd_out ? fd_out : fd_in;
#ifdef SYS_close_range
    bool done = true;
    if (low > 3)
        done = syscall(SYS_close_range, 3, low - 1, 0) == 0;
    if (high > low + 1 && high > 3)
        done &= syscall(SYS_close_range, low < 3 ? 3 : low + 1, high - 1, 0) == 0;
    done &= syscall(SYS_close_range, high < 3 ? 3 : high + 1, ~0U, 0) == 0;
    if (done)
        return;
#endif
    for (int fd = 3; fd < (most > 0 && most < 65536 ? (int)most : 65536); fd++)
        if (fd != fd_in && fd != fd_out)
            close(fd);
}

static void confine(int fd_in, int fd_out)
{
    close_others(fd_in, fd_out);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_FSIZE, 0);
    limit(RLIMIT_STACK, 8 << 20);
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    (void)prctl(PR_SET_NAME, "proflite symbol");
    (void)unsetenv("DEBUGINFOD_URLS"); /* the network is asked only when told to */
}

/* CPU time counts from the process's start, so each question moves the limit. */
static void limit_question(const struct pl_wire_question *question)
{
    struct rusage used;
    if (question->cpu_seconds && getrusage(RUSAGE_SELF, &used) == 0)
        limit(RLIMIT_CPU, (rlim_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec + 1) +
                              question->cpu_seconds);
}

/* `bytes` besides the files themselves. Address sanitizers reserve terabytes and
 * cannot live under such a limit. */
static void limit_memory(const struct worker *worker, uint64_t bytes)
{
#ifndef __SANITIZE_ADDRESS__
    for (size_t i = 0; i < worker->image_count; i++)
        bytes += pl_image_file_bytes(worker->images[i].image);
    limit(RLIMIT_AS, bytes);
#else
    (void)worker;
    (void)bytes;
#endif
}

/* Opening only maps the files; how large they are is known afterwards. */
static void unlimit_memory(void)
{
    limit(RLIMIT_AS, RLIM_INFINITY);
}

/* ---- images ---- */

static void close_images(struct worker *worker)
{
    for (size_t i = 0; i < worker->image_count; i++) {
        pl_image_close(worker->images[i].image);
        free(worker->images[i].key);
    }
    worker->image_count = 0;
}

static void close_image(struct worker *worker, size_t at)
{
    pl_image_close(worker->images[at].image);
    free(worker->images[at].key);
    worker->images[at] = worker->images[--worker->image_count];
}

/* One that was not found is looked for again: the file may be there by now. */
static struct pl_image *find_image(struct worker *worker, const char *key, size_t bytes)
{
    for (size_t i = 0; i < worker->image_count; i++) {
        struct open_image *open = &worker->images[i];
        if (open->key_bytes != bytes || memcmp(open->key, key, bytes) != 0)
            continue;
        if (pl_image_status(open->image) == PL_IMAGE_FOUND)
            return open->image;
        close_image(worker, i);
        break;
    }
    return NULL;
}

static struct pl_image *image_for(struct worker *worker, const char *texts,
                                  const struct pl_wire_question *question)
{
    size_t bytes = (size_t)question->path_bytes + question->build_id_bytes +
                   question->debug_root_bytes;
    struct pl_image *image = find_image(worker, texts, bytes);
    if (image)
        return image;
    if (worker->image_count == MAX_OPEN_IMAGES)
        close_images(worker);
    const char *build_id = texts + question->path_bytes;
    const char *debug_root = build_id + question->build_id_bytes;
    char *key = malloc(bytes);
    image = key ? pl_image_open(texts, build_id, debug_root) : NULL;
    if (!image) {
        free(key);
        return NULL;
    }
    memcpy(key, texts, bytes);
    worker->images[worker->image_count++] = (struct open_image){key, bytes, image};
    return image;
}

/* ---- the answer ---- */

static uint32_t put_text(struct worker *worker, const char *text)
{
    uint32_t at;
    if (!*text)
        return 0;
    if (pl_map_get(&worker->text_at, (uintptr_t)text, &at))
        return at;
    at = (uint32_t)worker->texts.len;
    pl_buf_append(&worker->texts, text, strlen(text) + 1);
    if (!pl_map_put(&worker->text_at, (uintptr_t)text, at))
        worker->texts.failed = true;
    return at;
}

static void put_frame(struct worker *worker, const struct pl_symbol_list *list)
{
    struct pl_wire_frame frame = {
        .first_name = (uint32_t)(worker->names.len / sizeof(struct pl_wire_name)),
        .name_count = (uint32_t)list->count,
        .anonymous = list->anonymous,
    };
    pl_buf_append(&worker->frames, &frame, sizeof frame);
    for (size_t i = 0; i < list->count; i++) {
        const struct pl_symbol *symbol = &list->rows[i];
        struct pl_wire_name name = {
            .function = put_text(worker, symbol->function),
            .file = put_text(worker, symbol->file),
            .decl_line = symbol->decl_line,
            .line = symbol->line,
            .column = symbol->column,
        };
        pl_buf_append(&worker->names, &name, sizeof name);
    }
}

static bool send_answer(struct worker *worker, struct pl_image *image)
{
    struct pl_wire_answer answer = {.image_status = pl_image_status(image)};
    answer.message = put_text(worker, pl_image_message(image));
    answer.frame_count = (uint32_t)(worker->frames.len / sizeof(struct pl_wire_frame));
    answer.name_count = (uint32_t)(worker->names.len / sizeof(struct pl_wire_name));
    answer.text_bytes = (uint32_t)worker->texts.len;
    size_t bytes =
        sizeof answer + worker->frames.len + worker->names.len + worker->texts.len;
    if (worker->frames.failed || worker->names.failed || worker->texts.failed ||
        bytes > PL_WIRE_MAX_ANSWER)
        return false;
    struct pl_wire_head head = {PL_WIRE_ANSWER, (uint32_t)bytes};
    return write_all(worker->fd_out, &head, sizeof head) &&
           write_all(worker->fd_out, &answer, sizeof answer) &&
           write_all(worker->fd_out, worker->frames.data, worker->frames.len) &&
           write_all(worker->fd_out, worker->names.data, worker->names.len) &&
           write_all(worker->fd_out, worker->texts.data, worker->texts.len);
}

static bool answer_question(struct worker *worker, const char *body, size_t len)
{
    struct pl_wire_question question;
    struct pl_symbol_list list;
    if (len < sizeof question)
        return false;
    memcpy(&question, body, sizeof question);
    const char *texts = body + sizeof question;
    size_t text_bytes = (size_t)question.path_bytes + question.build_id_bytes +
                        question.debug_root_bytes;
    if (len != sizeof question + text_bytes + 8 * (size_t)question.address_count)
        return false;
    limit_question(&question);
    unlimit_memory();
    struct pl_image *image = image_for(worker, texts, &question);
    if (!image)
        return false;
    if (question.memory_bytes)
        limit_memory(worker, question.memory_bytes);
    pl_buf_clear(&worker->frames);
    pl_buf_clear(&worker->names);
    pl_buf_clear(&worker->texts);
    pl_map_clear(&worker->text_at);
    pl_buf_putc(&worker->texts, '\0');
    for (uint32_t i = 0; i < question.address_count; i++) {
        uint64_t address;
        memcpy(&address, texts + text_bytes + 8 * (size_t)i, sizeof address);
        if (!pl_image_find(image, address, &list)) {
            list.count = 0;
            list.anonymous = false;
        }
        put_frame(worker, &list);
    }
    return send_answer(worker, image);
}

static bool serve_one(struct worker *worker, bool *end_out)
{
    struct pl_wire_head head;
    *end_out = !read_all(worker->fd_in, &head, sizeof head);
    if (*end_out)
        return true;
    if (head.kind != PL_WIRE_QUESTION || head.bytes > sizeof(struct pl_wire_question) +
                                                          3 * PL_WIRE_MAX_TEXT +
                                                          8 * PL_WIRE_MAX_ADDRESSES)
        return false;
    char *body = malloc(head.bytes ? head.bytes : 1);
    bool ok = body && read_all(worker->fd_in, body, head.bytes) &&
              answer_question(worker, body, head.bytes);
    free(body);
    return ok;
}

int pl_symbols_worker_main(int fd_in, int fd_out)
{
    struct worker worker = {.fd_in = fd_in, .fd_out = fd_out};
    struct pl_wire_head hello = {PL_WIRE_HELLO, 0};
    bool ok, end = false;

    confine(fd_in, fd_out);
    (void)elf_version(EV_CURRENT);
    pl_buf_init(&worker.frames, PL_WIRE_MAX_ANSWER);
    pl_buf_init(&worker.names, PL_WIRE_MAX_ANSWER);
    pl_buf_init(&worker.texts, PL_WIRE_MAX_ANSWER);
    ok = write_all(fd_out, &hello, sizeof hello);
    while (ok && !end)
        ok = serve_one(&worker, &end);
    close_images(&worker);
    pl_buf_deinit(&worker.frames);
    pl_buf_deinit(&worker.names);
    pl_buf_deinit(&worker.texts);
    pl_map_deinit(&worker.text_at);
    return ok ? 0 : 1;
}
