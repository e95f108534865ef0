"""Real programs, alone and recorded at 997 Hz: the same output, the same exit status,
no hang; how many samples, how many lost, how many stacks reach the root.

    tests/soak/run programs            all
    python3 soak_programs.py redis     some

A command gets a folder of its own. Servers are run with their clients by one script
that prints only what is the same every time."""
import glob
import os
import pathlib
import shutil
import subprocess
import tempfile
import sys
import time
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "e2e"))
from support import PROFLITE, check, check_ledger, main, run, sessions, sql

LEAST_COMPLETE = 0.995  # runs of seconds, start-up included; soak_oracle.py wants .999
TIMEOUT_S = 240

PYTHON = """
import hashlib, json, zlib, re, decimal, sqlite3, xml.etree.ElementTree as E, ctypes
data = b'x'
for i in range(400000):
    data = hashlib.sha256(data * 20).digest()
rows = json.loads(json.dumps([{'a': i, 'b': str(i)} for i in range(500000)]))
packed = zlib.compress(json.dumps(rows).encode(), 6)
words = re.findall(r'"b": "(\\d*7)"', json.dumps(rows))
d = decimal.Decimal(2).sqrt(decimal.Context(prec=40000))
db = sqlite3.connect(':memory:')
db.execute('create table t(a, b)')
db.executemany('insert into t values(?, ?)', [(r['a'], r['b']) for r in rows])
total = db.execute('select sum(a), count(distinct b) from t').fetchone()
root = E.fromstring('<r>' + '<c k="v">t</c>' * 400000 + '</r>')
libc = ctypes.CDLL(None)
cmp = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
items = (ctypes.c_int * 200000)(*[(i * 7919) % 200003 for i in range(200000)])
libc.qsort(items, len(items), ctypes.sizeof(ctypes.c_int), cmp(lambda a, b: a[0] - b[0]))
print(data.hex(), len(packed), len(words), str(d)[-9:], total, len(root), items[5])
"""

PERL = r"""
my %h; my $x = 1; my @a;
for my $i (1..12000000) { $x = ($x * 1103515245 + 12345) % 2147483648; $h{$x % 5000} += $i; }
for my $k (sort { $a <=> $b } keys %h) { push @a, $h{$k} if "$k $h{$k}" =~ /(\d)\1/; }
my $text = join ' ', map { $_ * 3 } @a; my $n = () = $text =~ /\d{3,}/g; print scalar(@a), " $n\n";
"""

NODE = """
function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2) }
let t = 0; for (let i = 0; i < 8; i++) t += fib(33);
const c = require('crypto'), z = require('zlib');
let h = Buffer.from('x'); for (let i = 0; i < 600000; i++) h = c.createHash('sha256').update(h).digest();
const big = JSON.stringify(Array.from({length: 400000}, (_, i) => ({a: i, b: String(i)})));
const o = JSON.parse(big).sort((p, q) => p.b < q.b ? -1 : 1);
console.log(t, h.toString('hex'), z.gzipSync(big).length, o[77].a, big.match(/7"/g).length);
"""

LUA = """
local t, x = {}, 1
for i = 1, 20000000 do x = (x * 1103515245 + 12345) % 2147483648; t[i % 4096 + 1] = x end
table.sort(t); local s = 0
local co = coroutine.wrap(function() for i = 1, 1e7 do coroutine.yield(i % 7) end end)
for i = 1, 1e7 do s = s + co() end
print(t[17], s, select(2, string.gsub(string.rep("abc7", 200000), "%d", "")))
"""

RUBY = """
h = Hash.new(0); x = 1
8_000_000.times { |i| x = (x * 1103515245 + 12345) % 2147483648; h[x % 5000] += i }
f = Fiber.new { 1_500_000.times { |i| Fiber.yield i % 7 } ; nil }
s = 0; while (v = f.resume); s += v; end
t = 3.times.map { |k| Thread.new { (1..300_000).map { |i| (i * k).to_s }.sort.join.sum } }
puts h.values.max, s, t.map(&:value).inspect, (2**20000).to_s.size
"""

PHP = """<?php
$h = []; $x = 1;
for ($i = 0; $i < 40000000; $i++) { $x = ($x * 1103515245 + 12345) % 2147483648; @$h[$x % 5000] += $i; }
ksort($h); $s = serialize($h); $d = str_repeat('x', 100);
for ($i = 0; $i < 600000; $i++) $d = hash('sha256', $d . $d, true);
function gen() { for ($i = 0; $i < 9000000; $i++) yield $i % 7; }
$n = 0; foreach (gen() as $v) $n += $v;
echo bin2hex($d), ' ', strlen($s), ' ', $n, ' ', preg_match_all('/(\\d)\\1/', $s), "\\n";
"""

