/* Mappings of ProGuard and R8 by worked examples of the documented format, and the
 * signatures of methods in words. */
#include "process/jvm_signature.h"
#include "process/proguard.h"

#include "tests/test.h"

#include <stdlib.h>

static const char mapping_text[] =
    "# compiler: R8\n"
    "# {\"id\":\"com.android.tools.r8.mapping\",\"version\":\"2.2\"}\n"
    "com.example.shop.Cart -> a.b:\n"
    "# {\"id\":\"sourceFile\",\"fileName\":\"Cart.kt\"}\n"
    "    int[] prices -> a\n"
    "    com.example.shop.Cart$Item first -> b\n"
    /* lines of its own, one to one */
    "    1:4:int total(int[]):20:23 -> c\n"
    /* another overload by the same name */
    "    5:6:int total(int[],com.example.shop.Cart$Item):30:31 -> c\n"
    /* two calls deep: what was inlined first */
    "    7:7:void com.example.shop.Log.write(java.lang.String):70:70 -> c\n"
    "    7:7:void com.example.shop.Log.say(java.lang.String):65 -> c\n"
    "    7:7:int total(int[]):24 -> c\n"
    /* from a class without obfuscated name of its own */
    "    8:9:void kotlin.io.Close.close():5:6 -> c\n"
    "    8:9:int total(int[]):25:25 -> c\n"
    /* more lines here than there */
    "    10:19:int total(int[]):40:42 -> c\n"
    /* no lines at all */
    "    void clear() -> d\n"
    "    void reset():50:51 -> e\n"
    /* ambiguous without a line or a signature */
    "    1:2:void open():80:81 -> f\n"
    "    3:4:boolean close(int):90:91 -> f\n"
    "      # "
    "{\"id\":\"com.android.tools.r8.residualsignature\",\"signature\":\"()Z\"}\n"
    /* one position whatever the line says */
    "    0:65535:int size():60:60 -> g\n"
    /* lines that stay */
    "    1:9:void same() -> h\n"
    /* a bridge the compiler made */
    "    1:1:java.lang.Object get():33:33 -> i\n"
    "    1:1:java.lang.Object bridge():0:0 -> i\n"
    "    # {\"id\":\"com.android.tools.r8.synthesized\"}\n"
    "    2:2:java.lang.Object alone():0:0 -> i\n"
    "    # {\"id\":\"com.android.tools.r8.synthesized\"}\n"
    "    # {\"id\":\"com.android.tools.r8.unheard_of\",\"signature\":\"(V\"}\n"
    "    # {not json\n"
    "    1:1:void <init>():11:11 -> <init>\n"
    "com.example.shop.Cart$Item -> a.c:\r\n"
    "    1:1:void <init>(int):3:3 -> <init>\r\n"
    "com.example.shop.Log -> a.d:\n"
    "    # {\"id\":\"sourceFile\",\"fileName\":\"Log.java\"}\n"
    "com.example.Kept -> com.example.Kept:\n"
    "nonsense\n"
    "    1:2:void half(:3 -> x\n"
    "    1:x:void half():3 -> x\n"
    "    9999999999:1:void half():3 -> x\n"
    "    1:1:void half():3:q -> x\n"
    "    -> x\n";

