/* base/: the vocabulary everything else is written in. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/id.h"

#include "test.h"

#include <stdlib.h>

static void test_status(void)
{
    struct pl_error err = {0};
    CHECK(pl_error_set(&err, PL_INPUT, "bad %s", "x") == PL_INPUT);
    CHECK(strcmp(err.message, "bad x") == 0, "%s", err.message);
    CHECK(pl_error_set(NULL, PL_IO, "nobody listens") == PL_IO);
    CHECK(pl_status_exit_code(PL_USAGE) == 2);
    CHECK(pl_status_exit_code(PL_BUSY) == 4);
    CHECK(strcmp(pl_status_name(PL_NOT_FOUND), "NOT_FOUND") == 0);
}

static void test_buf_limit(void)
{
    struct pl_buf buf;
    pl_buf_init(&buf, 8);
    pl_buf_puts(&buf, "12345678");
    CHECK(!buf.failed && buf.len == 8);
    pl_buf_putc(&buf, '9');
    CHECK(buf.failed && buf.len == 8, "a full buffer takes nothing more");
    CHECK(strcmp(buf.data, "12345678") == 0);
    pl_buf_clear(&buf);
    pl_buf_printf(&buf, "%d", 42);
    CHECK(!buf.failed && strcmp(buf.data, "42") == 0);
    size_t len = 0;
    char *text = pl_buf_take(&buf, &len);
    CHECK(text && len == 2);
    free(text);
}

static void test_escape(void)
{
    static const struct {
        const char *in, *json, *xml;
    } cases[] = {
        {"plain", "plain", "plain"},
        {"a\"b\\c", "a\\\"b\\\\c", "a&quot;b\\c"},
        {"<b>&'", "<b>&'", "&lt;b&gt;&amp;&#39;"},
        {"\x01\n", "\\u0001\\n", "\xef\xbf\xbd\n"},
        {"\xff\xc3\xa4", "\xef\xbf\xbd\xc3\xa4", "\xef\xbf\xbd\xc3\xa4"},
        {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
         "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd", "\xef\xbf\xbd\xef\xbf\xbd"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pl_buf buf;
        pl_buf_init(&buf, 1000);
        pl_buf_json_escape(&buf, cases[i].in);
        CHECK(strcmp(buf.data, cases[i].json) == 0, "json %zu: %s", i, buf.data);
        pl_buf_clear(&buf);
        pl_buf_xml_escape(&buf, cases[i].in);
        CHECK(strcmp(buf.data, cases[i].xml) == 0, "xml %zu: %s", i, buf.data);
        pl_buf_deinit(&buf);
    }
}

static void test_id(void)
{
    struct pl_id a, b;
    struct pl_error err = {0};
    char text[PL_ID_TEXT];
    CHECK_OK(pl_id_new(&a, &err), err);
    pl_id_format(&a, text);
    CHECK(strlen(text) == 32);
    CHECK(pl_id_parse(text, &b) && memcmp(&a, &b, sizeof a) == 0);
    CHECK(pl_id_parse("123e4567-e89b-12d3-a456-426614174000", &b));
    CHECK(!pl_id_parse("", &b));
    CHECK(!pl_id_parse("123e4567e89b12d3a45642661417400", &b), "31 digits");
    CHECK(!pl_id_parse("123e4567e89b12d3a4564266141740000", &b), "33 digits");
    CHECK(!pl_id_parse("zz3e4567e89b12d3a456426614174000", &b));
}

static void test_hash_and_clock(void)
{
    CHECK(pl_hash_bytes("abc", 3) == pl_hash_bytes("abc", 3));
    CHECK(pl_hash_bytes("abc", 3) != pl_hash_bytes("abd", 3));
    CHECK(pl_hash_bytes("", 0) != pl_hash_bytes("\0", 1));
    int64_t first = pl_clock_mono_ns();
    CHECK(first > 0 && pl_clock_mono_ns() >= first);
    CHECK(pl_clock_wall_ns() > INT64_C(1600000000) * PL_NS_PER_S);
}

TEST_MAIN({"status", test_status}, {"buf_limit", test_buf_limit},
          {"escape", test_escape}, {"id", test_id},
          {"hash_and_clock", test_hash_and_clock})
