"""Processes that read the live tree by themselves: libperch from C, C++ and Python, attached while rows flow."""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import textwrap
import time
import unittest

from perch_host import (BUILD, PerchTest, SANITIZE, SOURCE, TRADES, config, die_with_parent, eventually, market, ndjson,
                        run, seconds, trade)

C_PROGRAM = r"""
#include <perch/client.h>
#include <stdio.h>
#include <string.h>

struct key { char symbol[8]; uint64_t seq; };
struct value { int64_t ts; double price, size; };

static int failed(const char* what, const perch_error* error) {
  fprintf(stderr, "%s: %s\n", what, error->message);
  return 1;
}

int main(void) {
  perch_error error = {{0}};
  perch_client* client = NULL;
  const perch_snapshot* snapshot = NULL;
  perch_wanted_table wanted = {"trades", "{symbol:char[8]@0;seq:uint64@8}16:8",
                               "{ts:timestamp_ns@0;price:float64@8}16:8"};
  if (perch_connect(NULL, "c", &client, &error) != PERCH_OK) return failed("connect", &error);
  if (perch_bind(client, &wanted, 1, &error) != PERCH_OK) return failed("bind", &error);
  const perch_host* host = perch_functions(client);
  if (perch_pin(client, &snapshot, &error) != PERCH_OK) return failed("pin", &error);
  perch_cursor cursor;
  struct key keys[16];
  perch_run run = {.struct_size = sizeof run};
  double sum = 0;
  uint64_t rows = 0;
  if (host->scan_open(snapshot, 0, NULL, &cursor) != PERCH_OK) return 1;
  while (host->scan_next(&cursor, keys, 16, &run) > 0)
    for (uint32_t i = 0; i < run.count; ++i, ++rows)
      sum += ((const struct value*)((const char*)run.values + i * run.value_stride))->price;
  struct key one = {"B", 7};
  const struct value* found = host->get(snapshot, 0, &one);
  printf("%llu %g %g\n", (unsigned long long)rows, sum, found != NULL ? found->price : -1);
  perch_unpin(client, snapshot);
  perch_unpin(client, snapshot); /* told, and nothing else */
  wanted.value_layout = "{ts:timestamp_ns@0;volume:float64@8}16:8";
  if (perch_bind(client, &wanted, 1, &error) != PERCH_INCOMPATIBLE) return failed("no difference seen", &error);
  fputs(error.message, stdout);
  perch_close(client);
  return 0;
}
"""
CPP_PROGRAM = r"""
#include <iostream>
#include <perch/client.hpp>
#include "trades.hpp"

int main() try {
  perch::Client<perch::Tables<trades::Table>> client("cpp");
  auto before = client.pin();
  std::cout << before.snapshot().rows(trades::table) << std::endl;
  client.wait(before.snapshot().version(), std::chrono::seconds(60));
  auto after = client.pin();
  double sum = 0;
  for (const auto& change : before.changes_until(trades::table, after)) sum += change.new_value->price;
  std::cout << sum << std::endl;
  try {
    for (;;) client.wait(client.version());
  } catch (const perch::ClientError& error) {
    std::cout << error.result() << " " << error.what() << std::endl;
  }
} catch (const std::exception& error) {
  std::cerr << error.what() << std::endl;
  return 1;
}
"""
PYTHON_PROGRAM = r"""
import json, perch
connection = perch.connect(name="py")
assert connection.tables == ["trades"], connection.tables
trades = connection.table("trades")
rows = trades.scan()
assert len(rows) == len(trades) == 20 and rows.dtype.names == ("symbol", "seq", "ts", "price", "size"), rows
assert rows["price"].sum() == 190 and rows["symbol"][0] == b"A" and str(rows["ts"].dtype) == "datetime64[ns]"
assert list(trades.scan(prefix={"symbol": "B"})["seq"]) == list(range(10))
assert list(trades.scan(("B", 3), ("B", 5), to_exclusive=True)["seq"]) == [3, 4]
assert list(trades.scan(prefix=("A",), reverse=True, limit=2)["seq"]) == [9, 8]
try:
    trades.scan(limit=-1)
    assert False
except ValueError as error:
    assert "-1 rows" in str(error), error
assert trades.get("B", 7)["price"] == 17 and trades.get(symbol="B", seq=99) is None
with connection.pin() as old:
    total = 0
    for keys, values in old.table("trades").runs():
        assert not values.flags.writeable and not values.flags.owndata and len(keys) == len(values)
        total += values["price"].sum()
    assert total == 190
    backwards = [price for _, values in old.table("trades").runs(reverse=True) for price in values["price"]]
    assert backwards == sorted(backwards, reverse=True) and len(backwards) == 20
    print("ready", flush=True)
    connection.wait(old.version, timeout=60)
    with connection.pin() as new:
        changes = new.table("trades").changes_since(old)
        assert list(changes.kinds) == [2, 1] and list(changes.keys["seq"]) == [7, 100], changes
        assert changes.old["price"][0] == 17 and changes.new["price"][0] == 70
    assert len(old.table("trades")) == 20
for wrong in (lambda: trades.scan(prefix={"seq": 1}), lambda: trades.get("B"), lambda: old.version,
              lambda: trades.scan(prefix=("TOOLONGNAME",)), lambda: next(trades.runs())):
    try:
        wrong()
    except ValueError as error:
        print(error)
    else:
        raise AssertionError("no ValueError")
for call, kind in ((lambda: connection.table("trade"), perch.PerchError),
                   (lambda: connection.wait(timeout=0.01), perch.WaitTimeout)):
    try:
        call()
    except kind as error:
        print(error)
    else:
        raise AssertionError(kind)
print("waiting", flush=True)
try:
    while True:
        connection.wait()
except perch.EndedError as error:
    print(type(error).__name__, error)
"""


