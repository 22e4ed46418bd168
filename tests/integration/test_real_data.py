"""Recorded measurements of 31 series through an exec source: every row arrives, in order, with its value."""
import collections
import itertools
import json
import math
import os
import socket
import subprocess
import sys
import unittest

import perch_host
from perch_host import PerchTest, config

REPLAY = perch_host.SOURCE.parent / "shared" / "data" / "replay"
METRICS = {"key": [{"name": "series", "type": "char[56]"}, {"name": "ts", "type": "timestamp_ns"}],
           "value": [{"name": "value", "type": "float64"}]}


HOURS = {"rollup": {"of": "metrics", "group": ["series", {"bucket": "ts", "every": "1h"}],
                    "aggregate": {"rows": "count()", "first": "first(value)", "last": "last(value)",
                                  "low": "min(value)", "high": "max(value)", "sum": "sum(value)",
                                  "mean": "mean(value)", "dev": "stddev(value)"}}}
HOUR_NS = 3600 * 10**9


def independent_rollup(rows):
    """By (series, hour), every aggregate computed from all the values at once."""
    groups = collections.defaultdict(list)
    for row in map(json.loads, rows.splitlines()):
        groups[row["series"], row["ts"] // HOUR_NS * HOUR_NS].append(row["value"])
    rollup = {}
    for key, values in groups.items():
        mean = math.fsum(values) / len(values)
        variance = math.fsum((value - mean) ** 2 for value in values) / len(values)
        rollup[key] = {"rows": len(values), "first": values[0], "last": values[-1], "low": min(values),
                       "high": max(values), "sum": math.fsum(values), "mean": mean, "dev": math.sqrt(variance)}
    return rollup


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def connect(address):
    if address.startswith("/"):
        feed = socket.socket(socket.AF_UNIX)
        feed.connect(address)
        return feed
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)))


class RealData(PerchTest):
    limit = 900 if os.environ.get("PERCH_SOAK") else 120  # 3 million rows through four sources

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

    def test_every_row_arrives_through_every_source_and_rollups_are_what_python_finds(self):
        """3 million rows in a soak, 150 thousand elsewhere."""
        repeat = 20 if os.environ.get("PERCH_SOAK") else 1
        rows = subprocess.run([REPLAY, "--repeat", str(repeat)], check=True, capture_output=True,
                              timeout=perch_host.seconds(300)).stdout
        csv = subprocess.run([REPLAY, "--repeat", str(repeat), "--format", "csv"], check=True, capture_output=True,
                             timeout=perch_host.seconds(300)).stdout
        (self.folder / "rows.ndjson").write_bytes(rows)
        (self.folder / "rows.csv").write_bytes(csv)
        expected = independent_rollup(rows)
        stream_rows = rows.count(b"\n")
        for name, source, sent in (
                ("file", {"type": "file", "path": str(self.folder / "rows.csv"), "format": "csv"}, None),
                ("exec", {"type": "exec", "command": ["cat", str(self.folder / "rows.ndjson")], "restart": "never"},
                 None),
                ("tcp", {"type": "tcp", "listen": "127.0.0.1:0"}, rows),
                ("unix", {"type": "unix", "listen": str(self.folder / "feed.sock"), "format": "csv"}, csv)):
            with self.subTest(source=name):
                if name == "tcp":
                    source["listen"] = f"127.0.0.1:{free_port()}"
                tables = {"metrics": {**METRICS, "retain": {"rows": 50000}}, "hours": HOURS}
                host = self.start(config(tables, [{"name": name, "table": "metrics", **source}]))
                if sent is not None:
                    with connect(source["listen"]) as feed:
                        feed.sendall(sent)
                perch_host.eventually(lambda: host.source(name)["committed"]["rows"] == stream_rows, "all rows", 300)
                status = host.source(name)
                self.assertEqual((status["rows"], status["rejects"]), (stream_rows, 0))
                self.check_rollup({(row.pop("series"), row.pop("ts")): row for row in host.scan("hours")}, expected)
                self.assertEqual(host.rows("metrics"), 50000 if stream_rows > 50000 else host.rows("metrics"))
                host.stop()

    def check_rollup(self, found, expected):
        self.assertEqual(set(found), set(expected))
        for key, row in expected.items():
            exact = {name: found[key][name] for name in ("rows", "first", "last", "low", "high")}
            self.assertEqual(exact, {name: row[name] for name in exact}, key)
            for name in ("sum", "mean", "dev"):
                self.assertTrue(math.isclose(found[key][name], row[name], rel_tol=1e-12, abs_tol=0),
                                f"{key} {name}: {found[key][name]!r}, Python has {row[name]!r}")

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
