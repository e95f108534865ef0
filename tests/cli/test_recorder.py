"""What record must not change: descriptors, environment, signals, job control, exit
status; and what it must refuse."""
import os
import pathlib
import pty
import select
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from support import PROFLITE, check, main, record, run

PYTHON = os.path.realpath(sys.executable)


def start(folder, *command, **options):
    options.setdefault("stderr", subprocess.DEVNULL)
    return subprocess.Popen([PROFLITE, "--db", folder / "x.db", "record", "--", *command],
                            text=True, **options)


def test_status(folder):
    db = folder / "x.db"
    for status in (0, 1, 5, 125, 126, 127, 200):
        done = record(db, "sh", "-c", f"echo out; echo err >&2; exit {status}")
        check(done.returncode == status, f"{done.returncode}, not {status}")
        check(done.stdout == b"out\n", f"stdout {done.stdout!r}")
        lines = done.stderr.decode().splitlines()
        check(lines[0] == "err" and len(lines) == 2 and lines[1].startswith("proflite: "), f"stderr {lines}")
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGABRT, signal.SIGUSR1):
        done = record(db, "sh", "-c", f"ulimit -c 0; kill -{int(number)} $$")
        check(done.returncode == -number, f"{done.returncode}, not {-number}")


def test_refusals(folder):
    db = folder / "x.db"
    script = folder / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    plain = folder / "plain"
    plain.write_text("exit 3\n")
    for status, command in ((127, "no-such-command"), (127, "/no/such/file"), (126, folder), (126, plain),
                            (127, script), (127, "")):
        done = record(db, command)
        check(done.returncode == status and done.stderr.count(b"\n") == 1 and not done.stdout,
              f"{command}: {done.returncode} {done.stderr}")
    plain.chmod(0o755)
    check(record(db, plain).returncode == 3, "a script without #! runs")
    check(run(PROFLITE, "--db", db, "record", "sh", "-c", "exit 4").returncode == 4, "without --")
    check(run(PROFLITE, "record", "-o", folder / "o.db", "true").returncode == 0, "-o")
    check((folder / "o.db").exists(), "-o is --db")
    source = folder / "static.c"
    source.write_text("int main(void) { return 3; }\n")
    run("gcc", "-static", "-o", folder / "static", source)
    wrapper = folder / "wrapper"
    wrapper.write_text(f"#!{folder}/static\n")
    wrapper.chmod(0o755)
    for command in (folder / "static", wrapper):
        done = record(db, command)
        check(done.returncode == 125 and b"static" in done.stderr, f"{command}: {done.stderr}")
        check(record(db, command, flags=["--anyway"]).returncode == 3, f"{command} --anyway")
    run("cp", "/bin/true", folder / "setgid")
    os.chmod(folder / "setgid", 0o2755)
    check(record(db, folder / "setgid").returncode == 125, "set-group-ID")
    done = run("bash", "-c", f"ulimit -f 1; exec {PROFLITE} --db {folder}/small.db record -- sh -c 'echo ran'")
    check(done.returncode == 125 and not done.stdout and done.stderr.count(b"\n") == 1,
          f"no room for a store: {done.returncode} {done.stdout} {done.stderr}")


def test_surroundings(folder):
    """Descriptors, environment, mask, dispositions, group, limits: as without us."""
    probe = folder / "probe.py"
    probe.write_text("""
import os, resource, signal
print(sorted(int(f) for f in os.listdir('/proc/self/fd')))
print(sorted(k for k in os.environ if not k.startswith(('PROFLITE_', 'LD_PRELOAD', '_'))))
status = dict(l.split(':', 1) for l in open('/proc/self/status').read().splitlines())
print({k: status[k] for k in ('SigBlk', 'SigIgn', 'Groups', 'NoNewPrivs', 'CoreDumping')})
print(os.getpgid(0) == os.getpgid(os.getppid()), os.getcwd(), os.nice(0))
print([resource.getrlimit(r) for r in (resource.RLIMIT_CORE, resource.RLIMIT_NOFILE, resource.RLIMIT_STACK)])
""")
    with open(folder / "extra", "w") as extra:
        os.set_inheritable(extra.fileno(), True)
        for options in ({"pass_fds": (extra.fileno(),)}, {"preexec_fn": lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)},
                        {"preexec_fn": lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])}):
            plain = run(PYTHON, probe, cwd=folder, **options)
            done = record(folder / "x.db", PYTHON, probe, cwd=folder, **options)
            check(done.stdout == plain.stdout, f"{options}:\n{done.stdout}\n{plain.stdout}")
    done = run("bash", "-c", f"{PROFLITE} --db {folder}/x.db record -- sh -c 'ls /proc/self/fd' 0<&- 2>&-")
    plain = run("bash", "-c", "sh -c 'ls /proc/self/fd' 0<&- 2>&-")
    check(done.stdout == plain.stdout, f"closed descriptors: {done.stdout} {plain.stdout}")
    env = {**os.environ, "LD_PRELOAD": "libm.so.6"}
    if b"asan" not in run("ldd", PROFLITE).stdout:  # AddressSanitizer wants to be first
        done = record(folder / "x.db", "sh", "-c", "echo $LD_PRELOAD", env=env)
        check(done.stdout.endswith(b"libproflite-preload.so:libm.so.6\n"), f"{done.stdout}")


