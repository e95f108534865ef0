/* Parent's side of the symbol worker: questions, deadlines, and checking every
 * field of what comes back. Starting and ending the process: worker_process.c. */
#include "process/symbolizer.h"

#include "base/buf.h"
#include "base/clock.h"
#include "process/failed_modules.h"
#include "process/worker_process.h"
#include "process/worker_wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct pl_symbolizer {
    struct pl_symbolizer_options options;
    struct pl_worker_process process;
    unsigned answered; /* questions this worker has answered */
    struct pl_failed_modules failed;
    int64_t limit_ns; /* of all questions; 0: none */
};

/* One part of a question, on its way. */
struct message {
    const struct pl_symbol_question *question;
    struct pl_wire_head head;
    struct pl_wire_question wire;
    struct pl_buf rest; /* places, keys, texts */
    size_t key_count;
};

/* What one answer brings; several make a struct pl_resolved. */
struct block {
    struct block *next;
    char *texts;
    struct pl_resolved_name names[];
};

enum pl_status pl_symbolizer_open(const struct pl_symbolizer_options *options,
                                  struct pl_symbolizer **symbolizer_out,
                                  struct pl_error *err)
{
    static const struct pl_symbolizer_options defaults = {0};
    struct pl_symbolizer *symbolizer = calloc(1, sizeof *symbolizer);
    if (!symbolizer)
        return pl_error_set(err, PL_NOMEM, "out of memory");
    symbolizer->options = options ? *options : defaults;
    if (!symbolizer->options.timeout_ms)
        symbolizer->options.timeout_ms = 60000;
    if (!symbolizer->options.cpu_seconds)
        symbolizer->options.cpu_seconds = 30;
    if (!symbolizer->options.memory_bytes)
        symbolizer->options.memory_bytes = UINT64_C(1) << 30;
    symbolizer->process = PL_WORKER_PROCESS_NONE;
    *symbolizer_out = symbolizer;
    return PL_OK;
}

void pl_symbolizer_close(struct pl_symbolizer *symbolizer)
{
    if (!symbolizer)
        return;
    (void)pl_worker_process_end(&symbolizer->process, NULL, 0);
    pl_failed_modules_deinit(&symbolizer->failed);
    free(symbolizer);
}

void pl_symbolizer_limit(struct pl_symbolizer *symbolizer, int64_t deadline_ns)
{
    symbolizer->limit_ns = deadline_ns;
}

int64_t pl_symbolizer_left_ms(const struct pl_symbolizer *symbolizer)
{
    int64_t left_ns = symbolizer->limit_ns - pl_clock_mono_ns();
    if (!symbolizer->limit_ns)
        return INT64_MAX;
    return left_ns > 0 ? left_ns / PL_NS_PER_MS : 0;
}

void pl_resolved_deinit(struct pl_resolved *resolved)
{
    struct block *block = resolved->owned;
    while (block) {
        struct block *next = block->next;
        free(block->texts);
        free(block);
        block = next;
    }
    free(resolved->frames);
    *resolved = (struct pl_resolved){0};
}

/* ---- question ---- */

static uint32_t put_text(struct pl_buf *texts, const char *text)
{
    uint32_t at = (uint32_t)texts->len;
    if (!text || !*text)
        return 0;
    if (strlen(text) >= PL_WIRE_MAX_TEXT) { /* no file and no class has such a name */
        return 0;
    }
    pl_buf_append(texts, text, strlen(text) + 1);
    return at;
}

static struct pl_wire_key put_key(struct pl_buf *texts, const struct pl_lookup_key *key)
{
    return (struct pl_wire_key){
        .address = key->address,
        .line = key->line,
        .column = key->column,
        .module = put_text(texts, key->module),
        .function = put_text(texts, key->function),
        .file = put_text(texts, key->file),
    };
}

/* The part of `question` that begins with key `first`; at most PL_WIRE_MAX_KEYS, and
 * fewer if their texts are long. */
