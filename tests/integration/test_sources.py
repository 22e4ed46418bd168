"""Sources: commands that end and come back, files that grow and are replaced, standard input, and stops at any time."""
import itertools
import os
import signal
import socket
import subprocess
import time
import unittest

import perch_host
from perch_host import PerchTest, config, eventually, ndjson


def points(ids):
    return [{"id": id, "x": -id} for id in ids]


def file_source(path, **more):
    return {"name": "file", "type": "file", "path": str(path), "table": "points", **more}


class ExecSources(PerchTest):
    def exec_source(self, script, **more):
        """A source that runs a shell script; `$1` is a number that grows with each run, from 0."""
        counted = 'n=$(cat runs 2>/dev/null || echo 0); echo $((n + 1)) > runs; set -- "$n"\n' + script
        (self.folder / "feed.sh").write_text(f"cd {self.folder}\n{counted}\n")
        return {"name": "exec", "type": "exec", "command": ["sh", str(self.folder / "feed.sh")], "table": "points",
                **more}

    def runs(self):
        file = self.folder / "runs"
        return int(file.read_text() or 0) if file.exists() else 0

    def test_a_command_that_ends_is_started_again(self):
        source = self.exec_source('echo "{\\"id\\":$1,\\"x\\":1}"', restart_delay_min="5ms", restart_delay_max="20ms")
        host = self.start(config(sources=[source]))
        eventually(lambda: host.rows("points") >= 5, "five runs gave a row each")
        status = host.source("exec")
        self.assertGreaterEqual(status["restarts"], 4)
        self.assertGreaterEqual(status["committed"]["restarts"], 4)
        self.assertIn(status["state"], ("restarting", "reading", "waiting", "starting"))
        self.assertEqual([row["id"] for row in host.scan("points")][:5], [0, 1, 2, 3, 4])

    def test_the_delay_between_restarts_doubles(self):
        source = self.exec_source("exit 3", restart_delay_min="40ms", restart_delay_max="10h")
        host = self.start(config(sources=[source]))
        begin = time.monotonic()
        eventually(lambda: self.runs() >= 4, "four runs")
        # 40 + 80 + 160 ms lie before the fourth run; slowness can only lengthen that. Constant delays would take 120.
        self.assertGreaterEqual(time.monotonic() - begin + 0.05, 0.2)
        status = host.source("exec")
        self.assertIn("status 3", status["last_error"])
        # 160 h at most until the tenth run, which therefore nobody sees.
        self.assertLess(self.runs(), 10)

    def test_restart_never(self):
        source = self.exec_source('echo "{\\"id\\":$1,\\"x\\":1}"; echo "{\\"id\\":100,\\"x\\":1}"', restart="never")
        host = self.start(config(sources=[source]))
        status = host.wait_for_source("exec")
        self.assertEqual((status["rows"], self.runs(), status["last_error"]), (2, 1, ""))
        host.wait_for_rows("points", 2)

    def test_restart_never_and_a_bad_end(self):
        source = self.exec_source('echo "{\\"id\\":1,\\"x\\":1}"; kill -9 $$', restart="never")
        host = self.start(config(sources=[source]))
        status = host.wait_for_source("exec", "failed")
        self.assertIn("signal 9", status["last_error"])
        host.wait_for_rows("points", 1)

    def test_what_a_command_says_on_standard_error_is_logged(self):
        host = self.start(config(sources=[self.exec_source("echo the feed is sorry >&2", restart="never")]))
        host.wait_for_source("exec")
        eventually(lambda: "the feed is sorry" in host.log(), "the line is in the log")

    def test_the_last_row_needs_no_newline_and_runs_do_not_run_into_each_other(self):
        source = self.exec_source('printf "{\\"id\\":$1,\\"x\\":1}"', restart_delay_min="1ms", restart_delay_max="2ms")
        host = self.start(config(sources=[source]))
        eventually(lambda: host.rows("points") >= 5, "five runs gave a row each")
        self.assertEqual(host.source("exec")["rejects"], 0)

    def test_exit_when_finished(self):
        # The last row comes late and alone: the host must not leave before it.
        script = 'echo "{\\"id\\":1,\\"x\\":1}"; sleep 0.2; echo "{\\"id\\":2,\\"x\\":1}"'
        source = self.exec_source(script, restart="never")
        host = self.launch(config(sources=[source]), arguments=["--exit-when-finished"])
        host.check_ended([], host.wait_for_end())
        self.assertIn("2 rows", host.log())

    def test_a_stop_ends_children_that_would_not_end(self):
        # Deaf to SIGTERM, with a child of its own, and silent: nothing but SIGKILL to the group helps.
        script = 'trap "" TERM; echo "{\\"id\\":1,\\"x\\":1}"; sleep 1000 & wait; sleep 1000'
        host = self.start(config(sources=[self.exec_source(script)]))
        host.wait_for_rows("points", 1)
        self.wait_for_sleep(host)
        children = perch_host.descendants(host.pid)
        self.assertGreaterEqual(len(children), 2)
        host.stop()
        self.assertEqual([pid for pid in children if perch_host.is_alive(pid)], [])

    def wait_for_sleep(self, host):
        """Until the command has got as far as its `sleep`; that process."""
        def sleeping():
            return [pid for pid in perch_host.descendants(host.pid) if perch_host.program(pid) == "sleep"]
        return eventually(sleeping, "the command sleeps")[0]

    def test_the_host_is_killed_and_its_command_goes_too(self):
        host = self.start(config(sources=[self.exec_source("exec sleep 1000")]))
        child = self.wait_for_sleep(host)
        os.kill(host.pid, signal.SIGKILL)
        host.process.wait()
        eventually(lambda: not perch_host.is_alive(child), "the command has ended")
        # What a dead host left behind is no obstacle.
        self.assertTrue(host.socket.exists())
        again = perch_host.Host(host.folder, config(sources=[self.exec_source("exec sleep 1000")]))
        self.hosts.append(again)
        self.addCleanup(self.see_off, again)
        again.wait_until_ready()


