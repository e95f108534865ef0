/* Lifecycles of libproflite: programs that link it (tests/lifecycle_host.c), by
 * themselves and under `proflite record`, read back through the store. */
#include "collector/salvage.h"
#include "collector/settings.h"
#include "tests/linked.h"

#include <sys/stat.h>

static int64_t count_under(const char *label)
{
    char sql[512];
    (void)snprintf(
        sql, sizeof sql,
        "SELECT count(*) FROM sample s WHERE EXISTS (SELECT 1 FROM label l "
        "WHERE l.part_id = s.part_id AND l.thread_id = s.thread_id AND s.tick "
        "BETWEEN l.first_tick AND l.first_tick + l.n - 1 AND %s)",
        label);
    return ask(sql);
}

/* Wall time: what ticks a busy machine missed is in it, too. */
static int64_t ms_under(const char *label)
{
    char sql[512];
    (void)snprintf(
        sql, sizeof sql,
        "SELECT sum(weight_ns) / 1000000 FROM sample s WHERE EXISTS (SELECT 1 "
        "FROM label l WHERE l.part_id = s.part_id AND l.thread_id = "
        "s.thread_id AND s.tick BETWEEN l.first_tick AND l.first_tick + l.n - "
        "1 AND %s)",
        label);
    return ask(sql);
}

static void check_between(const char *label, int64_t low_ms, int64_t high_ms)
{
    int64_t got_ms = ms_under(label);
    CHECK(got_ms >= low_ms && got_ms <= high_ms, "%s: %lld ms, not %lld to %lld", label,
          (long long)got_ms, (long long)low_ms, (long long)high_ms);
}

static void check_exit(const char *mode, int expected)
{
    int status = run_host(mode);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == expected, "%s: status %x\n%s",
          mode, (unsigned)status, output);
}

/* ---- labels ---- */

static void check_at_least(const char *label, int64_t low_ms)
{
    CHECK(ms_under(label) >= low_ms, "%s: %lld ms, not %lld", label,
          (long long)ms_under(label), (long long)low_ms);
}

/* The host works 200 ms of CPU time at each step; on a busy machine that is more of
 * wall time, never less. */
static void check_labels(void)
{
    CHECK(ask("SELECT count(*) FROM session") == 1);
    check_between("key = 'tenant' AND value = 'sleeper'", 370, 1000);
    check_between("key = 'span' AND value = 'db.query'", 185, 800);
    check_at_least("key = 'tenant' AND value = 'acme'", 570);
    check_at_least("key = 'span' AND value = 'GET /cart'", 570);
    int64_t acme = count_under("key = 'tenant' AND value = 'acme'");
    int64_t cart = count_under("key = 'span' AND value = 'GET /cart'");
    CHECK(count_under("key = 'transaction' AND value = 'GET /cart'") == cart);
    CHECK(count_under("key = 'trace'") == cart);
    CHECK(ask("SELECT count(DISTINCT value) = 1 AND min(length(value)) = 49 FROM label "
              "WHERE key = 'trace'") == 1);
    CHECK(ask("SELECT count(*) FROM thread WHERE name = 'the one that sleeps under a "
              "label of its own'") == 1);
    int64_t main_thread = ask("SELECT count(*) FROM sample JOIN thread t ON t.id = "
                              "thread_id WHERE t.name <> 'the one that sleeps under a "
                              "label of its own'");
    CHECK(acme > 50 && cart > 50 && main_thread - cart > 30 && main_thread - acme > 30,
          "%lld of %lld, %lld", (long long)main_thread, (long long)cart,
          (long long)acme);
    /* A selection of the library's own says the same as SQL. */
    struct pl_store *store = NULL;
    struct pl_error err = {0};
    struct pl_profile profile = {0};
    const struct pl_label label = {"span", "GET /cart"};
    const struct pl_selection selection = {.labels = &label, .label_count = 1};
    CHECK_OK(pl_store_open(db, PL_STORE_READ, &store, &err), err);
    CHECK_OK(pl_query_profile(store, &selection, PL_METRIC_WALL, &profile, &err), err);
    CHECK(profile.samples == cart, "%lld", (long long)profile.samples);
    pl_profile_deinit(&profile);
    pl_store_close(store);
}