TCL = """
proc fib n { if {$n < 2} { return $n }; expr {[fib [expr {$n-1}]] + [fib [expr {$n-2}]]} }
set l {}; set x 1
for {set i 0} {$i < 200000} {incr i} { set x [expr {($x*1103515245+12345) % 2147483648}]; lappend l $x }
puts "[fib 27] [lindex [lsort -integer $l] 1234] [regexp -all {(\\d)\\1} $l]"
"""

GUILE = """
(define (fib n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2)))))
(define (tak x y z) (if (not (< y x)) z (tak (tak (- x 1) y z) (tak (- y 1) z x) (tak (- z 1) x y))))
(define v (map (lambda (i) (modulo (* i 7919) 100003)) (iota 100000)))
(display (list (fib 40) (tak 22 14 6) (list-ref (sort v <) 777) (string-length (number->string (expt 7 20000)))))
"""

JAVA = """
import java.util.*; import java.util.stream.*;
public class Work {
    static int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
    public static void main(String[] a) throws Exception {
        long t = 0; for (int i = 0; i < 40; i++) t += fib(38);
        Map<Integer, Long> m = new TreeMap<>();
        for (int i = 0; i < 9000000; i++) m.merge((int) ((i * 7919L) % 5003), 1L * i, Long::sum);
        java.security.MessageDigest d = java.security.MessageDigest.getInstance("SHA-256");
        byte[] h = new byte[64]; for (int i = 0; i < 3000000; i++) h = d.digest(h);
        long s = IntStream.range(0, 30000000).parallel().mapToLong(i -> Integer.toString(i).hashCode()).sum();
        System.out.println(t + " " + m.get(17) + " " + h[3] + " " + s);
    }
}
"""

OCAML = """
module M = Map.Make(Int)
exception Found of int
let rec fib n = if n < 2 then n else fib (n-1) + fib (n-2)
let rec build m i x = if i = 0 then m else
  let x = (x * 1103515245 + 12345) land 0x7fffffff in
  build (M.add (x mod 50000) i m) (i-1) x
let find m k = try M.iter (fun a b -> if a mod 977 = k then raise (Found b)) m; 0 with Found b -> b
let () = let m = build M.empty 4000000 1 in
  let s = ref 0 in for k = 0 to 900 do s := !s + find m k done;
  Printf.printf "%d %d %d\\n" (fib 38) (M.cardinal m) !s
"""

RUST = """
use std::collections::HashMap;
fn fib(n: u32) -> u64 { if n < 2 { n as u64 } else { fib(n - 1) + fib(n - 2) } }
fn main() {
    let mut m: HashMap<u64, u64> = HashMap::new();
    let mut x = 1u64;
    for i in 0..30_000_000u64 { x = (x * 1103515245 + 12345) % 2147483648; *m.entry(x % 5003).or_default() += i; }
    let mut s: Vec<String> = (0..3_000_000).map(|i| format!("{}", i * 7919 % 100_003)).collect();
    s.sort();
    let t: u64 = (0..2).map(|_| std::thread::spawn(|| fib(42))).collect::<Vec<_>>().into_iter().map(|h| h.join().unwrap()).sum();
    let p = std::panic::catch_unwind(|| { if fib(20) > 5 { std::panic::resume_unwind(Box::new(7)) } }).is_err();
    println!("{} {} {} {}", m[&17], s[777], t, p);
}
"""

CXX = """
#include <algorithm>
#include <functional>
#include <future>
#include <iostream>
#include <map>
#include <random>
#include <regex>
#include <sstream>
#include <unordered_map>
#include <variant>
int main() {
    std::map<std::string, std::vector<int>> m; std::mt19937 r(1); std::ostringstream o;
    for (int i = 0; i < 1000; i++) m[std::to_string(r() % 97)].push_back(i);
    for (auto &[k, v] : m) { std::sort(v.begin(), v.end(), std::greater<>()); o << k << v.size(); }
    auto f = std::async([&] { return std::regex_replace(o.str(), std::regex("(7+)"), "<$1>"); });
    std::variant<int, std::string> x = f.get(); std::visit([](auto &&y) { std::cout << y << "\\n"; }, x);
}
"""

