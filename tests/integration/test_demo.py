"""`./dev demo`: starts by itself, shows what readers see, ends by itself or by Ctrl-C, leaves nothing running."""
import fcntl
import os
import re
import signal
import subprocess
import time
import unittest

import perch_host
from perch_host import BUILD, SOURCE, PerchTest, eventually


@unittest.skipUnless(BUILD == SOURCE / "build" / "release", "the demo runs the release build, this is another")
class Demo(PerchTest):
    def setUp(self):
        lock = SOURCE / "run" / "demo" / "perchd.lock"
        if lock.exists():
            with lock.open() as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    self.skipTest("a demo is running already")

    def run_demo(self, *arguments, stop_after=None):
        """Output and status; with `stop_after` (a pattern), Ctrl-C is pressed once the output has that."""
        output = self.folder / "output"
        with output.open("wb") as file:
            demo = subprocess.Popen(["./dev", "demo", *arguments], cwd=SOURCE, stdin=subprocess.DEVNULL, stdout=file,
                                    stderr=subprocess.STDOUT, start_new_session=True,
                                    preexec_fn=perch_host.die_with_parent)
        started = set()

        def look():
            started.update(perch_host.descendants(demo.pid))
            return demo.poll() is not None

        if stop_after:
            eventually(lambda: look() or re.search(stop_after, output.read_text()), f"{stop_after!r} is shown", 90)
            os.killpg(demo.pid, signal.SIGINT)  # as a terminal does
        eventually(look, "the demo ends", 90)
        eventually(lambda: not any(map(perch_host.is_alive, started)), "no process is left", 5)
        return output.read_text(), demo.returncode

    def check(self, output, status):
        self.assertEqual(status, 0, output)
        summary = re.search(r"Stopped cleanly: (\d+) rows in (\d+) commits, (\d+) rejects, (\d+) readers", output)
        self.assertTrue(summary, output)
        rows, commits, rejects, readers = map(int, summary.groups())
        self.assertGreater(rows, 0)
        self.assertGreater(commits, 0)
        self.assertEqual((rejects, readers), (0, 2))
        self.assertFalse((SOURCE / "run" / "demo" / "perch.sock").exists())

    def test_a_few_seconds(self):
        begin = time.monotonic()
        output, status = self.run_demo("--seconds", "5")
        self.assertGreaterEqual(time.monotonic() - begin, 4)
        self.check(output, status)
        self.assertIn("top_processes", output)
        self.assertIn("perch", output)

    def test_ctrl_c_while_results_are_shown(self):
        self.check(*self.run_demo(stop_after=r"\d\d:\d\d:\d\d\.\d{3} top_processes"))

    def test_ctrl_c_as_soon_as_the_host_runs(self):
        output, status = self.run_demo(stop_after="Ctrl-C ends it")
        self.assertEqual(status, 0, output)
        self.assertIn("Stopped cleanly: ", output)

    def test_a_bad_argument(self):
        output, status = self.run_demo("--seconds", "many")
        self.assertEqual(status, 2, output)


if __name__ == "__main__":
    unittest.main()
