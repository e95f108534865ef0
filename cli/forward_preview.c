#include "cli/forward_preview.h"

#include "base/id.h"
#include "cli/term.h"
#include "web/forward_body.h"
#include "web/forwarder.h"
#include "web/json.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE_BYTES 65536

struct preview {
    struct pl_cli *cli;
    const struct pl_forward_preview *options;
    struct pl_forward_source source;
    struct pl_dsn dsn;
    struct pl_buf json;
    int64_t count, bytes, unreadable;
    enum pl_status status;
    struct pl_error err;
};

/* Names come from ids, which are hex; what has none has a number. */
static enum pl_status write_file(struct preview *p, const struct pl_forward_body *body,
                                 struct pl_error *err)
{
    char path[4200], piece[PIECE_BYTES];
    struct pl_id id;
    char name[PL_ID_TEXT] = "";
    size_t at = 0, got = 1;
    if (pl_id_parse(body->id, &id))
        pl_id_format(&id, name);
    (void)snprintf(path, sizeof path, "%.4000s/%s-%s%s%" PRId64, p->options->output,
                   body->kind, name, name[0] ? "-" : "", p->count);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    enum pl_status status = PL_OK;
    bool ok = fd >= 0;
    while (ok && got && status == PL_OK) {
        status = pl_spool_read(body->body, at, piece, sizeof piece, &got, err);
        ok = status == PL_OK && write(fd, piece, got) == (ssize_t)got;
        at += got;
    }
    if (status == PL_OK && !ok)
        status = pl_error_set(err, PL_IO, "cannot write %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return status;
}

static void put_categories(struct pl_buf *out, const char *categories)
{
    pl_buf_puts(out, ",\"categories\":[");
    for (const char *at = categories + 1; categories[0] && *at;) {
        size_t len = strcspn(at, ",");
        pl_buf_puts(out, at > categories + 1 ? ",\"" : "\"");
        pl_buf_append(out, at, len);
        pl_buf_puts(out, "\"");
        at += len + (at[len] == ',');
    }
    pl_buf_puts(out, "]}");
}

static void list_json(struct preview *p, const struct pl_forward_body *body)
{
    pl_buf_puts(&p->json, p->count ? ",{\"kind\":" : "{\"kind\":");
    pl_json_string(&p->json, body->kind);
    pl_json_string_field(&p->json, "id", body->id);
    pl_json_int_field(&p->json, "bytes", (int64_t)body->body->len);
    pl_json_string_field(&p->json, "encoding", body->encoding);
    pl_json_int_field(&p->json, "items", (int64_t)body->items);
    pl_json_int_field(&p->json, "samples", body->samples);
    put_categories(&p->json, body->categories);
}

static enum pl_status list_body(void *self, const struct pl_forward_body *body,
                                struct pl_error *err)
{
    struct preview *p = self;
    enum pl_status status = PL_OK;
    if (p->cli->json)
        list_json(p, body);
    else
        printf("%-11s  %-32s  %9zu bytes  %3zu item%s  %.*s\n", body->kind,
               body->id[0] ? body->id : "-", body->body->len, body->items,
               body->items == 1 ? " " : "s",
               (int)(strlen(body->categories) > 2 ? strlen(body->categories) - 2 : 0),
               body->categories + 1);
    if (p->options->output)
        status = write_file(p, body, err);
    p->count++;
    p->bytes += (int64_t)body->body->len;
    return status;
}

static bool visit(void *self, const struct pl_outbox_row *row)
{
    struct preview *p = self;
    p->status = pl_forward_bodies(&p->source, row, list_body, p, &p->err);
    if (p->status == PL_INPUT || p->status == PL_NOT_FOUND) {
        pl_cli_say("forward: %s", p->err.message);
        p->unreadable++;
        p->status = PL_OK;
    }
    return p->status == PL_OK && !atomic_load(p->options->stop);
}

static enum pl_status find_target(struct pl_store *store, const char *dsn,
                                  int64_t *target_out, struct pl_error *err)
{
    char name[PL_FORWARD_NAME];
    struct pl_outbox_target target;
    if (!pl_forward_name(dsn, name))
        return pl_error_set(err, PL_USAGE, "not a DSN (http://KEY@HOST/PROJECT)");
    enum pl_status status = pl_outbox_target_find(store, name, &target, err);
    *target_out = status == PL_OK ? target.id : 0;
    return status == PL_NOT_FOUND ? PL_OK : status;
}

enum pl_status pl_cli_forward_preview(struct pl_cli *cli,
                                      const struct pl_forward_preview *options,
                                      struct pl_error *err)
{
    struct preview p = {.cli = cli, .options = options};
    struct pl_store *store = NULL;
    int64_t target = 0;
    if (options->output && mkdir(options->output, 0700) != 0 && errno != EEXIST)
        return pl_error_set(err, PL_IO, "cannot make %s: %s", options->output,
                            strerror(errno));
    enum pl_status status = pl_cli_open(cli, PL_STORE_READ, &store, err);
    if (status == PL_OK)
        status = find_target(store, options->to, &target, err);
    if (status == PL_OK && !pl_dsn_parse(options->to, &p.dsn))
        status = pl_error_set(err, PL_USAGE, "not a DSN");
    p.source = (struct pl_forward_source){
        .store = store, .dsn = &p.dsn, .redact = options->redact};
    pl_buf_init(&p.json, PL_CLI_DOCUMENT_BYTES);
    pl_buf_puts(&p.json, "{\"schema\":1,\"envelopes\":[");
    if (status == PL_OK)
        status = pl_outbox_preview(store, target, options->received, visit, &p, err);
    if (status == PL_OK && p.status != PL_OK) {
        *err = p.err;
        status = p.status;
    }
    pl_store_close(store);
    if (status == PL_OK && cli->json) {
        pl_buf_puts(&p.json, "]}");
        status = pl_cli_print_document(&p.json, err);
    } else if (status == PL_OK) {
        pl_cli_say("forward: %" PRId64 " request%s, %.1f MB, would go", p.count,
                   pl_term_plural(p.count), (double)p.bytes / 1e6);
    }
    pl_buf_deinit(&p.json);
    return status;
}