static const struct {
    const char *what;
    struct pl_proguard_method method;
    enum pl_proguard_match match;
    const char *rows; /* "class|name|file|line" outermost first, a newline after each */
} examples[] = {
    {"one to one",
     {"a.b", "c", "", 3},
     PL_PROGUARD_METHOD,
     "com.example.shop.Cart|total|Cart.kt|22\n"},
    {"with its signature",
     {"a.b", "c", "([I)I", 1},
     PL_PROGUARD_METHOD,
     "com.example.shop.Cart|total(int[]): int|Cart.kt|20\n"},
    {"the other overload",
     {"a.b", "c", "([ILa/c;)I", 6},
     PL_PROGUARD_METHOD,
     "com.example.shop.Cart|total(int[], com.example.shop.Cart$Item): "
     "int|Cart.kt|31\n"},
    {"overload without line",
     {"a.b", "c", "([ILa/c;)I", 0},
     PL_PROGUARD_METHOD,
     "com.example.shop.Cart|total(int[], com.example.shop.Cart$Item): int|Cart.kt|0\n"},
    {"overloads agree on the name",
     {"a.b", "c", "", 0},
     PL_PROGUARD_METHOD,
     "com.example.shop.Cart|total|Cart.kt|0\n"},
    {"a signature of neither",
     {"a.b", "c", "(J)V", 0},
     PL_PROGUARD_METHOD,
     "com.example.shop.Cart|total(long)|Cart.kt|0\n"},
    {"inlined twice",
     {"a.b", "c", "", 7},
     PL_PROGUARD_METHOD,
     "com.example.shop.Cart|total|Cart.kt|24\n"
     "com.example.shop.Log|say|Log.java|65\n"
     "com.example.shop.Log|write|Log.java|70\n"},
    {"inlined from elsewhere",
     {"a.b", "c", "", 9},
     PL_PROGUARD_METHOD,
     "com.example.shop.Cart|total|Cart.kt|25\n"
     "kotlin.io.Close|close||6\n"},
    {"inlined, with signatures",
     {"a.b", "c", "([I)I", 8},
     PL_PROGUARD_METHOD,
     "com.example.shop.Cart|total(int[]): int|Cart.kt|25\n"
     "kotlin.io.Close|close()||5\n"},
    {"fewer lines there",
     {"a.b", "c", "", 11},
     PL_PROGUARD_METHOD,
     "com.example.shop.Cart|total|Cart.kt|41\n"},
    {"the last of them",
     {"a.b", "c", "", 19},
     PL_PROGUARD_METHOD,
     "com.example.shop.Cart|total|Cart.kt|42\n"},
    {"a line of none",
     {"a.b", "c", "", 20},
     PL_PROGUARD_METHOD,
     "com.example.shop.Cart|total|Cart.kt|0\n"},
    {"no lines",
     {"a.b", "d", "()V", 12},
     PL_PROGUARD_METHOD,
     "com.example.shop.Cart|clear()|Cart.kt|12\n"},
    {"only lines there",
     {"a.b", "e", "", 12},
     PL_PROGUARD_METHOD,
     "com.example.shop.Cart|reset|Cart.kt|50\n"},
    {"told apart by the line",
     {"a.b", "f", "", 4},
     PL_PROGUARD_METHOD,
     "com.example.shop.Cart|close|Cart.kt|91\n"},
    {"ambiguous",
     {"a.b", "f", "", 0},
     PL_PROGUARD_CLASS,
     "com.example.shop.Cart|f||0\n"},
    {"told apart by a residual signature",
     {"a.b", "f", "()Z", 0},
     PL_PROGUARD_METHOD,
     "com.example.shop.Cart|close(int): boolean|Cart.kt|0\n"},
    {"told apart by the signature",
     {"a.b", "f", "()V", 0},
     PL_PROGUARD_METHOD,
     "com.example.shop.Cart|open()|Cart.kt|0\n"},
    {"a malformed signature",
     {"a.b", "f", "(V", 0},
     PL_PROGUARD_CLASS,
     "com.example.shop.Cart|f(V||0\n"},
    {"every line",
     {"a.b", "g", "", 4711},
     PL_PROGUARD_METHOD,
     "com.example.shop.Cart|size|Cart.kt|60\n"},
    {"same lines",
     {"a.b", "h", "", 8},
     PL_PROGUARD_METHOD,
     "com.example.shop.Cart|same|Cart.kt|8\n"},
    {"synthesized, left out",
     {"a.b", "i", "", 1},
     PL_PROGUARD_METHOD,
     "com.example.shop.Cart|get|Cart.kt|33\n"},
    {"synthesized, but alone",
     {"a.b", "i", "", 2},
     PL_PROGUARD_METHOD,
     "com.example.shop.Cart|alone|Cart.kt|0\n"},
    {"constructor",
     {"a.c", "<init>", "(I)V", 1},
     PL_PROGUARD_METHOD,
     "com.example.shop.Cart$Item|<init>(int)||3\n"},
    {"no such method",
     {"a.b", "zz", "(La/c;)[La/d;", 1},
     PL_PROGUARD_CLASS,
     "com.example.shop.Cart|zz(com.example.shop.Cart$Item): "
     "com.example.shop.Log[]||0\n"},
    {"a field is no method",
     {"a.b", "a", "", 0},
     PL_PROGUARD_CLASS,
     "com.example.shop.Cart|a||0\n"},
    {"what is malformed is not there",
     {"com.example.Kept", "x", "", 1},
     PL_PROGUARD_CLASS,
     "com.example.Kept|x||0\n"},
    {"no such class", {"a.e", "a", "", 0}, PL_PROGUARD_NONE, ""},
    {"nor one, but a signature",
     {"android.os.Looper", "loop", "(La/c;)V", 0},
     PL_PROGUARD_NONE,
     "android.os.Looper|loop(com.example.shop.Cart$Item)||0\n"},
};

static void print_rows(const struct pl_proguard_rows *rows, char *out, size_t bytes)
{
    size_t len = 0;
    *out = '\0';
    for (size_t i = 0; i < rows->count && len < bytes; i++)
        len += (size_t)snprintf(out + len, bytes - len, "%s|%s|%s|%u\n",
                                rows->rows[i].class_name, rows->rows[i].name,
                                rows->rows[i].file, rows->rows[i].line);
}

