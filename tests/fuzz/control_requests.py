"""Control requests that nobody in his right mind sends: 5,000 and 100 connections opened and left, with PERCH_SOAK=1
500,000 and 10,000, against a host that takes rows in and runs readers. The host neither ends nor grows, loses no row, and
answers the next honest request; how fast is printed, and decides nothing. The same requests every time."""
import contextlib
import json
import os
import random
import select
import socket
import statistics
import sys
import time
import unittest

import perch_host
from perch_host import PLUGINS, PerchTest, TRADES, config, drop

SOAK = "PERCH_SOAK" in os.environ
REQUESTS = 500_000 if SOAK else 5_000
CONNECTIONS = 10_000 if SOAK else 100
BATCH = 250  # requests on one connection
HONEST_SECONDS_MAX = 5
ODD_VALUES = [None, True, False, 0, -1, 1, 2**63, 2**64, -2**63, 1e308, 1.5, "", "x", "vwap", "x" * 5000, "\u0000", "\ud800",
              "../../etc/passwd", "/dev/zero", "/", [], {}, [[]], {"a": {"b": {}}}, "5s", "1h", "-1s", "99999999999h"]


class Requests:
    """Valid ones, and what becomes of them."""

    def __init__(self, seed, methods):
        self.random = random.Random(seed)
        self.methods = methods

    def value(self, kind):
        choose = self.random.choice
        honest = {"string": lambda: choose(["vwap", "second", "trades", "nothing", str(PLUGINS / "vwap.so"), "/x.so",
                                            str(PLUGINS / "leak_watch.so")]),
                  "integer of 0 or more": lambda: self.random.randrange(1000), "boolean": lambda: choose([True, False]),
                  "object": lambda: choose([{}, {"every": "1s"}, {"every": 5}, {"symbol": "A"}]),
                  "array of strings": lambda: choose([[], ["publication"], ["reader.loaded", "reader.failed"]])}
        if self.random.random() < 0.2:
            return choose(ODD_VALUES)
        return honest.get(kind, lambda: choose(["0", "1ms", "2ms"]))()

    def valid(self):
        method = self.random.choice(self.methods)
        params = {each["name"]: self.value(each["type"]) for each in method["parameters"]
                  if each["required"] or self.random.random() < 0.4}
        if "probation" in params or method["name"] in ("reader.swap", "reader.configure"):
            params["probation"] = self.random.choice(["0", "1ms", "2ms"])  # else the campaign waits for its end
        return {"jsonrpc": "2.0", "id": self.random.randrange(10**6), "method": method["name"], "params": params}

    def line(self):
        """The bytes of one request, whole or damaged, with its line end or without."""
        request = self.valid()
        damage = self.random.random()
        if damage < 0.25:
            self.damage_members(request)
        text = json.dumps(request).encode("utf-8", "surrogatepass")
        if 0.25 <= damage < 0.6:
            text = self.damage_bytes(text)
        if 0.6 <= damage < 0.63:
            text = self.random.choice([b"[" * 10_000, b"{" * 500, b'{"a":' * 200 + b"1" + b"}" * 200, b"",
                                       b'"' + b"y" * 2_000_000 + b'"', b"[" + text + b"," + text + b"]", b"\0" * 100,
                                       b'{"jsonrpc":"2.0","id":1,"id":2,"method":"host.status","method":"reader.list"}'])
        return text.replace(b"\n", b" ") + (b"\n" if self.random.random() < 0.98 else b"")

    def damage_members(self, request):
        choose = self.random.choice
        name = choose(["jsonrpc", "id", "method", "params", "more"])
        if self.random.random() < 0.3:
            request.pop(name, None)
        elif name == "params" and request["params"]:
            request["params"][choose([*request["params"], "unknown"])] = choose(ODD_VALUES)
        else:
            request[name] = choose(ODD_VALUES)

    def damage_bytes(self, text):
        text = bytearray(text)
        for _ in range(self.random.randrange(1, 4)):
            at = self.random.randrange(len(text))
            how = self.random.randrange(4)
            if how == 0:
                text[at] = self.random.randrange(256)
            elif how == 1:
                del text[at:at + self.random.randrange(1, 20)]
            elif how == 2:
                text[at:at] = self.random.randbytes(self.random.randrange(1, 10))
            else:
                text[at:] = b""
            if not text:
                break
        return bytes(text)


