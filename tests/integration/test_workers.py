"""Readers in processes of their own: every fault costs its own process only, every way out of the sandbox is stopped and
told, states are handed over as between threads; and the trial that keeps bad files out of the host.

Takes three quarters of a minute: every fault in every function is a host and a process of its own, some with a deadline to
wait for."""
import errno
import json
import os
import pathlib
import signal
import unittest

import perch_host
from perch_host import BUILD, PLUGINS, PLUGINS_NEXT, PerchTest, TRADES, config, eventually, fewer, is_alive, market
import test_faults

FAULTY = test_faults.FAULTY
ROWS = test_faults.ROWS
# What it tries, what its author sees, and what the log says of it. None: the process crashes, "" nothing.
ATTACKS = {
    "write the tree": (None, "crashed in on_commit"),
    "unprotect the tree": (errno.EACCES, ""),
    "open": (errno.EACCES, "tried open(/etc/passwd)"),
    "open nothing": (errno.EACCES, "tried open(an empty path)"),
    "open nowhere": (errno.EACCES, "tried open(a path that cannot be read: Bad address)"),
    "open without end": (errno.EACCES, "tried open(a path without an end)"),
    "open at length": (errno.EACCES, "tried open(/usr/lib/./././"),
    "write": (errno.EACCES, "tried open(/tmp/perch-escaped, to write)"),
    "connect": (errno.EPERM, "tried socket()"),
    "exec": (errno.EPERM, "tried execve(/bin/true)"),
    "fork": (errno.EPERM, "tried clone()"),
    "ptrace": (errno.EPERM, "tried ptrace()"),
    "kill": (errno.EPERM, "tried kill()"),
    "read the host": (errno.EPERM, "tried process_vm_readv()"),
    "truncate": (errno.EPERM, "tried ftruncate()"),
    "unseal": (errno.EPERM, "tried fcntl()"),
    "mount": (errno.EPERM, "tried mount()"),
    "allocate": (errno.ENOMEM, "of memory that its sandbox allows"),
    "descriptors": (errno.EMFILE, ""),
}


def workers(host):
    return {pid for pid in perch_host.descendants(host.pid) if perch_host.program(pid) == "perch-worker"}


@unittest.skipIf(perch_host.SANITIZE, "sanitizers need more than the sandbox gives, and end the process at faults")
class Sandbox(PerchTest):
    def start_host(self, environment=None, **sandbox):
        self.rows_file = self.folder / f"rows{len(self.hosts)}.ndjson"
        self.rows_file.write_text("".join(json.dumps({"id": n, "amount": n, "check": n * 32}) + "\n" for n in range(100)))
        feed = {"name": "feed", "type": "file", "path": str(self.rows_file), "table": "rows"}
        host = self.start(config({"rows": ROWS}, [feed], {
            "isolation": "process", "sandbox": {"memory": "256MiB", **sandbox}, "restart": {"limit": 0}}),
            environment=environment)
        host.wait_for_rows("rows", 100)
        return host

    def attempt(self, host, attack, **more):
        """The errno that the plugin saw; None when its process went."""
        events = host.connect()
        events.subscribe(reader=attack.replace(" ", "_"))
        host.call("reader.load", file=str(FAULTY / "escaping.so"), name=attack.replace(" ", "_"),
                  config={"attack": attack, **more})
        while True:
            event = events.event()
            if event["kind"] == "publication":
                return event["data"]["error"]
            if event["kind"] == "reader.quarantined":
                return None

    def test_every_way_out_is_stopped_and_told(self):
        host = self.start_host()
        for attack, (seen, told) in ATTACKS.items():
            with self.subTest(attack=attack):
                more = {"path": "/tmp/perch-escaped"} if attack == "write" else {}
                self.assertEqual(self.attempt(host, attack, **more), seen)
                name = attack.replace(" ", "_")
                eventually(lambda: any(told in line and name in line for line in host.log().splitlines()), told)
                if told.startswith("tried"):
                    self.assertIn(f"reader {name} (plugin escaping 1.0.0): {told}", host.log())
                if seen is not None:
                    host.wait_for_reader(name)
                host.call("reader.unload", name=name)
        self.assertFalse(pathlib.Path("/tmp/perch-escaped").exists())
        self.assertEqual(host.rows("rows"), 100)
        self.assertEqual(host.status()["degraded"], [])
        eventually(lambda: not workers(host), "no worker is left")

    def test_the_config_names_paths(self):
        read, write = self.folder / "read", self.folder / "write"
        read.mkdir(), write.mkdir()
        (read / "some").write_text("x")
        missing = self.folder / "missing"
        host = self.start_host(read=[str(read), str(missing)], write=[str(write)])
        self.assertEqual(self.attempt(host, "open", path=str(read / "some")), 0)
        host.call("reader.unload", name="open")
        self.assertIn(f"reader open: readers.sandbox.read: {missing} is not there", host.log())
        self.assertEqual(self.attempt(host, "write", path=str(write / "new")), 0)
        host.call("reader.unload", name="write")
        self.assertTrue((write / "new").exists())
        self.assertEqual(self.attempt(host, "write", path=str(read / "new")), errno.EACCES)
        self.assertEqual(self.attempt(host, "open", path=str(write / ".." / "config.json")), errno.EACCES)

    def test_what_the_kernel_lacks_is_reported_and_the_rest_holds(self):
        host = self.start_host({"PERCH_SANDBOX_WITHOUT": "landlock"})
        for attack in ("open", "open nothing", "open nowhere", "open without end", "open at length"):
            with self.subTest(attack=attack):
                seen, told = ATTACKS[attack]
                self.assertEqual(self.attempt(host, attack), seen)
                self.assertIn(told, host.log())
        self.assertIn("reader open: its sandbox is incomplete, this kernel lacks: [\"Landlock", host.log())
        host = self.start_host({"PERCH_SANDBOX_WITHOUT": "notifications"})
        self.assertEqual(self.attempt(host, "open"), errno.EACCES)
        self.assertEqual(self.attempt(host, "fork"), errno.EPERM)
        self.assertEqual(self.attempt(host, "connect"), errno.EPERM)
        self.assertIn("this kernel lacks: [\"seccomp notifications", host.log())
        self.assertNotIn("tried", host.log())

    def test_it_can_be_switched_off(self):
        host = self.start_host(enabled=False)
        self.assertEqual(self.attempt(host, "open"), 0)
        host.call("reader.unload", name="open")
        self.assertEqual(self.attempt(host, "fork"), 0)