static void test_labels(void)
{
    make_folder();
    check_host("labels");
    check_labels();
    remove_folder();
}

static void test_recorded_labels(void)
{
    /* The program's own store is not to be had, and nothing to it. */
    char env[] = "/usr/bin/env", own[] = "PROFLITE_DB=/proc/none", program[] = PROFLITE,
         record[] = "record", rate[] = "-F250", end[] = "--", host[] = LINKED_HOST,
         mode[] = "labels", output_db[sizeof db + 2];
    make_folder();
    (void)snprintf(output_db, sizeof output_db, "-o%s", db);
    int status = run_program(
        (char *[]){env, own, program, record, output_db, rate, end, host, mode, NULL});
    CHECK(status == 0, "status %x\n%s", (unsigned)status, output);
    check_labels();
    remove_folder();
}

static void test_labels_over_stop(void)
{
    make_folder();
    check_host("labels_over_stop");
    CHECK(ask("SELECT count(*) FROM session") == 3);
    for (int session = 1; session <= 3; session++) {
        char label[256];
        (void)snprintf(label, sizeof label,
                       "key = 'span' AND value = 'long' AND s.session_id = %d",
                       session);
        int64_t spans = count_under(label);
        (void)snprintf(label, sizeof label,
                       "key = 'tenant' AND value = 'early' AND s.session_id = %d",
                       session);
        int64_t tenants = count_under(label);
        CHECK(session < 3 ? spans > 15 && spans == tenants : !spans && !tenants,
              "session %d: %lld, %lld", session, (long long)spans, (long long)tenants);
    }
    remove_folder();
}

/* ---- starts and stops ---- */

static void test_trace(void)
{
    make_folder();
    check_host("trace");
    CHECK(ask("SELECT count(*) FROM session WHERE state = 'ended'") == 3);
    CHECK(ask("SELECT count(DISTINCT uuid) FROM session") == 3);
    CHECK(ask("SELECT count(*) FROM sample WHERE session_id = 3 AND on_cpu") > 15);
    CHECK(count_under("key = 'span' AND value = 'overlapping'") > 20);
    CHECK(ask("SELECT count(*) FROM thread WHERE name LIKE 'proflite%'") == 0);
    remove_folder();
}

static void test_tokens(void)
{
    make_folder();
    check_host("tokens");
    CHECK(ask("SELECT count(*) FROM session WHERE state <> 'ended'") == 0);
    CHECK(ask("SELECT count(*) FROM session") >= 2);
    remove_folder();
}

static void test_auto_start(void)
{
    make_folder();
    check_host("auto_fork");
    CHECK(ask("SELECT count(*) FROM session") == 2, "%lld",
          (long long)ask("SELECT count(*) FROM session"));
    CHECK(ask("SELECT count(DISTINCT pid) FROM session") == 2);
    CHECK(ask("SELECT count(*) FROM (SELECT session_id FROM sample WHERE on_cpu GROUP "
              "BY 1 HAVING count(*) > 8)") == 2);
    remove_folder();
}

static void test_control(void)
{
    make_folder();
    check_host("control");
    CHECK(ask("SELECT count(*) FROM session WHERE state = 'ended'") == 2);
    CHECK(ask("SELECT count(*) FROM thread WHERE name LIKE 'proflite%'") == 0);
    remove_folder();
}

