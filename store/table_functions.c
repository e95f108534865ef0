/* Table functions as SQLite wants them (virtual tables without storage); what they
 * answer is in table_rows.c and table_samples.c. */
#include "store/table_functions.h"

#include "base/clock.h"
#include "store/table_rows.h"

#include <stdlib.h>
#include <string.h>

/* Hidden columns every function has, behind its own; `key` is the selection's. */
static const struct common {
    const char *name, *key;
} commons[] = {
    {"selection", NULL},    {"metric", "metric"},
    {"transform", NULL},    {"app", "app"},
    {"session", "session"}, {"thread", "thread"},
    {"release", "release"}, {"env", "env"},
    {"label", "label"},     {"containing", "function"},
    {"since", "from"},      {"until", "to"},
};
enum { SELECTION, METRIC, TRANSFORM, COMMONS = sizeof commons / sizeof commons[0] };
enum { ARGUMENTS_MAX = 2 + COMMONS };

struct table {
    sqlite3_vtab base; /* first: SQLite's part */
    sqlite3 *db;
    const struct pl_table_function *function;
    int own; /* arguments of its own */
};

struct cursor {
    sqlite3_vtab_cursor base;
    struct pl_table_answer answer;
    char *texts[ARGUMENTS_MAX]; /* owned; NULL: not given */
    size_t row;
    int64_t before; /* rows that are gone */
    bool asked;
};

static int fail(struct table *table, const struct pl_error *err)
{
    sqlite3_free(table->base.zErrMsg);
    table->base.zErrMsg =
        sqlite3_mprintf("%s: %s", table->function->name, err->message);
    return err->status == PL_NOMEM ? SQLITE_NOMEM : SQLITE_ERROR;
}

/* ---- the table ---- */

static char *declaration(const struct pl_table_function *function)
{
    char *text = sqlite3_mprintf("CREATE TABLE x(%s", function->columns);
    for (int i = 0; text && i < 2 && function->own[i]; i++)
        text = sqlite3_mprintf("%z, %s HIDDEN", text, function->own[i]);
    for (int i = 0; text && i < COMMONS; i++)
        text = sqlite3_mprintf("%z, %s HIDDEN", text, commons[i].name);
    return text ? sqlite3_mprintf("%z)", text) : NULL;
}

static int connect_table(sqlite3 *db, void *aux, int argc, const char *const *argv,
                         sqlite3_vtab **table_out, char **error)
{
    (void)argc, (void)argv, (void)error;
    const struct pl_table_function *function = aux;
    char *text = declaration(function);
    int rc = text ? sqlite3_declare_vtab(db, text) : SQLITE_NOMEM;
    sqlite3_free(text);
    struct table *table = rc == SQLITE_OK ? calloc(1, sizeof *table) : NULL;
    if (!table)
        return rc == SQLITE_OK ? SQLITE_NOMEM : rc;
    table->db = db;
    table->function = function;
    while (table->own < 2 && function->own[table->own])
        table->own++;
    (void)sqlite3_vtab_config(db, SQLITE_VTAB_DIRECTONLY);
    *table_out = &table->base;
    return SQLITE_OK;
}

static int disconnect_table(sqlite3_vtab *base)
{
    free(base);
    return SQLITE_OK;
}

/* Arguments are equalities on hidden columns; which are given is the plan's number. */
static int plan(sqlite3_vtab *base, sqlite3_index_info *info)
{
    const struct table *table = (struct table *)base;
    const struct pl_table_function *function = table->function;
    int place[ARGUMENTS_MAX], given = 0, next = 0;
    for (int i = 0; i < ARGUMENTS_MAX; i++)
        place[i] = -1;
    for (int i = 0; i < info->nConstraint; i++) {
        int argument = info->aConstraint[i].iColumn - function->column_count;
        if (argument < 0 || info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ)
            continue;
        if (!info->aConstraint[i].usable)
            return SQLITE_CONSTRAINT; /* another order of the join must give it */
        if (place[argument] < 0)
            place[argument] = i;
    }
    for (int i = 0; i < table->own + COMMONS; i++)
        if (place[i] >= 0) {
            given |= 1 << i;
            info->aConstraintUsage[place[i]].argvIndex = ++next;
            info->aConstraintUsage[place[i]].omit = 1;
        }
    info->idxNum = given;
    info->estimatedCost = 1e6 / (1 + next);
    info->estimatedRows = 1000;
    return SQLITE_OK;
}

/* ---- the cursor ---- */

static void forget(struct cursor *cursor)
{
    struct pl_table_answer *answer = &cursor->answer;
    const struct table *table = (struct table *)cursor->base.pVtab;
    struct pl_store *store = answer->store;
    if (cursor->asked && table->function->end)
        table->function->end(answer);
    pl_profile_deinit(&answer->profile);
    pl_diff_deinit(&answer->diff);
    pl_timeline_deinit(&answer->timeline);
    pl_transform_list_deinit(&answer->transforms);
    pl_selection_args_deinit(&answer->args);
    for (int i = 0; i < ARGUMENTS_MAX; i++) {
        free(cursor->texts[i]);
        cursor->texts[i] = NULL;
    }
    *answer = (struct pl_table_answer){.store = store};
    cursor->row = 0;
    cursor->before = 0;
    cursor->asked = false;
}

static int open_cursor(sqlite3_vtab *base, sqlite3_vtab_cursor **cursor_out)
{
    (void)base;
    struct cursor *cursor = calloc(1, sizeof *cursor);
    if (!cursor)
        return SQLITE_NOMEM;
    *cursor_out = &cursor->base;
    return SQLITE_OK;
}