static bool make_message(const struct pl_symbolizer *symbolizer,
                         const struct pl_symbol_question *question, size_t first,
                         struct message *message)
{
    struct pl_buf places, keys, texts;
    struct pl_wire_question head = {
        .kind = question->kind,
        .place_count = (uint32_t)question->place_count,
        .cpu_seconds = (uint32_t)symbolizer->options.cpu_seconds,
        .memory_bytes = symbolizer->options.memory_bytes,
    };
    pl_buf_init(&places, PL_WIRE_MAX_PLACES * sizeof(struct pl_wire_place));
    pl_buf_init(&keys, PL_WIRE_MAX_KEYS * sizeof(struct pl_wire_key));
    pl_buf_init(&texts, PL_WIRE_MAX_TEXTS);
    pl_buf_putc(&texts, '\0');
    head.path = put_text(&texts, question->path);
    head.build_id = put_text(&texts, question->build_id);
    for (size_t i = 0; i < question->place_count; i++) {
        const struct pl_wire_place place = {question->places[i].kind,
                                            put_text(&texts, question->places[i].text)};
        pl_buf_append(&places, &place, sizeof place);
    }
    for (size_t i = first;
         i < question->key_count && head.key_count < PL_WIRE_MAX_KEYS &&
         texts.len + 3 * PL_WIRE_MAX_TEXT < PL_WIRE_MAX_TEXTS;
         i++, head.key_count++) {
        const struct pl_wire_key key = put_key(&texts, &question->keys[i]);
        pl_buf_append(&keys, &key, sizeof key);
    }
    head.text_bytes = (uint32_t)texts.len;
    message->head = (struct pl_wire_head){
        PL_WIRE_QUESTION, (uint32_t)(sizeof head + places.len + keys.len + texts.len)};
    message->question = question;
    message->key_count = head.key_count;
    message->wire = head;
    pl_buf_init(&message->rest, PL_WIRE_MAX_QUESTION);
    pl_buf_append(&message->rest, places.data, places.len);
    pl_buf_append(&message->rest, keys.data, keys.len);
    pl_buf_append(&message->rest, texts.data, texts.len);
    bool ok = !places.failed && !keys.failed && !texts.failed && !message->rest.failed;
    pl_buf_deinit(&places);
    pl_buf_deinit(&keys);
    pl_buf_deinit(&texts);
    return ok;
}

/* ---- answer ---- */

/* Sizes add up, texts end: what remains to check is each index. */
static bool check_sizes(const struct pl_wire_answer *answer, const char *body,
                        size_t bytes, size_t count)
{
    uint64_t need =
        sizeof *answer + (uint64_t)answer->frame_count * sizeof(struct pl_wire_frame) +
        (uint64_t)answer->name_count * sizeof(struct pl_wire_name) + answer->text_bytes;
    return need == bytes && answer->frame_count == count && answer->text_bytes > 0 &&
           body[bytes - 1] == '\0' && answer->message < answer->text_bytes &&
           answer->image_status <= PL_MODULE_UNSUPPORTED;
}

static bool read_names(struct block *block, const struct pl_wire_answer *answer,
                       const char *names)
{
    for (uint32_t i = 0; i < answer->name_count; i++) {
        struct pl_wire_name name;
        memcpy(&name, names + i * sizeof name, sizeof name);
        if (name.function >= answer->text_bytes || name.file >= answer->text_bytes ||
            name.module >= answer->text_bytes)
            return false;
        block->names[i] = (struct pl_resolved_name){
            .function = block->texts + name.function,
            .file = block->texts + name.file,
            .module = block->texts + name.module,
            .decl_line = name.decl_line,
            .line = name.line,
            .column = name.column,
        };
    }
    return true;
}

static bool read_frames(struct pl_resolved *resolved, const struct block *block,
                        const struct pl_wire_answer *answer, const char *frames)
{
    for (uint32_t i = 0; i < answer->frame_count; i++) {
        struct pl_wire_frame frame;
        memcpy(&frame, frames + i * sizeof frame, sizeof frame);
        if (frame.first_name > answer->name_count ||
            frame.name_count > answer->name_count - frame.first_name ||
            frame.anonymous > (frame.name_count == 1))
            return false;
        resolved->frames[resolved->frame_count + i] = (struct pl_resolved_frame){
            .names = block->names + frame.first_name,
            .name_count = frame.name_count,
            .anonymous = frame.anonymous,
        };
    }
    return true;
}

/* Append one answer to `resolved`. False: it is not to be believed. */
static bool read_answer(struct pl_resolved *resolved, const char *body, size_t bytes,
                        size_t count)
{
    struct pl_wire_answer answer;
    if (bytes < sizeof answer)
        return false;
    memcpy(&answer, body, sizeof answer);
    if (!check_sizes(&answer, body, bytes, count))
        return false;
    const char *frames = body + sizeof answer;
    const char *names = frames + answer.frame_count * sizeof(struct pl_wire_frame);
    const char *texts = names + answer.name_count * sizeof(struct pl_wire_name);
    struct block *block =
        calloc(1, sizeof *block + answer.name_count * sizeof block->names[0]);
    if (!block || !(block->texts = malloc(answer.text_bytes))) {
        free(block);
        return false;
    }
    memcpy(block->texts, texts, answer.text_bytes);
    block->next = resolved->owned;
    resolved->owned = block;
    if (!read_names(block, &answer, names) ||
        !read_frames(resolved, block, &answer, frames))
        return false;
    resolved->frame_count += answer.frame_count;
    resolved->module = (enum pl_module_status)answer.image_status;
    resolved->lacks_debug = answer.lacks_debug;
    (void)snprintf(resolved->message, sizeof resolved->message, "%s",
                   block->texts + answer.message);
    return true;
}