static void test_sample_rate(void)
{
    proflite_options options = PROFLITE_OPTIONS_INIT;
    struct pl_settings settings;
    char why[256];
    int drawn = 0;
    options.db = "/tmp/x";
    options.session_sample_rate = 0.3;
    CHECK(pl_settings_init(&settings, &options, false, why, sizeof why) == PROFLITE_OK);
    for (int i = 0; i < 10000; i++)
        drawn += pl_settings_draw(&settings);
    CHECK(drawn >= 2800 && drawn <= 3200, "%d", drawn);
    settings.session_sample_rate = 0;
    for (int i = 0; i < 1000; i++)
        CHECK(!pl_settings_draw(&settings));
    pl_settings_deinit(&settings);
}

/* The session says how many ticks were left out; the weight of the samples and what was
 * lost are the time that passed all the same. */
static void test_budget(void)
{
    static const char modes[][5] = {"wall", "cpu"};
    for (size_t i = 0; i < 2; i++) {
        make_folder();
        setenv("PROFLITE_MODE", modes[i], 1);
        check_host("budget");
        unsetenv("PROFLITE_MODE");
        CHECK(ask("SELECT slowed_ticks FROM session") > 100, "%s: %lld", modes[i],
              (long long)ask("SELECT slowed_ticks FROM session"));
        int64_t samples = ask("SELECT count(*) FROM sample");
        int64_t ms = ask("SELECT (SELECT sum(weight_ns) FROM sample) / 1000000 + "
                         "(SELECT coalesce(sum(count), 0) FROM loss)");
        CHECK(samples < 1300 && samples > 10, "%s: %lld", modes[i], (long long)samples);
        CHECK(ms > 1300, "%s: %lld ms", modes[i], (long long)ms);
        remove_folder();
    }
}

/* ---- forks and ends ---- */

static void test_fork_trace(void)
{
    make_folder();
    check_host("fork_trace");
    CHECK(ask("SELECT count(*) FROM session") == 2);
    CHECK(
        ask("SELECT count(DISTINCT s.pid) FROM session s JOIN thread t ON t.session_id "
            "= s.id JOIN label l ON l.thread_id = t.id WHERE l.key = 'transaction' AND "
            "l.value = 'child'") == 1);
    CHECK(ask("SELECT count(*) FROM label WHERE value = 'parent' AND thread_id IN "
              "(SELECT "
              "thread_id FROM label WHERE value = 'child')") == 0);
    remove_folder();
}

static void test_spawn(void)
{
    make_folder();
    check_host("spawn_forks");
    CHECK(ask("SELECT count(*) FROM session WHERE state = 'ended'") == 1);
    CHECK(count_under("key = 'tenant'") > 60);
    remove_folder();
}

static void test_daemon(void)
{
    make_folder();
    check_host("daemon_forks"); /* returns when both have closed their output */
    CHECK(strstr(output, "daemon done 0") != NULL, "%s", output);
    CHECK(ask("SELECT count(*) FROM (SELECT session_id FROM sample WHERE on_cpu GROUP "
              "BY 1 HAVING count(*) > 15)") >= 1);
    remove_folder();
}

static void test_exec(void)
{
    make_folder();
    for (int i = 0; i < 10; i++)
        check_exit("exec", 7);
    check_exit("quick_exit", 4);
    /* Neither said good-bye: the next who opens the store has their last words. */
    struct pl_salvage_result found;
    struct pl_error err = {0};
    CHECK_OK(pl_salvage(db, &found, &err), err);
    CHECK(found.recorders >= 1 && !found.refused, "%llu",
          (unsigned long long)found.recorders);
    CHECK(ask("SELECT count(*) FROM session WHERE state = 'live'") == 0);
    CHECK(ask("SELECT count(*) FROM sample") > 100);
    CHECK(ask("SELECT integrity_check = 'ok' FROM pragma_integrity_check") == 1);
    remove_folder();
}

static void test_exits(void)
{
    make_folder();
    check_host("exit_handler");
    check_host("exit_thread");
    CHECK(ask("SELECT count(*) FROM session WHERE state = 'ended'") == 2);
    CHECK(
        ask("SELECT count(*) FROM (SELECT session_id FROM sample WHERE on_cpu GROUP BY "
            "1 HAVING count(*) > 15)") == 2);
    CHECK(count_under("key = 'span'") > 15);
    remove_folder();
}

