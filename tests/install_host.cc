// A C++ program with libraries of its own that libproflite has, too: SQLite, zstd,
// libunwind, the exceptions' runtime. For tests/check_install.sh, which runs it under
// 1000 samples a second. With TWINS it has functions of SQLite's names that nobody but
// itself may call. Exit 0 if all of it worked as it does alone.
#include "proflite.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <stdexcept>
#include <thread>
#include <vector>

#ifdef TWINS
extern "C" {
int sqlite3_open_v2(const char *, void **, int, const char *) { abort(); }
int sqlite3_exec(void *, const char *, void *, void *, void *) { abort(); }
int sqlite3_initialize(void) { abort(); }
int sqlite3_prepare_v2(void *, const char *, int, void *, void *) { abort(); }
}
static bool use_libraries() { return true; }
#else
#define UNW_LOCAL_ONLY
#include <libunwind.h>
#include <sqlite3.h>
#include <zstd.h>

static int count_row(void *count, int, char **, char **)
{
    ++*static_cast<int *>(count);
    return 0;
}

static bool use_sqlite()
{
    sqlite3 *db = nullptr;
    int rows = 0;
    bool ok = sqlite3_open(":memory:", &db) == SQLITE_OK &&
              sqlite3_exec(db,
                           "CREATE TABLE t (a); WITH RECURSIVE c(i) AS (SELECT 1 UNION "
                           "ALL SELECT i + 1 FROM c WHERE i < 1000) INSERT INTO t SELECT "
                           "i FROM c",
                           nullptr, nullptr, nullptr) == SQLITE_OK &&
              sqlite3_exec(db, "SELECT a FROM t", count_row, &rows, nullptr) == SQLITE_OK;
    sqlite3_close(db);
    return ok && rows == 1000;
}

static bool use_zstd()
{
    std::vector<char> from(100000, 'x'), packed(ZSTD_compressBound(100000)), to(100000);
    size_t size = ZSTD_compress(packed.data(), packed.size(), from.data(), from.size(), 3);
    return ZSTD_decompress(to.data(), to.size(), packed.data(), size) == from.size() &&
           from == to;
}

static bool use_unwind()
{
    unw_context_t context;
    unw_cursor_t cursor;
    int frames = 0;
    if (unw_getcontext(&context) != 0 || unw_init_local(&cursor, &context) != 0)
        return false;
    while (unw_step(&cursor) > 0)
        frames++;
    return frames > 1;
}

static bool use_libraries() { return use_sqlite() && use_zstd() && use_unwind(); }
#endif

struct Guard {
    int *count;
    ~Guard() { ++*count; }
};

__attribute__((noinline)) static void fall(int depth, int *unwound)
{
    Guard guard{unwound};
    if (depth == 0)
        throw std::runtime_error("at the bottom");
    fall(depth - 1, unwound);
}

static bool use_exceptions()
{
    int unwound = 0;
    try {
        fall(20, &unwound);
    } catch (const std::runtime_error &error) {
        return unwound == 21 && strcmp(error.what(), "at the bottom") == 0;
    }
    return false;
}

int main()
{
    proflite_options options = PROFLITE_OPTIONS_INIT;
    options.hz = 1000;
    int wrong = 0;
    if (proflite_init(&options) != PROFLITE_OK || proflite_start() != PROFLITE_OK) {
        printf("%s\n", proflite_last_error());
        return 1;
    }
    auto work = [&wrong](int rounds) {
        for (int i = 0; i < rounds; i++)
            if (!use_libraries() || !use_exceptions())
                __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
    };
    std::thread one(work, 300), two(work, 300);
    one.join();
    two.join();
    proflite_stop();
    proflite_stats stats = {};
    stats.size = sizeof stats;
    proflite_get_stats(&stats);
    proflite_close();
    printf("%d wrong, %llu samples\n", wrong, (unsigned long long)stats.samples);
    return wrong != 0 || stats.samples == 0;
}