/* ---- the worker ---- */

static void fail(struct pl_resolved *resolved, enum pl_symbolizer_failure failure,
                 const char *why)
{
    resolved->failure = failure;
    (void)snprintf(resolved->message, sizeof resolved->message, "%s", why);
}

/* The worker is of no use any more: find out why while ending it. */
static void give_up_worker(struct pl_symbolizer *symbolizer,
                           struct pl_resolved *resolved, enum pl_worker_io io)
{
    char why[128];
    bool cpu_limit = pl_worker_process_end(&symbolizer->process, why, sizeof why);
    symbolizer->answered = 0;
    if (io == PL_WORKER_IO_LATE)
        fail(resolved, PL_SYMBOLIZER_TIMEOUT, "symbol worker took too long");
    else if (io == PL_WORKER_IO_OK && !cpu_limit)
        fail(resolved, PL_SYMBOLIZER_NONSENSE, "symbol worker answered nonsense");
    else
        fail(resolved, cpu_limit ? PL_SYMBOLIZER_TIMEOUT : PL_SYMBOLIZER_CRASHED, why);
}

static bool ensure_worker(struct pl_symbolizer *symbolizer, int64_t deadline_ns,
                          struct pl_resolved *resolved)
{
    struct pl_wire_head hello;
    char why[256];
    if (pl_worker_process_runs(&symbolizer->process))
        return true;
    symbolizer->answered = 0;
    if (!pl_worker_process_start(&symbolizer->process,
                                 symbolizer->options.start == PL_WORKER_FORK, why,
                                 sizeof why)) {
        fail(resolved, PL_SYMBOLIZER_NO_START, why);
        return false;
    }
    if (pl_worker_process_read(&symbolizer->process, &hello, sizeof hello,
                               deadline_ns) == PL_WORKER_IO_OK &&
        hello.kind == PL_WIRE_HELLO)
        return true;
    (void)pl_worker_process_end(&symbolizer->process, why, sizeof why);
    fail(resolved, PL_SYMBOLIZER_NO_START, "symbol worker did not start");
    return false;
}

/* ---- descriptors ---- */

struct files {
    int fds[PL_WIRE_MAX_FILES];
    size_t count;
};

static bool is_file(const struct pl_symbol_place *place)
{
    return place->kind == PL_PLACE_FILE || place->kind == PL_PLACE_MINIFIED;
}

static void close_files(struct files *files)
{
    for (size_t i = 0; i < files->count; i++)
        close(files->fds[i]);
    files->count = 0;
}

static bool open_files(const struct pl_symbol_question *question, struct files *files,
                       struct pl_resolved *resolved)
{
    for (size_t i = 0; i < question->place_count; i++) {
        const struct pl_symbol_place *place = &question->places[i];
        struct pl_error err = {0};
        if (!is_file(place))
            continue;
        if (place->open(place->self, place->id, &files->fds[files->count], &err)) {
            resolved->module = PL_MODULE_MISSING;
            (void)snprintf(resolved->message, sizeof resolved->message, "%.255s",
                           err.message);
            return false;
        }
        files->count++;
    }
    return true;
}

/* ---- one exchange ---- */

/* The question, with the descriptors in `files`, and the head of what comes back. */
static enum pl_worker_io talk(struct pl_symbolizer *symbolizer, struct message *message,
                              const struct files *files, int64_t deadline_ns,
                              struct pl_wire_head *head_out)
{
    struct pl_worker_process *process = &symbolizer->process;
    message->wire.file_count = (uint32_t)files->count;
    enum pl_worker_io io =
        pl_worker_process_send(process, &message->head, sizeof message->head,
                               files->fds, files->count, deadline_ns);
    if (io == PL_WORKER_IO_OK)
        io = pl_worker_process_write(process, &message->wire, sizeof message->wire,
                                     deadline_ns);
    if (io == PL_WORKER_IO_OK)
        io = pl_worker_process_write(process, message->rest.data, message->rest.len,
                                     deadline_ns);
    if (io == PL_WORKER_IO_OK)
        io = pl_worker_process_read(process, head_out, sizeof *head_out, deadline_ns);
    return io;
}

enum exchanged { EXCHANGED, NO_WORKER, NO_FILES };

static enum exchanged exchange(struct pl_symbolizer *symbolizer,
                               struct message *message, struct pl_resolved *resolved)
{
    struct pl_wire_head head = {0};
    struct files files = {.count = 0};
    char *body = NULL;
    int64_t deadline_ns =
        pl_clock_mono_ns() + symbolizer->options.timeout_ms * PL_NS_PER_MS;

