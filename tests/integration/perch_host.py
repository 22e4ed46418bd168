"""The harness of the integration tests: starts the built programs as a user does and watches how they end.

PERCH_BUILD names the build folder (programs in bin/, plugins in plugins/). Every wait is bounded; the bounds grow
under sanitizers, and counts shrink. A test that hangs has its hosts killed by a watchdog and fails. Hosts die with
the test process, whatever ends it.
"""
import contextlib
import ctypes
import faulthandler
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("PERCH_BUILD", SOURCE / "build" / "release")).resolve()
BIN = BUILD / "bin"
PLUGINS = BUILD / "plugins"
PLUGINS_NEXT = BUILD / "plugins-next"
TEST_PLUGINS = BUILD / "tests" / "integration" / "plugins"


def build_setting(name):
    """A variable of the build's CMakeCache.txt, "" when it has none."""
    cache = BUILD / "CMakeCache.txt"
    text = cache.read_text() if cache.exists() else ""
    found = re.search(rf"^{name}:\w+=(.*)$", text, re.MULTILINE)
    return found.group(1) if found else ""


SANITIZE = build_setting("PERCH_SANITIZE")
SLOWNESS = 12 if "thread" in SANITIZE else 5 if SANITIZE else 1
LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1


def fewer(count):
    """`count` in plain builds, less where everything is slower."""
    return count // SLOWNESS


def seconds(limit):
    """A bound on a wait: generous, since other work may share the machine."""
    return limit * SLOWNESS


def eventually(predicate, what, timeout=30):
    """Polls until `predicate` returns something true, and returns it. Bounded by `timeout` (seconds, plain builds)."""
    deadline = time.monotonic() + seconds(timeout)
    pause = 0.002
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds(timeout)} s: {what} (last look: {value!r})")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def is_alive(pid):
    """Whether the process runs (a zombie does not)."""
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def program(pid):
    """The name of the program that the process runs, "" when it has ended."""
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def descendants(pid):
    """All processes below `pid`, as far as they can be seen now."""
    found = []
    for children in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, children.read_text().split()):
                found += [child, *descendants(child)]
    return found


class RpcError(Exception):
    def __init__(self, error):
        super().__init__(error["message"])
        self.code = error["code"]
        self.message = error["message"]
        self.kind = error["data"]["kind"]
        self.details = error["data"]["details"]

    def text(self):
        return "\n".join([self.message, *self.details])