static void test_race(void)
{
    make_folder();
    check_host("race_all");
    CHECK(ask("SELECT integrity_check = 'ok' FROM pragma_integrity_check") == 1);
    CHECK(ask("SELECT count(*) FROM session WHERE state = 'live'") == 0);
    remove_folder();
}

/* ---- hosts of their own kind ---- */

static void test_fibers(void)
{
    make_folder();
    check_host("fibers");
    /* 150 ticks of some 200, those counted as lost on a busy machine among them. */
    int64_t ticks = ask("SELECT (SELECT sum(weight_ns) / 9900990 FROM sample) + "
                        "(SELECT coalesce(sum(count), 0) FROM loss)");
    CHECK(ticks >= 150, "%lld", (long long)ticks);
    CHECK(ask("SELECT count(*) FROM sample") > 20);
    CHECK(ask("SELECT count(*) FROM thread") == 1);
    remove_folder();
}

static void test_idle(void)
{
    make_folder();
    check_host("idle");
    remove_folder();
}

static void test_blocked(void)
{
    static const char modes[][5] = {"wall", "cpu"};
    for (size_t i = 0; i < 2; i++) {
        make_folder();
        setenv("PROFLITE_MODE", modes[i], 1);
        check_host("blocked");
        unsetenv("PROFLITE_MODE");
        int64_t ms = ask("SELECT ((SELECT coalesce(sum(weight_ns), 0) FROM sample) + "
                         "(SELECT coalesce(sum(count), 0) FROM loss) * 9900990) / "
                         "1000000");
        CHECK(ms >= 550, "%s: %lld ms", modes[i], (long long)ms);
        remove_folder();
    }
}

static void test_no_thread(void)
{
#ifndef __SANITIZE_ADDRESS__ /* whose shadow needs more than any limit */
    make_folder();
    check_host("no_thread");
    remove_folder();
#endif
}

static void test_no_sampler(void)
{
#ifndef __SANITIZE_ADDRESS__ /* whose leak check makes its thread with that call, too  \
                              */
    make_folder();
    check_host("no_sampler");
    CHECK(ask("SELECT count(*) FROM sample") == 0);
    remove_folder();
#endif
}

static void test_secure(void)
{
#ifndef __SANITIZE_ADDRESS__ /* whose leak check cannot look into such a program */
    char copy[128], command[1024], mode[] = "secure";
    if (geteuid() != 0)
        return; /* nobody else can make a program another user's */
    make_folder();
    (void)snprintf(copy, sizeof copy, "%s/secure_host", folder);
    (void)snprintf(command, sizeof command,
                   "cp %s %s && chown nobody %s && chmod 4755 %s && chmod 777 %s",
                   LINKED_HOST, copy, copy, copy, folder);
    CHECK(system(command) == 0);
    int status = run_program((char *[]){copy, mode, NULL});
    CHECK(status == 0, "status %x\n%s", (unsigned)status, output);
    CHECK(ask("SELECT count(*) FROM sample") > 5);
    unlink(copy);
    remove_folder();
#endif
}

TEST_MAIN({"labels", test_labels}, {"recorded_labels", test_recorded_labels},
          {"labels_over_stop", test_labels_over_stop}, {"trace", test_trace},
          {"tokens", test_tokens}, {"auto_start", test_auto_start},
          {"control", test_control}, {"sample_rate", test_sample_rate},
          {"budget", test_budget}, {"fork_trace", test_fork_trace},
          {"spawn", test_spawn}, {"daemon", test_daemon}, {"exec", test_exec},
          {"exits", test_exits}, {"race", test_race}, {"fibers", test_fibers},
          {"idle", test_idle}, {"no_thread", test_no_thread}, {"blocked", test_blocked},
          {"no_sampler", test_no_sampler}, {"secure", test_secure})
