"""host.reload: what a changed config adds and takes away while everything else goes on, and what it refuses."""
import json
import signal
import socket
import stat
import threading
import unittest

import perch_host
from perch_host import PLUGINS, PerchTest, RpcError, config, eventually, ndjson, perch

TRADES = {"key": [{"name": "symbol", "type": "char[8]"}, {"name": "seq", "type": "uint64"}],
          "value": [{"name": "ts", "type": "timestamp_ns"}, {"name": "price", "type": "float64"},
                    {"name": "size", "type": "float64"}]}
BARS = {"rollup": {"of": "trades", "group": ["symbol"], "aggregate": {"n": "count()", "last": "last(price)"}}}


def trade(seq):
    return {"symbol": "A", "seq": seq, "ts": seq, "price": seq / 2, "size": 1}


class Reload(PerchTest):
    def setUp(self):
        super().setUp()
        (self.folder / "plugins").mkdir()
        (self.folder / "plugins" / "vwap.so").write_bytes((PLUGINS / "vwap.so").read_bytes())
        self.path = self.folder / "a.sock"
        self.config = config({"trades": TRADES}, [self.source("a")], readers={
            "folder": str(self.folder / "plugins"), "instances": [{"name": "first", "plugin": "vwap"}]})

    def source(self, name, table="trades", **more):
        return {"name": name, "type": "unix", "listen": str(self.folder / f"{name}.sock"), "table": table, **more}

    def send(self, name, rows):
        feed = socket.socket(socket.AF_UNIX)
        self.addCleanup(feed.close)
        feed.settimeout(perch_host.seconds(30))
        feed.connect(str(self.folder / f"{name}.sock"))
        feed.sendall(ndjson(rows))
        return feed

    def write(self, host):
        host.config_file.write_text(json.dumps(self.config))

    def reload(self, host):
        self.write(host)
        return host.call("host.reload")

    def test_tables_rollups_sources_and_readers_come_while_rows_flow(self):
        host = self.start(self.config)
        feed = self.send("a", [trade(i) for i in range(100)])
        eventually(lambda: host.rows("trades") == 100, "the first rows")
        self.config["tables"] = {"bars": BARS, "quotes": TRADES, **self.config["tables"]}
        self.config["sources"].append(self.source("b", feeds=[{"table": "quotes"}, {"table": "trades"}]))
        del self.config["sources"][1]["table"]
        self.config["readers"]["instances"].append({"name": "second", "plugin": "vwap", "config": {"every": "0"}})
        self.config["commit"] = {"max_rows": 7}
        report = self.reload(host)
        self.assertEqual((report["added_tables"], report["added_sources"], report["added_readers"], report["other"]),
                         (["bars", "quotes"], ["b"], ["second"], ["commit"]))
        self.assertEqual(report["problems"], [])
        # The first connection never broke; the rollup counts from when it was there.
        feed.sendall(ndjson([trade(i) for i in range(100, 150)]))
        self.send("b", [trade(i) for i in range(150, 160)])
        eventually(lambda: host.rows("trades") == 160 and host.rows("quotes") == 10, "rows of both")
        eventually(lambda: [row["n"] for row in host.scan("bars")] == [60], "the rollup")
        readers = {reader["name"]: reader["state"] for reader in host.call("reader.list")["readers"]}
        self.assertEqual(readers, {"first": "running", "second": "running"})
        self.assertEqual(self.reload(host)["added_sources"], [])

    def test_sources_and_readers_go_and_change(self):
        self.config["sources"].append(self.source("b"))
        host = self.start(self.config)
        kept = self.send("a", [trade(i) for i in range(10)])
        self.send("b", [trade(i) for i in range(10, 20)])
        eventually(lambda: host.rows("trades") == 20, "the first rows")
        self.config["sources"][1]["format"] = "csv"
        self.config["readers"]["instances"] = [{"name": "other", "plugin": "vwap"}]
        report = self.reload(host)
        self.assertEqual((report["changed_sources"], report["removed_sources"], report["added_sources"]),
                         (["b"], [], []))
        self.assertEqual((report["added_readers"], report["removed_readers"]), (["other"], ["first"]))
        feed = socket.socket(socket.AF_UNIX)
        self.addCleanup(feed.close)
        feed.connect(str(self.folder / "b.sock"))
        feed.sendall(b"symbol,seq,ts,price,size\nB,1,1,1,1\n")
        kept.sendall(ndjson([trade(99)]))
        eventually(lambda: host.rows("trades") == 22, "rows of the changed source and of the other")
        del self.config["sources"][1]
        self.assertEqual(self.reload(host)["removed_sources"], ["b"])
        self.assertFalse((self.folder / "b.sock").exists())
        self.assertEqual([source["name"] for source in host.call("source.list")["sources"]], ["a"])
        self.assertEqual([reader["name"] for reader in host.call("reader.list")["readers"]], ["other"])
        kept.sendall(ndjson([trade(100)]))
        eventually(lambda: host.rows("trades") == 23, "the last source goes on")

    def test_a_listener_that_changes_takes_its_socket_on_with_its_new_mode(self):
        self.config["sources"][0]["mode"] = "0600"
        host = self.start(self.config)
        feed = self.send("a", [trade(i) for i in range(10)])
        eventually(lambda: host.rows("trades") == 10, "the first rows")
        before = self.path.stat()
        self.config["sources"][0]["mode"] = "0666"
        self.assertEqual(self.reload(host)["changed_sources"], ["a"])
        after = self.path.stat()
        self.assertEqual((after.st_ino, stat.S_IMODE(before.st_mode), stat.S_IMODE(after.st_mode)),
                         (before.st_ino, 0o600, 0o666))
        self.send("a", [trade(99)])
        eventually(lambda: host.rows("trades") == 11, "a row through the same socket")
        feed.close()

    def test_what_cannot_change_is_refused_as_a_whole(self):
        host = self.start(self.config)
        before = json.dumps([host.call("source.list"), host.call("table.list")["tables"]])
        self.config["arena"] = {"size": "77MiB"}
        self.config["tables"]["trades"]["value"][1]["type"] = "float32"
        self.config["tables"]["trades"]["retain"] = {"rows": 5}
        self.config["tables"]["more"] = TRADES
        self.config["sources"] = []
        self.write(host)
        with self.assertRaises(RpcError) as refused:
            host.call("host.reload")
        text = refused.exception.text()
        self.assertEqual(refused.exception.kind, "refused")
        for point in ("arena.size: runs with", "cannot become 77.0 MiB", "tables.trades.value: runs with",
                      "tables.trades.retain cannot change"):
            self.assertIn(point, text)
        self.assertEqual(len(refused.exception.details), 3, text)
        self.assertEqual(json.dumps([host.call("source.list"), host.call("table.list")["tables"]]), before)

    def test_a_bad_file_and_a_source_that_does_not_open_change_nothing(self):
        host = self.start(self.config)
        host.config_file.write_text("{ no config")
        done = perch("--socket", host.socket, "reload")
        self.assertEqual(done.returncode, 2, done)
        self.config["tables"]["more"] = TRADES
        (self.folder / "b.sock").write_text("in the way")
        self.config["sources"] = [self.source("b", "more")]
        self.write(host)
        done = perch("--socket", host.socket, "reload")
        self.assertEqual(done.returncode, 1, done)
        self.assertIn("there is a file that is no socket; nothing was changed", done.stderr)
        self.assertEqual([table["name"] for table in host.call("table.list")["tables"]], ["trades"])
        self.assertEqual([source["name"] for source in host.call("source.list")["sources"]], ["a"])

    def test_sighup_reloads(self):
        host = self.start(self.config)
        self.config["tables"]["more"] = TRADES
        self.write(host)
        host.process.send_signal(signal.SIGHUP)
        eventually(lambda: len(host.call("table.list")["tables"]) == 2, "the new table")
        done = perch("--socket", host.socket, "reload")
        self.assertEqual((done.returncode, done.stdout), (0, "nothing changed\n"))

    def test_reloads_under_full_load_lose_no_row(self):
        host = self.start(self.config)
        rows = perch_host.fewer(100_000)
        feed = self.send("a", [])
        sender = threading.Thread(target=lambda: feed.sendall(ndjson([trade(i) for i in range(rows)])))
        sender.start()
        for turn in range(8):
            self.config["tables"][f"t{turn}"] = TRADES
            self.config["sources"] = [self.source("a"), self.source(f"s{turn}", f"t{turn}")]
            self.assertEqual(self.reload(host)["problems"], [])
            self.send(f"s{turn}", [trade(i) for i in range(50)])
            eventually(lambda: host.rows(f"t{turn}") == 50, "the new source's rows")
        sender.join()
        eventually(lambda: host.rows("trades") == rows, "every row")
        self.assertEqual(host.source("a")["committed"]["rows"], rows)


if __name__ == "__main__":
    unittest.main()
