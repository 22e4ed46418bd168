"""Every fault in every function of a reader, as FAULTS.md has them in a table: what the host does is what is written
there. After each one that the host survives: all rows are there, another reader's totals are right, the next reader
loads."""
import contextlib
import json
import pathlib
import signal
import unittest

import perch_host
from perch_host import BUILD, PerchTest, RpcError, config, eventually

FAULTY = BUILD / "faulty"
PLUGIN = FAULTY / "misbehaving.so"
ROWS = {"key": [{"name": "id", "type": "uint64"}],
        "value": [{"name": "amount", "type": "int64"}, {"name": "check", "type": "uint64"}]}
CALLBACKS = ["create", "restore", "start", "on_commit", "save", "stop", "destroy"]
AT_LOAD, AT_UNLOAD = ("create", "start"), ("stop", "destroy")


def table():
    """{fault: {callback: verdict}}"""
    lines = [line for line in (perch_host.SOURCE / "FAULTS.md").read_text().splitlines() if line.startswith("|")]
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    if head != ["fault", *CALLBACKS]:
        raise AssertionError(f"FAULTS.md has another table: {head}")
    return {fault: dict(zip(CALLBACKS, verdicts)) for fault, *verdicts in rows}


TABLE = table()


def cells(*verdicts, fault=None):
    return [(each, callback) for each, row in TABLE.items() for callback, verdict in row.items()
            if verdict in verdicts and fault in (None, each)]


