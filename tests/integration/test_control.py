"""The control socket: every method, well and badly asked, and peers that misbehave."""
import contextlib
import json
import random
import shutil
import socket
import stat
import subprocess
import time
import unittest

import perch_host
from perch_host import (BIN, PLUGINS, PLUGINS_NEXT, POINTS, TEST_PLUGINS, TRADES, Client, PerchTest, config, drop,
                        eventually, ndjson, trade)

METHODS = {"host.status", "host.methods", "source.list", "snapshot.list", "log.level", "table.list", "table.layout",
           "table.get", "table.scan", "reader.list", "reader.load", "reader.swap", "reader.accept", "reader.rollback",
           "reader.unload", "reader.inspect", "events.subscribe"}
PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, REFUSED = -32700, -32600, -32601, -32602, -32000
TRADE_ROWS = [trade(symbol, seq, seq / 4, 1.0, seq) for symbol in ("AAA", "BBB", "ZZZ") for seq in range(1, 41)]


class ControlTest(PerchTest):
    """A host with 120 trades, a `points` table with extreme values, and vwap."""

    probation = "0"

    def setUp(self):
        plugins = self.folder / "plugins"
        plugins.mkdir()
        drop(PLUGINS / "vwap.so", plugins)
        (self.folder / "trades").write_bytes(ndjson(TRADE_ROWS))
        self.points = [{"id": 0, "x": -2**63}, {"id": 2**63 + 1, "x": 2**63 - 1}, {"id": 2**64 - 1, "x": 0}]
        (self.folder / "points").write_bytes(ndjson(self.points))
        sources = [{"name": name, "type": "file", "path": str(self.folder / name), "table": name}
                   for name in ("trades", "points")]
        readers = {"folder": str(plugins), "probation": self.probation,
                   "instances": [{"name": "vwap", "plugin": "vwap", "config": {"every": "0"}}]}
        self.host = self.start(config({"trades": TRADES, "points": POINTS}, sources, readers))
        self.call = self.host.call
        for name in ("trades", "points"):
            self.host.wait_for_source(name)
        self.host.wait_until_readers_saw_all()

    def start_perch(self, *arguments, **options):
        """Runs `perch` beside the test; a Popen."""
        return subprocess.Popen([BIN / "perch", "--socket", self.host.socket, *arguments],
                                preexec_fn=perch_host.die_with_parent, **options)

    def check_alive(self):
        self.assertEqual(self.call("host.status")["name"], "test")


