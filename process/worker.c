/* The symbol worker's loop: question in, names out.
 *
 * Runs alone in its process, single-threaded, with nothing open but its socket.
 * A crash, an endless loop or a memory bomb in here costs one module its names. */
#include "process/worker.h"

#include "base/buf.h"
#include "base/hash.h"
#include "process/map.h"
#include "process/symbols.h"
#include "process/worker_confine.h"
#include "process/worker_wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_OPEN    128
#define MEMORY_KEPT (UINT64_C(256) << 20)

/* Rows are kinds; one without is answered with "unsupported". */
static const struct pl_lookup *const kinds[PL_LOOKUP_KINDS] = {
    [PL_LOOKUP_ELF] = &pl_elf_lookup,
    [PL_LOOKUP_SOURCE_MAP] = &pl_source_map_lookup,
    [PL_LOOKUP_PROGUARD] = &pl_proguard_lookup,
    [PL_LOOKUP_IDENTIFY] = &pl_identify_lookup,
};

struct open_lookup {
    const struct pl_lookup *kind;
    char *key; /* kind, path, build-id and places, as bytes */
    size_t key_bytes;
    void *self;
    bool in_memory;
};

/* A question, taken apart: its texts and arrays lie in `body`. */
struct question {
    struct pl_wire_question head;
    const char *places, *keys, *texts;
    struct pl_place place[PL_WIRE_MAX_PLACES];
    size_t file_places;
};

struct worker {
    int fd_in, fd_out;
    struct open_lookup open[MAX_OPEN];
    size_t open_count;
    int files[PL_WIRE_MAX_FILES]; /* that came with the question */
    size_t file_count;
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

/* CPU time counts from the process's start, so each question moves the limit. */
static void limit_question(const struct pl_wire_question *question)
{
    struct rusage used;
    if (question->cpu_seconds && getrusage(RUSAGE_SELF, &used) == 0)
        pl_worker_limit(RLIMIT_CPU,
                        (rlim_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec + 1) +
                            question->cpu_seconds);
}

/* `bytes` besides the files themselves. Address sanitizers reserve terabytes and
 * cannot live under such a limit. */
static void limit_memory(const struct worker *worker, uint64_t bytes)
{
#ifndef __SANITIZE_ADDRESS__
    for (size_t i = 0; i < worker->open_count; i++)
        bytes += worker->open[i].kind->file_bytes(worker->open[i].self);
    pl_worker_limit(RLIMIT_AS, bytes);
#else
    (void)worker;
    (void)bytes;
#endif
}

/* Opening only maps the files; how large they are is known afterwards. */
static void unlimit_memory(void)
{
    pl_worker_limit(RLIMIT_AS, RLIM_INFINITY);
}

/* ---- lookups ---- */

static void close_lookup(struct worker *worker, size_t at)
{
    struct open_lookup *open = &worker->open[at];
    open->kind->close(open->self);
    free(open->key);
    *open = worker->open[--worker->open_count];
}

static void close_lookups(struct worker *worker)
{
    while (worker->open_count)
        close_lookup(worker, worker->open_count - 1);
}

/* Files that came as descriptors are in memory as long as they are open. */
static void make_room(struct worker *worker)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < worker->open_count; i++)
        if (worker->open[i].in_memory)
            bytes += worker->open[i].kind->file_bytes(worker->open[i].self);
    if (worker->open_count == MAX_OPEN || bytes > MEMORY_KEPT)
        close_lookups(worker);
}

/* What two questions have in common if the same files answer them. */
static char *lookup_key(const struct question *question, size_t *bytes_out)
{
    struct pl_buf key;
    const struct pl_wire_question *head = &question->head;
    pl_buf_init(&key, PL_WIRE_MAX_QUESTION);
    pl_buf_append(&key, &head->kind, sizeof head->kind);
    pl_buf_puts(&key, question->texts + head->path);
    pl_buf_putc(&key, '\0');
    pl_buf_puts(&key, question->texts + head->build_id);
    for (uint32_t i = 0; i < head->place_count; i++) {
        pl_buf_putc(&key, '\0');
        pl_buf_putc(&key, (char)('0' + (int)question->place[i].kind));
        pl_buf_puts(&key, question->place[i].text);
    }
    return pl_buf_take(&key, bytes_out);
}

