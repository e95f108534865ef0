"""Stacks walked by rows against libunwind's, on programs interrupted some thousand
times a second by oracle_preload.c, until ten thousand samples each.

    tests/soak/run oracle             all
    python3 soak_oracle.py short      a second of two of them, for ctest

equal: all addresses. shipped: no rule yet or ever; the drain asks libunwind itself.
longer: libunwind stops where code has no call-frame information. shorter, other: ours
is to blame until shown otherwise."""
import os
import pathlib
import sys
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "e2e"))
from support import BUILD, check, main, run

ORACLE = BUILD / "tests" / "liboracle.so"
SHORT = sys.argv[1:] == ["short"]
if SHORT:
    del sys.argv[1:]
WANTED = 300 if SHORT else 10_000

DEEP = r"""
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>
#include <alloca.h>
struct Node { virtual ~Node() = default; virtual double eval(int n) const = 0; };
struct Leaf : Node { double v; explicit Leaf(double x) : v(x) {} double eval(int n) const override { return std::sin(v + n) + v; } };
struct Sum : Node {
    std::unique_ptr<Node> a, b; Sum(Node *x, Node *y) : a(x), b(y) {}
    double eval(int n) const override { char *p = (char *)alloca(16 + n % 100); p[0] = 1; return a->eval(n + p[0]) + b->eval(n); }
};
static Node *build(int d) { return d ? (Node *)new Sum(build(d - 1), build(d > 3 ? d - 3 : 0)) : new Leaf(d); }
__attribute__((noinline)) static double aligned(const Node &t, int n) { alignas(64) double v[8]; v[n & 7] = t.eval(n); return v[n & 7]; }
__attribute__((noinline)) static int tail(int n, int (*f)(int)) { return n > 3 ? tail(n - 1, f) : f(n); }
static int thrower(int n) { if (n > 2) throw std::runtime_error("x"); return n; }
int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 100; double s = 0;
    std::unique_ptr<Node> t(build(24)); std::map<std::string, int> m;
    for (int i = 0; i < rounds; i++) {
        s += aligned(*t, i);
        for (int k = 0; k < 3000; k++) m[std::to_string((k * 7919 + i) % 1009)]++;
        std::vector<int> v(4000); for (int k = 0; k < 4000; k++) v[k] = (k * 7919 + i) % 4001;
        std::sort(v.begin(), v.end(), [](int a, int b) { return a > b; });
        qsort(v.data(), v.size(), sizeof(int), [](const void *a, const void *b) { return *(const int *)a - *(const int *)b; });
        for (int k = 0; k < 100; k++) try { tail(k % 9, thrower); } catch (const std::exception &e) { s += e.what()[0]; }
        std::function<double(double)> f = [&](double x) { return x < 1 ? x : f(x / 2) + std::pow(x, .3); }; s += f(1e20);
    }
    printf("%.3f %zu\n", s, m.size());
}
"""

PYTHON = """
import time
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
fib(24)
import ssl, sqlite3, decimal, ctypes, json, zlib, lzma, hashlib, xml.etree.ElementTree, unicodedata, _elementtree, array, bz2, curses
end = time.process_time() + %d
while time.process_time() < end:
    fib(16); json.loads(json.dumps(list(range(2000)))); zlib.compress(b'abc' * 9000); hashlib.sha256(b'x' * 60000).digest()
    decimal.Decimal(2).sqrt(decimal.Context(prec=200)); sorted(str(i) for i in range(2000)); lzma.compress(b'xyz' * 500)
    db = sqlite3.connect(':memory:'); db.execute('select sum(value) from json_each(?)', [json.dumps(list(range(500)))]).fetchone()
"""

CXX = """
#include <algorithm>
#include <future>
#include <iostream>
#include <map>
#include <random>
#include <regex>
#include <variant>
int main() { std::map<std::string, std::regex> m; std::variant<int, std::string> v; auto f = std::async([] { return 1; });
    std::cout << std::regex_replace(std::string("a"), std::regex("b"), "c") << f.get(); }
"""