def python_with_numpy():
    for candidate in (sys.executable, "/usr/bin/python3"):
        if run(candidate, "-c", "import numpy").returncode == 0:
            return candidate
    return None


class ClientTest(PerchTest):
    def started(self):
        host = self.start(config({"trades": TRADES}, [{"name": "in", "type": "stdin", "table": "trades"}]),
                          stdin=subprocess.PIPE)
        self.feed(host, [trade("A", seq, price=seq) for seq in range(10)] +
                  [trade("B", seq, price=10 + seq) for seq in range(10)])
        host.wait_for_rows("trades", 20)
        return host

    def feed(self, host, rows):
        host.process.stdin.write(ndjson(rows))
        host.process.stdin.flush()

    def spawn(self, host, *command, **environment):
        process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   text=True, preexec_fn=die_with_parent,
                                   env={**os.environ, "PERCH_SOCKET": str(host.socket), **environment})
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def build(self, name, text, compiler, *options):
        source = self.folder / name
        source.write_text(text)
        program = self.folder / (name + ".out")
        made = run(compiler, source, "-o", program, f"-I{SOURCE / 'plugin_sdk/include'}", *options, timeout=120)
        self.assertEqual(made.returncode, 0, made.stderr)
        return program


@unittest.skipIf(SANITIZE, "programs without the sanitizer's run-time library cannot load it")
class Languages(ClientTest):
    def test_c_shared_and_static(self):
        host = self.started()
        shared = self.build("reader.c", C_PROGRAM, "gcc", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
                            f"-L{BUILD / 'lib'}", "-lperch", f"-Wl,-rpath,{BUILD / 'lib'}")
        static = self.build("reader_static.c", C_PROGRAM, "clang", "-std=c11", "-Wall", "-Wextra", "-Werror",
                            BUILD / "lib/libperch.a", "-lstdc++", "-lm")
        for program in (shared, static):
            done = run(program, environment={"PERCH_SOCKET": str(host.socket)})
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stdout.splitlines()[0], "20 190 17")
            self.assertIn("value field volume: program built with float64 @8, host has no such field", done.stdout)
            self.assertIn("broke the interface's rules: perch_unpin with what is not pinned", done.stderr)
        eventually(lambda: not host.call("client.list")["clients"], "nobody is attached any more")

    def test_cpp_with_the_header_that_perch_layout_prints(self):
        host = self.started()
        (self.folder / "trades.hpp").write_text(host.cli("layout", "trades", "--cpp").stdout)
        program = self.build("reader.cpp", CPP_PROGRAM, "g++", "-std=c++20", "-Wall", "-Wextra", "-Wpedantic",
                             "-Werror", f"-L{BUILD / 'lib'}", "-lperch", f"-Wl,-rpath,{BUILD / 'lib'}")
        process = self.spawn(host, program)
        self.assertEqual(process.stdout.readline(), "20\n")
        self.feed(host, [trade("C", 1, price=4.5)])
        self.assertEqual(process.stdout.readline(), "4.5\n")
        host.process.kill()
        host.wait_for_end()
        self.assertEqual(process.stdout.read(), "4 the host has ended\n")
        self.assertEqual(process.wait(seconds(30)), 0)

    def test_python(self):
        python = python_with_numpy()
        if python is None:
            self.skipTest("*** no Python with NumPy here")
        host = self.started()
        process = self.spawn(host, python, "-c", PYTHON_PROGRAM, PYTHONPATH=str(SOURCE / "python"),
                             PERCH_LIBRARY=str(BUILD / "lib/libperch.so.0"))
        said = process.stdout.readline()
        self.assertEqual(said, "ready\n", said + (process.stdout.read() if said != "ready\n" else ""))
        self.feed(host, [trade("B", 7, price=70), trade("C", 100, price=1)])
        self.assertIn("leading fields of symbol, seq are to be given, not seq", process.stdout.readline())
        text = ""
        while not text.endswith("waiting\n"):
            line = process.stdout.readline()
            self.assertTrue(line, text)
            text += line
        self.assertIn("no table 'trade'; did you mean 'trades'?", text)
        host.stop()
        self.assertEqual(process.stdout.read(), "EndedError the host has ended\n")