class Client:
    """One connection to the control socket. `greeting` is the line that the host sends first."""

    def __init__(self, path, timeout=30):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(seconds(timeout))
        self.ids = itertools.count(1)
        self.notifications = []
        try:
            self.socket.connect(str(path))
            self.file = self.socket.makefile("rb")
            self.greeting = self.receive()
        except BaseException:
            self.socket.close()
            raise

    def close(self):
        if hasattr(self, "file"):
            self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, line):
        """Raw bytes, or an object that becomes one line."""
        self.socket.sendall(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n")

    def receive(self):
        """The next line, whatever it is. ConnectionError when the host has closed the connection."""
        line = self.file.readline()
        if not line.endswith(b"\n"):
            raise ConnectionError(f"the host closed the connection after {line!r}")
        return json.loads(line)

    def reply(self):
        """The next line that is no notification; those are kept."""
        while True:
            message = self.receive()
            if "id" in message:
                return message
            self.notifications.append(message)

    def call(self, method, params=None, **more):
        """The result of a request; RpcError when the host answers with one."""
        request = {"jsonrpc": "2.0", "id": next(self.ids), "method": method, "params": {**(params or {}), **more}}
        self.send(request)
        reply = self.reply()
        if reply["id"] != request["id"]:
            raise AssertionError(f"answer to another request: {reply}")
        if "error" in reply:
            raise RpcError(reply["error"])
        return reply["result"]

    def subscribe(self, **filters):
        return self.call("events.subscribe", filters)

    def event(self):
        """The next event's params, waited for. Events lost to a full queue are an error here."""
        message = self.notifications.pop(0) if self.notifications else self.receive()
        if message.get("method") != "event":
            raise AssertionError(f"expected an event: {message}")
        return message["params"]

    def scan(self, table, page=10000, **range_):
        """All rows of the range, page by page, each page from where the last ended."""
        while True:
            answer = self.call("table.scan", {"table": table, "limit": page, **range_})
            yield from answer["rows"]
            if not answer.get("truncated"):
                return
            range_ = {**range_, "from": answer["last_key"], "from_exclusive": True}


class Host:
    """A running perchd. Made by PerchTest.start, which also sees to its end."""

    def __init__(self, folder, config, arguments=(), stdin=subprocess.DEVNULL, environment=None):
        self.folder = folder
        self.config_file = folder / "config.json"
        self.config_file.write_text(json.dumps(config, indent=1))
        self.run_dir = folder / "run"
        self.socket = self.run_dir / "perch.sock"
        self.log_file = folder / "perchd.log"
        self.clients = []
        self.client_ = None
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [BIN / "perchd", "--config", self.config_file, *arguments], cwd=folder, stdin=stdin, stdout=log,
                stderr=log, env={**os.environ, **(environment or {})}, preexec_fn=die_with_parent)
        self.pid = self.process.pid

    # Its life

    def wait_until_ready(self):
        """The socket answers: by then readers and sources have started."""
        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"perchd ended with status {self.process.returncode}:\n{self.log_tail()}")
            with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                self.client_ = self.connect()
                return True
        eventually(ready, "perchd answers on its socket")
        return self

    def is_running(self):
        return self.process.poll() is None

    def wait_for_end(self, timeout=60):
        """The exit status."""
        try:
            return self.process.wait(seconds(timeout))
        except subprocess.TimeoutExpired:
            raise AssertionError(f"perchd still runs after {seconds(timeout)} s") from None

    def stop(self, by=signal.SIGTERM, status=0):
        """Asks it to stop and checks that it does so cleanly, leaving nothing behind."""
        children = descendants(self.pid) if self.is_running() else []
        if self.is_running():
            self.process.send_signal(by)
        self.check_ended(children, self.wait_for_end(), status)

    def check_ended(self, children, found, expected=0):
        self.close_clients()
        problems = []
        if found != expected:
            problems.append(f"exit status {found} instead of {expected}")
        try:
            eventually(lambda: not any(map(is_alive, children)), "children are gone", 2)
        except AssertionError:
            problems.append(f"children left behind: {list(filter(is_alive, children))}")
        if self.socket.exists():
            problems.append(f"{self.socket} is still there")
        copies = list((self.run_dir / "generations").glob("*"))
        if copies:
            problems.append(f"private copies of plugins are still there: {copies}")
        for sign in ("Sanitizer", "runtime error:", "perch: bug at"):
            if sign in self.log():
                problems.append(f"the log has {sign!r}")
        if problems:
            raise AssertionError("perchd did not end cleanly: " + "; ".join(problems))

    def kill(self):
        """For the watchdog and for what a failed test has left: no questions asked."""
        for pid in [self.pid, *descendants(self.pid)] if self.is_running() else []:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    # What it says

    def log(self):
        return self.log_file.read_text(errors="replace")

    def log_tail(self, lines=40):
        text = self.log().splitlines()
        title = f"--- {self.log_file.name} (last {min(lines, len(text))} of {len(text)} lines)"
        return "\n".join([title, *text[-lines:]])

    def rejects(self):
        """The reject log's entries, in their order."""
        file = self.run_dir / "rejects.ndjson"
        return [json.loads(line) for line in file.read_bytes().splitlines()] if file.exists() else []

    def counts(self):
        """What a leak would let grow: threads, descriptors, mappings of files and of memory."""
        process = pathlib.Path(f"/proc/{self.pid}")
        maps = [line.split(maxsplit=5) for line in (process / "maps").read_text().splitlines()]
        return {"threads": len(os.listdir(process / "task")), "descriptors": len(os.listdir(process / "fd")),
                "mapped files": sum(len(fields) == 6 and fields[5].startswith("/") for fields in maps),
                "mappings": len(maps)}

    # Its control socket

    def connect(self, timeout=30):
        client = Client(self.socket, timeout)
        self.clients.append(client)
        return client

    def close_clients(self):
        for client in self.clients:
            client.close()
        self.clients.clear()

    def call(self, method, params=None, **more):
        return self.client_.call(method, params, **more)

    def scan(self, table, **range_):
        return self.client_.scan(table, **range_)

    def status(self):
        return self.call("host.status")

    def source(self, name):
        return next(source for source in self.call("source.list")["sources"] if source["name"] == name)

    def rows(self, table):
        return next(each["rows"] for each in self.call("table.list")["tables"] if each["name"] == table)

    def readers(self):
        return {reader["name"]: reader for reader in self.call("reader.list")["readers"]}

    def wait_for_rows(self, table, count, timeout=60):
        eventually(lambda: self.rows(table) >= count, f"{count} rows in {table}", timeout)
        if self.rows(table) != count:
            raise AssertionError(f"{self.rows(table)} rows in {table} instead of {count}")

    def wait_for_source(self, name, state="ended", timeout=120):
        """Until the source is in that state and what it accepted is committed; its status."""
        def there():
            source = self.source(name)
            return source if source["state"] == state and source["committed"]["rows"] == source["rows"] else None
        return eventually(there, f"source {name} is {state}", timeout)

    def wait_for_reader(self, name, state="running", timeout=20, **more):
        """Until the reader has that state (None: until it is gone), and further members as given; its status."""
        def there():
            reader = self.readers().get(name)
            if state is None:
                return reader is None
            wanted = {"state": state, **more}
            return reader if reader and all(reader[key] == value for key, value in wanted.items()) else None
        return eventually(there, f"reader {name} is {state or 'gone'} {more or ''}", timeout)

    def wait_until_readers_saw_all(self, timeout=60):
        def seen():
            answer = self.call("reader.list")
            return all(reader["version"] >= answer["published_version"] for reader in answer["readers"]
                       if reader["state"] == "running")
        eventually(seen, "readers have seen the last commit", timeout)

    def cli(self, *arguments, timeout=60):
        """Runs `perch` against this host; a CompletedProcess with texts."""
        return perch(*arguments, timeout=timeout, environment={"PERCH_SOCKET": str(self.socket)}, folder=self.folder)

    def cli_json(self, *arguments):
        """What `perch --json` prints, parsed; it must succeed."""
        done = self.cli("--json", *arguments)
        if done.returncode != 0:
            raise AssertionError(f"perch {arguments}: status {done.returncode}: {done.stderr}")
        return json.loads(done.stdout)


