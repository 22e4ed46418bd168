"""Reader processes killed at random moments, and others stopped and continued a thousand commits later, under full
ingest: what they read is right, slots and bytes come back, nothing is left over. With PERCH_SOAK=1: 10 000 and 1000.
Prints how far commits lay apart; that decides nothing."""
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
import unittest

import perch_host
from perch_host import BUILD, PerchTest, config, die_with_parent, eventually, fewer

SOAK = "PERCH_SOAK" in os.environ
KILLS = 10_000 if SOAK else max(fewer(100), 10)
STOPS = 1000 if SOAK else max(fewer(10), 2)
AT_ONCE = 4
KEYS = 5_000
VERIFIED = BUILD / "tests/integration/verified"
TABLE = {"key": [{"name": "id", "type": "uint64"}],
         "value": [{"name": "generation", "type": "uint64"}, {"name": "check", "type": "uint64"}]}
KILLED, WRONG = -signal.SIGKILL, 3


class ReaderProcesses(PerchTest):
    limit = 7000 if SOAK else 240

    def spawn(self):
        reader = subprocess.Popen([VERIFIED, "read"], env={**os.environ, "PERCH_SOCKET": str(self.host.socket)},
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=die_with_parent)
        self.readers.append(reader)
        return reader

    def end(self, reader):
        """By SIGKILL; it must not have ended before."""
        reader.kill()
        said = reader.communicate(timeout=60)[1]
        self.readers.remove(reader)
        self.assertEqual(reader.returncode, KILLED, said)

    def kill_all(self):
        for reader in self.readers:
            with contextlib.suppress(ProcessLookupError):
                reader.kill()
            reader.communicate()

    def start_host(self):
        feed = {"name": "feed", "type": "exec", "table": "rows", "command": [str(VERIFIED), "feed", str(KEYS)]}
        self.host = self.start(config({"rows": TABLE}, [feed], commit={"max_rows": 64, "max_delay": "1ms"}))
        self.readers = []
        self.addCleanup(self.kill_all)
        eventually(lambda: self.host.rows("rows") == KEYS, "all keys are there")
        return self.host

    def test_killed_at_random_moments(self):
        host = self.start_host()
        warm = [self.spawn() for _ in range(AT_ONCE)]
        for reader in warm:
            self.assertEqual(reader.stdout.readline(), b"reading\n")
        self.settle(host, warm)
        before = host.counts()
        bytes_before = host.status()["memory"]["committed_bytes"]
        random.seed(20)
        for count in range(KILLS):
            while len(self.readers) < AT_ONCE:
                self.spawn()
            time.sleep(random.choice([0, 0.001, 0.003, 0.01, 0.03]) * random.random())
            self.end(random.choice(self.readers))
            if count % 1000 == 999:
                print(f"{count + 1} killed", file=sys.stderr, flush=True)
        self.settle(host, list(self.readers))
        after = host.counts()
        few = 8  # the C library's own, which come and go
        self.assertLess(after.pop("mappings"), before.pop("mappings") + few)
        self.assertEqual(after, before)
        self.assertLess(host.status()["memory"]["committed_bytes"], bytes_before + (64 << 20))
        self.tell(host, f"{KILLS} readers killed")

    def test_stopped_and_continued_a_thousand_commits_later(self):
        host = self.start_host()
        readers = [self.spawn() for _ in range(AT_ONCE)]
        for reader in readers:
            self.assertEqual(reader.stdout.readline(), b"reading\n")
        for count in range(STOPS):
            reader = readers[count % AT_ONCE]
            reader.send_signal(signal.SIGSTOP)
            version = host.status()["published_version"]
            eventually(lambda: host.status()["published_version"] > version + 1000, "a thousand commits")
            reader.send_signal(signal.SIGCONT)
            self.assertIsNone(reader.poll())
        for reader in readers:
            self.end(reader)
        self.settle(host, [])
        self.tell(host, f"{STOPS} times stopped and continued")

    def settle(self, host, readers):
        """Ends them; then nothing is pinned, and nobody is attached."""
        for reader in readers:
            self.end(reader)
        eventually(lambda: not host.call("client.list")["clients"], "nobody is attached")
        eventually(lambda: not host.call("snapshot.list")["snapshots"], "nothing is pinned")

    def tell(self, host, what):
        commits = host.status()["commits"]
        gaps = {name: f"{commits[name] / 1e6:.2f} ms" for name in ("gap_p50_ns", "gap_p99_ns", "gap_p999_ns", "longest_gap_ns")}
        print(f"\n{what}: {commits['version']} commits of {commits['rows']} rows; gaps between commits: {gaps}",
              file=sys.stderr, flush=True)


if __name__ == "__main__":
    unittest.main()
