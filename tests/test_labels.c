/* Labels and spans of a thread: what the handler would tell of them, and what the drain
 * makes of that. */
#include "collector/drain_labels.h"
#include "collector/labels.h"
#include "tests/test.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static struct pl_label_sets sets;
static struct pl_label_stream told;
static _Alignas(8) uint8_t record[PL_LABEL_RECORD_BYTES];
static char text[8192];

static const struct pl_label_block *find_block(void)
{
    struct pl_label_table *table = pl_label_table_make();
    for (unsigned i = 0; i < PL_LABEL_BLOCKS; i++)
        if (atomic_load(&table->blocks[i].tid) == gettid())
            return &table->blocks[i];
    return NULL;
}

/* The set of a record as "key=value," in the order of first sight. */
static const char *spell(uint32_t set)
{
    const uint32_t *pairs;
    size_t count = pl_label_set_pairs(&sets, set, &pairs), used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        const char *key, *value;
        pl_label_pair(&sets, pairs[i], &key, &value);
        if (strcmp(key, "trace") == 0)
            value = strlen(value) == 49 && value[32] == '-' ? "ids" : "wrong";
        used += (size_t)snprintf(text + used, sizeof text - used, "%s=%s,", key, value);
    }
    return text;
}

/* What a sample of this thread would tell now; "same" if nothing new. */
static const char *labels_now(void)
{
    const struct pl_rec sample = {.kind = PL_REC_STACK};
    struct pl_rec rec;
    const struct pl_label_block *block = find_block();
    if (!pl_label_changed(block, gettid(), &told))
        return "same";
    uint32_t bytes = pl_label_put(block, gettid(), false, &sample, record, &told);
    if (!bytes)
        return "none";
    memcpy(&rec, record, sizeof rec);
    CHECK(rec.kind == PL_REC_LABELS && rec.bytes == bytes && bytes % 8 == 0);
    CHECK(rec.stack_bytes <= PL_LABELS_BYTES && rec.stack_bytes + sizeof rec <= bytes);
    return spell(
        pl_label_sets_add(&sets, (char *)record + sizeof rec, rec.stack_bytes));
}

#define CHECK_LABELS(expected)                                                         \
    do {                                                                               \
        const char *got_ = labels_now();                                               \
        CHECK(strcmp(got_, expected) == 0, "%s", got_);                                \
    } while (0)

static void begin(void)
{
    pl_labels_use(pl_label_table_make());
    pl_label_sets_deinit(&sets);
    told = (struct pl_label_stream){0};
}

static void end(void)
{
    pl_labels_use(NULL);
    pl_label_sets_deinit(&sets);
}

/* ---- cases ---- */

static void test_off(void)
{
    CHECK(pl_labels_set("a", "1") == PROFLITE_OFF);
    CHECK(pl_labels_name("x") == PROFLITE_OFF);
    proflite_span span = pl_labels_begin("x");
    CHECK(span.id == 0);
    pl_labels_end(&span);
    CHECK(find_block() == NULL);
}

static void test_set(void)
{
    begin();
    CHECK_LABELS("same"); /* nothing was ever said */
    CHECK(pl_labels_set("a", "1") == PROFLITE_OK);
    CHECK_LABELS("a=1,");
    CHECK_LABELS("same");
    CHECK(pl_labels_set("b", "") == PROFLITE_OK);
    CHECK(pl_labels_set("a", "2") == PROFLITE_OK);
    CHECK(pl_labels_set("a", "3") == PROFLITE_OK);
    CHECK_LABELS("a=3,b=,");
    CHECK(pl_labels_set("a", NULL) == PROFLITE_OK);
    CHECK_LABELS("b=,");
    CHECK(pl_labels_set("b", NULL) == PROFLITE_OK);
    CHECK(pl_labels_set("never", NULL) == PROFLITE_OK);
    CHECK_LABELS(""); /* said once, so that the drain knows */
    CHECK(pl_labels_set("c", "1") == PROFLITE_OK);
    CHECK(pl_labels_set("c", NULL) == PROFLITE_OK);
    CHECK_LABELS("none");
    CHECK(pl_labels_set("", "1") == PROFLITE_INVALID);
    CHECK(pl_labels_set(NULL, "1") == PROFLITE_INVALID);
    end();
}