@unittest.skipIf(SANITIZE, "Python without the sanitizer's run-time library cannot load libperch")
class Readme(ClientTest):
    def test_its_python_lines_read_the_live_table(self):
        python = python_with_numpy()
        if python is None:
            self.skipTest("*** no Python with NumPy here")
        script = re.search(r"((?:^    .*\n)+)", (SOURCE / "README.md").read_text()[
            (SOURCE / "README.md").read_text().index("    import perch\n"):], re.MULTILINE).group(1)
        demo = json.loads((SOURCE / "config/demo.json").read_text())
        host = self.start(config(demo["tables"], demo["sources"]))
        eventually(lambda: host.rows("processes") > 0, "rows")
        lines = textwrap.dedent(script).replace("run/demo/perch.sock", str(host.socket))
        self.assertEqual(len(lines.splitlines()), 5, lines)
        done = run(python, "-c", lines, environment={"PYTHONPATH": str(SOURCE / "python"),
                                                     "PERCH_LIBRARY": str(BUILD / "lib/libperch.so.0")})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("'rss_bytes'", done.stdout)


class Attaching(ClientTest):
    def test_a_connection_gets_the_tree_once_and_gives_it_back_when_it_hangs_up(self):
        host = self.started()
        client = host.connect()
        answer = client.call("client.attach", name="tool")
        self.assertEqual([table["name"] for table in answer["tables"]], ["trades"])
        self.refuses("refused", client.call, "client.attach")
        self.refuses("usage", host.call, "client.attach", name="x" * 65)
        listed = host.call("client.list")["clients"]
        self.assertEqual([(each["name"], each["pid"], each["worker"]) for each in listed],
                         [(f"tool:{os.getpid()}", os.getpid(), False)])
        descriptors = host.counts()["descriptors"]
        client.close()
        eventually(lambda: not host.call("client.list")["clients"], "the client is gone")
        self.assertLess(host.counts()["descriptors"], descriptors)

    def test_clients_do_not_count_for_the_bound_on_connections(self):
        host = self.started()
        clients = [host.connect() for _ in range(60)]
        for client in clients:
            client.call("client.attach")
        others = [host.connect() for _ in range(50)]
        for other in others:
            other.call("host.methods")
        self.assertEqual(len(host.call("client.list")["clients"]), 60)

    def test_get_and_scan_read_one_version_through_the_tree(self):
        host = self.start(config({"trades": TRADES}, [market(30_000)]))
        host.wait_for_rows("trades", 30_000)
        rows = [json.loads(line) for line in host.cli("scan", "trades", "--json", "--limit", "30000").stdout.splitlines()]
        self.assertEqual(rows, list(host.scan("trades")))
        one = rows[12_345]
        self.assertEqual(host.cli_json("get", "trades", f"symbol={one['symbol']}", f"seq={one['seq']}")["rows"], [one])

    def test_a_client_that_holds_back_too_much_is_warned_then_killed(self):
        host = self.start(config({"trades": {**TRADES, "retain": {"rows": 20_000}}}, [market(5_000_000, rate=100_000)],
                                 readers={"retain_max": "256KiB", "callback_deadline": "500ms"}))
        eventually(lambda: host.rows("trades") > 10_000, "rows")
        holder = self.spawn(host, sys.executable, "-c", HOLDER, str(BUILD / "lib/libperch.so.0"))
        self.assertEqual(holder.stdout.readline(), "held\n")
        self.assertEqual(holder.wait(seconds(60)), -signal.SIGKILL)
        self.assertIn("of readers.retain_max; it will be killed in 1s unless it gives versions up", host.log())
        self.assertIn("of readers.retain_max, and was killed for it", host.log())
        eventually(lambda: not host.call("snapshot.list")["snapshots"], "its versions are given back")


HOLDER = """
import ctypes, sys, time
library = ctypes.CDLL(sys.argv[1])
client, snapshot, error = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.create_string_buffer(512)
assert library.perch_connect(None, b"holder", ctypes.byref(client), error) == 0, error.value
assert library.perch_pin(client, ctypes.byref(snapshot), error) == 0, error.value
print("held", flush=True)
time.sleep(600)
"""

if __name__ == "__main__":
    unittest.main()