static int close_cursor(sqlite3_vtab_cursor *base)
{
    struct cursor *cursor = (struct cursor *)base;
    forget(cursor);
    pl_store_close(cursor->answer.store);
    free(cursor);
    return SQLITE_OK;
}

static enum pl_status open_store(struct cursor *cursor, struct pl_error *err)
{
    const struct table *table = (struct table *)cursor->base.pVtab;
    const char *path = sqlite3_db_filename(table->db, "main");
    if (cursor->answer.store)
        return PL_OK;
    if (!path || !*path)
        return pl_error_set(err, PL_USAGE, "open the store itself as the database");
    return pl_store_open(path, PL_STORE_READ, &cursor->answer.store, err);
}

/* "focus:main; recursion" */
static enum pl_status add_transforms(struct pl_table_answer *answer, char *text,
                                     struct pl_error *err)
{
    enum pl_status status = PL_OK;
    char *word;
    while (status == PL_OK && text && (word = strsep(&text, ";"))) {
        word += strspn(word, " \t\n");
        if (*word)
            status = pl_transform_list_add(&answer->transforms, word, err);
    }
    return status;
}

static enum pl_status read_arguments(struct cursor *cursor, struct pl_error *err)
{
    const struct table *table = (struct table *)cursor->base.pVtab;
    struct pl_table_answer *answer = &cursor->answer;
    char *const *texts = cursor->texts + table->own;
    enum pl_status status = PL_OK;
    pl_selection_args_init(&answer->args, pl_clock_wall_ns());
    for (int i = 0; i < table->own; i++)
        answer->own[i] = cursor->texts[i];
    if (texts[SELECTION])
        status = pl_selection_parse(&answer->args, texts[SELECTION], err);
    for (int i = 0; i < COMMONS && status == PL_OK; i++)
        if (texts[i] && commons[i].key)
            status = pl_selection_set(&answer->args, commons[i].key, texts[i], err);
    if (status == PL_OK)
        status = add_transforms(answer, texts[TRANSFORM], err);
    if (status == PL_OK)
        status = pl_selection_get(&answer->args, &answer->selection, err);
    return status;
}

static int filter(sqlite3_vtab_cursor *base, int given, const char *text, int argc,
                  sqlite3_value **argv)
{
    (void)text;
    struct cursor *cursor = (struct cursor *)base;
    struct table *table = (struct table *)base->pVtab;
    struct pl_error err = {0};
    int next = 0;
    forget(cursor);
    for (int i = 0; i < table->own + COMMONS && next < argc; i++) {
        if (!(given & 1 << i))
            continue;
        const char *value = (const char *)sqlite3_value_text(argv[next++]);
        cursor->texts[i] = value ? strdup(value) : NULL;
        if (value && !cursor->texts[i])
            return SQLITE_NOMEM;
    }
    enum pl_status status = open_store(cursor, &err);
    if (status == PL_OK)
        status = read_arguments(cursor, &err);
    cursor->asked = true;
    if (status == PL_OK)
        status = table->function->ask(&cursor->answer, &err);
    return status == PL_OK ? SQLITE_OK : fail(table, &err);
}

static int next_row(sqlite3_vtab_cursor *base)
{
    struct cursor *cursor = (struct cursor *)base;
    struct table *table = (struct table *)base->pVtab;
    struct pl_error err = {0};
    if (++cursor->row < cursor->answer.count || !table->function->more)
        return SQLITE_OK;
    cursor->before += (int64_t)cursor->answer.count;
    cursor->row = 0;
    enum pl_status status = table->function->more(&cursor->answer, &err);
    return status == PL_OK ? SQLITE_OK : fail(table, &err);
}

static int at_end(sqlite3_vtab_cursor *base)
{
    const struct cursor *cursor = (struct cursor *)base;
    return cursor->row >= cursor->answer.count;
}

static int show_column(sqlite3_vtab_cursor *base, sqlite3_context *out, int column)
{
    const struct cursor *cursor = (struct cursor *)base;
    const struct table *table = (struct table *)base->pVtab;
    int argument = column - table->function->column_count;
    if (argument < 0)
        table->function->show(&cursor->answer, cursor->row, column, out);
    else if (argument < ARGUMENTS_MAX && cursor->texts[argument])
        sqlite3_result_text(out, cursor->texts[argument], -1, SQLITE_TRANSIENT);
    return SQLITE_OK;
}

static int row_id(sqlite3_vtab_cursor *base, sqlite3_int64 *id_out)
{
    const struct cursor *cursor = (struct cursor *)base;
    *id_out = cursor->before + (int64_t)cursor->row + 1;
    return SQLITE_OK;
}

int pl_table_functions_register(sqlite3 *db)
{
    static const sqlite3_module module = {
        .xConnect = connect_table, /* no xCreate: exists without CREATE */
        .xBestIndex = plan,
        .xDisconnect = disconnect_table,
        .xOpen = open_cursor,
        .xClose = close_cursor,
        .xFilter = filter,
        .xNext = next_row,
        .xEof = at_end,
        .xColumn = show_column,
        .xRowid = row_id,
    };
    int rc = SQLITE_OK;
    for (const struct pl_table_function *f = pl_table_functions;
         f->name && rc == SQLITE_OK; f++)
        rc = sqlite3_create_module(db, f->name, &module, (void *)(uintptr_t)f);
    return rc;
}