class Life(PerchTest):
    limit = 240

    def start_host(self, readers, count=200_000):
        return self.start(config({"trades": TRADES}, [market(count, rate=20_000)], {
            "folder": str(self.plugins()), "isolation": "process", "probation": "0", "checkpoint": "50ms", "callback_deadline": "2s",
            "sandbox": {"enabled": not perch_host.SANITIZE}, "restart": {"delay_min": "1ms", "delay_max": "2ms", "limit": 1000},
            "instances": readers}))

    def plugins(self):
        folder = self.folder / "plugins"
        folder.mkdir(exist_ok=True)
        if not (folder / "vwap.so").exists():
            perch_host.drop(PLUGINS / "vwap.so", folder)
        return folder

    def totals(self, host):
        return {name: metric["value"] for name, metric in host.readers()["vwap"]["metrics"].items()}

    def test_a_reader_lives_as_on_a_thread(self):
        host = self.start_host([{"name": "vwap", "plugin": "vwap", "config": {"every": "0"}},
                                {"name": "beside", "plugin": "vwap", "isolation": "thread"}])
        readers = host.readers()
        self.assertEqual((readers["vwap"]["isolation"], readers["beside"]["isolation"]), ("process", "thread"))
        self.assertEqual(workers(host), {readers["vwap"]["pid"]})
        self.assertEqual([each["name"] for each in host.call("client.list")["clients"]], ["vwap"])
        with host.connect() as events:
            events.subscribe(reader="vwap", kinds=["publication"])
            self.assertEqual(events.event()["topic"], "vwap")
        files = [PLUGINS_NEXT / "vwap.so", PLUGINS / "vwap.so"]
        for turn in range(max(fewer(20), 3)):
            report = host.call("reader.swap", name="vwap", file=str(files[turn % 2]), probation="0")
            self.assertEqual(report["left"], "")
            self.assertGreater(report["at_version"], 0)
            self.assertEqual(len(workers(host)), 1)
        report = host.call("reader.swap", name="vwap", file=str(files[0]), dry_run=True)
        self.assertTrue(report["dry_run"])
        host.call("reader.disable", name="vwap")
        self.assertEqual(workers(host), set())
        host.call("reader.enable", name="vwap")
        self.assertEqual(len(workers(host)), 1)
        host.stop()

    def test_killed_stopped_or_hung_it_goes_on_from_its_checkpoint(self):
        host = self.start_host([{"name": "vwap", "plugin": "vwap", "config": {"every": "0"}}], count=3_000_000)
        checkpoint = 0
        for turn in range(max(fewer(20), 3)):
            eventually(lambda: host.readers()["vwap"]["checkpoint_version"] > checkpoint, "a newer checkpoint")
            reader = host.readers()["vwap"]
            checkpoint = reader["checkpoint_version"]
            os.kill(reader["pid"], signal.SIGKILL)
            host.wait_for_reader("vwap", restarts=turn + 1)
        self.assertIn("its process died of SIGKILL", host.readers()["vwap"]["last_error"])
        log = host.log()
        self.assertIn("reader.restarted vwap", log)
        self.assertNotIn('{"cause":"from version 0', log)
        # A process that is stopped is alive: it is killed when it says nothing for longer than the deadline.
        restarts = host.readers()["vwap"]["restarts"]
        os.kill(host.readers()["vwap"]["pid"], signal.SIGSTOP)
        host.wait_for_reader("vwap", restarts=restarts + 1, timeout=60)
        self.assertRegex(host.readers()["vwap"]["last_error"], "(has said nothing|has been in on_commit) for .* and was killed")
        before = host.readers()["vwap"]["steps"]
        eventually(lambda: host.readers()["vwap"]["steps"] > before, "it takes steps again")
        self.assertEqual(host.status()["degraded"], [])

    def test_the_host_ends_with_its_workers_however_it_ends(self):
        host = self.start_host([{"name": "vwap", "plugin": "vwap"}])
        pids = workers(host)
        self.assertEqual(len(pids), 1)
        host.process.kill()
        host.wait_for_end()
        eventually(lambda: not any(map(is_alive, pids)), "workers end with their host", 10)


