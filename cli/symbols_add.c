/* symbols add: look at each file in the symbol worker, keep those that bring names. */
#include "cli/symbols.h"
#include "cli/term.h"
#include "process/symbol_kind.h"
#include "store/symbol_files.h"
#include "web/json.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_DEPTH 64

struct add {
    const struct pl_symbols_request *request;
    struct pl_store *store;
    struct pl_symbolizer *symbolizer;
    char uuid[PL_DEBUG_ID_TEXT];
    struct pl_buf json;
    int added, known, refused, skipped;
    bool no_store;         /* it cannot be opened, which was said */
    enum pl_status failed; /* OK: nothing but refusals so far */
};

static void report_json(struct add *add, const char *path, const char *state,
                        const struct pl_symbol_kind *kind, int64_t id,
                        const char *message)
{
    struct pl_buf *buf = &add->json;
    pl_buf_puts(buf, buf->len ? ",{\"path\":" : "{\"path\":");
    pl_json_string(buf, path);
    pl_json_string_field(buf, "state", state);
    if (kind) {
        pl_json_int_field(buf, "id", id);
        pl_json_string_field(buf, "kind", kind->kind);
        pl_json_string_field(buf, "debug_id", kind->debug_id);
        pl_json_string_field(buf, "build_id", kind->build_id);
    }
    if (message)
        pl_json_string_field(buf, "message", message);
    pl_buf_putc(buf, '}');
}

static void print_clean(const char *state, const struct pl_symbol_kind *kind,
                        const char *path)
{
    struct pl_buf clean;
    pl_buf_init(&clean, 1u << 14);
    pl_term_clean(&clean, path, strlen(path));
    printf("%-7s %-9s %s  %s\n", state, kind->kind, kind->debug_id,
           clean.data ? clean.data : "");
    pl_buf_deinit(&clean);
}

static void report_kept(struct add *add, const char *path,
                        const struct pl_symbol_kind *kind, int64_t id, bool known)
{
    const char *state = known ? "known" : "added";
    add->added += !known;
    add->known += known;
    if (add->request->cli->json)
        report_json(add, path, state, kind, id, NULL);
    else
        print_clean(state, kind, path);
}

/* What was named by hand should have been one; in a folder lies all sorts of things. */
static void report_refused(struct add *add, const char *path, bool by_hand,
                           const struct pl_error *err)
{
    if (!by_hand && err->status == PL_INPUT) {
        add->skipped++;
        return;
    }
    add->refused++;
    if (err->status != PL_INPUT)
        add->failed = err->status;
    pl_cli_say("%s", err->message);
    if (add->request->cli->json)
        report_json(add, path, "refused", NULL, 0, err->message);
}

/* ---- one file ---- */

/* When there is something to keep: no store is made for nothing. */
static enum pl_status open_store(struct add *add, struct pl_error *err)
{
    if (add->store)
        return PL_OK;
    enum pl_status status =
        pl_cli_open(add->request->cli, PL_STORE_CREATE, &add->store, err);
    add->no_store = status != PL_OK;
    return status;
}

static enum pl_status open_file(const char *path, int *fd_out, struct pl_error *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return pl_error_set(err, PL_IO, "cannot read %.300s: %s", path,
                            strerror(errno));
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size <= 0) {
        close(fd);
        return pl_error_set(err, PL_INPUT, "%.300s: %s", path,
                            S_ISREG(st.st_mode) ? "nothing in it" : "not a file");
    }
    *fd_out = fd;
    return PL_OK;
}

/* The code beside a source map, dist/app.js of dist/app.js.map, may say the id that the
 * map itself does not. */
static void read_id_beside(struct add *add, const char *path,
                           struct pl_symbol_kind *kind)
{
    static const char suffix[] = ".map";
    size_t len = strlen(path);
    struct pl_symbol_kind beside;
    int fd = -1;
    if (len < sizeof suffix || strcmp(path + len - sizeof suffix + 1, suffix) != 0)
        return;
    char *code = strndup(path, len - sizeof suffix + 1);
    if (code && open_file(code, &fd, NULL) == PL_OK &&
        pl_symbol_identify(add->symbolizer, fd, code, &beside, NULL) == PL_OK &&
        strcmp(beside.kind, "minified") == 0)
        memcpy(kind->debug_id, beside.debug_id, sizeof kind->debug_id);
    if (fd >= 0)
        close(fd);
    free(code);
}

/* Which id it goes by, if it can be found by any. */
static enum pl_status settle_id(struct add *add, const char *path,
                                struct pl_symbol_kind *kind, bool by_hand,
                                struct pl_error *err)
{
    if (strcmp(kind->kind, "elf") == 0) {
        if (add->uuid[0])
            return pl_error_set(err, PL_INPUT,
                                "%.300s: an ELF file has an id of its own", path);
        return by_hand || kind->has_debug || kind->has_symbols
                   ? PL_OK
                   : pl_error_set(err, PL_INPUT, "%.300s: stripped", path);
    }
    if (add->uuid[0])
        memcpy(kind->debug_id, add->uuid, sizeof kind->debug_id);
    if (!kind->debug_id[0])
        read_id_beside(add, path, kind);
    return kind->debug_id[0]
               ? PL_OK
               : pl_error_set(err, PL_INPUT,
                              "%.300s: a source map without debug id, nor has the code "
                              "beside it one; --uuid gives it one",
                              path);
}