    if (symbolizer->limit_ns && symbolizer->limit_ns < deadline_ns)
        deadline_ns = symbolizer->limit_ns;
    if (!ensure_worker(symbolizer, deadline_ns, resolved))
        return NO_WORKER;
    enum pl_worker_io io = talk(symbolizer, message, &files, deadline_ns, &head);
    if (io == PL_WORKER_IO_OK && head.kind == PL_WIRE_WANT_FILES) {
        bool ok = open_files(message->question, &files, resolved);
        if (ok)
            io = talk(symbolizer, message, &files, deadline_ns, &head);
        close_files(&files);
        if (!ok)
            return NO_FILES;
    }
    if (io == PL_WORKER_IO_OK && head.kind == PL_WIRE_ANSWER &&
        head.bytes <= PL_WIRE_MAX_ANSWER && (body = malloc(head.bytes + 1)))
        io =
            pl_worker_process_read(&symbolizer->process, body, head.bytes, deadline_ns);
    bool ok = io == PL_WORKER_IO_OK && body &&
              read_answer(resolved, body, head.bytes, message->key_count);
    free(body);
    if (ok)
        symbolizer->answered++;
    else
        give_up_worker(symbolizer, resolved, io);
    return ok ? EXCHANGED : NO_WORKER;
}

/* A worker that had answered others before may have been full of them, or ended
 * by somebody: a fresh one gets one try. A slow module gets none. */
static enum exchanged ask_part(struct pl_symbolizer *symbolizer,
                               struct message *message, struct pl_resolved *resolved)
{
    bool fresh = symbolizer->answered == 0;
    enum exchanged done = exchange(symbolizer, message, resolved);
    if (done != NO_WORKER || fresh ||
        (resolved->failure != PL_SYMBOLIZER_CRASHED &&
         resolved->failure != PL_SYMBOLIZER_NONSENSE))
        return done;
    resolved->failure = PL_SYMBOLIZER_OK;
    return exchange(symbolizer, message, resolved);
}

/* Nothing known of any of the keys. */
static void resolve_nothing(struct pl_resolved *resolved, size_t count)
{
    memset(resolved->frames, 0, count * sizeof resolved->frames[0]);
    resolved->frame_count = count;
}

enum pl_status pl_symbolizer_ask(struct pl_symbolizer *symbolizer,
                                 const struct pl_symbol_question *asked,
                                 struct pl_resolved *resolved_out, struct pl_error *err)
{
    struct pl_resolved resolved = {0};
    struct pl_symbol_question question = *asked;
    const struct pl_failed_module *failed =
        pl_failed_modules_find(&symbolizer->failed, asked);
    enum exchanged done = EXCHANGED;
    if (symbolizer->limit_ns && pl_clock_mono_ns() >= symbolizer->limit_ns) {
        *resolved_out = (struct pl_resolved){.failure = PL_SYMBOLIZER_TIMEOUT,
                                             .message = "the chunk's time is up"};
        return PL_OK;
    }
    if (failed) {
        *resolved_out = (struct pl_resolved){.failure = failed->failure};
        memcpy(resolved_out->message, failed->message, sizeof failed->message);
        return PL_OK;
    }
    if (strlen(question.path) >= PL_WIRE_MAX_TEXT ||
        strlen(question.build_id) >= PL_WIRE_MAX_TEXT)
        question.path = question.build_id = ""; /* no file has such a name */
    if (question.place_count > PL_SYMBOL_PLACES)
        question.place_count = PL_SYMBOL_PLACES;
    size_t count = question.key_count;
    resolved.frames = calloc(count ? count : 1, sizeof resolved.frames[0]);
    if (!resolved.frames)
        return pl_error_set(err, PL_NOMEM, "out of memory");
    for (size_t at = 0; at < count && done == EXCHANGED;) {
        struct message message;
        bool made = make_message(symbolizer, &question, at, &message);
        if (made)
            done = ask_part(symbolizer, &message, &resolved);
        at += message.key_count;
        pl_buf_deinit(&message.rest);
        if (!made) {
            pl_resolved_deinit(&resolved);
            return pl_error_set(err, PL_NOMEM, "out of memory");
        }
    }
    if (done == NO_FILES)
        resolve_nothing(&resolved, count);
    if (resolved.failure != PL_SYMBOLIZER_OK) {
        resolved.frame_count = 0;
        if (resolved.failure != PL_SYMBOLIZER_NO_START)
            pl_failed_modules_add(&symbolizer->failed, asked, &resolved);
    }
    *resolved_out = resolved;
    return PL_OK;
}
