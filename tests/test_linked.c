/* libproflite end to end: programs that record themselves (tests/linked_host.c),
 * read back through the store. */
#include "collector/salvage.h"
#include "tests/linked.h"

/* Samples whose stack has an address inside linked_hot_function: it is looked for
 * by where the host's own addresses concentrate, before any symbolication. */
static const char hot_samples[] =
    "SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM sample s JOIN "
    "stack_frame f USING (stack_id) WHERE f.module LIKE '%linked_host' AND s.on_cpu "
    "GROUP BY s.session_id, f.frame_id)";

/* ---- cases ---- */

static void test_restart(void)
{
    char sql[256];
    int sessions = 0;
    make_folder();
    check_host("restart");
    for (char *line = strtok(output, "\n"); line; line = strtok(NULL, "\n")) {
        if (strncmp(line, "id ", 3) != 0)
            continue;
        sessions++;
        (void)snprintf(sql, sizeof sql,
                       "SELECT count(*) FROM session WHERE uuid = '%s' AND state = "
                       "'ended'",
                       line + 3);
        CHECK(ask(sql) == 1, "%s", sql);
        (void)snprintf(
            sql, sizeof sql,
            "SELECT count(*) FROM sample JOIN session s ON s.id = session_id "
            "WHERE s.uuid = '%s' AND on_cpu",
            line + 3);
        CHECK(ask(sql) > 15, "%lld samples", (long long)ask(sql));
    }
    CHECK(sessions == 2);
    CHECK(ask("SELECT count(*) FROM session") == 2);
    CHECK(ask("SELECT count(DISTINCT recording_id) FROM session") == 1);
    CHECK(ask(hot_samples) > 20, "%lld", (long long)ask(hot_samples));
    /* Our own thread is not in it. */
    CHECK(ask("SELECT count(*) FROM thread") == 2);
    CHECK(ask("SELECT count(*) FROM thread WHERE name = 'proflite'") == 0);
    remove_folder();
}

static void test_off(void)
{
    make_folder();
    check_host("off");
    CHECK(ask("SELECT count(*) FROM session") == 0);
    remove_folder();
}

static void test_options(void)
{
    make_folder();
    check_host("options");
    remove_folder();
}

static void test_names(void)
{
    make_folder();
    check_host("names");
    CHECK(
        ask("SELECT app = 'shop' AND release = '2.0' AND dist IS NULL AND mode = 'cpu' "
            "AND environment IS NULL FROM session") == 1);
    CHECK(ask("SELECT count(*) FROM sample") > 15);
    remove_folder();
}

static void test_exit(void)
{
    make_folder();
    check_host("exit");
    CHECK(ask("SELECT count(*) FROM session WHERE state = 'ended'") == 1);
    CHECK(ask("SELECT count(*) FROM sample") > 20, "%lld",
          (long long)ask("SELECT count(*) FROM sample"));
    remove_folder();
}

static void test_fork(void)
{
    make_folder();
    check_host("fork");
    CHECK(ask("SELECT count(*) FROM session") == 2);
    CHECK(ask("SELECT count(DISTINCT pid) FROM session") == 2);
    CHECK(
        ask("SELECT count(*) FROM (SELECT session_id FROM sample WHERE on_cpu GROUP BY "
            "1 HAVING count(*) > 10)") == 2);
    remove_folder();
}

static void test_storm(void)
{
    make_folder();
    check_host("storm");
    CHECK(ask("SELECT count(*) FROM session") >= 1, "%lld",
          (long long)ask("SELECT count(*) FROM session"));
    CHECK(ask("SELECT integrity_check = 'ok' FROM pragma_integrity_check") == 1);
    CHECK(ask("SELECT count(*) FROM sample") > 10);
    remove_folder();
}

static void test_race(void)
{
    make_folder();
    check_host("race");
    CHECK(ask("SELECT count(*) FROM session") == 1);
    remove_folder();
}

static void test_flush(void)
{
    make_folder();
    int status = run_host("flush");
    struct pl_salvage_result found;
    struct pl_error err;
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status %x\n%s",
          (unsigned)status, output);
    CHECK(ask("SELECT count(*) FROM session WHERE state = 'live'") == 1);
    CHECK_OK(pl_salvage(db, &found, &err), err);
    CHECK(found.recorders == 1 && found.sessions == 1 && !found.refused);
    CHECK(ask("SELECT count(*) FROM session WHERE state = 'killed'") == 1);
    CHECK(ask("SELECT count(*) FROM sample") > 30, "%lld",
          (long long)ask("SELECT count(*) FROM sample"));
    remove_folder();
}

static void test_fsize(void)
{
    make_folder();
    check_host("fsize");
    remove_folder();
}

static void test_undisturbed(void)
{
    make_folder();
    check_host("undisturbed");
    CHECK(ask("SELECT count(*) FROM sample") > 10);
    remove_folder();
}

TEST_MAIN({"restart", test_restart}, {"off", test_off}, {"options", test_options},
          {"names", test_names}, {"exit", test_exit}, {"fork", test_fork},
          {"storm", test_storm}, {"race", test_race}, {"flush", test_flush},
          {"fsize", test_fsize}, {"undisturbed", test_undisturbed})