class Methods(ControlTest):
    def test_greeting(self):
        with self.host.connect() as client:
            self.assertEqual(set(client.greeting["perch"]), {"name", "version", "role"})
            self.assertEqual((client.greeting["perch"]["name"], client.greeting["perch"]["role"]), ("test", "owner"))
        self.assertEqual(stat.S_IMODE(self.host.socket.stat().st_mode), 0o660)
        self.assertEqual(stat.S_IMODE(self.host.run_dir.stat().st_mode), 0o700)

    def test_the_list_of_methods_is_true(self):
        methods = self.call("host.methods")["methods"]
        self.assertLessEqual(METHODS, {method["name"] for method in methods})
        for method in methods:
            with self.subTest(method["name"]):
                self.assertTrue(method["summary"])
                unknown = self.refuses("usage", self.call, method["name"], surplus=1)
                self.assertEqual(unknown.code, INVALID_PARAMS)
                self.assertIn('"surplus"', unknown.message)
                for parameter in method["parameters"]:
                    self.assertTrue(parameter["description"])
                    wrong = self.refuses("usage", self.call, method["name"], {parameter["name"]: [[1]]})
                    self.assertEqual(wrong.code, INVALID_PARAMS)
                    self.assertIn(f'"{parameter["name"]}"', wrong.message)
                if any(parameter["required"] for parameter in method["parameters"]):
                    self.assertEqual(self.refuses("usage", self.call, method["name"]).code, INVALID_PARAMS)

    def test_unknown_names_are_answered_with_the_nearest(self):
        error = self.refuses("not_found", self.call, "table.scna")
        self.assertEqual(error.code, METHOD_NOT_FOUND)
        self.assertIn('"table.scan"', error.message)
        for method, more in [("table.layout", {}), ("table.scan", {}), ("table.get", {"key": {}})]:
            self.assertIn("'trades'", self.refuses("not_found", self.call, method, table="trade", **more).message)
        self.assertIn("vwap", self.refuses("not_found", self.call, "reader.unload", name="vwp").message)
        self.assertIn('"table"', self.refuses("usage", self.call, "table.layout", tabel="trades").message)

    def test_host_status(self):
        status = self.call("host.status")
        self.assertEqual(status["pid"], self.host.pid)
        self.assertEqual([table["rows"] for table in status["tables"]], [120, 3])
        self.assertEqual(status["commits"]["rows"], 123)
        self.assertEqual([reader["name"] for reader in status["readers"]], ["vwap"])
        self.assertEqual(sum(source["rows"] for source in status["sources"]), 123)
        self.assertGreater(status["memory"]["live_bytes"], 0)

    def test_log_level(self):
        self.assertEqual(self.call("log.level"), {"level": "info"})
        self.assertEqual(self.call("log.level", level="debug"), {"level": "debug"})
        self.refuses("usage", self.call, "log.level", level="loud")
        self.assertEqual(self.call("log.level"), {"level": "debug"})

    def test_snapshots(self):
        answer = self.call("snapshot.list")
        self.assertEqual(answer["published_version"], self.call("host.status")["published_version"])
        self.assertIsInstance(answer["snapshots"], list)

    def test_sources(self):
        trades, points = self.call("source.list")["sources"]
        size = (self.folder / "trades").stat().st_size
        self.assertEqual([trades[member] for member in ("name", "type", "table", "state", "rows", "bytes")],
                         ["trades", "file", "trades", "ended", 120, size])
        self.assertEqual((trades["restarts"], trades["last_error"], trades["rejects_by_reason"]), (0, "", {}))
        self.assertEqual(trades["committed"]["bytes"], size)
        self.assertEqual(points["rows"], 3)

    def test_tables_and_layouts(self):
        trades = self.call("table.list")["tables"][0]
        value = "{ts:timestamp_ns@0;price:float64@8;size:float64@16}24:8"
        self.assertEqual((trades["key"], trades["value"]), ("{symbol:char[8]@0;seq:uint64@8}16:8", value))
        layout = self.call("table.layout", table="trades")
        self.assertEqual((layout["value"]["layout"], layout["value"]["size"]), (value, 24))
        fnv = 0xcbf29ce484222325
        for byte in value.encode():
            fnv = (fnv ^ byte) * 0x100000001b3 % 2**64
        self.assertEqual(layout["value"]["hash"], f"{fnv:016x}")
        self.assertEqual(trades["value_hash"], f"{fnv:016x}")
        self.assertEqual(layout["key"]["fields"][1], {"name": "seq", "type": "uint64", "offset": 8})

    def test_get(self):
        answer = self.call("table.get", table="trades", key={"symbol": "BBB", "seq": 7})
        self.assertEqual(answer["rows"], [trade("BBB", 7, 1.75, 1.0, 7)])
        self.assertEqual(self.call("table.get", table="trades", key={"symbol": "BBB", "seq": 99})["rows"], [])
        for row in self.points:  # 64-bit integers are exact
            self.assertEqual(self.call("table.get", table="points", key={"id": row["id"]})["rows"], [row])
        for key, word in [({"symbol": "BBB"}, "seq"), ({"symbol": "BBB", "seq": "7"}, "seq"), ({}, "symbol"),
                          ({"symbol": "BBB", "seq": -1}, "seq"), ({"symbol": "BBB", "seq": 2**64}, "seq"),
                          ({"symbol": 1, "seq": 7}, "symbol"), ({"symbol": "BBB", "seq": 7, "x": 1}, "x"),
                          ({"symbol": "ninebytes", "seq": 7}, "symbol")]:
            with self.subTest(key):
                self.assertIn(word, self.refuses("usage", self.call, "table.get", table="trades", key=key).message)

    def test_scan(self):
        def rows(**range_):
            return [(row["symbol"], row["seq"]) for row in self.call("table.scan", table="trades", **range_)["rows"]]

        everything = [(row["symbol"], row["seq"]) for row in TRADE_ROWS]
        self.assertEqual(rows(), everything[:100])
        self.assertEqual(rows(limit=1000), everything)
        self.assertEqual(rows(limit=1000, reverse=True), everything[::-1])
        self.assertEqual(rows(prefix={"symbol": "BBB"}), everything[40:80])
        self.assertEqual(rows(prefix={"symbol": "B"}), [], "a prefix is made of whole fields")
        middle = {"from": {"symbol": "BBB", "seq": 38}, "to": {"symbol": "ZZZ", "seq": 2}}
        self.assertEqual(rows(**middle), everything[77:82])
        self.assertEqual(rows(**middle, from_exclusive=True, to_exclusive=True), everything[78:81])
        self.assertEqual(rows(**{"from": {"symbol": "BBB"}, "from_exclusive": True}), everything[80:])
        self.assertEqual(rows(to={"symbol": "BBB"}, limit=1000), everything[:80])
        self.assertEqual(rows(**{"from": {"symbol": "ZZZ"}, "to": {"symbol": "AAA"}}), [])
        answer = self.call("table.scan", table="trades", limit=5)
        self.assertEqual((answer["truncated"], answer["last_key"]), (True, {"symbol": "AAA", "seq": 5}))
        self.assertNotIn("truncated", self.call("table.scan", table="trades", limit=120))
        self.assertEqual(list(self.host.scan("trades", page=7)), TRADE_ROWS)
        self.assertEqual(list(self.host.scan("points")), self.points)
        for bad in ({"limit": 0}, {"limit": 10001}, {"limit": -1}, {"from": {"seq": 1}}, {"prefix": {"symbl": "A"}}):
            with self.subTest(bad):
                self.refuses("usage", self.call, "table.scan", table="trades", **bad)


