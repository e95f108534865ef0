/* The parts of forwarding that need no upstream: what limits say, what rules change,
 * what is encoded again, what of an envelope's header becomes the upstream's. */
#include "formats/redact.h"
#include "tests/test.h"
#include "web/decode.h"
#include "web/encode.h"
#include "web/forward_received.h"
#include "web/rate_limits.h"

#include <stdlib.h>

static struct pl_error err;

static void test_limits(void)
{
    static const struct {
        const char *text, *expected; /* "category seconds reason," each */
    } cases[] = {
        {"", ""},
        {"60", " 60 ,"},
        {"60:", " 60 ,"},
        {"60::organization", " 60 ,"},
        {"60:error", "error 60 ,"},
        {"60:error;transaction:key:quota", "error 60 quota,transaction 60 quota,"},
        {"60:transaction:key, 2700:default;error:organization:why:ns",
         "transaction 60 ,default 2700 why,error 2700 why,"},
        {" , 1:span ,,", "span 1 ,"},
        {"1.2:log_item", "log_item 2 ,"},
        {"nonsense:error", "error 60 ,"},
        {"-5:error", "error 60 ,"},
        {"nan:error", "error 60 ,"},
        {"1e300:error", "error 2592000 ,"},
        {"5:profile_duration;profile_duration_ui",
         "profile_chunk 5 ,profile_chunk_ui 5 ,"},
        {"5:;;", " 5 , 5 , 5 ,"},
        {":::::,:", " 60 , 60 ,"},
    };
    struct pl_rate_limit list[PL_RATE_LIMITS_MOST];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pl_buf said;
        pl_buf_init(&said, 1 << 16);
        pl_buf_puts(&said, "");
        size_t count = pl_rate_limits_parse(cases[i].text, list);
        for (size_t l = 0; l < count; l++)
            pl_buf_printf(&said, "%s %lld %s,", list[l].category,
                          (long long)list[l].seconds, list[l].reason);
        CHECK(strcmp(said.data, cases[i].expected) == 0, "%s: %s", cases[i].text,
              said.data);
        pl_buf_deinit(&said);
    }
    char many[4096] = "";
    for (int i = 0; i < 1000; i++)
        many[i] = i % 2 ? ',' : '1';
    CHECK(pl_rate_limits_parse(many, list) == PL_RATE_LIMITS_MOST);
}