def perch(*arguments, timeout=60, environment=None, folder=None):
    """Runs `perch` without a host of its own; a CompletedProcess with texts."""
    return run(BIN / "perch", *arguments, timeout=timeout, environment=environment, folder=folder)


def run(*command, timeout=60, environment=None, folder=None):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, errors="replace",
                          timeout=seconds(timeout), stdin=subprocess.DEVNULL, cwd=folder,
                          env={**os.environ, **(environment or {})}, preexec_fn=die_with_parent)


class PerchTest(unittest.TestCase):
    """A folder of its own per test (`self.folder`), and hosts that are stopped and looked at when it ends."""

    limit = 120  # seconds in a plain build; then the watchdog kills the hosts

    def run(self, result=None):
        self.hosts = []
        with tempfile.TemporaryDirectory(prefix="perch-", ignore_cleanup_errors=True) as folder:
            self.folder = pathlib.Path(folder)
            watchdog = threading.Timer(seconds(self.limit), self.kill_hosts)
            watchdog.daemon = True
            watchdog.start()
            # Should the test itself hang: its stack, and the end (hosts go with it).
            faulthandler.dump_traceback_later(seconds(self.limit) + 60, exit=True)
            before = self.problems(result)
            try:
                return super().run(result)
            finally:
                faulthandler.cancel_dump_traceback_later()
                watchdog.cancel()
                if self.problems(result) > before:
                    for host in self.hosts:
                        print(host.log_tail(), file=sys.stderr, flush=True)

    @staticmethod
    def problems(result):
        return len(result.failures) + len(result.errors) if result else 0

    def kill_hosts(self):
        print(f"watchdog: {self.id()} takes longer than {seconds(self.limit)} s", file=sys.stderr, flush=True)
        for host in self.hosts:
            host.kill()

    def launch(self, config, **options):
        """Starts perchd without waiting for it."""
        folder = self.folder / f"host{len(self.hosts)}"
        folder.mkdir()
        host = Host(folder, config, **options)
        self.hosts.append(host)
        self.addCleanup(self.see_off, host)
        return host

    def start(self, config, **options):
        """Starts perchd and waits until it answers."""
        return self.launch(config, **options).wait_until_ready()

    def see_off(self, host):
        """A host that still runs at the end of a test has to stop cleanly."""
        try:
            if host.is_running():
                host.stop()
        finally:
            host.close_clients()
            host.kill()
            if host.process.stdin:
                with contextlib.suppress(BrokenPipeError):
                    host.process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                host.process.wait(10)

    def refuses(self, kind, call, *arguments, **more):
        """The RpcError of a call that must fail so."""
        with self.assertRaises(RpcError) as caught:
            call(*arguments, **more)
        self.assertEqual(caught.exception.kind, kind, caught.exception.text())
        return caught.exception


# Configs and files that several tests use

TRADES = {"key": [{"name": "symbol", "type": "char[8]"}, {"name": "seq", "type": "uint64"}],
          "value": [{"name": "ts", "type": "timestamp_ns"}, {"name": "price", "type": "float64"},
                    {"name": "size", "type": "float64"}]}
POINTS = {"key": [{"name": "id", "type": "uint64"}], "value": [{"name": "x", "type": "int64"}]}


def config(tables=None, sources=(), readers=None, **more):
    """A config as short as its test needs; durations suit tests that wait for things."""
    made = {"host": {"name": "test", "run_dir": "run", "log": {"level": "info"}}, "arena": {"size": "256MiB"},
            "commit": {"max_rows": 256, "max_delay": "1ms"}, "tables": tables or {"points": POINTS},
            "sources": list(sources), **more}
    if readers is not None:
        made["readers"] = {"trial": {"steps": 0}, **readers}  # what a host does with faults is tried without
    return made


def market(count, seed=1, rate=0, **more):
    """A source of simulated trades; rate 0: as fast as they are taken."""
    return {"name": "feed", "type": "exec", "table": "trades", "restart": "never",
            "command": ["perch-feed", "market", "--rate", str(rate), "--count", str(count), "--seed", str(seed)],
            **more}


def drop(file, folder, name=None):
    """Puts a plugin into a watched folder as one should: copied under another name, then renamed."""
    target = folder / (name or file.name)
    half = folder / f".{target.name}.part"
    shutil.copyfile(file, half)
    half.rename(target)
    return target


def trade(symbol, seq, price=1.0, size=1.0, ts=0):
    return {"symbol": symbol, "seq": seq, "ts": ts, "price": price, "size": size}


def ndjson(rows):
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)