class ReaderMethods(ControlTest):
    probation = "30s"

    def test_load_and_unload(self):
        marked = str(TEST_PLUGINS / "marked.so")
        reader = self.call("reader.load", file=marked)["reader"]
        self.assertEqual((reader["name"], reader["plugin"], reader["plugin_version"], reader["state"]),
                         ("marked", "marked", "1.0.0", "running"))
        second = self.call("reader.load", file=marked, name="second")["reader"]
        self.assertEqual(second["name"], "second")
        self.assertGreater(second["generation"], reader["generation"])
        self.assertEqual(set(self.host.readers()), {"vwap", "marked", "second"})
        self.assertIn("already", self.refuses("refused", self.call, "reader.load", file=marked).message)
        self.assertEqual(self.call("reader.unload", name="marked"), {"unloaded": "marked", "left": ""})
        self.assertEqual(set(self.host.readers()), {"vwap", "second"})
        self.refuses("not_found", self.call, "reader.unload", name="marked")
        self.assertEqual(self.call("reader.load", file=marked)["reader"]["restarts"], 0)

    def test_what_cannot_be_loaded(self):
        vwap = str(PLUGINS / "vwap.so")
        self.assertIn("absolute", self.refuses("usage", self.call, "reader.load", file="vwap.so").message)
        self.refuses("usage", self.call, "reader.load", file=vwap, name="a/b")
        error = self.refuses("usage", self.call, "reader.load", file=vwap, name="other", config={"evry": "1s"})
        self.assertIn("evry", error.text())
        self.refuses("usage", self.call, "reader.load", file=vwap, name="other", config={"every": 5})
        self.assertIn("nowhere.so", self.refuses("not_found", self.call, "reader.load", file="/nowhere.so").message)
        self.assertEqual(set(self.host.readers()), {"vwap"})

    def test_inspect(self):
        answer = self.call("reader.inspect", file=str(PLUGINS_NEXT / "vwap.so"))
        manifest = answer["manifest"]
        self.assertEqual((manifest["id"], manifest["version"], answer["compatible"]), ("vwap", "1.1.0", True))
        self.assertEqual(manifest["tables"][0]["name"], "trades")

    def start_swap(self, **more):
        """Asks for a swap on a connection of its own, and waits until its probation has begun."""
        client = self.host.connect()
        client.send({"jsonrpc": "2.0", "id": 1, "method": "reader.swap",
                     "params": {"name": "vwap", "file": str(PLUGINS_NEXT / "vwap.so"), **more}})
        self.host.wait_for_reader("vwap", "probation")
        return client

    def test_a_swap_is_answered_after_its_probation(self):
        begin = time.monotonic()
        report = self.call("reader.swap", name="vwap", file=str(PLUGINS_NEXT / "vwap.so"), probation="200ms")
        self.assertGreaterEqual(time.monotonic() - begin, 0.19)
        self.assertEqual((report["from_version"], report["to_version"]), ("1.0.0", "1.1.0"))
        self.assertEqual(report["generation"], self.host.readers()["vwap"]["generation"])
        self.assertEqual(report["at_version"], self.call("host.status")["published_version"])
        self.assertTrue(report["steps"])

    def test_accept_ends_a_probation(self):
        with self.start_swap() as client:
            self.assertEqual(self.call("reader.accept", name="vwap")["reader"]["plugin_version"], "1.1.0")
            self.assertEqual(client.reply()["result"]["to_version"], "1.1.0")
        self.assertEqual(self.host.readers()["vwap"]["state"], "running")
        self.refuses("refused", self.call, "reader.accept", name="vwap")

    def test_rollback_brings_the_old_generation_back(self):
        generation = self.host.readers()["vwap"]["generation"]
        with self.start_swap() as client:
            self.call("reader.rollback", name="vwap")
            self.assertEqual(client.reply()["error"]["data"]["kind"], "rolled_back")
        reader = self.host.readers()["vwap"]
        self.assertEqual((reader["state"], reader["generation"], reader["plugin_version"]),
                         ("running", generation, "1.0.0"))

    def test_a_swap_to_something_that_does_not_fit_leaves_the_reader_as_it_was(self):
        before = self.host.readers()["vwap"]
        for file, kind in [("vwap_other_layout", "incompatible"), ("other_layout", "refused"), ("marked", "refused"),
                           ("no_plugin", "refused")]:
            with self.subTest(file):
                self.refuses(kind, self.call, "reader.swap", name="vwap", file=str(TEST_PLUGINS / f"{file}.so"))
                reader = self.host.readers()["vwap"]
                self.assertEqual((reader["state"], reader["generation"]), ("running", before["generation"]))
        self.refuses("not_found", self.call, "reader.swap", name="nobody")

    def test_events(self):
        with self.host.connect() as listener:
            answer = listener.subscribe(kinds=["reader.loaded", "reader.unloaded"], reader="marked")
            self.assertEqual(answer["subscribed"]["reader"], "marked")
            self.call("reader.load", file=str(TEST_PLUGINS / "marked.so"), name="another")
            self.call("reader.load", file=str(TEST_PLUGINS / "marked.so"))
            self.call("reader.unload", name="marked")
            events = [listener.event(), listener.event()]
            self.assertEqual([event["kind"] for event in events], ["reader.loaded", "reader.unloaded"])
            self.assertEqual({event["reader"] for event in events}, {"marked"})
            self.assertLess(events[0]["sequence"], events[1]["sequence"])
            # The connection still answers, and a second subscription takes the first one's place.
            listener.subscribe(kinds=["publication"], topic="rows", reader="marked")
            self.call("reader.load", file=str(TEST_PLUGINS / "marked.so"))
            event = listener.event()
            self.assertEqual((event["kind"], event["topic"], event["data"]), ("publication", "rows", {"rows": 120}))


