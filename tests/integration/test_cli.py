"""The command `perch`: what it prints, for people and as JSON, and its exit codes."""
import json
import signal
import subprocess
import unittest

import perch_host
from perch_host import BIN, PLUGINS, PLUGINS_NEXT, SOURCE, TEST_PLUGINS, perch, run
from test_control import ControlTest, TRADE_ROWS

DONE, FAILED, USAGE, NO_HOST, INCOMPATIBLE, ROLLED_BACK, TIMEOUT = range(7)


class Commands(ControlTest):
    def text(self, *arguments):
        done = self.host.cli(*arguments)
        self.assertEqual((done.returncode, done.stderr), (DONE, ""), arguments)
        return done.stdout

    def test_for_people(self):
        for arguments, words in [(["status"], ["test", "version", "trades", "120", "vwap 1.0.0", "running"]),
                                 (["readers"], ["READER", "vwap", "1.0.0", "running"]),
                                 (["sources"], ["SOURCE", "trades", "file", "ended", "120"]),
                                 (["tables"], ["TABLE", "{symbol:char[8]@0;seq:uint64@8}16:8", "all"]),
                                 (["layout", "trades"], ["{ts:timestamp_ns@0;price:float64@8;size:float64@16}24:8"]),
                                 (["get", "trades", "symbol=BBB", "seq=7"], ["BBB", "1.75"]),
                                 (["scan", "trades", "--prefix", "symbol=ZZZ", "--limit", "40"], ["ZZZ", "40"]),
                                 (["inspect", str(PLUGINS / "vwap.so")], ["vwap", "1.0.0", "trades"])]:
            with self.subTest(arguments):
                printed = self.text(*arguments)
                for word in words:
                    self.assertIn(word, printed)

    def test_as_json(self):
        self.assertEqual(self.host.cli_json("status")["tables"][0]["rows"], 120)
        self.assertEqual(self.host.cli_json("readers")["readers"][0]["name"], "vwap")
        self.assertEqual(self.host.cli_json("sources")["sources"][0]["rows"], 120)
        self.assertEqual(self.host.cli_json("tables")["tables"], self.call("table.list")["tables"])
        self.assertEqual(self.host.cli_json("layout", "trades"), self.call("table.layout", table="trades"))
        self.assertEqual(self.host.cli_json("get", "trades", "symbol=BBB", "seq=7")["rows"][0]["price"], 1.75)
        lines = self.text("--json", "scan", "trades", "--limit", "1000").splitlines()
        self.assertEqual(list(map(json.loads, lines)), TRADE_ROWS)
        self.assertEqual(self.host.cli_json("inspect", str(PLUGINS_NEXT / "vwap.so"))["manifest"]["version"], "1.1.0")
        self.assertEqual(self.host.cli_json("get", "points", f"id={2**64 - 1}")["rows"], [{"id": 2**64 - 1, "x": 0}])

    def test_scan_ranges(self):
        scan = lambda *range_: [(row["symbol"], row["seq"]) for row in map(
            json.loads, self.text("--json", "scan", "trades", *range_).splitlines())]
        self.assertEqual(scan("--from", "symbol=BBB", "seq=39", "--limit", "3"), [("BBB", 39), ("BBB", 40), ("ZZZ", 1)])
        self.assertEqual(scan("--reverse", "--limit", "2"), [("ZZZ", 40), ("ZZZ", 39)])
        self.assertEqual(scan("--from", "symbol=BBB", "--from-exclusive", "--to", "symbol=ZZZ", "seq=2"),
                         [("ZZZ", 1), ("ZZZ", 2)])

    def test_check_tree(self):
        printed = self.text("check-tree")
        self.assertRegex(printed, r"trades +120 +\d+ +\d+ ")
        self.assertRegex(printed, r"\nversion \d+ is whole\n$")
        checked = self.host.cli_json("check-tree")
        status = self.host.status()
        self.assertEqual({table["name"]: table["rows"] for table in checked["tables"]},
                         {table["name"]: table["rows"] for table in status["tables"]})
        self.assertLessEqual(checked["version"], status["published_version"])
        perch_host.eventually(lambda: self.call("client.list")["clients"] == [], "its pin is given up")

    def test_load_swap_unload(self):
        marked = str(TEST_PLUGINS / "marked.so")
        self.assertIn("mine: running, marked 1.0.0", self.text("load", marked, "--name", "mine"))
        self.assertIn("1.0.0 -> 1.1.0", self.text("swap", "vwap", str(PLUGINS_NEXT / "vwap.so"), "--probation", "0"))
        self.assertEqual(self.host.readers()["vwap"]["plugin_version"], "1.1.0")
        self.text("load", str(PLUGINS / "vwap.so"), "--name", "slow", "--config", '{"every":"10s"}')
        (self.folder / "reader.json").write_text('{"every":"20s"}')
        self.text("load", str(PLUGINS / "vwap.so"), "--name", "slower", "--config", f"@{self.folder}/reader.json")
        for name in ("mine", "slow", "slower"):
            self.assertIn(name, self.text("unload", name))
        self.assertEqual(set(self.host.readers()), {"vwap"})

    def test_relative_paths_are_those_of_the_caller(self):
        (self.host.folder / "own.so").symlink_to(TEST_PLUGINS / "no_plugin.so")
        self.assertIn(str(self.host.folder / "own.so"), self.host.cli("load", "own.so").stderr)

    def test_tail_shows_publications(self):
        tail = self.start_perch("--json", "tail", "--reader", "marked", "--count", "1", stdout=subprocess.PIPE)
        with tail:
            # Loaded again and again, since nobody tells when `perch tail` has subscribed.
            def publication():
                self.call("reader.load", file=str(TEST_PLUGINS / "marked.so"))
                self.call("reader.unload", name="marked")
                return tail.poll() is not None
            perch_host.eventually(publication, "perch tail has seen one")
            event = json.loads(tail.stdout.read())
        self.assertEqual((tail.returncode, event["kind"], event["topic"], event["data"]),
                         (DONE, "publication", "rows", {"rows": 120}))

    def test_tail_ends_with_ctrl_c_and_with_the_host(self):
        for end, code in [(lambda tail: tail.send_signal(signal.SIGINT), DONE),
                          (lambda tail: self.host.stop(), NO_HOST)]:
            with self.start_perch("tail", "--events", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as tail:
                perch_host.eventually(lambda: self.takes_signals(tail.pid), "it takes signals")
                end(tail)
                self.assertEqual(tail.wait(perch_host.seconds(20)), code)

    def takes_signals(self, pid):
        """SIGINT and SIGTERM are blocked, hence waited for."""
        with open(f"/proc/{pid}/status", encoding="utf8") as file:
            return "SigBlk:\t0000000000004002" in file.read()

    def test_layout_cpp_is_what_the_plugins_were_built_with(self):
        (self.folder / "printed.hpp").write_text(self.text("layout", "trades", "--cpp"))
        (self.folder / "compare.cpp").write_text("""
            #define trades trades_printed
            #include "printed.hpp"
            #undef trades
            #include "SOURCE/plugins/vwap/trades.hpp"
            static_assert(perch::layout_text<trades::Key>() == perch::layout_text<trades_printed::Key>());
            static_assert(perch::layout_text<trades::Value>() == perch::layout_text<trades_printed::Value>());
            static_assert(trades::Table::name == trades_printed::Table::name);
        """.replace("SOURCE", str(SOURCE)))
        done = run("g++", "-std=c++20", "-fsyntax-only", "-I", SOURCE / "plugin_sdk/include",
                   self.folder / "compare.cpp", timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((SOURCE / "plugins/vwap/trades.hpp").read_text(), (self.folder / "printed.hpp").read_text())


class ExitCodes(ControlTest):
    probation = "30s"

    def check(self, code, words, *arguments):
        done = self.host.cli(*arguments)
        self.assertEqual(done.returncode, code, done)
        for word in words:
            self.assertIn(word, done.stderr)
        return done

    def test_1_failed(self):
        self.check(FAILED, ["no such row"], "get", "trades", "symbol=BBB", "seq=77")
        self.check(FAILED, ["'trades'"], "scan", "trade")
        self.check(FAILED, ["nobody"], "unload", "nobody")
        self.check(FAILED, ["no reader plugin"], "load", str(TEST_PLUGINS / "no_plugin.so"))
        failed = self.check(FAILED, [], "--json", "layout", "trade")
        self.assertEqual(json.loads(failed.stdout)["error"]["kind"], "not_found")

    def test_2_usage(self):
        misspelt = self.check(USAGE, ['no command "staus"', '"perch status"'], "staus")
        self.assertNotIn("subcommand is required", misspelt.stderr)
        self.check(USAGE, [], "scan")
        for number in ("0", "-1", "x", "010", "1000000000001"):
            self.check(USAGE, ["a whole number from 1 to 1000000000000"], "scan", "trades", "--limit", number)
        self.check(USAGE, ["a whole number"], "tail", "--count", "-1")
        self.check(USAGE, ["at most 1h"], "swap", "marked", "--probation", "2h")
        self.check(USAGE, ["field=value"], "get", "trades", "BBB")
        self.check(USAGE, ["seq"], "get", "trades", "symbol=BBB")
        self.check(USAGE, ["symbl"], "scan", "trades", "--prefix", "symbl=BBB")
        self.check(USAGE, ["5 parsecs"], "--timeout", "5 parsecs", "status")
        self.assertEqual(perch().returncode, USAGE)
        self.assertEqual(perch("--help").returncode, DONE)
        self.assertEqual(perch("scan", "--help").returncode, DONE)
        self.assertIn("--timeout", perch("tail", "--help").stdout)
        for program in ("perch", "perch-feed", "perchd"):
            done = subprocess.run([BIN / program, "--version"], capture_output=True, text=True, timeout=20)
            self.assertEqual((done.returncode, done.stdout.split()[:1]), (DONE, [program]))

    def test_3_no_host(self):
        for arguments in (["status"], ["tail"], ["load", str(PLUGINS / "vwap.so")]):
            done = perch("--socket", self.folder / "nowhere.sock", *arguments)
            self.assertEqual(done.returncode, NO_HOST, done)
            self.assertIn("nowhere.sock", done.stderr)
        done = perch("status", folder=self.folder, environment={"PERCH_SOCKET": ""})
        self.assertIn(done.returncode, (USAGE, NO_HOST))

    def test_4_incompatible(self):
        for arguments in (["load", "other_layout"], ["swap", "vwap", "vwap_other_layout"]):
            done = self.check(INCOMPATIBLE, ["field seq", "field price", "field size", "perch layout trades --cpp"],
                              *arguments[:-1], str(TEST_PLUGINS / f"{arguments[-1]}.so"))
            self.assertEqual(done.stdout, "")

    def test_5_rolled_back(self):
        with self.start_perch("swap", "vwap", PLUGINS_NEXT / "vwap.so", stderr=subprocess.DEVNULL) as swap:
            self.host.wait_for_reader("vwap", "probation")
            self.check(DONE, [], "rollback", "vwap")
            self.assertEqual(swap.wait(perch_host.seconds(20)), ROLLED_BACK)
        self.assertEqual(self.host.readers()["vwap"]["plugin_version"], "1.0.0")

    def test_6_timeout(self):
        self.check(TIMEOUT, ["--timeout"], "--timeout", "100ms", "swap", "vwap", str(PLUGINS_NEXT / "vwap.so"))
        self.host.wait_for_reader("vwap", "probation")
        self.check(DONE, [], "accept", "vwap")
        self.assertEqual(self.host.readers()["vwap"]["plugin_version"], "1.1.0")
        self.check(TIMEOUT, ['no reader "nope" yet (readers: vwap)', "nothing was published within 200ms"],
                   "--timeout", "200ms", "tail", "--reader", "nope")


if __name__ == "__main__":
    unittest.main()