class ControlRequests(PerchTest):
    limit = 3000 if SOAK else 240

    def setUp(self):
        plugins = self.folder / "plugins"
        plugins.mkdir()
        drop(PLUGINS / "vwap.so", plugins)
        readers = {"folder": str(plugins), "probation": "1ms", "restart": {"delay_min": "1ms", "limit": 3}}
        feed = {"name": "feed", "type": "exec", "table": "trades", "restart": "never",
                "command": ["perch-feed", "market", "--rate", "2000", "--seed", "7"]}
        # What a fuzzed log.level or reader says is of no interest, and much.
        self.host = self.start(config({"trades": TRADES}, [feed], readers, arena={"size": "2GiB"},
                                      host={"name": "test", "run_dir": "run", "log": {"level": "error"}}))
        self.methods = self.host.call("host.methods")["methods"]
        self.honest_seconds = []

    def ask_honestly(self):
        begun = time.monotonic()
        with self.connect_honestly() as client:
            self.assertIn("published_version", client.call("host.status"))
        self.honest_seconds.append(time.monotonic() - begun)
        self.assertLess(self.honest_seconds[-1], perch_host.seconds(HONEST_SECONDS_MAX))

    def connect_honestly(self):
        """As `perch` does it: the queue of those who wait to be accepted may be full for a moment."""
        def try_to():
            with contextlib.suppress(BlockingIOError):
                return perch_host.Client(self.host.socket)
        return perch_host.eventually(try_to, "a connection", HONEST_SECONDS_MAX)

    def counts(self):
        return {**self.host.counts(), "heap": self.host.status()["process"]["heap_bytes"]}

    def settle(self):
        """Back to the one reader from the folder, and nothing on its way out."""
        for name in self.host.readers():
            if name != "vwap":
                with contextlib.suppress(perch_host.RpcError):
                    self.host.call("reader.unload", name=name)
        if self.host.readers().get("vwap", {"state": "stopped"})["state"] in ("stopped", "refused"):
            self.host.call("reader.load", file=str(self.folder / "plugins" / "vwap.so"))
        with contextlib.suppress(perch_host.RpcError):
            self.host.call("reader.accept", name="vwap")
        self.host.call("reader.enable", name="vwap")
        self.host.call("log.level", level="error")
        self.host.wait_for_reader("vwap")

    def send_batch(self, requests, count):
        """On a connection of its own, which is then left one way or the other."""
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        peer.connect(str(self.host.socket))
        reads = requests.random.random() < 0.9
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(count // 10):
                data = b"".join(requests.line() for _ in range(10))
                self.send_and_drain(peer, data, reads)
            if reads and requests.random.random() < 0.5:
                peer.shutdown(socket.SHUT_WR)
                peer.settimeout(0.05)  # one that has subscribed is sent events for ever
                with contextlib.suppress(TimeoutError):
                    while peer.recv(1 << 20):
                        pass
        peer.close()

    def send_and_drain(self, peer, data, reads):
        """A peer that does not read is closed by the host before long; one that does must not block it and itself."""
        deadline = time.monotonic() + perch_host.seconds(30)
        peer.setblocking(False)
        while data and time.monotonic() < deadline:
            readable, writable, _ = select.select([peer] if reads else [], [peer], [], 1)
            if readable and not peer.recv(1 << 20):
                raise BrokenPipeError
            if writable:
                with contextlib.suppress(BlockingIOError):
                    data = data[peer.send(data):]
            elif not reads:
                raise BrokenPipeError  # the host has stopped reading, as it should
        peer.settimeout(perch_host.seconds(30))

    def test_requests(self):
        requests = Requests(20, self.methods)
        before, warm = None, max(REQUESTS // 10, 1000)
        for sent in range(0, REQUESTS, BATCH):
            self.send_batch(requests, BATCH)
            self.ask_honestly()
            if before is None and sent >= warm:
                self.settle()
                before = self.counts()
        self.settle()
        self.check_host(before)

    def test_connections_opened_and_left(self):
        self.settle()  # a reader that is still on its way in would be counted among what was not given back
        left, before = [], None
        for number in range(CONNECTIONS):
            peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            peer.connect(str(self.host.socket))
            if number % 3 == 0:
                with contextlib.suppress(BrokenPipeError):
                    peer.send(b'{"jsonrpc":"2.0","id":1,"meth')
            left.append(peer)
            if len(left) > 300:  # what this process may have open itself
                left.pop(0).close()
            if number % 100 == 99:
                self.ask_honestly()
            if number == CONNECTIONS // 10:
                before = self.counts()
        for peer in left:
            peer.close()
        perch_host.eventually(lambda: self.counts()["descriptors"] <= before["descriptors"], "all are gone")
        self.check_host(before)

    def check_host(self, before):
        after = self.counts()
        for what in ("threads", "descriptors"):
            self.assertLessEqual(after[what], before[what], (what, before, after))
        if not perch_host.SANITIZE:
            self.assertLessEqual(after["mapped files"], before["mapped files"], (before, after))
            self.assertLess(after["heap"] - before["heap"], 32 << 20, (before, after))
        self.assertEqual(self.host.status()["degraded"], [])
        self.assertEqual(self.host.source("feed")["rejects"], 0)
        self.check_rows()
        ms = sorted(1000 * each for each in self.honest_seconds)
        print(f"{self._testMethodName}: {len(ms)} honest requests (connect, ask, answer): median "
              f"{statistics.median(ms):.2f} ms, max {ms[-1]:.2f} ms; {before}, then {after}", file=sys.stderr)

    def check_rows(self):
        """Each that the source took is in the table."""
        def committed():
            source = self.host.source("feed")
            return source["committed"]["rows"] == self.host.rows("trades")
        perch_host.eventually(committed, "rows taken = rows in the table")


if __name__ == "__main__":
    unittest.main()