class FileSources(PerchTest):
    def test_a_file_is_read_to_its_end_once(self):
        path = self.folder / "rows.ndjson"
        path.write_bytes(ndjson(points(range(1000))))
        host = self.start(config(sources=[file_source(path)]))
        self.assertEqual(host.wait_for_source("file")["rows"], 1000)
        with path.open("ab") as file:
            file.write(ndjson(points([5000])))
        self.assertEqual(list(host.scan("points")), points(range(1000)))

    def test_relative_paths_are_relative_to_the_config(self):
        folder = self.folder / "host0"
        made = config(sources=[file_source("../rows.ndjson")])
        (self.folder / "rows.ndjson").write_bytes(ndjson(points([1, 2])))
        host = self.start(made)
        self.assertEqual(host.folder, folder)
        host.wait_for_rows("points", 2)

    def test_follow_a_file_that_does_not_exist_yet_and_grows_in_pieces(self):
        path = self.folder / "rows.ndjson"
        host = self.start(config(sources=[file_source(path, follow=True)]))
        self.assertEqual(host.rows("points"), 0)
        data = ndjson(points(range(300)))
        with path.open("wb", buffering=0) as file:
            for at in range(0, len(data), 97):  # cuts rows anywhere
                file.write(data[at:at + 97])
        host.wait_for_rows("points", 300)
        self.assertEqual(host.source("file")["rejects"], 0)
        with path.open("ab") as file:
            file.write(ndjson(points(range(300, 310))))
        host.wait_for_rows("points", 310)

    def test_follow_over_a_truncation(self):
        path = self.folder / "rows.ndjson"
        path.write_bytes(ndjson(points(range(100))))
        host = self.start(config(sources=[file_source(path, follow=True)]))
        host.wait_for_rows("points", 100)
        with path.open("wb") as file:
            file.write(ndjson(points([1000])))
        host.wait_for_rows("points", 101)
        with path.open("ab") as file:
            file.write(ndjson(points([1001])))
        host.wait_for_rows("points", 102)
        self.assertEqual(host.source("file")["rejects"], 0)

    def test_follow_over_rotations_loses_no_row(self):
        path = self.folder / "rows.ndjson"
        ids = itertools.count()
        path.write_bytes(ndjson(points([next(ids)])))
        host = self.start(config(sources=[file_source(path, follow=True)]))
        total = 1
        host.wait_for_rows("points", total)
        for turn in range(5):
            old = path.open("ab", buffering=0)
            old.write(ndjson(points([next(ids), next(ids)])))
            path.rename(self.folder / f"rows.{turn}")
            old.write(ndjson(points([next(ids)])))  # a writer that has not noticed yet
            old.close()
            (self.folder / "new").write_bytes(ndjson(points([next(ids)])))
            (self.folder / "new").rename(path)
            total += 4
            host.wait_for_rows("points", total)
        self.assertEqual([row["id"] for row in host.scan("points")], list(range(total)))

    def test_a_file_that_goes_and_comes_back(self):
        path = self.folder / "rows.ndjson"
        path.write_bytes(ndjson(points([1])))
        host = self.start(config(sources=[file_source(path, follow=True)]))
        host.wait_for_rows("points", 1)
        path.unlink()
        (self.folder / "new").write_bytes(ndjson(points([2])))
        (self.folder / "new").rename(path)
        host.wait_for_rows("points", 2)

    def test_a_fifo_without_a_writer_holds_nothing_up(self):
        path = self.folder / "fifo"
        os.mkfifo(path)
        host = self.start(config(sources=[file_source(path, follow=True)]))
        with path.open("wb") as file:
            file.write(ndjson(points([1, 2, 3])))
        host.wait_for_rows("points", 3)


