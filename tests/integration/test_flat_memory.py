"""Hours of a stream with retention on: memory, arena and descriptors stay flat after the warm-up.

PERCH_SOAK: eight hours of stream time in ten minutes. Else twenty minutes in about twelve seconds, with everything
that is kept for a time kept for less.
"""
import os
import pathlib
import socket
import threading
import time
import unittest

import perch_host
from perch_host import PerchTest, config

SOAK = bool(os.environ.get("PERCH_SOAK"))
STREAM_S = 8 * 3600 if SOAK else 20 * 60
WALL_S = 600 if SOAK else perch_host.seconds(12)
ROWS_PER_S = 20_000 if not perch_host.SANITIZE else 2_000  # of wall time
KEPT = ("1h", "2h", 100) if SOAK else ("2m", "4m", 20)
SYMBOLS = [f"SYM{number:03}" for number in range(100)]

TRADE = {"key": [{"name": "symbol", "type": "char[8]"}, {"name": "seq", "type": "uint64"}],
         "value": [{"name": "ts", "type": "timestamp_ns"}, {"name": "price", "type": "float64"}]}
TABLES = {
    "by_age": {**TRADE, "retain": {"age": KEPT[0], "by": "ts"}},
    "by_rows": {**TRADE, "retain": {"rows": 20_000}},
    "by_symbol": {**TRADE, "retain": {"rows": KEPT[2], "per": ["symbol"]}},
    "in_key_order": {"key": [{"name": "ts", "type": "timestamp_ns"}, {"name": "seq", "type": "uint64"}],
                     "value": [{"name": "price", "type": "float64"}], "retain": {"age": KEPT[0], "by": "ts"}},
    "bars": {"rollup": {"of": "by_age", "group": ["symbol", {"bucket": "ts", "every": "10s"}],
                        "aggregate": {"open": "first(price)", "mean": "mean(price)", "dev": "stddev(price)"}},
             "retain": {"age": KEPT[1], "by": "ts"}},
}


def feed(path, stop):
    """Rows at a steady rate, their time running ahead as fast as the test wants; a new connection now and then."""
    begin = time.monotonic()
    seq = 0
    while not stop.is_set():
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            for _ in range(50):
                wanted = int((time.monotonic() - begin) * ROWS_PER_S)
                lines = []
                while seq < wanted:
                    stream_ns = int(seq / ROWS_PER_S / WALL_S * STREAM_S * 1e9)
                    lines.append(f'{{"symbol":"{SYMBOLS[seq * 7 % 100]}","seq":{seq},"ts":{stream_ns},'
                                 f'"price":{seq % 1000}}}\n')
                    seq += 1
                connection.sendall("".join(lines).encode())
                if stop.wait(0.01):
                    return


def slope(samples):
    """Of the least-squares line through (x, y): y per x."""
    mean_x = sum(x for x, _ in samples) / len(samples)
    mean_y = sum(y for _, y in samples) / len(samples)
    return (sum((x - mean_x) * (y - mean_y) for x, y in samples) / sum((x - mean_x) ** 2 for x, _ in samples))


class FlatMemory(PerchTest):
    limit = 1200

    def test_memory_stays_flat_for_hours_of_stream(self):
        path = self.folder / "feed.sock"
        source = {"name": "in", "type": "unix", "listen": str(path),
                  "feeds": [{"table": name} for name in TABLES if name != "bars"]}
        host = self.start(config(TABLES, [source], arena={"size": "4GiB"}))
        stop = threading.Event()
        feeder = threading.Thread(target=feed, args=(path, stop), daemon=True)
        feeder.start()
        samples = {"rss_bytes": [], "arena_bytes": [], "live_bytes": [], "descriptors": []}
        begin = time.monotonic()
        while (passed := time.monotonic() - begin) < WALL_S:
            status = host.status()
            hours = passed / WALL_S * STREAM_S / 3600
            rss = next(line for line in pathlib.Path(f"/proc/{host.pid}/status").read_text().splitlines()
                       if line.startswith("VmRSS"))
            for name, value in (("rss_bytes", int(rss.split()[1]) * 1024),
                                ("arena_bytes", status["memory"]["committed_bytes"]),
                                ("live_bytes", status["memory"]["live_bytes"]),
                                ("descriptors", status["process"]["descriptors"])):
                samples[name].append((hours, value))
            time.sleep(WALL_S / 200)
        stop.set()
        feeder.join()
        source = host.source("in")
        self.assertEqual(source["rejects"], 0)
        self.assertGreater(source["rows"], ROWS_PER_S * WALL_S * 0.3, "the stream kept its rate, more or less")
        print(f"\n{source['rows']} rows, {STREAM_S / 3600:.1f} h of stream time in {WALL_S} s")
        for name, all_samples in samples.items():
            warm = all_samples[len(all_samples) // 2:]
            mean = sum(value for _, value in warm) / len(warm)
            drift = slope(warm) * (warm[-1][0] - warm[0][0])
            print(f"{name}: mean {mean:.0f}, slope {slope(warm):.0f} per hour of stream ({drift / mean:+.2%} in all)")
            # A leak of a row's size per row would be a hundred times this.
            self.assertLess(drift, 0.1 * mean, name)
        tables = {table["name"]: table["rows"] for table in host.status()["tables"]}
        self.assertLessEqual(tables["by_rows"], 20_000)
        self.assertLessEqual(tables["by_symbol"], 100 * KEPT[2])


if __name__ == "__main__":
    unittest.main()