REDIS = """
redis-server --port 0 --unixsocket $PWD/s --save '' --appendonly no --io-threads 2 >log 2>&1 &
for i in $(seq 100); do [ -S s ] && break; sleep .1; done
redis-benchmark -s $PWD/s -q -n 30000 -c 20 -P 4 -t set,get,incr,lpush,lrange_100,zadd >bench
echo $(grep -c 'requests per second' bench)
redis-cli -s $PWD/s eval 'local s=0 for i=1,1000000 do s=(s*31+i)%65521 end return s' 0
redis-cli -s $PWD/s dbsize | grep -c .
redis-cli -s $PWD/s shutdown nosave
wait; echo $?
"""

POSTGRES = """
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
as=""; [ $(id -u) = 0 ] && { chown postgres . ; as="setpriv --reuid=postgres --regid=postgres --clear-groups"; }
$as $bin/initdb -D d -A trust --no-sync >/dev/null 2>log || echo initdb failed
$as $bin/pg_ctl -D d -w -o "-k $PWD -h ''" -l log2 start >/dev/null || echo start failed
$as $bin/createdb -h $PWD b
$as $bin/pgbench -h $PWD -i -s 2 -q b >/dev/null 2>&1
$as $bin/pgbench -h $PWD -c 4 -j 2 -t 400 b 2>/dev/null | grep -c 'actually processed: 1600/1600'
$as $bin/psql -h $PWD -At b -c "select count(*), sum(length(md5(i::text))) from generate_series(1,600000) i" \\
    -c "select count(distinct bid), sum(abalance) is not null from pgbench_accounts"
$as $bin/pg_ctl -D d -w -m fast -s stop; echo $?
"""

NGINX = """
mkdir www; head -c 30000 /dev/zero >www/f
printf 'daemon off; worker_processes 2; pid %s/p; error_log %s/e; events { worker_connections 200; } http { access_log off; gzip on; gzip_types *; client_body_temp_path %s/t1; proxy_temp_path %s/t2; fastcgi_temp_path %s/t3; uwsgi_temp_path %s/t4; scgi_temp_path %s/t5; server { listen 127.0.0.1:18077; root %s/www; } }' $PWD $PWD $PWD $PWD $PWD $PWD $PWD $PWD >conf
chmod 755 . ; chmod -R a+rX www
nginx -c $PWD/conf 2>/dev/null & server=$!
for i in $(seq 100); do curl -s -o /dev/null http://127.0.0.1:18077/f && break; sleep .1; done
wrk -t1 -c20 -d4s -H 'Accept-Encoding: gzip' http://127.0.0.1:18077/f >wrk.out
grep -cE 'Socket errors|Non-2xx' wrk.out; grep -c 'Requests/sec' wrk.out
curl -s http://127.0.0.1:18077/f | md5sum
kill -QUIT $server; wait $server; echo $?
"""

GIT = """
git init -q r; cd r; git config user.email a@b; git config user.name n; git config gc.auto 0
for i in 1 2 3 4 5 6; do find /usr/include -name '[a-f]*.h' -size -60k | sort | head -900 | xargs cat | head -c $((i * 900000)) | split -l 400 - f; git add -A; git commit -qm $i; done
git gc -q --aggressive; git fsck --full 2>/dev/null; git log --stat --oneline | sed 's/^[0-9a-f]* //' | md5sum; git blame --root fab | cut -c60- | md5sum
"""

MAKE = """
for i in $(seq 24); do
  printf '#include <stdio.h>\\n#include <stdlib.h>\\n#include <string.h>\\n' >m$i.c
  for k in $(seq 120); do echo "int f${i}_$k(int a){char b[64];for(int j=0;j<a;j++){snprintf(b,sizeof b,\\"%d\\",j*$k);a^=(int)strlen(b)*abs(j);}return a;}" >>m$i.c; done
done
printf 'O=$(patsubst %%.c,%%.o,$(wildcard m*.c))\\nl.a: $(O)\\n\\tar rcD $@ $(sort $(O))\\n%%.o: %%.c\\n\\tgcc -O2 -c $<\\n' >Makefile
make -s -j4; md5sum l.a
"""

SQLITE = """WITH RECURSIVE c(n, x) AS (SELECT 1, 1 UNION ALL SELECT n + 1, (x * 1103515245 + 12345) % 2147483648 FROM c WHERE n < 6000000)
SELECT count(*), sum(x % 7), max(x), group_concat(DISTINCT x % 5) FROM c WHERE x LIKE '%7%' OR json_extract('{"a":' || n || '}', '$.a') % 3 = 1"""


def put(folder, name, text):
    (folder / name).write_text(text)
    return name