static enum pl_status add_file(struct add *add, const char *path, bool by_hand,
                               struct pl_error *err)
{
    struct pl_symbol_kind kind;
    int64_t id = 0;
    bool known = false;
    int fd = -1;
    const char *slash = strrchr(path, '/');
    enum pl_status status = open_file(path, &fd, err);
    if (status == PL_OK)
        status = pl_symbol_identify(add->symbolizer, fd, path, &kind, err);
    if (status == PL_OK)
        status = settle_id(add, path, &kind, by_hand, err);
    if (status == PL_OK)
        status = open_store(add, err);
    if (status == PL_OK) {
        const struct pl_symbol_file file = {
            .project_id = add->request->project,
            .kind = kind.kind,
            .debug_id = kind.debug_id,
            .build_id = kind.build_id,
            .content = kind.content,
            .name = slash && slash[1] ? slash + 1 : path,
            .origin = "",
            .has_debug = kind.has_debug,
        };
        status = pl_symbol_file_add(add->store, &file, fd, &id, &known, err);
    }
    if (status == PL_OK)
        report_kept(add, path, &kind, id, known);
    if (fd >= 0)
        close(fd);
    return status;
}

/* ---- files and folders ---- */

static void add_path(struct add *add, const char *path, bool by_hand, unsigned depth);

/* In the order of names: what is said is the same each time. Links are not followed,
 * a folder may be reached by many. */
static void add_folder(struct add *add, const char *path, unsigned depth)
{
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, NULL, alphasort);
    struct pl_error err;
    if (count < 0) {
        pl_error_set(&err, PL_IO, "cannot read %.300s: %s", path, strerror(errno));
        report_refused(add, path, false, &err);
        return;
    }
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        char *inner = NULL;
        struct stat st;
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && depth < MAX_DEPTH &&
            asprintf(&inner, "%s/%s", path, name) > 0 && lstat(inner, &st) == 0 &&
            (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) &&
            (st.st_size || S_ISDIR(st.st_mode)))
            add_path(add, inner, false, depth + 1);
        free(inner);
        free(entries[i]);
    }
    free(entries);
}

static void add_path(struct add *add, const char *path, bool by_hand, unsigned depth)
{
    struct pl_error err = {0};
    struct stat st;
    if (add->no_store)
        return;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        add_folder(add, path, depth);
    else if (add_file(add, path, by_hand, &err) != PL_OK)
        report_refused(add, path, by_hand, &err);
}

static int finish(struct add *add)
{
    const char *flag = pl_cli_db_flag(add->request->cli);
    struct pl_error err = {0};
    int kept = add->added + add->known;
    if (add->request->cli->json) {
        struct pl_buf buf;
        pl_buf_init(&buf, PL_CLI_DOCUMENT_BYTES);
        pl_buf_puts(&buf, "{\"schema\":1,\"files\":[");
        if (add->json.len)
            pl_buf_append(&buf, add->json.data, add->json.len);
        pl_buf_puts(&buf, "]");
        pl_json_int_field(&buf, "skipped", add->skipped);
        pl_buf_puts(&buf, "}");
        if (pl_cli_print_document(&buf, &err))
            return pl_cli_fail(&err);
    }
    if (add->added)
        pl_cli_say("proflite%s process --redo names what is stored already", flag);
    if (!add->refused && !kept)
        pl_cli_say("no symbol file among %d file%s", add->skipped,
                   pl_term_plural(add->skipped));
    if (add->refused)
        return pl_status_exit_code(kept          ? PL_PARTIAL
                                   : add->failed ? add->failed
                                                 : PL_INPUT);
    return kept ? PL_EXIT_OK : PL_EXIT_NOT_FOUND;
}

int pl_symbols_add(const struct pl_symbols_request *request)
{
    struct add add = {.request = request};
    struct pl_error err = {0};
    if (request->uuid && !pl_debug_id_parse(request->uuid, add.uuid))
        return pl_cli_usage(&pl_cmd_symbols, "no UUID: %s", request->uuid);
    if (request->uuid && request->operand_count != 1)
        return pl_cli_usage(&pl_cmd_symbols, "--uuid is of one file");
    pl_buf_init(&add.json, PL_CLI_DOCUMENT_BYTES);
    enum pl_status status = pl_symbolizer_open(NULL, &add.symbolizer, &err);
    for (int i = 0; i < request->operand_count && !status; i++)
        add_path(&add, request->operands[i], true, 0);
    int exit_code = status ? pl_cli_fail(&err) : finish(&add);
    pl_symbolizer_close(add.symbolizer);
    pl_store_close(add.store);
    pl_buf_deinit(&add.json);
    return exit_code;
}