static void test_limits(void)
{
    char key[200], value[1000], name[16];
    begin();
    memset(key, 'k', sizeof key);
    memset(value, 'v', sizeof value);
    key[sizeof key - 1] = value[sizeof value - 1] = '\0';
    for (int i = 0; i < 16; i++) {
        (void)snprintf(name, sizeof name, "key%d", i);
        CHECK(pl_labels_set(name, "x") == PROFLITE_OK);
    }
    CHECK(pl_labels_set("one more", "x") == PROFLITE_INVALID);
    CHECK(pl_labels_set("key3", value) == PROFLITE_OK);
    CHECK(pl_labels_set("key4", NULL) == PROFLITE_OK);
    CHECK(pl_labels_set(key, value) == PROFLITE_OK);
    const char *got = labels_now();
    size_t expected = 8 * strlen("key0=x,") + 6 * strlen("key10=x,") +
                      strlen("key3=,") + 255 + 63 + strlen("=,") + 255;
    CHECK(strlen(got) == expected, "%zu", strlen(got));
    /* More text than a record holds: some are left out, none is cut. */
    for (int i = 0; i < 16; i++) {
        (void)snprintf(name, sizeof name, "key%d", i);
        (void)pl_labels_set(name, value);
    }
    for (int i = 0; i < 40; i++)
        (void)pl_labels_begin(value);
    got = labels_now();
    CHECK(strlen(got) > 3500 && strlen(got) <= PL_LABELS_BYTES + 16 * 2, "%zu",
          strlen(got));
    for (const char *c = got; (c = strchr(c, '=')); c++)
        CHECK(strncmp(c, "=ids,", 5) == 0 || strcspn(c, ",") == 256 ||
                  strcspn(c, ",") == 128,
              "%zu", strcspn(c, ","));
    end();
}

static void test_spans(void)
{
    static const proflite_span none;
    begin();
    uint32_t begun = pl_labels_roots_begun();
    proflite_span a = pl_labels_begin("a"), b = pl_labels_begin("b");
    proflite_span c = pl_labels_begin("b");
    CHECK(memcmp(a.trace_id, none.trace_id, 16) != 0);
    CHECK(memcmp(a.trace_id, c.trace_id, 16) == 0 &&
          memcmp(a.span_id, c.span_id, 8) == 0);
    CHECK_LABELS("transaction=a,trace=ids,span=a,span=b,");
    CHECK(pl_labels_roots_begun() - begun == 1 && pl_labels_roots_open() == 1);
    pl_labels_end(&a); /* out of order */
    pl_labels_end(&a); /* and twice */
    CHECK(pl_labels_roots_open() == 0);
    CHECK_LABELS("span=b,");
    proflite_span d = pl_labels_begin("d"); /* no root: b is still open */
    CHECK(pl_labels_roots_begun() - begun == 1);
    CHECK_LABELS("span=b,span=d,");
    pl_labels_end(&c);
    pl_labels_end(&b);
    pl_labels_end(&d);
    CHECK_LABELS("");
    proflite_span e = pl_labels_begin("e");
    pl_labels_end(&b); /* its place is e's by now */
    CHECK_LABELS("transaction=e,trace=ids,span=e,");
    CHECK(memcmp(a.trace_id, e.trace_id, 16) != 0);
    pl_labels_end(&e);
    pl_labels_end(&none);
    CHECK(pl_labels_roots_open() == 0);
    end();
    CHECK(pl_labels_roots_open() == 0);
}

static void test_deep(void)
{
    proflite_span spans[100];
    begin();
    for (int i = 0; i < 100; i++)
        spans[i] = pl_labels_begin(i % 2 ? "odd" : "even");
    CHECK(spans[31].id && !spans[32].id && !spans[99].id);
    for (int i = 99; i >= 0; i--)
        pl_labels_end(&spans[i]);
    CHECK(pl_labels_roots_open() == 0);
    CHECK_LABELS("none");
    end();
}

static proflite_span shared_span;
static int32_t block_tid;

static void *other_thread(void *unused)
{
    pl_labels_end(&shared_span);
    CHECK(pl_labels_set("other", "1") == PROFLITE_OK);
    proflite_span left_open = pl_labels_begin("left open");
    CHECK(left_open.id && pl_labels_roots_open() == 1);
    block_tid = gettid();
    return unused;
}

static void test_threads(void)
{
    pthread_t thread;
    begin();
    shared_span = pl_labels_begin("mine");
    CHECK(pl_labels_roots_open() == 1);
    CHECK(pthread_create(&thread, NULL, other_thread, NULL) == 0);
    pthread_join(thread, NULL);
    CHECK(pl_labels_roots_open() == 0); /* ended by the other, and with the other */
    CHECK_LABELS("none");
    struct pl_label_table *table = pl_label_table_make();
    for (unsigned i = 0; i < PL_LABEL_BLOCKS; i++)
        CHECK(!block_tid || atomic_load(&table->blocks[i].tid) != block_tid);
    end();
}