def corpus(folder, megabytes):
    left = megabytes << 20
    with open(folder / "input", "wb") as out:
        for name in sorted(glob.glob("/usr/lib/x86_64-linux-gnu/*.so*") + glob.glob("/usr/bin/*")):
            if left > 0 and os.path.isfile(name) and os.access(name, os.R_OK):
                left -= out.write(open(name, "rb").read(left))
    return "input"


def sh(text, shell="sh"):
    return lambda folder: [shell, "-c", text]


def source(name, text, *command):
    return lambda folder: [*command, put(folder, name, text)]


def packed(*command, megabytes=80):
    return lambda folder: [*command, corpus(folder, megabytes)]


def built(name, text, build, *run_it):
    def prepare(folder):
        put(folder, name, text)
        done = run(*build, cwd=folder)
        check(done.returncode == 0, f"{build}: {done.stderr[-300:]}")
        return list(run_it)
    return prepare


JAVAC = "".join(f"class C{i} {{ java.util.Map<String, java.util.List<Integer>> f(int a) {{ var m = new java.util.HashMap<String, java.util.List<Integer>>(); "
                f"java.util.stream.IntStream.range(0, a).forEach(x -> m.computeIfAbsent(\"\" + x % {i + 1}, k -> new java.util.ArrayList<>()).add(x)); return m; }} }}\n" for i in range(400))

CHROME = """<html><body><div id=o></div><script>
let s = 0; for (let i = 0; i < 3e7; i++) s = (s * 31 + i) % 65521;
let t = ''; for (let i = 0; i < 6000; i++) t += '<p style="float:left">' + (i * 7919 % 1009) + '</p>';
document.getElementById('o').innerHTML = t; document.title = s + ' ' + document.body.offsetHeight;
</script></body></html>"""


def chromium(folder):
    page = folder / "page.html"
    page.write_text(CHROME)
    return ["sh", "-c", f"chromium --headless --no-sandbox --disable-gpu --user-data-dir={folder}/profile --dump-dom file://{page} 2>/dev/null | md5sum"]


# name: (command of a folder, share of samples whose stack reaches the root)
PROGRAMS = {
    "python3": (source("work.py", PYTHON, "/usr/bin/python3"), LEAST_COMPLETE),
    "perl": (source("work.pl", PERL, "/usr/bin/perl"), LEAST_COMPLETE),
    "node": (source("work.js", NODE, "node"), LEAST_COMPLETE),
    "lua": (source("work.lua", LUA, "lua5.4"), LEAST_COMPLETE),
    "ruby": (source("work.rb", RUBY, "ruby"), LEAST_COMPLETE),
    "php": (source("work.php", PHP, "php"), LEAST_COMPLETE),
    "tclsh": (source("work.tcl", TCL, "tclsh"), LEAST_COMPLETE),
    "guile": (source("work.scm", GUILE, "guile-3.0", "--no-auto-compile", "-s"), LEAST_COMPLETE),
    "sqlite3": (lambda folder: ["sqlite3", ":memory:", SQLITE], LEAST_COMPLETE),
    "redis": (sh(REDIS), LEAST_COMPLETE),
    "postgres": (sh(POSTGRES), LEAST_COMPLETE),
    "nginx": (sh(NGINX), LEAST_COMPLETE),
    "gcc": (source("work.cc", CXX, "sh", "-c", "g++ -std=c++17 -O2 -S -o - $0 | md5sum"), LEAST_COMPLETE),
    "clang": (source("work.cc", CXX, "sh", "-c", "clang++ -std=c++17 -O2 -S -o - $0 | md5sum"), LEAST_COMPLETE),
    "rustc": (source("work.rs", RUST, "rustc", "-O", "--emit=obj", "-o", "work.o"), LEAST_COMPLETE),
    "rust": (built("work.rs", RUST, ["rustc", "-O", "-o", "work", "work.rs"], "./work"), LEAST_COMPLETE),
    "javac": (source("Many.java", JAVAC, "javac", "-d", "out"), 0.0),
    "java": (built("Work.java", JAVA, ["javac", "Work.java"], "java", "-cp", ".", "Work"), 0.0),
    "ocaml": (built("work.ml", OCAML, ["ocamlopt", "-O3", "-o", "work", "work.ml"], "./work"), LEAST_COMPLETE),
    "xz": (packed("xz", "-T2", "-2", "-c"), LEAST_COMPLETE),
    "zstd": (packed("zstd", "-q", "-T2", "-9", "-c"), LEAST_COMPLETE),
    "openssl": (sh("openssl speed -seconds 1 aes-128-cbc sha256 rsa2048 ecdsap256 2>&1 | grep -c 'Doing .* in'; openssl genrsa 4096 2>/dev/null | wc -l"), LEAST_COMPLETE),
    "git": (sh(GIT), LEAST_COMPLETE),
    "make": (sh(MAKE), LEAST_COMPLETE),
    "ffmpeg": (sh("ffmpeg -v error -f lavfi -i testsrc=d=40:s=640x360 -f lavfi -i sine=d=40 -c:v mpeg4 -c:a aac -threads 2 -f framemd5 - | md5sum"), LEAST_COMPLETE),
    "gdb": (sh("gdb -q -batch -ex 'info functions e' -ex 'info types .' -ex 'info types str' -ex 'disassemble /s main' $(command -v python3.11) 2>&1 | md5sum"), LEAST_COMPLETE),
    "pipeline": (sh("seq 1 4000000 | sort -rn | awk '{s+=$1%7; print $1*3}' | sed 's/7/x/g' | gzip -6 | gzip -dc | sha256sum; find /usr/share -name '*.py' | xargs grep -c import | sort | md5sum", "bash"), LEAST_COMPLETE),
    "chromium": (chromium, 0.0),
}


