"""Whoever asks for a swap dies, or hangs up, at any step of it: the swap is completed or undone, never half. The reader's
functions take their time, so that each step can be met."""
import json
import subprocess
import unittest

import perch_host
from perch_host import BIN, BUILD, PerchTest, config, eventually

PLUGIN = BUILD / "faulty" / "misbehaving.so"
ROWS = {"key": [{"name": "id", "type": "uint64"}],
        "value": [{"name": "amount", "type": "int64"}, {"name": "check", "type": "uint64"}]}
# Each step, and which of the reader's functions comes after it.
STEPS = [("read manifest", "create"), ("copy", "create"), ("load", "create"), ("create", "save"),
         ("save as of version", "restore"), ("save as of version", "start"), ("hand over at version", "on_commit"),
         ("probation", "stop"), ("probation", "destroy")]


class SwapInterrupted(PerchTest):
    def setUp(self):
        self.rows_file = self.folder / "rows.ndjson"
        self.rows_file.touch()
        self.fed = 0
        feed = {"name": "feed", "type": "file", "path": str(self.rows_file), "follow": True, "table": "rows"}
        self.host = self.start(config({"rows": ROWS}, [feed], {"probation": "50ms"}))
        self.number = 0

    def feed(self, count=50):
        with self.rows_file.open("a") as file:
            for number in range(self.fed, self.fed + count):
                file.write(json.dumps({"id": number, "amount": 3, "check": 0}) + "\n")
        self.fed += count
        self.host.wait_for_rows("rows", self.fed)

    def load(self, slow_function):
        self.number += 1
        name = f"reader{self.number}"
        self.host.call("reader.load", file=str(PLUGIN), name=name, config={"fault": "slow", "in": slow_function})
        self.feed()
        self.host.wait_until_readers_saw_all()
        return name

    def wait_for_step(self, events, step):
        while True:
            data = events.event()["data"]
            if data.get("step", "").startswith(step):
                return

    def check_is_whole(self, name, generation):
        """On one generation, the old or the new one, with right totals; and the next swap works."""
        self.host.wait_for_reader(name)
        copies = lambda: list((self.host.run_dir / "generations").glob(f"misbehaving.*.so"))
        eventually(lambda: len(copies()) == 1, "one generation is left")
        self.feed()
        eventually(lambda: self.host.readers()[name]["metrics"]["rows"]["value"] == self.fed, "it has seen all rows")
        reader = self.host.readers()[name]
        self.assertEqual(reader["metrics"]["sum"]["value"], 3 * self.fed)
        self.assertEqual(reader["metrics"]["gaps"]["value"], 0)
        self.assertEqual(reader["pinned_libraries"], [])
        report = self.host.call("reader.swap", name=name, probation="0")
        self.assertGreater(report["generation"], reader["generation"])
        self.assertEqual(self.host.call("reader.unload", name=name)["left"], "")
        return reader["generation"] > generation

    def interrupt_at_each_step(self, begin, interrupt):
        for step, slow_function in STEPS:
            with self.subTest(step=step, slow=slow_function):
                name = self.load(slow_function)
                generation = self.host.readers()[name]["generation"]
                with self.host.connect() as events:
                    events.subscribe(kinds=["reader.step"], reader=name)
                    asking = begin(name)
                    self.wait_for_step(events, step)
                    interrupt(asking)
                    eventually(lambda: self.host.readers()[name]["state"] == "running", "the swap is over")
                self.assertTrue(self.check_is_whole(name, generation), "the swap was completed")

    def test_the_command_is_killed(self):
        def begin(name):
            return subprocess.Popen([BIN / "perch", "--socket", self.host.socket, "swap", name], stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE, preexec_fn=perch_host.die_with_parent)

        def interrupt(process):
            process.kill()
            process.wait(30)
            process.stdout.close()
            process.stderr.close()
        self.interrupt_at_each_step(begin, interrupt)

    def test_the_connection_is_cut(self):
        def begin(name):
            client = self.host.connect()
            client.send({"jsonrpc": "2.0", "id": 1, "method": "reader.swap", "params": {"name": name}})
            return client
        self.interrupt_at_each_step(begin, lambda client: client.close())

    def test_half_a_request_is_none(self):
        name = self.load("create")
        generation = self.host.readers()[name]["generation"]
        request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "reader.swap", "params": {"name": name}}).encode()
        for size in range(1, len(request), 7):
            with self.host.connect() as client:
                client.send(request[:size])
        self.host.call("reader.list")
        self.assertFalse(self.check_is_whole(name, generation), "no swap was begun")

    def test_another_request_while_a_swap_is_under_way_waits_its_turn(self):
        for step, slow_function in STEPS[:7]:
            with self.subTest(step=step, slow=slow_function):
                name = self.load(slow_function)
                generation = self.host.readers()[name]["generation"]
                with self.host.connect() as events, self.host.connect() as first, self.host.connect() as second:
                    events.subscribe(kinds=["reader.step"], reader=name)
                    first.send({"jsonrpc": "2.0", "id": 1, "method": "reader.swap", "params": {"name": name}})
                    self.wait_for_step(events, step)
                    second.send({"jsonrpc": "2.0", "id": 2, "method": "reader.accept", "params": {"name": name}})
                    self.assertIn("result", second.reply())
                    self.assertIn("result", first.reply())
                self.assertTrue(self.check_is_whole(name, generation))


if __name__ == "__main__":
    unittest.main()
