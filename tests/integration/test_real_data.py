"""Recorded measurements of 31 series through an exec source: every row arrives, in order, with its value."""
import collections
import itertools
import json
import subprocess
import sys
import unittest

import perch_host
from perch_host import PerchTest, config

REPLAY = perch_host.SOURCE.parent / "shared" / "data" / "replay"
METRICS = {"key": [{"name": "series", "type": "char[56]"}, {"name": "ts", "type": "timestamp_ns"}],
           "value": [{"name": "value", "type": "float64"}]}


class RealData(PerchTest):
    def setUp(self):
        if not REPLAY.exists():
            print(f"\n*** SKIPPED: the recorded data is missing: {REPLAY}\n", file=sys.stderr, flush=True)
            self.skipTest(f"no {REPLAY}")

    def test_every_row_arrives_and_the_last_value_per_key_wins(self):
        output = subprocess.run([REPLAY], check=True, capture_output=True, timeout=perch_host.seconds(60)).stdout
        expected = {}
        stream_rows = 0
        for row in map(json.loads, output.splitlines()):
            expected[(row["series"].encode(), row["ts"])] = row["value"]
            stream_rows += 1
        self.assertGreater(stream_rows, len(expected), "the stream should have keys that come twice")

        source = {"name": "replay", "type": "exec", "command": [str(REPLAY)], "table": "metrics", "restart": "never"}
        host = self.start(config({"metrics": METRICS}, [source]))
        status = host.wait_for_source("replay")

        self.assertEqual(status["rows"], stream_rows)
        self.assertEqual(status["bytes"], len(output))
        self.assertEqual(status["rejects"], 0)
        self.assertEqual(host.rows("metrics"), len(expected))
        rows = [((row["series"].encode(), row["ts"]), row["value"]) for row in host.scan("metrics")]
        self.assertTrue(all(a[0] < b[0] for a, b in itertools.pairwise(rows)), "the scan is in key order")
        self.assertEqual(dict(rows), expected)

        sums, found = collections.Counter(), collections.Counter()
        for (series, _), value in sorted(expected.items()):
            sums[series] += value
        for (series, _), value in rows:
            found[series] += value
        self.assertEqual(found, sums, "sums per series, added in the same order, are equal to the last bit")

    def test_ranges_backwards_and_by_prefix(self):
        source = {"name": "replay", "type": "exec", "command": [str(REPLAY), "--rows", "20000"], "table": "metrics",
                  "restart": "never"}
        host = self.start(config({"metrics": METRICS}, [source]))
        host.wait_for_source("replay")
        rows = list(host.scan("metrics"))
        series = rows[len(rows) // 2]["series"]
        own = [row for row in rows if row["series"] == series]

        self.assertEqual(list(host.scan("metrics", prefix={"series": series}, page=97)), own)
        backwards = host.call("table.scan", table="metrics", reverse=True, limit=10000)["rows"]
        self.assertEqual(backwards, rows[::-1][:len(backwards)])
        middle = {"series": series, "ts": own[len(own) // 2]["ts"]}
        self.assertEqual(list(host.scan("metrics", **{"from": middle})), rows[rows.index(own[len(own) // 2]):])
        self.assertEqual(list(host.scan("metrics", to=middle, to_exclusive=True)),
                         rows[:rows.index(own[len(own) // 2])])


if __name__ == "__main__":
    unittest.main()
