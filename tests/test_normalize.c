/* The in_app rule, case by case, and path trimming. */
#include "process/normalize.h"
#include "tests/test.h"

#include <stdlib.h>

static const struct pl_normalize_options options = {
    .in_app_include = "shop::, libmine ,,/opt/extra",
    .in_app_exclude = "shop,vendor_,/home/me/app/third,",
    .project_root = "/home/me/app",
};
static const struct pl_normalize_options none = {0};

static void test_in_app(void)
{
    static const struct {
        const char *name, *function, *file, *module;
        bool configured;
        int8_t preset, in_app;
    } cases[] = {
        {"preset wins over include", "shop::pay()", "", "/x", true, 0, 0},
        {"preset wins over exclude", "vendor_f", "", "/x", true, 1, 1},
        {"include by function wins over exclude", "shop::pay()", "", "/x", true, -1, 1},
        {"include by module name", "f", "", "/usr/lib/libmine.so.1", true, -1, 1},
        {"include by file wins over packages", "f", "/opt/extra/site-packages/a.c",
         "/x", true, -1, 1},
        {"exclude by function", "vendor_f", "/home/me/app/a.c", "/x", true, -1, 0},
        {"exclude wins over project", "f", "/home/me/app/third/a.c", "/x", true, -1, 0},
        {"packages win over project", "f",
         "/home/me/app/venv/lib/python3/site-packages/x.py", "", true, -1, 0},
        {"dist-packages", "f", "/usr/lib/python3/dist-packages/x.py", "", false, -1, 0},
        {"module in packages", "f", "", "/v/site-packages/np/core.so", false, -1, 0},
        {"project file", "f", "/home/me/app/a.c", "/usr/lib/libx.so", true, -1, 1},
        {"project module", "f", "", "/home/me/app/build/x", true, -1, 1},
        {"not the project: a longer name", "f", "/home/me/apple/a.c", "", true, -1, -1},
        {"unset: no module", "[truncated]", "", "", false, -1, -1},
        {"unset: NULL module", "f", NULL, NULL, false, -1, -1},
        {"system library", "qsort", "", "/usr/lib/x86_64-linux-gnu/libc.so.6", false,
         -1, 0},
        {"system library, /lib", "f", "", "/lib/x86_64-linux-gnu/libc.so.6", false, -1,
         0},
        {"not a library: /library", "f", "", "/library/x.so", false, -1, 1},
        {"vdso", "f", "", "[vdso]", false, -1, 0},
        {"system header inlined into the program", "std::vector<int>::size() const",
         "/usr/include/c++/12/bits/stl_vector.h", "/home/you/prog", false, -1, 0},
        {"the program", "main", "/src/main.c", "/home/you/prog", false, -1, 1},
        {"a program of the system", "main", "", "/usr/bin/xz", false, -1, 1},
        {"a local library", "f", "", "/usr/local/lib/libours.so", false, -1, 1},
        {"the profiler", "f", "", "/opt/proflite/libproflite-preload.so", false, -1, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pl_normal_frame frame = {.function = cases[i].function,
                                        .file = cases[i].file,
                                        .module = cases[i].module,
                                        .in_app = cases[i].preset};
        int8_t got =
            pl_normalize_in_app(cases[i].configured ? &options : &none, &frame);
        CHECK(got == cases[i].in_app, "%s: %d, not %d", cases[i].name, got,
              cases[i].in_app);
    }
}

static void test_languages(void)
{
    static const struct {
        const char *platform, *function, *file, *module;
        int8_t in_app;
    } cases[] = {
        {"node", "f", "/app/src/a.js", "", 1},
        {"node", "f", "/app/node_modules/x/a.js", "", 0},
        {"node", "f", "node:fs", "node:fs", 0},
        {"node", "(idle)", "", "", 0},
        {"javascript", "f", "webpack://shop/./src/a.ts", "", 1},
        {"javascript", "f", "webpack://shop/./node_modules/x/a.js", "", 0},
        {"javascript", "f", "webpack://shop/webpack/bootstrap", "", 0},
        {"javascript", "f", "webpack:///(webpack)/buildin/module.js", "", 0},
        {"javascript", "f", "node_modules/x/a.js", "", 0},
        {"android", "com.example.Cart.total()", "Cart.kt", "", 1},
        {"android", "android.os.Looper.loop()", "Looper.java", "", 0},
        {"android", "androidx.core.View.draw()", "", "", 0},
        {"java", "run", "Thread.java", "java.lang.Thread", 0},
        {"java", "run", "Cart.java", "com.example.Cart", 1},
        {"rust", "shop::pay", "/home/me/shop/src/main.rs", "/srv/shop", 1},
        {"rust", "core::fmt::write", "/rustc/59807616e/library/core/src/fmt/mod.rs",
         "/srv/shop", 0},
        {"rust", "std::rt::init", "/build/library/std/src/rt.rs", "/srv/shop", 0},
        {"rust", "tokio::run", "/usr/local/cargo/registry/src/tokio/run.rs", "/srv/shop",
         0},
        {"rust", "memcpy", "", "/lib/x86_64-linux-gnu/libc.so.6", 0},
        {"rust", "0x123456", "", "", 0},
        {"cobol", "f", "a.cob", "", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct pl_normal_frame frame = {.platform = cases[i].platform,
                                              .function = cases[i].function,
                                              .file = cases[i].file,
                                              .module = cases[i].module,
                                              .in_app = -1};
        int8_t got = pl_normalize_in_app(&none, &frame);
        CHECK(got == cases[i].in_app, "%s %s: %d", cases[i].function, cases[i].file,
              got);
    }
}

static void test_files(void)
{
    static const struct {
        const char *file, *bare, *rooted;
    } cases[] = {
        {"/home/me/app/src/a.c", "/home/me/app/src/a.c", "src/a.c"},
        {"/home/me/app/build/../src/./a.c", "/home/me/app/src/a.c", "src/a.c"},
        {"/home/me/apple/a.c", "/home/me/apple/a.c", "/home/me/apple/a.c"},
        {"/usr/include/stdio.h", "/usr/include/stdio.h", "/usr/include/stdio.h"},
        {"src/a.c", "src/a.c", "src/a.c"},
        {"./src/a.c", "src/a.c", "src/a.c"},
        {"<string>", "<string>", "<string>"},
        {"http://x//y.js", "http://x//y.js", "http://x//y.js"},
        {"file:///home/me/app/a.mjs", "/home/me/app/a.mjs", "a.mjs"},
        {"webpack://shop/./src/cart.ts", "src/cart.ts", "src/cart.ts"},
        {"webpack:///src/../src/cart.ts", "src/cart.ts", "src/cart.ts"},
        {"webpack://shop", "", ""},
        {"app:///src/cart.ts", "app:///src/cart.ts", "app:///src/cart.ts"},
        {"", "", ""},
        {NULL, "", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *bare = pl_normalize_file(&none, cases[i].file);
        char *rooted = pl_normalize_file(&options, cases[i].file);
        char *again = pl_normalize_file(&options, rooted);
        CHECK(strcmp(bare, cases[i].bare) == 0, "%s: %s", cases[i].bare, bare);
        CHECK(strcmp(rooted, cases[i].rooted) == 0, "%s: %s", cases[i].rooted, rooted);
        CHECK(strcmp(again, rooted) == 0, "%s: twice", rooted);
        free(bare);
        free(rooted);
        free(again);
    }
}

static void test_list(void)
{
    struct pl_normal_frame rows[] = {
        {.frame_id = 3, .function = "f", .file = "/home/me/app/a.c", .in_app = -1},
        {.frame_id = 4, .depth = 1, .function = "g", .file = "", .in_app = 0},
    };
    struct pl_normal_frame_list list = {.rows = rows, .count = 2};
    struct pl_normalized result = {0};
    struct pl_error err = {0};
    CHECK_OK(pl_normalize(&options, &list, &result, &err), err);
    CHECK(result.count == 2 && result.rows[0].frame_id == 3 &&
          result.rows[1].depth == 1);
    CHECK(result.rows[0].in_app == 1 && strcmp(result.rows[0].file, "a.c") == 0);
    CHECK(result.rows[1].in_app == 0);
    pl_normalized_deinit(&result);
    list.count = 0;
    CHECK_OK(pl_normalize(&options, &list, &result, &err), err);
    CHECK(result.count == 0);
    pl_normalized_deinit(&result);
}

TEST_MAIN({"in_app", test_in_app}, {"languages", test_languages}, {"files", test_files},
          {"list", test_list})