class Protocol(ControlTest):
    def error(self, client):
        reply = client.receive()
        self.assertEqual(reply["jsonrpc"], "2.0")
        self.assertTrue(reply["error"]["message"])
        return reply["id"], reply["error"]["code"]

    def test_what_is_no_request(self):
        with self.host.connect() as client:
            for line, code in [(b"hello\n", PARSE_ERROR), (b"{\n", PARSE_ERROR), (b"\xff\xfe\n", PARSE_ERROR),
                               (b"\0\n", PARSE_ERROR), (b"[]\n", INVALID_REQUEST),
                               (b"17\n", INVALID_REQUEST), (b"null\n", INVALID_REQUEST),
                               (b"{}\n", INVALID_REQUEST), (b"[" * 10000 + b"\n", INVALID_REQUEST),
                               (b'{"jsonrpc":"1.0","id":1,"method":"host.status"}\n', INVALID_REQUEST),
                               (b'{"jsonrpc":"2.0","id":1}\n', INVALID_REQUEST),
                               (b'{"jsonrpc":"2.0","id":[],"method":"host.status"}\n', INVALID_REQUEST),
                               (b'{"jsonrpc":"2.0","id":7,"method":"host.status","params":[]}\n', INVALID_PARAMS)]:
                with self.subTest(line[:40]):
                    client.send(line)
                    self.assertEqual(self.error(client)[1], code)
            client.send(b"\n \r\n" + b'{"jsonrpc":"2.0","id":"a","method":"host.methods"}\r\n')
            self.assertEqual(client.receive()["id"], "a", "blank lines are nothing")

    def test_requests_in_a_row_and_in_pieces(self):
        request = b'{"jsonrpc":"2.0","id":%d,"method":"table.list"}\n'
        with self.host.connect() as client:
            client.send(b"".join(request % id for id in range(500)))
            self.assertEqual([client.receive()["id"] for _ in range(500)], list(range(500)))
            for byte in request % 1000:
                client.send(bytes([byte]))
            self.assertEqual(client.receive()["id"], 1000)

    def test_a_notification_is_not_answered(self):
        with self.host.connect() as client:
            client.send(b'{"jsonrpc":"2.0","method":"table.list"}\n{"jsonrpc":"2.0","method":"nonsense"}\n')
            self.assertIn("tables", client.call("table.list"))

    def test_ids_come_back_as_they_were(self):
        with self.host.connect() as client:
            for id in ("text", 2**63, -1, "", None):
                client.send({"jsonrpc": "2.0", "id": id, "method": "host.methods"})
                self.assertEqual(client.receive()["id"], id)

    def test_a_line_that_is_too_long_is_refused_and_the_next_one_served(self):
        with self.host.connect() as client:
            client.send(b'{"jsonrpc":"2.0","id":1,"method":"' + b"x" * (2 << 20) + b'"}\n')
            self.assertEqual(self.error(client), (None, INVALID_REQUEST))
            self.assertIn("tables", client.call("table.list"))

    def test_a_half_closed_connection_gets_its_answers(self):
        with self.host.connect() as client:
            client.send(b'{"jsonrpc":"2.0","id":1,"method":"table.list"}\n'
                        b'{"jsonrpc":"2.0","id":2,"method":"host.methods"}')
            client.socket.shutdown(socket.SHUT_WR)
            self.assertEqual([client.receive()["id"] for _ in range(2)], [1, 2], "the last line needs no newline")
            self.assertEqual(client.file.read(), b"", "then it is closed")

    @unittest.skipUnless(shutil.which("socat"), "no socat")
    def test_socat_and_nothing_else(self):
        done = subprocess.run(["socat", "-t", "20", "-", f"UNIX-CONNECT:{self.host.socket}"], capture_output=True,
                              input=b'{"jsonrpc":"2.0","id":1,"method":"table.list"}\n', check=True,
                              timeout=perch_host.seconds(30))
        greeting, answer = map(json.loads, done.stdout.splitlines())
        self.assertEqual(greeting["perch"]["name"], "test")
        self.assertEqual(answer["result"]["tables"][0]["rows"], 120)