/* One that was not found is looked for again: the file may be there by now. */
static struct open_lookup *find_lookup(struct worker *worker, const char *key,
                                       size_t bytes)
{
    for (size_t i = 0; i < worker->open_count; i++) {
        struct open_lookup *open = &worker->open[i];
        if (open->key_bytes != bytes || memcmp(open->key, key, bytes) != 0)
            continue;
        if (open->kind->status(open->self) == PL_IMAGE_FOUND && !open->kind->once)
            return open;
        close_lookup(worker, i);
        break;
    }
    return NULL;
}

/* Takes `key`. NULL: out of memory. */
static struct open_lookup *open_lookup(struct worker *worker,
                                       const struct question *question, char *key,
                                       size_t key_bytes)
{
    const struct pl_lookup_request request = {
        .path = question->texts + question->head.path,
        .build_id = question->texts + question->head.build_id,
        .places = question->place,
        .place_count = question->head.place_count,
    };
    const struct pl_lookup *kind = kinds[question->head.kind];
    make_room(worker);
    void *self = kind->open(&request);
    if (!self) {
        free(key);
        return NULL;
    }
    struct open_lookup *open = &worker->open[worker->open_count++];
    *open = (struct open_lookup){kind, key, key_bytes, self, question->file_places > 0};
    return open;
}

/* ---- the answer ---- */

static uint32_t put_text(struct worker *worker, const char *text)
{
    uint32_t at;
    if (!text || !*text)
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
            .module = put_text(worker, symbol->module),
            .decl_line = symbol->decl_line,
            .line = symbol->line,
            .column = symbol->column,
        };
        pl_buf_append(&worker->names, &name, sizeof name);
    }
}

static bool send_answer(struct worker *worker, enum pl_image_status status,
                        const char *message, bool lacks_debug)
{
    struct pl_wire_answer answer = {.image_status = status, .lacks_debug = lacks_debug};
    answer.message = put_text(worker, message);
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

static struct pl_lookup_key read_key(const struct question *question, uint32_t i)
{
    struct pl_wire_key key;
    memcpy(&key, question->keys + i * sizeof key, sizeof key);
    return (struct pl_lookup_key){
        .address = key.address,
        .line = key.line,
        .column = key.column,
        .module = question->texts + key.module,
        .function = question->texts + key.function,
        .file = question->texts + key.file,
    };
}

/* `open` is NULL where nobody reads such files. */
static bool answer(struct worker *worker, const struct question *question,
                   const struct open_lookup *open)
{
    struct pl_symbol_list list;
    pl_buf_clear(&worker->frames);
    pl_buf_clear(&worker->names);
    pl_buf_clear(&worker->texts);
    pl_map_clear(&worker->text_at);
    pl_buf_putc(&worker->texts, '\0');
    for (uint32_t i = 0; i < question->head.key_count; i++) {
        const struct pl_lookup_key key = read_key(question, i);
        list.count = 0;
        list.anonymous = false;
        if (!open || !open->kind->find(open->self, &key, &list)) {
            list.count = 0;
            list.anonymous = false;
        }
        put_frame(worker, &list);
    }
    if (!open)
        return send_answer(worker, PL_IMAGE_UNSUPPORTED, "nobody reads such files",
                           false);
    const struct pl_lookup *kind = open->kind;
    return send_answer(worker, kind->status(open->self), kind->message(open->self),
                       kind->lacks_debug && kind->lacks_debug(open->self));
}

/* ---- the question ---- */

/* The parent is trusted, but a worker must not become a way into it: what does not
 * add up ends the worker. */
static bool check_texts(const struct question *question)
{
    const uint32_t most = question->head.text_bytes;
    bool ok = most > 0 && question->texts[most - 1] == '\0' &&
              question->head.path < most && question->head.build_id < most;
    for (uint32_t i = 0; ok && i < question->head.key_count; i++) {
        struct pl_wire_key key;
        memcpy(&key, question->keys + i * sizeof key, sizeof key);
        ok = key.module < most && key.function < most && key.file < most;
    }
    return ok;
}

static bool read_places(struct worker *worker, struct question *question)
{
    for (uint32_t i = 0; i < question->head.place_count; i++) {
        struct pl_wire_place place;
        memcpy(&place, question->places + i * sizeof place, sizeof place);
        if (place.text >= question->head.text_bytes || place.kind > PL_PLACE_MINIFIED)
            return false;
        question->place[i] = (struct pl_place){.kind = (enum pl_place_kind)place.kind,
                                               .text = question->texts + place.text,
                                               .fd = -1};
        if (place.kind != PL_PLACE_FILE && place.kind != PL_PLACE_MINIFIED)
            continue;
        if (question->file_places < worker->file_count)
            question->place[i].fd = worker->files[question->file_places];
        question->file_places++;
    }
    return question->head.file_count == worker->file_count &&
           (!worker->file_count || worker->file_count == question->file_places);
}

static bool read_question(struct worker *worker, const char *body, size_t len,
                          struct question *question)
{
    struct pl_wire_question *head = &question->head;
    if (len < sizeof *head)
        return false;
    memcpy(head, body, sizeof *head);
    if (head->kind >= PL_LOOKUP_KINDS || head->place_count > PL_WIRE_MAX_PLACES ||
        head->key_count > PL_WIRE_MAX_KEYS || head->text_bytes > PL_WIRE_MAX_TEXTS ||
        len != sizeof *head + head->place_count * sizeof(struct pl_wire_place) +
                   head->key_count * sizeof(struct pl_wire_key) + head->text_bytes)
        return false;
    question->places = body + sizeof *head;
    question->keys =
        question->places + head->place_count * sizeof(struct pl_wire_place);
    question->texts = question->keys + head->key_count * sizeof(struct pl_wire_key);
    return check_texts(question) && read_places(worker, question);
}

static bool answer_question(struct worker *worker, const char *body, size_t len)
{
    struct question question = {.file_places = 0};
    size_t key_bytes;
    if (!read_question(worker, body, len, &question))
        return false;
    if (!kinds[question.head.kind])
        return answer(worker, &question, NULL);
    char *key = lookup_key(&question, &key_bytes);
    if (!key)
        return false;
    limit_question(&question.head);
    unlimit_memory();
    struct open_lookup *open = find_lookup(worker, key, key_bytes);
    if (!open && question.file_places && !worker->file_count) {
        free(key);
        struct pl_wire_head want = {PL_WIRE_WANT_FILES, 0};
        return write_all(worker->fd_out, &want, sizeof want);
    }
    if (open)
        free(key);
    else
        open = open_lookup(worker, &question, key, key_bytes);
    if (!open)
        return false;
    if (question.head.memory_bytes)
        limit_memory(worker, question.head.memory_bytes);
    return answer(worker, &question, open);
}

static void close_files(struct worker *worker)
{
    for (size_t i = 0; i < worker->file_count; i++)
        close(worker->files[i]);
    worker->file_count = 0;
}

/* The descriptors of a message. */
static void keep_files(struct worker *worker, struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            if (worker->file_count < PL_WIRE_MAX_FILES)
                worker->files[worker->file_count++] = fd;
            else
                close(fd);
        }
    }
}

