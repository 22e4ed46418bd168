"""A hundred swaps (a thousand with PERCH_SOAK=1) between two versions of a reader while rows come in as fast as they
can: its totals stay exact, nothing is left over. Prints how long commits kept rows waiting, beside the same feed without
swaps, and how long it took from a swap's request to the new generation's first commit; neither decides."""
import collections
import json
import os
import statistics
import sys
import time
import unittest

import perch_host
from perch_host import PLUGINS, PLUGINS_NEXT, PerchTest, TRADES, config, fewer

SOAK = "PERCH_SOAK" in os.environ
SWAPS = (1000 if SOAK else 100) if perch_host.SLOWNESS == 1 else 20
WARM_SWAPS = 10  # what is there after these is there to stay
ROWS_FAST = fewer(12_000_000 if SOAK else 3_000_000)
FILES = [PLUGINS_NEXT / "vwap.so", PLUGINS / "vwap.so"]  # the first swap is to the newer one
VERSIONS = ["1.1.0", "1.0.0"]


class SwapUnderLoad(PerchTest):
    limit = 1200 if SOAK else 240

    def start_host(self, folder="plugins"):
        feed = {"name": "feed", "type": "exec", "table": "trades", "restart": "never",
                "command": [sys.executable, str(perch_host.SOURCE / "tests/integration/unthrottled_feed.py"),
                            str(self.folder), str(ROWS_FAST), str(perch_host.BIN / "perch-feed"), "market",
                            "--rate", "0", "--seed", "11"]}
        plugins = self.folder / folder
        plugins.mkdir()
        perch_host.drop(FILES[1], plugins)
        readers = {"folder": str(plugins), "probation": "0",
                   "instances": [{"name": "vwap", "plugin": "vwap", "config": {"every": "0"}}]}
        # Nothing is evicted; the order that retention keeps in the heap would hide what swaps leave there.
        return self.start(config({"trades": TRADES}, [feed], readers, arena={"size": "4GiB"}))

    def swap(self, host, turn):
        report = host.call("reader.swap", name="vwap", file=str(FILES[turn % 2]), probation="0")
        self.assertEqual((report["from_version"], report["to_version"], report["left"]),
                         (VERSIONS[1 - turn % 2], VERSIONS[turn % 2], ""))
        return report

    def swap_and_see_a_commit(self, host, turn):
        """Its report, and the seconds from the request to the beginning of the new generation's first step."""
        begun = time.time_ns()
        report = self.swap(host, turn)
        perch_host.eventually(lambda: host.readers()["vwap"]["steps"] > 0, "the new generation takes a step")
        reader = host.readers()["vwap"]
        self.assertEqual((reader["generation"], reader["state"]), (report["generation"], "running"))
        self.assertGreater(reader["version"], report["at_version"])
        return report, (reader["first_step_ns"] - begun) / 1e9

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
        at_versions, first_commits, counts_when_warm = [], [], None
        for turn in range(SWAPS):
            report, seconds = self.swap_and_see_a_commit(host, turn)
            at_versions.append(report["at_version"])
            first_commits.append(seconds)
            if turn + 1 == WARM_SWAPS:
                counts_when_warm = self.counts(host)
        rows_at_last_swap = host.rows("trades")
        counts_at_end = self.counts(host)
        gaps = self.gaps(host)
        (self.folder / "enough").touch()
        source = host.wait_for_source("feed")
        host.wait_until_readers_saw_all()

        trades, volume, turnover = self.totals_fed()
        self.assertEqual((source["rows"], source["rejects"]), (trades.total(), 0))
        self.assertEqual(host.rows("trades"), trades.total(), "rows in = rows fed")
        self.assertEqual(at_versions, sorted(set(at_versions)), "between any two swaps there were steps")
        self.check_reader(host)
        self.check_totals(self.publication_after_one_more_swap(host), trades, volume, turnover)
        self.check_counts(counts_when_warm, counts_at_end)
        host.stop()
        self.print_figures(rows_at_last_swap, trades.total(), first_commits, gaps, self.gaps_without_swaps())
        print(f"after {WARM_SWAPS} swaps {counts_when_warm}, at the end {counts_at_end}", file=sys.stderr)

    def counts(self, host):
        return {**host.counts(), "heap": host.status()["process"]["heap_bytes"]}

    def gaps(self, host):
        commits = host.status()["commits"]
        return {name: commits[f"{key}_ns"] / 1e6 for name, key in
                (("p50", "gap_p50"), ("p99", "gap_p99"), ("p99.9", "gap_p999"), ("max", "longest_gap"))}

    def gaps_without_swaps(self):
        """Of the same feed, for as long."""
        for name in ("enough", "fed"):
            (self.folder / name).unlink()
        host = self.start_host("plain")
        perch_host.eventually(lambda: host.rows("trades") >= ROWS_FAST // 2, "half of the rows", timeout=300)
        return self.gaps(host)

    def print_figures(self, rows_at_last_swap, rows, first_commits, with_swaps, without):
        def text(gaps):
            return ", ".join(f"{name} {gap:.2f}" for name, gap in gaps.items())
        ms = sorted(1000 * each for each in first_commits)
        print(f"{SWAPS} swaps during {rows_at_last_swap} of {rows} rows\n"
              f"request to the new generation's first commit, ms: median {statistics.median(ms):.2f}, "
              f"p99 {ms[int(len(ms) * 0.99)]:.2f}, max {ms[-1]:.2f}\n"
              f"gaps between commits, ms: with swaps {text(with_swaps)}; without {text(without)}", file=sys.stderr)

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

    def check_counts(self, first, last):
        for what in ("threads", "descriptors"):
            self.assertEqual(last[what], first[what], what)
        if not perch_host.SANITIZE:  # there, libraries stay mapped so that reports have names
            self.assertEqual(last["mapped files"], first["mapped files"])
            # The allocator and the loader keep a few mappings of their own; a leak would be one per swap or more.
            self.assertLess(last["mappings"] - first["mappings"], SWAPS // 10)
            self.assertLess(last["heap"] - first["heap"], 16 << 20)


if __name__ == "__main__":
    unittest.main()