static void retraces(void)
{
    struct pl_proguard *mapping = NULL;
    struct pl_error err = {0};
    CHECK_OK(pl_proguard_open(mapping_text, sizeof mapping_text - 1, &mapping, &err),
             err);
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        struct pl_proguard_rows rows;
        char text[1000];
        enum pl_proguard_match match =
            pl_proguard_find(mapping, &examples[i].method, &rows);
        print_rows(&rows, text, sizeof text);
        CHECK(match == examples[i].match, "%s: %d", examples[i].what, match);
        CHECK(strcmp(text, examples[i].rows) == 0, "%s: %s", examples[i].what, text);
    }
    CHECK(strcmp(pl_proguard_class(mapping, "a.c"), "com.example.shop.Cart$Item") == 0);
    CHECK(pl_proguard_class(mapping, "") == NULL);
    pl_proguard_close(mapping);
}

/* Every prefix, as a reader finds a file that is still being written. */
static void cut(void)
{
    struct pl_error err = {0};
    for (size_t len = 0; len < sizeof mapping_text; len += 3) {
        struct pl_proguard *mapping = NULL;
        struct pl_proguard_rows rows;
        char *copy = malloc(len ? len : 1);
        memcpy(copy, mapping_text, len);
        enum pl_status status = pl_proguard_open(copy, len, &mapping, &err);
        CHECK(status == PL_OK || status == PL_INPUT, "%zu: %s", len, err.message);
        if (status == PL_OK)
            (void)pl_proguard_find(mapping, &examples[0].method, &rows);
        pl_proguard_close(mapping);
        free(copy);
    }
}

static void refuses(void)
{
    static const char *const texts[] = {"",
                                        "\n",
                                        "# {\"id\":\"sourceFile\"}\n",
                                        "a b c\n",
                                        "    void x() -> y\n",
                                        " -> b:\n",
                                        "a -> :\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct pl_proguard *mapping = NULL;
        struct pl_error err = {0};
        CHECK(pl_proguard_open(texts[i], strlen(texts[i]), &mapping, &err) == PL_INPUT,
              "%s", texts[i]);
    }
}

static const char *rename_some(void *self, const char *name)
{
    (void)self;
    return strcmp(name, "a.b") ? NULL : "com.example.Cart";
}

static void signatures(void)
{
    static const struct {
        const char *signature, *words;
    } table[] = {
        {"()V", "()"},
        {"()I", "(): int"},
        {"(ZBCSIJFD)V", "(boolean, byte, char, short, int, long, float, double)"},
        {"(Ljava/lang/String;)Ljava/util/List;", "(java.lang.String): java.util.List"},
        {"([I[[La/b;)[Z", "(int[], com.example.Cart[][]): boolean[]"},
        {"(La/b$c;)V", "(a.b$c)"},
        {"(La.b;)La.b;", "(com.example.Cart): com.example.Cart"},
        {"", NULL},
        {"I", NULL},
        {"()", NULL},
        {"(", NULL},
        {"(I", NULL},
        {"(I)", NULL},
        {"(V)V", NULL},
        {"()VV", NULL},
        {"()II", NULL},
        {"()[V", NULL},
        {"(L;)V", NULL},
        {"(Ljava/lang/String)V", NULL},
        {"(Ljava/lang/String", NULL},
        {"([)V", NULL},
        {"(Q)V", NULL},
        {"(I,I)V", NULL},
        {" ()V", NULL},
        {"()V ", NULL},
    };
    const struct pl_jvm_classes classes = {rename_some, NULL};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct pl_buf words;
        pl_buf_init(&words, 1000);
        pl_buf_puts(&words, "f");
        bool done = pl_jvm_signature(table[i].signature, &classes, &words);
        CHECK(done == (table[i].words != NULL), "%s", table[i].signature);
        CHECK(strcmp(words.data + 1, done ? table[i].words : "") == 0, "%s: %s",
              table[i].signature, words.data);
        pl_buf_deinit(&words);
    }
    char deep[400] = "(";
    memset(deep + 1, '[', 256);
    strcat(deep, "I)V");
    struct pl_buf words;
    pl_buf_init(&words, 1000);
    CHECK(!pl_jvm_signature(deep, NULL, &words), "256 dimensions");
    pl_buf_deinit(&words);
    pl_buf_init(&words, 4);
    CHECK(!pl_jvm_signature("(II)I", NULL, &words), "no room");
    pl_buf_deinit(&words);
}

TEST_MAIN({"retraces", retraces}, {"cut", cut}, {"refuses", refuses},
          {"signatures", signatures})
