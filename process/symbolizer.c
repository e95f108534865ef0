/* Parent's side of the symbol worker: questions, deadlines, and checking every
 * field of what comes back. Starting and ending the process: worker_process.c. */
#include "process/symbolizer.h"

#include "base/clock.h"
#include "process/worker_process.h"
#include "process/worker_wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct failed_module {
    char *key; /* path and build-id, each with its NUL */
    size_t key_bytes;
    enum pl_symbolizer_failure failure;
    char message[256];
};

struct pl_symbolizer {
    struct pl_symbolizer_options options;
    char *debug_root;
    struct pl_worker_process process;
    unsigned answered; /* questions this worker has answered */
    struct failed_module *failed;
    size_t failed_count;
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
    const char *root = symbolizer->options.debug_root;
    symbolizer->debug_root = strdup(root ? root : "/usr/lib/debug");
    if (!symbolizer->debug_root) {
        free(symbolizer);
        return pl_error_set(err, PL_NOMEM, "out of memory");
    }
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
    for (size_t i = 0; i < symbolizer->failed_count; i++)
        free(symbolizer->failed[i].key);
    free(symbolizer->failed);
    free(symbolizer->debug_root);
    free(symbolizer);
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

/* ---- modules that failed ---- */

static char *module_key(const char *path, const char *build_id, size_t *bytes_out)
{
    size_t path_bytes = strlen(path) + 1, id_bytes = strlen(build_id) + 1;
    char *key = malloc(path_bytes + id_bytes);
    if (key) {
        memcpy(key, path, path_bytes);
        memcpy(key + path_bytes, build_id, id_bytes);
        *bytes_out = path_bytes + id_bytes;
    }
    return key;
}

static const struct failed_module *find_failed(const struct pl_symbolizer *symbolizer,
                                               const char *path, const char *build_id)
{
    size_t path_bytes = strlen(path) + 1, id_bytes = strlen(build_id) + 1;
    for (size_t i = 0; i < symbolizer->failed_count; i++) {
        const struct failed_module *failed = &symbolizer->failed[i];
        if (failed->key_bytes == path_bytes + id_bytes &&
            memcmp(failed->key, path, path_bytes) == 0 &&
            memcmp(failed->key + path_bytes, build_id, id_bytes) == 0)
            return failed;
    }
    return NULL;
}

/* Not being able to remember only costs another try. */
static void remember_failed(struct pl_symbolizer *symbolizer, const char *path,
                            const char *build_id, const struct pl_resolved *resolved)
{
    struct failed_module *failed =
        realloc(symbolizer->failed, (symbolizer->failed_count + 1) * sizeof failed[0]);
    if (!failed)
        return;
    symbolizer->failed = failed;
    failed += symbolizer->failed_count;
    *failed = (struct failed_module){.failure = resolved->failure};
    memcpy(failed->message, resolved->message, sizeof failed->message);
    failed->key = module_key(path, build_id, &failed->key_bytes);
    if (failed->key)
        symbolizer->failed_count++;
}

/* ---- question ---- */

static char *make_question(const struct pl_symbolizer *symbolizer, const char *path,
                           const char *build_id, const uint64_t *addresses,
                           size_t count, size_t *bytes_out)
{
    struct pl_wire_question question = {
        .path_bytes = (uint32_t)strlen(path) + 1,
        .build_id_bytes = (uint32_t)strlen(build_id) + 1,
        .debug_root_bytes = (uint32_t)strlen(symbolizer->debug_root) + 1,
        .address_count = (uint32_t)count,
        .cpu_seconds = (uint32_t)symbolizer->options.cpu_seconds,
        .memory_bytes = symbolizer->options.memory_bytes,
    };
    size_t text_bytes = (size_t)question.path_bytes + question.build_id_bytes +
                        question.debug_root_bytes;
    struct pl_wire_head head = {
        PL_WIRE_QUESTION,
        (uint32_t)(sizeof question + text_bytes + count * sizeof addresses[0])};
    char *message = malloc(sizeof head + head.bytes), *at = message;
    if (!message)
        return NULL;
    memcpy(at, &head, sizeof head);
    at += sizeof head;
    memcpy(at, &question, sizeof question);
    at += sizeof question;
    memcpy(at, path, question.path_bytes);
    at += question.path_bytes;
    memcpy(at, build_id, question.build_id_bytes);
    at += question.build_id_bytes;
    memcpy(at, symbolizer->debug_root, question.debug_root_bytes);
    at += question.debug_root_bytes;
    memcpy(at, addresses, count * sizeof addresses[0]);
    *bytes_out = sizeof head + head.bytes;
    return message;
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
           answer->image_status <= PL_MODULE_MALFORMED;
}

static bool read_names(struct block *block, const struct pl_wire_answer *answer,
                       const char *names)
{
    for (uint32_t i = 0; i < answer->name_count; i++) {
        struct pl_wire_name name;
        memcpy(&name, names + i * sizeof name, sizeof name);
        if (name.function >= answer->text_bytes || name.file >= answer->text_bytes)
            return false;
        block->names[i] = (struct pl_resolved_name){
            .function = block->texts + name.function,
            .file = block->texts + name.file,
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
    (void)snprintf(resolved->message, sizeof resolved->message, "%s",
                   block->texts + answer.message);
    return true;
}

/* ---- one exchange ---- */

static void fail(struct pl_resolved *resolved, enum pl_symbolizer_failure failure,
                 const char *why)
{
    resolved->failure = failure;
    (void)snprintf(resolved->message, sizeof resolved->message, "%s", why);
}

/* The worker is of no use any more: find out why while ending it. */
static void give_up_worker(struct pl_symbolizer *symbolizer,
                           struct pl_resolved *resolved, bool late)
{
    char why[128];
    bool cpu_limit = pl_worker_process_end(&symbolizer->process, why, sizeof why);
    symbolizer->answered = 0;
    if (late)
        fail(resolved, PL_SYMBOLIZER_TIMEOUT, "symbol worker took too long");
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

static bool exchange(struct pl_symbolizer *symbolizer, const char *message,
                     size_t message_bytes, size_t count, struct pl_resolved *resolved)
{
    struct pl_wire_head head = {0};
    char *body = NULL;
    bool ok = false;
    int64_t deadline_ns =
        pl_clock_mono_ns() + symbolizer->options.timeout_ms * PL_NS_PER_MS;

    if (!ensure_worker(symbolizer, deadline_ns, resolved))
        return false;
    struct pl_worker_process *process = &symbolizer->process;
    enum pl_worker_io io =
        pl_worker_process_write(process, message, message_bytes, deadline_ns);
    if (io == PL_WORKER_IO_OK)
        io = pl_worker_process_read(process, &head, sizeof head, deadline_ns);
    if (io == PL_WORKER_IO_OK && head.kind == PL_WIRE_ANSWER &&
        head.bytes <= PL_WIRE_MAX_ANSWER && (body = malloc(head.bytes + 1)))
        io = pl_worker_process_read(process, body, head.bytes, deadline_ns);
    ok =
        io == PL_WORKER_IO_OK && body && read_answer(resolved, body, head.bytes, count);
    free(body);
    if (ok)
        symbolizer->answered++;
    else
        give_up_worker(symbolizer, resolved, io == PL_WORKER_IO_LATE);
    return ok;
}

/* A worker that had answered others before may have been full of them, or ended
 * by somebody: a fresh one gets one try. A slow module gets none. */
static bool ask_batch(struct pl_symbolizer *symbolizer, const char *message,
                      size_t message_bytes, size_t count, struct pl_resolved *resolved)
{
    bool fresh = symbolizer->answered == 0;
    if (exchange(symbolizer, message, message_bytes, count, resolved))
        return true;
    if (fresh || resolved->failure != PL_SYMBOLIZER_CRASHED)
        return false;
    resolved->failure = PL_SYMBOLIZER_OK;
    return exchange(symbolizer, message, message_bytes, count, resolved);
}

enum pl_status pl_symbolizer_ask(struct pl_symbolizer *symbolizer, const char *path,
                                 const char *build_id, const uint64_t *addresses,
                                 size_t count, struct pl_resolved *resolved_out,
                                 struct pl_error *err)
{
    struct pl_resolved resolved = {0};
    const struct failed_module *failed = find_failed(symbolizer, path, build_id);
    if (failed) {
        *resolved_out = (struct pl_resolved){.failure = failed->failure};
        memcpy(resolved_out->message, failed->message, sizeof failed->message);
        return PL_OK;
    }
    if (strlen(path) >= PL_WIRE_MAX_TEXT || strlen(build_id) >= PL_WIRE_MAX_TEXT ||
        strlen(symbolizer->debug_root) >= PL_WIRE_MAX_TEXT)
        path = build_id = ""; /* no file has such a name */
    resolved.frames = calloc(count ? count : 1, sizeof resolved.frames[0]);
    if (!resolved.frames)
        return pl_error_set(err, PL_NOMEM, "out of memory");
    for (size_t done = 0; done < count && resolved.failure == PL_SYMBOLIZER_OK;) {
        size_t batch = count - done, bytes;
        if (batch > PL_WIRE_MAX_ADDRESSES)
            batch = PL_WIRE_MAX_ADDRESSES;
        char *message =
            make_question(symbolizer, path, build_id, addresses + done, batch, &bytes);
        if (!message) {
            pl_resolved_deinit(&resolved);
            return pl_error_set(err, PL_NOMEM, "out of memory");
        }
        if (ask_batch(symbolizer, message, bytes, batch, &resolved))
            done += batch;
        free(message);
    }
    if (resolved.failure != PL_SYMBOLIZER_OK) {
        resolved.frame_count = 0;
        if (resolved.failure != PL_SYMBOLIZER_NO_START)
            remember_failed(symbolizer, path, build_id, &resolved);
    }
    *resolved_out = resolved;
    return PL_OK;
}
