"""perch-feed: what it writes, that a seed fixes every byte, how it refuses and how it ends."""
import json
import os
import subprocess
import unittest

from perch_host import BIN

FEED = BIN / "perch-feed"


def feed(*arguments):
    return subprocess.run([FEED, *arguments], capture_output=True, timeout=60)


def rows(*arguments):
    return [json.loads(line) for line in feed(*arguments).stdout.splitlines()]


class Market(unittest.TestCase):
    def test_a_seed_fixes_every_byte(self):
        first = feed("market", "--rate", "0", "--seed", "7", "--count", "20000")
        again = feed("market", "--rate", "0", "--seed", "7", "--count", "20000")
        other = feed("market", "--rate", "0", "--seed", "8", "--count", "20000")
        self.assertEqual(first.stdout, again.stdout)
        self.assertNotEqual(first.stdout, other.stdout)
        self.assertIn(b"simulated", first.stderr)

    def test_trades_of_fifty_symbols_are_numbered_and_in_time_order(self):
        trades = rows("market", "--rate", "0", "--count", "50000")
        self.assertEqual([trade["seq"] for trade in trades], list(range(1, 50001)))
        self.assertEqual(len({trade["symbol"] for trade in trades}), 50)
        times = [trade["ts"] for trade in trades]
        self.assertEqual(times, sorted(times))
        self.assertTrue(all(trade["price"] >= 1 and trade["size"] >= 1 for trade in trades))
        # As if a million were traded per second; bursts do not change the average.
        self.assertAlmostEqual((times[-1] - times[0]) / 50e6, 1, delta=0.05)
        bursts = sum(len({trade["symbol"] for trade in trades[at:at + 20]}) == 1 for at in range(0, 50000, 20))
        self.assertGreater(bursts, 10)


class System(unittest.TestCase):
    def test_processes_of_a_sample_share_their_time_and_this_one_is_among_them(self):
        samples = rows("system", "--every", "20ms", "--count", "3")
        self.assertEqual(len({row["ts"] for row in samples}), 3)
        own = [row for row in samples if row["pid"] == os.getpid()]
        self.assertEqual(len(own), 3)
        for row in own:
            self.assertEqual(set(row), {"ts", "pid", "name", "cpu_percent", "rss_bytes", "read_bytes",
                                        "written_bytes", "threads"})
            self.assertGreater(row["rss_bytes"], 1 << 20)
            self.assertGreaterEqual(row["threads"], 1)
        self.assertTrue(all(len(row["name"].encode()) <= 31 for row in samples))

    def test_cpus_and_memory(self):
        cpus = rows("system", "--every", "20ms", "--count", "1", "--what", "cpus")
        self.assertGreaterEqual(len(cpus), 1)
        self.assertEqual(set(cpus[0]), {"ts", "cpu", "busy_percent"})
        self.assertTrue(all(0 <= row["busy_percent"] <= 100 for row in cpus))
        memory, = rows("system", "--every", "1ms", "--count", "1", "--what", "memory")
        self.assertGreater(memory["total_bytes"], memory["available_bytes"])
        self.assertGreaterEqual(memory["load_1m"], 0)


class Ends(unittest.TestCase):
    def test_bad_arguments_are_refused_with_status_2(self):
        for arguments in ([], ["weather"], ["market"], ["market", "--rate", "-1"], ["market", "--rate", "x"],
                          ["system", "--every", "5parsec"], ["system", "--every", "0"], ["system", "--what", "all"]):
            with self.subTest(arguments=arguments):
                ended = feed(*arguments)
                self.assertEqual(ended.returncode, 2)
                self.assertTrue(ended.stderr)
                self.assertEqual(ended.stdout, b"")

    def test_it_ends_quietly_when_nobody_reads_any_more(self):
        process = subprocess.Popen([FEED, "market", "--rate", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdout.readline()
        process.stdout.close()
        self.assertEqual(process.wait(timeout=60), 0)
        self.assertEqual(process.stderr.read(), b"perch-feed: simulated trades, no real market\n")
        process.stderr.close()


if __name__ == "__main__":
    unittest.main()