COUNTER = """
import signal, time
seen = {}
def note(number, frame):
    seen[number] = seen.get(number, 0) + 1
for number in (1, 2, 3, 10, 12, 15, 28):
    signal.signal(number, note)
print('ready', flush=True)
end = time.monotonic() + 10
while 12 not in seen and time.monotonic() < end:
    time.sleep(0.01)
print(sorted(seen.items()))
"""


def test_signals(folder):
    recorder = start(folder, PYTHON, "-c", COUNTER, stdout=subprocess.PIPE)
    recorder.stdout.readline()
    for number in (1, 2, 3, 10, 15, 28, 12):
        recorder.send_signal(number)
        time.sleep(0.1)
    out = recorder.communicate(timeout=30)[0]
    check(out == "[(1, 1), (2, 1), (3, 1), (10, 1), (12, 1), (15, 1), (28, 1)]\n", f"each once: {out}")
    check(recorder.returncode == 0, f"{recorder.returncode}")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        recorder = start(folder, "sh", "-c", "echo ready; exec sleep 30", stdout=subprocess.PIPE)
        recorder.stdout.readline()
        recorder.send_signal(number)
        check(recorder.wait(20) == -number, f"{number}: {recorder.returncode}")
        recorder.stdout.close()


def test_stopped_elsewhere(folder):
    """STOP and CONT to the program alone, where there is no terminal."""
    recorder = start(folder, "sh", "-c", "echo $$; exec sleep 0.8", stdout=subprocess.PIPE, start_new_session=True)
    child = int(recorder.stdout.readline())
    os.kill(child, signal.SIGSTOP)
    time.sleep(0.3)
    state = open(f"/proc/{recorder.pid}/stat").read().split()[2]
    check(state != "T", "record goes on")
    os.kill(child, signal.SIGCONT)
    check(recorder.wait(20) == 0, f"{recorder.returncode}")
    recorder.stdout.close()


class Shell:
    """An interactive bash with job control on a terminal of its own."""

    def __init__(self):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(PS1="", TERM="dumb")
            os.execvp("bash", ["bash", "--norc", "--noprofile", "--noediting", "-i"])

    def wait_for(self, text, seconds=15):
        out, end = "", time.monotonic() + seconds
        while text not in out and time.monotonic() < end:
            if select.select([self.fd], [], [], 0.1)[0]:
                out += os.read(self.fd, 65536).decode(errors="replace")
        check(text in out, f"terminal shows {text!r}: {out!r}")

    def type(self, text):
        os.write(self.fd, text.encode())

    def close(self):
        self.type("exit\nexit\n")
        os.close(self.fd)
        os.waitpid(self.pid, 0)


def test_job_control(folder):
    shell = Shell()
    shell.type(f"{PROFLITE} --db {folder}/x.db record -- sh -c 'echo go$((1))ing; exec sleep 30'\n")
    shell.wait_for("go1ing")
    shell.type("\x1a")
    shell.wait_for("Stopped")
    shell.type("echo still $((1 + 1))\n")
    shell.wait_for("still 2")
    shell.type("fg\n")
    time.sleep(0.5)
    shell.type("\x03")
    shell.wait_for("proflite: ")
    shell.type("echo status $?\n")
    shell.wait_for("status 130")
    shell.close()


def test_preload_path(folder):
    """A build folder whose name would break LD_PRELOAD's list."""
    odd = folder / "a b:c"
    odd.mkdir()
    for name in ("proflite", "libproflite-preload.so"):
        os.link(PROFLITE.parent / name, odd / name) if os.stat(folder).st_dev == os.stat(PROFLITE).st_dev \
            else run("cp", PROFLITE.parent / name, odd / name)
    done = run(odd / "proflite", "--db", folder / "x.db", "record", "--", "sh", "-c", "echo $LD_PRELOAD")
    path = done.stdout.decode().strip()
    check(done.returncode == 0 and " " not in path and os.path.exists(path), f"{path} {done.stderr}")
    if os.path.islink(path):
        os.unlink(path)
    os.unlink(odd / "libproflite-preload.so")
    done = run(odd / "proflite", "--db", folder / "x.db", "record", "--", "true")
    check(done.returncode == 125 and b"libproflite-preload.so" in done.stderr, f"{done.stderr}")


def test_stderr_gone(folder):
    """The reader of our one line is gone: the status is still the program's."""
    done = run("bash", "-c", f"{{ {PROFLITE} --db {folder}/x.db record -- sh -c 'exec 2>&-; sleep 0.2; exit 9'; "
                             f"echo $? > {folder}/status; }} 2>&1 >/dev/null | true")
    for _ in range(100):
        if (folder / "status").exists() and (folder / "status").read_text():
            break
        time.sleep(0.05)
    check((folder / "status").read_text() == "9\n", f"{(folder / 'status').read_text()} {done.stderr}")


main([test_status, test_refusals, test_surroundings, test_signals, test_stopped_elsewhere, test_job_control,
      test_preload_path, test_stderr_gone])