class StandardInput(PerchTest):
    source = {"name": "in", "type": "stdin", "table": "points"}

    def test_rows_until_its_end(self):
        host = self.start(config(sources=[self.source]), stdin=subprocess.PIPE)
        host.process.stdin.write(ndjson(points(range(10))))
        host.process.stdin.flush()
        host.wait_for_rows("points", 10)
        self.assertEqual(host.source("in")["state"], "waiting")
        host.process.stdin.write(b'{"id":10,"x":-10}')
        host.process.stdin.close()
        self.assertEqual(host.wait_for_source("in")["rows"], 11)
        self.assertEqual(list(host.scan("points")), points(range(11)))

    def test_a_closed_standard_input(self):
        host = self.start(config(sources=[self.source]), stdin=subprocess.DEVNULL)
        host.wait_for_source("in")

    def test_a_full_arena_pushes_back(self):
        # Ingest stops taking rows, the queue fills, and what was not taken waits in the pipe.
        wide = {"key": [{"name": "id", "type": "uint64"}], "value": [{"name": "pad", "type": "char[1000]"}]}
        host = self.start(config({"wide": wide}, [{**self.source, "table": "wide"}], arena={"size": "16MiB"}),
                          stdin=subprocess.PIPE)
        pipe = host.process.stdin.fileno()
        os.set_blocking(pipe, False)
        data = b"".join(b'{"id":%d,"pad":""}\n' % id for id in range(500_000))
        fed = 0
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < perch_host.seconds(1.5) and fed < len(data):
            try:
                fed += os.write(pipe, data[fed:fed + 65536])
                quiet_since = time.monotonic()
            except BlockingIOError:
                time.sleep(0.01)
        self.assertLess(fed, len(data), "the host took everything")
        self.assertTrue(host.status()["commits"]["out_of_room"])
        self.assertEqual(host.source("in")["rejects"], 0)
        rows = host.rows("wide")
        self.assertGreater(rows, 5000)
        self.assertEqual([row["id"] for row in host.scan("wide")], list(range(rows)))


class Stops(PerchTest):
    def test_while_every_kind_of_source_waits(self):
        path = self.folder / "rows.ndjson"
        fifo = self.folder / "fifo"
        os.mkfifo(fifo)
        sources = [file_source(path, follow=True), {**file_source(fifo, follow=True), "name": "fifo"},
                   {"name": "in", "type": "stdin", "table": "points"},
                   {"name": "silent", "type": "exec", "command": ["sleep", "1000"], "table": "points"},
                   {"name": "fails", "type": "exec", "command": ["false"], "table": "points", "restart_delay_min": "1h",
                    "restart_delay_max": "1h"}]
        for by in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(by.name):
                host = self.start(config(sources=sources), stdin=subprocess.PIPE)
                begin = time.monotonic()
                host.stop(by)
                self.assertLess(time.monotonic() - begin, perch_host.seconds(15))
                host.process.stdin.close()

    def test_under_full_load(self):
        (self.folder / "rows").write_bytes(ndjson(points(range(10000))))
        script = f"while :; do cat {self.folder}/rows; done"
        feed = {"name": "feed", "type": "exec", "table": "points", "command": ["sh", "-c", script]}
        host = self.start(config(sources=[feed]))
        host.wait_for_rows("points", 10000)
        host.stop()

    def test_two_interrupts(self):
        # The second one finds the host stopping or stopped: both ends are good, and neither leaves a child.
        host = self.start(config(sources=[{"name": "silent", "type": "exec", "command": ["sleep", "1000"],
                                           "table": "points"}]))
        children = eventually(lambda: perch_host.descendants(host.pid), "the command runs")
        host.process.send_signal(signal.SIGINT)
        time.sleep(0.02)
        host.process.send_signal(signal.SIGINT)
        self.assertIn(host.wait_for_end(), (0, 130, -signal.SIGINT))
        eventually(lambda: not any(map(perch_host.is_alive, children)), "its command has ended")

    def test_the_socket_of_a_live_host_is_not_taken(self):
        host = self.start(config())
        other = config(control={"socket": str(host.socket)})
        second = self.launch(other)
        self.assertEqual(second.wait_for_end(), 1)
        self.assertIn("another host answers", second.log())
        self.assertEqual(host.status()["name"], "test")

    def test_a_stale_socket_is_replaced(self):
        folder = self.folder / "host0" / "run"
        folder.mkdir(parents=True)
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(str(folder / "perch.sock"))
        stale.close()
        host = perch_host.Host(self.folder / "host0", config())
        self.hosts.append(host)
        self.addCleanup(self.see_off, host)
        host.wait_until_ready()


if __name__ == "__main__":
    unittest.main()