@unittest.skipIf(perch_host.SANITIZE, "sanitizers end the process at the faults that are tried here")
class Faults(test_faults.Faults):
    """Every fault in every function, in a process: it costs that process, and nothing else."""
    limit = 600

    def start_host(self):
        return super().start_host(isolation="process", sandbox={"memory": "256MiB"})

    def test_all(self):
        host = self.start_host()
        for fault, callback in test_faults.cells(*{verdict for row in test_faults.TABLE.values() for verdict in row.values()}):
            if fault == "leak":
                continue  # bounded by the sandbox's memory: see above
            with self.subTest(fault=fault, callback=callback):
                name = f"{fault}_{callback}"
                self.provoke(host, name, fault, callback)
                eventually(lambda: host.readers().get(name, {"state": "gone"})["state"] in
                           ("running", "quarantined", "gone"), "it has settled")
                if name in host.readers():
                    host.call("reader.unload", name=name)
                self.check_others(host)
                self.assertEqual(host.status()["degraded"], [])
        eventually(lambda: len(workers(host)) == 1, "the other reader's process is the last one")


# Only what is named here, not what the class inherits.
for inherited in [name for name in dir(test_faults.Faults) if name.startswith("test_")]:
    setattr(Faults, inherited, None)


@unittest.skipIf(perch_host.SANITIZE, "sanitizers end the process at the faults that are tried here")
class Trial(test_faults.Faults):
    limit = 240

    def start_host(self):
        host = super().start_host(trial={"steps": 4, "time": "200ms"}, restart={})
        self.feed(host)
        return host

    def never_was_in(self, host):
        self.assertNotIn("misbehaving", pathlib.Path(f"/proc/{host.pid}/maps").read_text())

    def test_what_fails_in_its_trial_was_never_in_the_host(self):
        host = self.start_host()
        for fault in ("exception", "segfault", "abort", "endless_loop", "exit", "thread_left"):
            for callback in ("create", "start", "on_commit", "save", "stop", "destroy"):
                with self.subTest(fault=fault, callback=callback):
                    refused = self.refuses("failed", host.call, "reader.load", file=str(FAULTY / "misbehaving.so"),
                                           name="bad", config={"fault": fault, "in": callback}) \
                        if self.is_caught(fault, callback) else None
                    if refused is not None:
                        self.assertIn("in its trial, in a process of its own: ", refused.message)
                        self.assertNotIn("bad", host.readers())
                        self.never_was_in(host)
        self.check_others(host)
        self.assertEqual(host.status()["degraded"], [])
        self.assertEqual(list((host.run_dir / "generations").glob("misbehaving*")), [])

    @staticmethod
    def is_caught(fault, callback):
        # A failing stop is only logged, and destroy has no error to return: no reason to keep a file out.
        return not (fault == "exception" and callback in ("stop", "destroy"))

    def test_a_swap_is_tried_with_the_running_state_first(self):
        host = self.start_host()
        report = host.call("reader.swap", name="summing", probation="0")
        steps = [step["what"] for step in report["steps"]]
        self.assertTrue(any(what.startswith("trial: ") for what in steps), steps)
        self.check_others(host)
        report = host.call("reader.swap", name="summing", probation="0", no_trial=True)
        self.assertFalse(any(step["what"].startswith("trial: ") for step in report["steps"]))
        self.assertEqual(perch_host.descendants(host.pid), [])

    def test_without_a_trial_it_is_in_the_host(self):
        host = self.start_host()
        host.call("reader.load", file=str(FAULTY / "misbehaving.so"), name="bad", no_trial=True,
                  config={"fault": "segfault", "in": "on_commit"})
        self.feed(host)
        host.wait_for_reader("bad", "quarantined")
        self.assertNotEqual(host.status()["degraded"], [])
        host.kill()  # its thread is parked for good
        host.wait_for_end()


for inherited in [name for name in dir(test_faults.Faults) if name.startswith("test_")]:
    setattr(Trial, inherited, None)

if __name__ == "__main__":
    unittest.main()