class BadPeers(ControlTest):
    def test_garbage(self):
        noise = random.Random(1)
        for _ in range(20):
            with self.host.connect() as client, contextlib.suppress(BrokenPipeError, ConnectionResetError):
                client.send(noise.randbytes(noise.choice([1, 100, 10_000, 300_000])))
        self.check_alive()

    def test_sixty_four_connections_and_one_more(self):
        clients = [self.host.connect() for _ in range(63)]  # and the harness's own
        for client in clients:
            client.subscribe()  # else the one that nobody uses would make room
        self.host.call("events.subscribe")
        turned_away = self.host.connect()
        self.assertEqual(turned_away.greeting["error"]["data"]["kind"], "exhausted")
        self.assertEqual(turned_away.file.read(), b"")
        self.check_alive()
        for client in clients:
            self.assertIn("perch", client.greeting)
            client.call("table.list")
        clients[0].close()
        eventually(lambda: "perch" in self.host.connect().greeting, "there is room again")

    def test_one_that_asks_and_does_not_read_is_closed_and_holds_nobody_up(self):
        rude = self.host.connect()
        rude.socket.settimeout(perch_host.seconds(60))
        request = b'{"jsonrpc":"2.0","id":1,"method":"table.scan","params":{"table":"trades","limit":120}}\n'
        with self.assertRaises((BrokenPipeError, ConnectionResetError)):
            deadline = time.monotonic() + perch_host.seconds(60)
            while time.monotonic() < deadline:
                rude.send(request * 100)
                self.check_alive()
        self.check_alive()

    def test_one_that_leaves_in_the_middle_of_an_answer(self):
        for _ in range(50):
            client = Client(self.host.socket)
            client.send(b'{"jsonrpc":"2.0","id":1,"method":"table.scan","params":{"table":"trades"}}\n' * 20)
            client.close()
        self.check_alive()

    def test_one_that_leaves_during_a_swap_that_goes_on(self):
        client = Client(self.host.socket)
        client.send({"jsonrpc": "2.0", "id": 1, "method": "reader.swap",
                     "params": {"name": "vwap", "file": str(PLUGINS_NEXT / "vwap.so"), "probation": "100ms"}})
        client.close()
        self.host.wait_for_reader("vwap", "running", plugin_version="1.1.0")


if __name__ == "__main__":
    unittest.main()