@unittest.skipIf(perch_host.SANITIZE, "sanitizers end the process at the faults that are tried here")
class Faults(PerchTest):
    limit = 240

    def start_host(self, **readers):
        """With a reader that does nothing wrong, rows that feed() writes, and all events; `readers`: more of that section."""
        self.rows_file = self.folder / f"rows{len(self.hosts)}.ndjson"
        self.rows_file.touch()
        self.fed = 0
        feed = {"name": "feed", "type": "file", "path": str(self.rows_file), "follow": True, "table": "rows"}
        plugins = self.folder / f"plugins{len(self.hosts)}"
        plugins.mkdir()
        perch_host.drop(FAULTY / "summing.so", plugins)
        host = self.start(config({"rows": ROWS}, [feed], {
            "folder": str(plugins), "probation": "0", "callback_deadline": "300ms",
            "restart": {"delay_min": "1ms", "delay_max": "2ms", "limit": 2}, **readers}))
        self.events = host.connect()
        self.events.subscribe()
        self.seen = []
        return host

    # What happens in a host

    def feed(self, host, count=100):
        """So many more rows, in and seen by the reader that does nothing wrong."""
        with self.rows_file.open("a") as file:
            for number in range(self.fed, self.fed + count):
                amount = number * 7 % 1000
                file.write(json.dumps({"id": number, "amount": amount, "check": number * 31 + amount}) + "\n")
        self.fed += count
        host.wait_for_rows("rows", self.fed)

    def check_others(self, host):
        self.feed(host)
        rows = {"rows": self.fed, "sum": sum(number * 7 % 1000 for number in range(self.fed)), "gaps": 0}

        def is_right():
            metrics = host.readers()["summing"]["metrics"]
            return all(metrics.get(name, {}).get("value") == value for name, value in rows.items())
        eventually(is_right, "the other reader has seen all rows, each once")
        self.assertEqual(host.source("feed")["rejects"], 0)

    def wait_for_event(self, kind, reader):
        """Its data."""
        for event in self.seen:
            if (event["kind"], event["reader"]) == (kind, reader):
                return event["data"]
        while True:
            event = self.events.event()
            self.seen.append(event)
            if (event["kind"], event["reader"]) == (kind, reader):
                return event["data"]

    def provoke(self, host, name, fault, callback):
        """Has the function called. The answer to the request that did it, or its RpcError."""
        bad = {"fault": fault, "in": callback}
        try:
            if callback in AT_LOAD:
                return host.call("reader.load", file=str(PLUGIN), name=name, config=bad)
            host.call("reader.load", file=str(PLUGIN), name=name, config={} if callback == "restore" else bad)
            self.feed(host)
            if callback != "on_commit":
                host.wait_until_readers_saw_all()
            if callback == "restore":
                return host.call("reader.configure", name=name, config=bad, probation="0")
            if callback == "save":
                return host.call("reader.swap", name=name, probation="0")
            if callback in AT_UNLOAD:
                return host.call("reader.unload", name=name)
            return {}
        except RpcError as error:
            return error

    # Verdicts

    def judge_fine(self, host, name, fault, callback, answer):
        self.assertNotIsInstance(answer, RpcError)
        if callback in AT_UNLOAD:
            self.assertEqual(answer["left"], "")
        else:
            host.wait_for_reader(name)
            self.check_its_totals(host, name)
            self.assertEqual(host.call("reader.unload", name=name)["left"], "")
        self.assertEqual(host.status()["degraded"], [])

    def check_its_totals(self, host, name):
        self.feed(host)

        def is_right():
            metrics = host.readers()[name]["metrics"]
            return "rows" in metrics and metrics["rows"]["value"] == self.fed and metrics["gaps"]["value"] == 0
        eventually(is_right, f"{name} has seen all rows, each once")

    def judge_refused(self, host, name, fault, callback, answer):
        self.assertIsInstance(answer, RpcError)
        self.assertIn(f"reader {name}: ", answer.message)
        self.assertNotIn(name, host.readers())
        self.assertEqual(host.status()["degraded"], [])

    def judge_kept(self, host, name, fault, callback, answer):
        self.assertIsInstance(answer, RpcError)
        self.assertIn(callback, answer.message + "its thread has ended" * (fault == "pthread_exit"))
        self.assertEqual(host.readers()[name]["state"], "running")
        self.check_its_totals(host, name)
        self.assertEqual(host.status()["degraded"], [])

    def judge_restarted(self, host, name, fault, callback, answer):
        if callback == "save":  # the swap fails, and the reader that lost its thread starts again
            self.assertIsInstance(answer, RpcError)
            host.wait_for_reader(name, restarts=1)
            self.check_its_totals(host, name)
            return
        reader = host.wait_for_reader(name, "quarantined")
        self.assertEqual(reader["restarts"], 2)
        self.assertNotEqual(reader["last_error"], "")
        self.wait_for_event("reader.quarantined", name)

    def judge_parked(self, host, name, fault, callback, answer):
        if callback in AT_LOAD:
            self.assertIsInstance(answer, RpcError)
            self.assertEqual(answer.kind, "crashed")
            self.assertNotIn(name, host.readers())
        elif callback == "restore":
            self.assertIsInstance(answer, RpcError)
            self.check_its_totals(host, name)
        elif callback in AT_UNLOAD:
            self.assertIn("its library stays mapped", answer["left"])
        else:
            reader = host.wait_for_reader(name, "quarantined")
            self.assertIn(callback, reader["last_error"])
            self.wait_for_event("reader.crashed", name)
            if callback == "on_commit":
                self.assertEqual(reader["restarts"], 0)
        reasons = [reason for reason in host.status()["degraded"] if reason.startswith(f"reader {name}: ")]
        self.assertEqual(len(reasons), 1, host.status()["degraded"])
        self.assertIn(f"in {callback}", reasons[0])
        held = [holder for snapshot in host.call("snapshot.list")["snapshots"] for holder in snapshot["holders"]
                if holder["reader"] == name and holder["what"] == "crashed"]
        self.assertEqual(held, [], "what it held is given up")

    def judge_mapped(self, host, name, fault, callback, answer):
        self.assertNotIsInstance(answer, RpcError)
        if callback in ("save", *AT_UNLOAD):  # a swap or an unload: its end has come already
            left = answer["left"]
        else:
            host.wait_for_reader(name)
            self.check_its_totals(host, name)
            left = host.call("reader.unload", name=name)["left"]
        self.assertIn("mapped" if fault != "thread_local_destructor_hangs" else "did not end", left)
        self.assertTrue(any(f"reader {name}: " in reason for reason in host.status()["degraded"]))

    def judge_hangs(self, host, name, fault, callback, answer):
        if callback in AT_UNLOAD:
            self.assertIn("did not end within", answer["left"])
        elif callback != "on_commit":
            self.assertIsInstance(answer, RpcError)
            self.assertEqual(answer.kind, "timeout")
        slow = self.wait_for_event("reader.slow", name)
        self.assertEqual(slow["callback"], callback)
        self.assertTrue(any("misbehaving" in line for line in slow["stack"]), slow)
        if callback == "restore":
            self.check_its_totals(host, name)
        if callback in ("on_commit", "save"):
            reader = host.readers()[name]
            self.assertEqual((reader["state"], reader["callback"]), ("running", callback))
            self.assertGreater(reader["callback_for_ns"], 300_000_000)
            self.assertIn("did not end within", host.call("reader.unload", name=name)["left"])
        self.assertTrue(any(f"reader {name}: " in reason for reason in host.status()["degraded"]))

    # Cells

    def try_cells(self, host, which):
        for fault, callback in which:
            with self.subTest(fault=fault, callback=callback):
                name = f"{fault}_in_{callback}"
                answer = self.provoke(host, name, fault, callback)
                getattr(self, f"judge_{TABLE[fault][callback]}")(host, name, fault, callback, answer)
                with contextlib.suppress(RpcError):
                    host.call("reader.unload", name=name)
                self.check_others(host)

    def end(self, host, left_behind):
        """A host that left nothing behind ends cleanly; one that did ends all the same, and says so."""
        if left_behind:
            host.process.send_signal(signal.SIGTERM)
            self.assertEqual(host.wait_for_end(), 1)
            self.assertIn("ended without it", host.log())
        else:
            host.stop()

    def test_faults_that_leave_nothing_behind(self):
        host = self.start_host()
        self.try_cells(host, cells("fine", "refused", "kept", "restarted"))
        log = host.log()
        for told in ("broke the interface's rules: close on a file descriptor that is the host's",
                     "broke the interface's rules: dup2 on a file descriptor that is the host's",
                     "broke the interface's rules: sigaction for a signal that the host needs",
                     "broke the interface's rules: signal for a signal that the host needs",
                     "broke the interface's rules: fork was called", "somebody took signals that the host needs (SIGSEGV)"):
            self.assertIn(told, log)
        self.end(host, left_behind=False)

    def test_crashes_are_parked_and_the_host_is_degraded(self):
        host = self.start_host()
        self.try_cells(host, cells("parked"))
        self.assertIn("DEGRADED", host.cli("status").stdout)
        self.end(host, left_behind=True)

    def test_libraries_that_stay_mapped(self):
        host = self.start_host()
        self.try_cells(host, cells("mapped"))
        self.end(host, left_behind=True)

    def test_deadlocks(self):
        host = self.start_host()
        self.try_cells(host, cells("hangs", fault="deadlock"))
        self.end(host, left_behind=True)

    def test_endless_loops(self):
        for cell in cells("hangs", fault="endless_loop"):
            host = self.start_host()  # each burns a processor
            self.try_cells(host, [cell])
            self.end(host, left_behind=True)

    def test_faults_that_no_host_survives(self):
        for fault, callback in cells("dies"):
            with self.subTest(fault=fault, callback=callback):
                host = self.start_host()
                with contextlib.suppress(ConnectionError, AssertionError):
                    self.provoke(host, "fatal", fault, callback)
                self.assertEqual(host.wait_for_end(), -signal.SIGABRT)
                log = host.log()
                self.assertIn("perchd: SIGABRT", log)
                self.assertIn(f"on the thread of reader fatal, plugin misbehaving 1.0.0, generation", log)
                self.assertIn(f", in {callback}\n", log)
                self.assertIn("misbehaving.", log.split("The host ends.")[1])

    def test_a_reader_that_a_host_died_of_does_not_kill_the_next_one(self):
        plugins = self.folder / "deadly"
        plugins.mkdir()
        perch_host.drop(PLUGIN, plugins)
        readers = {"folder": str(plugins), "instances": [
            {"name": "deadly", "plugin": "misbehaving", "config": {"fault": "abort", "in": "start"}}]}
        first = self.launch(config({"rows": ROWS}, (), readers))
        self.assertEqual(first.wait_for_end(), -signal.SIGABRT)
        second = perch_host.Host(first.folder, config({"rows": ROWS}, (), readers))
        self.hosts.append(second)
        self.addCleanup(self.see_off, second)
        second.wait_until_ready()
        reader = second.readers()["deadly"]
        self.assertEqual(reader["state"], "quarantined")
        self.assertIn("the last host died of it: SIGABRT in start, plugin misbehaving 1.0.0", reader["last_error"])
        # Another file, another chance.
        perch_host.drop(FAULTY / "summing.so", plugins, "summing.so")
        second.wait_for_reader("summing")
        with contextlib.suppress(ConnectionError):
            second.call("reader.enable", name="deadly")
        self.assertEqual(second.wait_for_end(), -signal.SIGABRT)

    def test_every_verdict_is_tried(self):
        tried = cells("fine", "refused", "kept", "restarted", "parked", "mapped", "hangs", "dies")
        self.assertEqual(len(tried), len(TABLE) * len(CALLBACKS))
        self.assertEqual({fault for fault, _ in cells("hangs")}, {"deadlock", "endless_loop"})


if __name__ == "__main__":
    unittest.main()