def in_folder(prepare):
    """A new folder and the command to run in it."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="proflite-soak-"))
    return folder, prepare(folder)


def timed(command, folder, stdout):
    began = time.monotonic()
    with open(stdout, "wb") as out:
        done = run(*command, cwd=folder, capture_output=False, stdout=out, stderr=subprocess.PIPE, timeout=TIMEOUT_S)
    return done, time.monotonic() - began


def normal(folder, data):
    return data.replace(str(folder).encode(), b"FOLDER")


def rooted(db):
    """(share of samples whose stack reaches a root, what the others end behind)."""
    rows = sql(db, """
        SELECT f.function IN ('[unknown caller]', '[truncated]') AS cut, g.function AS second, sum(w.n) AS n FROM
          (SELECT stack_id, count(*) AS n FROM sample GROUP BY stack_id) w
          JOIN stack_frame f ON f.stack_id = w.stack_id AND f.depth = 0
          LEFT JOIN stack_frame g ON g.stack_id = w.stack_id AND g.depth = 1
        GROUP BY 1, CASE WHEN cut THEN g.function END ORDER BY 3 DESC""")
    total = sum(r["n"] for r in rows)
    cut = {r["second"]: r["n"] for r in rows if r["cut"]}
    return (1 - sum(cut.values()) / total if total else 0), cut


def compare(name, prepare, least, keep):
    alone_in, command = in_folder(prepare)
    alone, alone_s = timed(command, alone_in, alone_in.with_suffix(".out"))
    recorded_in, command = in_folder(prepare)
    db = recorded_in.with_suffix(".db")
    flags = [PROFLITE, "--db", db, "record", "-F", "997", "--"]
    recorded, recorded_s = timed([*flags, *command], recorded_in, recorded_in.with_suffix(".out"))
    outputs = [normal(f, f.with_suffix(".out").read_bytes()) for f in (alone_in, recorded_in)]
    check(recorded.returncode == alone.returncode, f"{name}: status {recorded.returncode}, alone {alone.returncode}: {recorded.stderr[-400:]}")
    check(outputs[0] == outputs[1], f"{name}: output {outputs[1][-300:]!r}, alone {outputs[0][-300:]!r}")
    check(outputs[0] or name in ("rustc", "javac"), f"{name}: says nothing")
    rows = sessions(db)
    samples, lost = sum(r["samples"] for r in rows), sum(r["lost"] for r in rows)
    share, others = rooted(db)
    causes = ", ".join(f"{str(k)[:40]} {v}" for k, v in list(others.items())[:3])
    print(f"{name:10} {alone_s:6.1f} s alone {recorded_s:6.1f} s recorded {len(rows):4} processes {samples:7} samples "
          f"{lost:5} lost  rooted {100 * share:7.3f} %  {causes}", flush=True)
    check(samples > 200, f"{name}: {samples} samples")
    check_ledger(db, name)
    check(share >= least, f"{name}: only {100 * share:.3f} % of the stacks reach the root: {causes}")
    if not keep:
        for folder in (alone_in, recorded_in):
            shutil.rmtree(folder, ignore_errors=True)
            folder.with_suffix(".out").unlink(missing_ok=True)
        db.unlink(missing_ok=True)
    else:
        print(f"     kept {db}")


def as_test(name):
    def test(folder):
        prepare, least = PROGRAMS[name]
        compare(name, prepare, least, "SOAK_KEEP" in os.environ)
    test.__name__ = "test_" + name
    return test


main([as_test(name) for name in PROGRAMS])
