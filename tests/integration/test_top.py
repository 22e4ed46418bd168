"""perch top: rates and recent percentiles, as text and as JSON, and on a terminal."""
import json
import os
import pty
import select
import signal
import subprocess
import time
import unittest

import perch_host
from perch_host import BIN, PerchTest, config, eventually, perch

TABLES = {"trades": {"key": [{"name": "symbol", "type": "char[8]"}, {"name": "seq", "type": "uint64"}],
                     "value": [{"name": "ts", "type": "timestamp_ns"}, {"name": "price", "type": "float64"},
                               {"name": "size", "type": "float64"}], "retain": {"rows": 100}},
          "bars": {"rollup": {"of": "trades", "group": ["symbol"], "aggregate": {"n": "count()"}}}}


class Top(PerchTest):
    def setUp(self):
        source = {"name": "feed", "type": "exec", "table": "trades",
                  "command": [str(BIN / "perch-feed"), "market", "--rate", "2000"]}
        self.host = self.start(config(TABLES, [source]))
        eventually(lambda: self.host.rows("trades") == 100, "retention keeps 100 rows")

    def test_rates_as_json(self):
        done = perch("--socket", self.host.socket, "--json", "top", "--count", "3", "--every", "400ms")
        self.assertEqual(done.returncode, 0, done)
        screens = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(len(screens), 3)
        for screen in screens:
            source = screen["sources"][0]
            # The feed's 2000 rows per second, as far as a busy machine lets them come evenly.
            self.assertGreater(source["rows_per_s"], 100)
            self.assertLess(source["rows_per_s"], 20_000)
            self.assertGreater(source["latency"]["count"], 0)
            self.assertGreaterEqual(source["latency"]["p99_ns"], source["latency"]["p50_ns"])
            self.assertGreater(screen["commits"]["per_s"], 0)
            tables = {table["name"]: table for table in screen["tables"]}
            self.assertEqual(tables["trades"]["rows"], 100)
            self.assertGreater(tables["trades"]["evicted_per_s"], 100)

    def test_a_screen_of_text(self):
        done = perch("--socket", self.host.socket, "top", "--count", "1", "--every", "200ms")
        self.assertEqual(done.returncode, 0, done)
        for part in ("commits ", "rows/s", "memory ", "SOURCE", "feed", "TO COMMIT p50", "TABLE", "bars", "no readers"):
            self.assertIn(part, done.stdout)
        self.assertNotIn("\x1b", done.stdout)
        self.assertEqual(perch("--socket", self.host.socket, "top", "--every", "soon").returncode, 2)

    def test_on_a_terminal_until_ctrl_c(self):
        ours, theirs = pty.openpty()
        top = subprocess.Popen([BIN / "perch", "--socket", self.host.socket, "top", "--every", "50ms"], stdout=theirs,
                               preexec_fn=perch_host.die_with_parent)
        os.close(theirs)
        self.addCleanup(top.kill)
        seen = b""
        deadline = time.monotonic() + perch_host.seconds(30)
        while seen.count(b"\x1b[H") < 3 and time.monotonic() < deadline:
            if select.select([ours], [], [], 1)[0]:
                seen += os.read(ours, 65536)
        self.assertGreaterEqual(seen.count(b"\x1b[H"), 3)
        top.send_signal(signal.SIGINT)
        self.assertEqual(top.wait(perch_host.seconds(30)), 0)
        os.close(ours)


if __name__ == "__main__":
    unittest.main()