static void test_again(void)
{
    begin();
    CHECK(pl_labels_set("a", "1") == PROFLITE_OK);
    proflite_span old = pl_labels_begin("old");
    CHECK(strlen(labels_now()) > 10);
    pl_labels_use(NULL);
    CHECK(pl_labels_set("a", "2") == PROFLITE_OFF);
    pl_labels_use(pl_label_table_make());
    CHECK_LABELS(""); /* what was said before is over */
    pl_labels_end(&old);
    CHECK(pl_labels_roots_open() == 0);
    CHECK(pl_labels_set("b", "1") == PROFLITE_OK);
    CHECK_LABELS("b=1,");
    CHECK(pl_labels_roots_open() == 0);
    end();
}

static void test_fork(void)
{
    int status = -1;
    begin();
    CHECK(pl_labels_set("a", "1") == PROFLITE_OK);
    proflite_span span = pl_labels_begin("parent's");
    pl_labels_fork_prepare();
    pid_t pid = fork();
    if (pid == 0) {
        int before = test_failures;
        pl_labels_fork_child();
        pl_labels_fork_child(); /* both libraries may do it */
        CHECK_LABELS("a=1,");
        CHECK(pl_labels_roots_open() == 0);
        pl_labels_end(&span);
        CHECK(pl_labels_roots_open() == 0);
        proflite_span own = pl_labels_begin("own");
        CHECK(memcmp(own.trace_id, span.trace_id, 16) != 0);
        CHECK(pl_labels_roots_open() == 1);
        _exit(test_failures != before);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0, "%x", (unsigned)status);
    CHECK(pl_labels_roots_open() == 1);
    pl_labels_end(&span);
    CHECK(pl_labels_roots_open() == 0);
    end();
}

static void test_names(void)
{
    char name[PL_THREAD_NAME_BYTES];
    begin();
    CHECK(pl_labels_set("a", "1") == PROFLITE_OK);
    const struct pl_label_block *block = find_block();
    CHECK(!pl_label_name(block, gettid(), name));
    CHECK(pl_labels_name("worker 3") == PROFLITE_OK);
    CHECK(pl_label_name(block, gettid(), name) && strcmp(name, "worker 3") == 0);
    CHECK(!pl_label_name(block, gettid() + 1, name));
    CHECK(pl_labels_name("") == PROFLITE_INVALID);
    CHECK(pl_labels_name(NULL) == PROFLITE_INVALID);
    end();
}

/* Text as a hostile process may write it. */
static void test_hostile(void)
{
    static const struct {
        const char *text;
        size_t bytes;
        const char *expected;
    } cases[] = {
        {"", 0, ""},
        {"k\0v\0", 4, "k=v,"},
        {"k\0v\0k\0v\0", 8, "k=v,"},
        {"k\0\0", 3, "k=,"},
        {"\0v\0", 3, ""},
        {"k\0v", 3, ""},
        {"k\0", 2, ""},
        {"k", 1, ""},
        {"k\0v\0j", 5, ""},
        {"\0\0\0\0\0\0\0\0", 8, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *copy = malloc(cases[i].bytes + 1);
        memcpy(copy, cases[i].text, cases[i].bytes);
        uint32_t set = pl_label_sets_add(&sets, copy, cases[i].bytes);
        CHECK(strcmp(spell(set), cases[i].expected) == 0, "case %zu: %s", i, text);
        free(copy);
    }
    char many[1400]; /* more than any thread has */
    for (size_t i = 0; i < sizeof many; i += 7)
        (void)snprintf(many + i, 7, "%03zu%cvv", i / 7, '\0');
    CHECK(pl_label_sets_add(&sets, many, sizeof many) != 0);
    pl_label_sets_deinit(&sets);
}

static void test_move(void)
{
    struct pl_label_sets to = {.pairs = {.list = NULL}};
    uint32_t gone = pl_label_sets_add(&sets, "x\0001\0", 4);
    uint32_t kept = pl_label_sets_add(&sets, "a\0001\0b\0002\0", 8);
    CHECK(gone && kept && gone != kept);
    CHECK(pl_label_sets_add(&sets, "b\0002\0a\0001\0", 8) == kept);
    uint32_t moved = pl_label_sets_move(&to, &sets, kept);
    CHECK(pl_label_sets_move(&to, &sets, 0) == 0);
    CHECK(pl_label_sets_move(&to, &sets, 99) == 0);
    pl_label_sets_deinit(&sets);
    sets = to;
    CHECK(strcmp(spell(moved), "a=1,b=2,") == 0, "%s", text);
    CHECK(sets.pairs.count == 2);
    pl_label_sets_deinit(&sets);
}

TEST_MAIN({"off", test_off}, {"set", test_set}, {"limits", test_limits},
          {"spans", test_spans}, {"deep", test_deep}, {"threads", test_threads},
          {"again", test_again}, {"fork", test_fork}, {"names", test_names},
          {"hostile", test_hostile}, {"move", test_move})