QUERY = """WITH RECURSIVE c(n, x) AS (SELECT 1, 1 UNION ALL SELECT n + 1, (x * 1103515245 + 12345) % 2147483648 FROM c WHERE n < 2500000)
SELECT count(*), sum(x % 7), group_concat(DISTINCT x % 5) FROM c WHERE x LIKE '%7%'"""


def sampled(out):
    rows, differ = {}, []
    for line in out.read_text().splitlines() if out.exists() else []:
        if line.startswith("  "):
            differ.append(line)
            continue
        name, *numbers = line.rsplit(" ", 7)
        rows[name] = [a + int(b) for a, b in zip(rows.get(name, [0] * 7), numbers)]
    return rows, differ


def compare(folder, program, command, name=None):
    """Run until `program` has samples enough; a line of what came out."""
    out = folder / "oracle.txt"
    env = dict(os.environ, LD_PRELOAD=str(ORACLE), ORACLE_OUT=str(out))
    for _ in range(1 if SHORT else 40):
        done = run(*command, env=env, cwd=folder, timeout=300)
        check(done.returncode == 0, f"{command[0]}: status {done.returncode}: {done.stderr[-300:]}")
        rows, differ = sampled(out)
        if rows.get(program, [0])[0] >= WANTED or done.returncode:
            break
    samples, equal, shipped, shorter, longer, other, rooted = rows.get(program, [0] * 7)
    print(f"{name or program:18} {samples:7} samples: equal {equal}, shipped {shipped}, shorter {shorter}, longer {longer}, other {other}; "
          f"alike {100 * (equal + shipped) / max(1, samples):.4f} %, rooted {100 * rooted / max(1, samples):.3f} %", flush=True)
    for line in differ[:6]:
        print(f"    {line.strip()[:200]}")
    check(samples >= WANTED / 3, f"{program}: {samples} samples")
    check(shorter + other <= samples / 10_000, f"{program}: {shorter} shorter, {other} other of {samples}: {differ[:4]}")
    check(longer <= samples / 100, f"{program}: {longer} of {samples} longer: {differ[:4]}")
    check(rooted >= .999 * samples, f"{program}: {rooted} of {samples} reach the root")
    # Until a library's rows are there, which on a busy machine is a part of a short run.
    check(shipped <= samples / (5 if SHORT else 50), f"{program}: {shipped} of {samples} shipped")


def deep(*flags):
    def test(folder):
        (folder / "deep.cc").write_text(DEEP)
        done = run("g++", "-o", folder / "deep", folder / "deep.cc", "-g", *flags)
        check(done.returncode == 0, f"g++ {flags}: {done.stderr[-300:]}")
        compare(folder, "deep", ["./deep", "150" if SHORT else "2500"], "deep " + " ".join(flags))
    test.__name__ = "test_deep" + "".join(flags).replace("-", "_")
    return test


def test_python3(folder):
    compare(folder, "python3", ["/usr/bin/python3", "-c", PYTHON % (1 if SHORT else 8)])


def test_cc1plus(folder):
    (folder / "big.cc").write_text(CXX)
    compare(folder, "cc1plus", ["g++", "-std=c++17", "-O2", "-c", "big.cc"])


def test_sqlite3(folder):
    compare(folder, "sqlite3", ["sqlite3", ":memory:", QUERY])


def test_zstd(folder):
    data = pathlib.Path("/usr/bin/gdb").read_bytes() * 8
    (folder / "input").write_bytes(data)
    compare(folder, "zstd", ["zstd", "--single-thread", "-q", "-12", "-f", "input", "-o", "output"])


def test_openssl(folder):
    compare(folder, "openssl", ["sh", "-c", "openssl speed -seconds 1 sha512 aes-128-cbc rsa2048 ecdsap256 2>/dev/null"])


SHORT_TESTS = [deep("-O2", "-fomit-frame-pointer"), test_python3]
ALL = [test_python3, test_cc1plus, test_sqlite3, test_zstd, test_openssl, deep("-O0"), deep("-O1", "-fno-omit-frame-pointer"), deep("-O2"),
       deep("-O2", "-fno-omit-frame-pointer"), deep("-O3"), deep("-O3", "-flto"), deep("-O3", "-mavx2", "-fstack-clash-protection")]
main(SHORT_TESTS if SHORT else ALL)
