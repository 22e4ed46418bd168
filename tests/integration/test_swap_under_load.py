"""A hundred swaps between two versions of a reader while rows come in as fast as they can: its totals stay exact."""
import collections
import json
import sys
import unittest

import perch_host
from perch_host import PLUGINS, PLUGINS_NEXT, PerchTest, TRADES, config, fewer

SWAPS = 100 if perch_host.SLOWNESS == 1 else 20
ROWS_FAST = fewer(3_000_000)
FILES = [PLUGINS_NEXT / "vwap.so", PLUGINS / "vwap.so"]  # the first swap is to the newer one
VERSIONS = ["1.1.0", "1.0.0"]


class SwapUnderLoad(PerchTest):
    limit = 240

    def start_host(self):
        feed = {"name": "feed", "type": "exec", "table": "trades", "restart": "never",
                "command": [sys.executable, str(perch_host.SOURCE / "tests/integration/unthrottled_feed.py"),
                            str(self.folder), str(ROWS_FAST), str(perch_host.BIN / "perch-feed"), "market",
                            "--rate", "0", "--seed", "11"]}
        plugins = self.folder / "plugins"
        plugins.mkdir()
        perch_host.drop(FILES[1], plugins)
        readers = {"folder": str(plugins), "probation": "0",
                   "instances": [{"name": "vwap", "plugin": "vwap", "config": {"every": "0"}}]}
        ample = {**TRADES, "retain": {"rows": 100_000_000}}
        return self.start(config({"trades": ample}, [feed], readers, arena={"size": "4GiB"}))

    def swap(self, host, turn):
        report = host.call("reader.swap", name="vwap", file=str(FILES[turn % 2]), probation="0")
        self.assertEqual((report["from_version"], report["to_version"]), (VERSIONS[1 - turn % 2], VERSIONS[turn % 2]))
        return report

    def totals_fed(self):
        """Trades, volume and turnover per symbol, from the copy of what was fed."""
        trades, volume, turnover = collections.Counter(), collections.Counter(), collections.Counter()
        keys = set()
        with (self.folder / "fed").open("rb") as file:
            for line in file:
                row = json.loads(line)
                trades[row["symbol"]] += 1
                volume[row["symbol"]] += row["size"]
                turnover[row["symbol"]] += row["price"] * row["size"]
                keys.add((row["symbol"], row["seq"]))
        self.assertEqual(len(keys), trades.total(), "the feed only inserts")
        return trades, volume, turnover

    def test_no_commit_is_missed_and_none_seen_twice(self):
        host = self.start_host()
        perch_host.eventually(lambda: host.rows("trades") > 1000, "rows come in")
        at_versions = [self.swap(host, 0)["at_version"]]
        counts_after_first = host.counts()
        for turn in range(1, SWAPS):
            perch_host.eventually(lambda: host.readers()["vwap"]["version"] > at_versions[-1], "vwap takes a step")
            at_versions.append(self.swap(host, turn)["at_version"])
        rows_at_last_swap = host.rows("trades")
        counts_at_end = host.counts()
        (self.folder / "enough").touch()
        source = host.wait_for_source("feed")
        host.wait_until_readers_saw_all()

        trades, volume, turnover = self.totals_fed()
        self.assertEqual((source["rows"], source["rejects"]), (trades.total(), 0))
        self.assertEqual(host.rows("trades"), trades.total(), "rows in = rows fed")
        self.assertEqual(at_versions, sorted(set(at_versions)), "between any two swaps there were steps")
        self.check_reader(host)
        self.check_totals(self.publication_after_one_more_swap(host), trades, volume, turnover)
        self.check_counts(host, counts_after_first, counts_at_end)
        print(f"{SWAPS} swaps during {rows_at_last_swap} of {trades.total()} rows; {counts_after_first}, then "
              f"{counts_at_end}", file=sys.stderr)

    def check_reader(self, host):
        reader = host.readers()["vwap"]
        self.assertEqual((reader["state"], reader["restarts"], reader["last_error"], reader["pinned_libraries"]),
                         ("running", 0, "", []))
        self.assertEqual(reader["version"], host.status()["published_version"])

    def publication_after_one_more_swap(self, host):
        """The new generation publishes what it took over: nothing but the state that went through all the swaps."""
        with host.connect() as listener:
            listener.subscribe(kinds=["publication"], reader="vwap", topic="vwap")
            generation = self.swap(host, SWAPS)["generation"]
            event = listener.event()
        self.assertEqual(event["generation"], generation)
        self.assertEqual(event["data"]["version"], event["version"])
        self.assertEqual(event["version"], host.status()["published_version"])
        return event["data"]

    def check_totals(self, found, trades, volume, turnover):
        self.assertEqual(found["trades"], trades.total())
        self.assertEqual({symbol: totals["trades"] for symbol, totals in found["symbols"].items()}, trades)
        near = lambda a, b: abs(a - b) <= 1e-9 * abs(b)
        self.assertTrue(near(found["volume"], volume.total()), f"{found['volume']} for {volume.total()}")
        for symbol, totals in found["symbols"].items():
            self.assertTrue(near(totals["volume"], volume[symbol]), symbol)
            self.assertTrue(near(totals["vwap"], turnover[symbol] / volume[symbol]), symbol)

    def check_counts(self, host, first, last):
        for what in ("threads", "descriptors"):
            self.assertEqual(last[what], first[what], what)
        if not perch_host.SANITIZE:  # there, libraries stay mapped so that reports have names
            self.assertEqual(last["mapped files"], first["mapped files"])
            # The allocator and the loader keep a few mappings of their own; a leak would be one per swap or more.
            self.assertLess(last["mappings"] - first["mappings"], SWAPS // 10)


if __name__ == "__main__":
    unittest.main()