static void test_categories(void)
{
    static const struct {
        const char *type, *platform, *expected;
    } cases[] = {
        {"event", "", "error"},
        {"profile_chunk", "native", "profile_chunk"},
        {"profile_chunk", "", "profile_chunk"},
        {"profile_chunk", "cocoa", "profile_chunk_ui"},
        {"profile", "cocoa", "profile"},
        {"span", "", "span"},
        {"sessions", "", "session"},
        {"from_the_future", "", "default"},
        {"", "", "default"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *got = pl_rate_limit_category(cases[i].type, cases[i].platform);
        CHECK(strcmp(got, cases[i].expected) == 0, "%s: %s", cases[i].type, got);
    }
}

static void test_redaction(void)
{
    static const struct {
        const char *rule;
        enum pl_redact_kind kind;
        const char *text, *expected;
    } cases[] = {
        {"path:/home/*=~", PL_REDACT_PATH, "/home/ann/x.c", "~/x.c"},
        {"path:/home/*=~", PL_REDACT_PATH, "/home/ann", "~"},
        {"path:/home/*=~", PL_REDACT_PATH, "/homes/ann/x.c", "/homes/ann/x.c"},
        {"path:/home/*=~", PL_REDACT_PATH, "/srv/home/ann/x.c", "/srv/home/ann/x.c"},
        {"path:/home/*/w*=~", PL_REDACT_PATH, "/home/ann/web/x.c", "~/x.c"},
        {"path:/home/*/w*=~", PL_REDACT_PATH, "/home/ann/x/work.c",
         "/home/ann/x/work.c"},
        {"path:/srv=S", PL_REDACT_PATH, "/srv/x.c", "S/x.c"},
        {"path:/srv=S", PL_REDACT_PATH, "/srvx/x.c", "/srvx/x.c"},
        {"path:/srv/=S/", PL_REDACT_PATH, "/srv/x.c", "S/x.c"},
        {"path:/a*b*c=", PL_REDACT_PATH, "/axxbxbc/d", "/d"},
        {"path:*=x", PL_REDACT_PATH, "", ""},
        {"thread:io*=io", PL_REDACT_THREAD, "io of ann", "io"},
        {"thread:io*=io", PL_REDACT_THREAD, "audio", "audio"},
        {"thread:*ann*=x", PL_REDACT_THREAD, "io of ann 2", "x"},
        {"thread:io*=io", PL_REDACT_TRANSACTION, "io 1", "io 1"},
        {"transaction:GET /u/*=GET /u/\"", PL_REDACT_TRANSACTION, "GET /u/1/2",
         "GET /u/\\\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pl_redact redact = {0};
        struct pl_buf out;
        pl_buf_init(&out, 4096);
        pl_buf_puts(&out, "");
        CHECK_OK(pl_redact_add(&redact, cases[i].rule, &err), err);
        pl_redact_put(&redact, cases[i].kind, cases[i].text, &out);
        CHECK(strcmp(out.data, cases[i].expected) == 0, "%s on %s: %s", cases[i].rule,
              cases[i].text, out.data);
        pl_buf_deinit(&out);
        pl_redact_deinit(&redact);
    }
}

static void test_rules(void)
{
    static const char *const wrong[] = {"",       "path",
                                        "path:",  "path:x",
                                        "path:=", "thread:x",
                                        "label:", "nonsense:a=b",
                                        "label",  "transaction:x"};
    struct pl_redact redact = {0};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        CHECK(pl_redact_add(&redact, wrong[i], &err) == PL_USAGE, "%s", wrong[i]);
    CHECK_OK(pl_redact_add(&redact, "label:ten*", &err), err);
    CHECK_OK(pl_redact_add(&redact, "label:user=x", &err), err);
    CHECK(pl_redact_label(&redact, "tenant", "acme") == NULL);
    CHECK(strcmp(pl_redact_label(&redact, "user", "ann"), "x") == 0);
    CHECK(strcmp(pl_redact_label(&redact, "users", "ann"), "ann") == 0);
    CHECK(strcmp(pl_redact_label(NULL, "user", "ann"), "ann") == 0);
    while (redact.count < PL_REDACT_RULES)
        CHECK_OK(pl_redact_add(&redact, "label:x", &err), err);
    CHECK(pl_redact_add(&redact, "label:x", &err) == PL_USAGE, "one too many");
    pl_redact_deinit(&redact);
}

/* ---- encodings ---- */

static void fill(struct pl_spool *spool, const void *bytes, size_t len)
{
    pl_spool_init(spool, NULL, (size_t)64 << 20);
    CHECK_OK(pl_spool_append(spool, bytes, len, &err), err);
}

static enum pl_status to_buf(void *self, const void *bytes, size_t len,
                             struct pl_error *error)
{
    (void)error;
    pl_buf_append(self, bytes, len);
    return PL_OK;
}

/* What the spool holds, decoded. */
static void decode(const struct pl_spool *spool, const char *encoding,
                   struct pl_buf *out)
{
    struct pl_decoder *decoder = NULL;
    unsigned char piece[4096];
    size_t at = 0, got = 1;
    pl_buf_init(out, (size_t)64 << 20);
    pl_buf_puts(out, "");
    CHECK_OK(pl_decoder_new(encoding, (size_t)64 << 20, &decoder, &err), err);
    while (got) {
        CHECK_OK(pl_spool_read(spool, at, piece, sizeof piece, &got, &err), err);
        if (got)
            CHECK_OK(pl_decoder_feed(decoder, piece, got, to_buf, out, &err), err);
        at += got;
    }
    CHECK_OK(pl_decoder_finish(decoder, &err), err);
    pl_decoder_free(decoder);
}

static void encode(const char *encoding, const char *bytes, size_t len,
                   struct pl_spool *out)
{
    struct pl_encoder *encoder = NULL;
    pl_spool_init(out, NULL, (size_t)64 << 20);
    CHECK_OK(pl_encoder_new(encoding, out, &encoder, &err), err);
    for (size_t at = 0; at < len; at += 70001)
        CHECK_OK(pl_encoder_feed(encoder, bytes + at,
                                 len - at < 70001 ? len - at : 70001, &err),
                 err);
    CHECK_OK(pl_encoder_finish(encoder, &err), err);
    pl_encoder_free(encoder);
}

static const char *const encodings[] = {"", "gzip", "deflate", "br", "zstd"};

static void test_encodings(void)
{
    enum { MOST = 3 << 20 };
    static const size_t sizes[] = {0, 1, 65536, 65537, MOST};
    char *bytes = malloc(MOST);
    uint32_t x = 1;
    for (size_t i = 0; bytes && i < MOST; i++) {
        x = x * 1664525 + 1013904223;
        bytes[i] = (char)(i % 3 ? x >> 24 : 'a');
    }
    for (size_t e = 0; bytes && e < 5; e++)
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            struct pl_spool spool;
            struct pl_buf back;
            encode(encodings[e], bytes, sizes[s], &spool);
            decode(&spool, encodings[e], &back);
            CHECK(back.len == sizes[s] && memcmp(back.data, bytes, sizes[s]) == 0,
                  "%s: %zu bytes", encodings[e], sizes[s]);
            pl_buf_deinit(&back);
            pl_spool_deinit(&spool);
        }
    free(bytes);
    struct pl_encoder *encoder = NULL;
    CHECK(pl_encoder_new("lzw", NULL, &encoder, &err) == PL_UNSUPPORTED);
}

/* ---- what arrived ---- */

#define ITEM "\n{\"type\":\"from_the_future\",\"length\":3}\n\0\n\xff\n"

static void restamp(const char *header, const char *encoding, const char *expected)
{
    const struct pl_dsn dsn = {"https", "new", "secret", "up", "/p", 7};
    char body[1024], want[1024];
    struct pl_forward_received out;
    struct pl_outbox_received received = {0};
    struct pl_buf got;
    size_t len = strlen(header), wanted = strlen(expected);
    memcpy(body, header, len);
    memcpy(body + len, ITEM, sizeof ITEM - 1);
    memcpy(want, expected, wanted);
    memcpy(want + wanted, ITEM, sizeof ITEM - 1);
    (void)snprintf(received.encoding, sizeof received.encoding, "%s", encoding);
    encode(encoding, body, len + sizeof ITEM - 1, &received.body);
    CHECK_OK(pl_forward_restamp(&received, &dsn, NULL, &out, &err), err);
    decode(out.restamped ? &out.body : &received.body, encoding, &got);
    CHECK(got.len == wanted + sizeof ITEM - 1 && memcmp(got.data, want, got.len) == 0,
          "%s %s: %s", encoding, header, got.data);
    CHECK(out.restamped == (strstr(expected, "https://new@up/p/7") != NULL), "%s",
          header);
    CHECK(out.items == 1 && strcmp(out.categories, ",default,") == 0, "%s",
          out.categories);
    pl_buf_deinit(&got);
    pl_forward_received_deinit(&out);
    pl_spool_deinit(&received.body);
}

static void test_restamp(void)
{
    static const char *const cases[][2] = {
        {"{}", "{}"},
        {"{\"n\":1.50}", "{\"n\":1.50}"},
        {"{\"dsn\":\"http://a@b/1\"}", "{\"dsn\":\"https://new@up/p/7\"}"},
        {"{\"n\" : 1.0 , \"dsn\" : \"http:\\/\\/a@b\\/1\" ,\"x\":{\"dsn\":\"y\"}}",
         "{\"n\" : 1.0 , \"dsn\" : \"https://new@up/p/7\" ,\"x\":{\"dsn\":\"y\"}}"},
        {"{\"trace\":{\"dsn\":\"in\"},\"a\":\"\\\"dsn\\\":\\\"b\\\"\",\"dsn\":\"http://"
         "a@b/1\"}",
         "{\"trace\":{\"dsn\":\"in\"},\"a\":\"\\\"dsn\\\":\\\"b\\\"\",\"dsn\":\"https:/"
         "/new@up/p/7\"}"},
        {"{\"x\":\"dsn\",\"dsn\":\"http://a@b/1\"}\r",
         "{\"x\":\"dsn\",\"dsn\":\"https://new@up/p/7\"}\r"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t e = 0; e < 5; e++)
            restamp(cases[i][0], encodings[e], cases[i][1]);
}

static void test_broken(void)
{
    static const char *const bodies[] = {
        "", "x", "{}\n{\"type\":\"a\",\"length\":9}\nx", "{\"dsn\":\"http://a@b/1\""};
    const struct pl_dsn dsn = {"http", "k", "", "h", "", 1};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct pl_forward_received out;
        struct pl_outbox_received received = {0};
        fill(&received.body, bodies[i], strlen(bodies[i]));
        CHECK(pl_forward_restamp(&received, &dsn, NULL, &out, &err) == PL_INPUT, "%s",
              bodies[i]);
        pl_forward_received_deinit(&out);
        pl_spool_deinit(&received.body);
    }
}

TEST_MAIN({"limits", test_limits}, {"categories", test_categories},
          {"redaction", test_redaction}, {"rules", test_rules},
          {"encodings", test_encodings}, {"restamp", test_restamp},
          {"broken", test_broken})