static bool read_head(struct worker *worker, struct pl_wire_head *head)
{
    union {
        char bytes[CMSG_SPACE(PL_WIRE_MAX_FILES * sizeof(int))];
        struct cmsghdr aligned;
    } control;
    struct iovec part = {head, sizeof *head};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    ssize_t got;
    do
        got = recvmsg(worker->fd_in, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got <= 0)
        return false;
    keep_files(worker, &message);
    return read_all(worker->fd_in, (char *)head + got, sizeof *head - (size_t)got);
}

static bool serve_one(struct worker *worker, bool *end_out)
{
    struct pl_wire_head head;
    *end_out = !read_head(worker, &head);
    if (*end_out)
        return true;
    if (head.kind != PL_WIRE_QUESTION || head.bytes > PL_WIRE_MAX_QUESTION)
        return false;
    char *body = malloc(head.bytes ? head.bytes : 1);
    bool ok = body && read_all(worker->fd_in, body, head.bytes) &&
              answer_question(worker, body, head.bytes);
    free(body);
    close_files(worker);
    return ok;
}

int pl_symbols_worker_main(int fd_in, int fd_out)
{
    struct worker worker = {.fd_in = fd_in, .fd_out = fd_out};
    struct pl_wire_head hello = {PL_WIRE_HELLO, 0};
    bool ok, end = false;

    pl_worker_confine(fd_in, fd_out);
    (void)elf_version(EV_CURRENT);
    pl_buf_init(&worker.frames, PL_WIRE_MAX_ANSWER);
    pl_buf_init(&worker.names, PL_WIRE_MAX_ANSWER);
    pl_buf_init(&worker.texts, PL_WIRE_MAX_ANSWER);
    ok = write_all(fd_out, &hello, sizeof hello);
    while (ok && !end)
        ok = serve_one(&worker, &end);
    close_lookups(&worker);
    pl_buf_deinit(&worker.frames);
    pl_buf_deinit(&worker.names);
    pl_buf_deinit(&worker.texts);
    pl_map_deinit(&worker.text_at);
    return ok ? 0 : 1;
}
