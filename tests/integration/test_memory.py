"""Memory: who holds which version and what that costs; what happens at the arena's configured size."""
import contextlib
import json
import subprocess
import threading
import unittest

from perch_host import BUILD, PerchTest, config, eventually

MIB = 1 << 20
SUMMING = BUILD / "faulty" / "summing.so"  # sums the amounts; hangs in its first step until a file is there
ROWS = {"key": [{"name": "id", "type": "uint64"}],
        "value": [{"name": "amount", "type": "int64"}, {"name": "check", "type": "uint64"}]}


class Feed:
    """Writes rows to the host's stdin and knows what a table of them has to be."""

    def __init__(self, pipe):
        self.pipe = pipe
        self.model = {}
        self.count = 0

    def put(self, ids, amount):
        """Upserts a row for each id; waits as long as the host does not take them."""
        lines = []
        for id in ids:
            check = (id * 31 + amount(id)) % 2**64
            lines.append(b'{"id":%d,"amount":%d,"check":%d}\n' % (id, amount(id), check))
            self.model[id] = amount(id)
        self.count += len(lines)
        self.pipe.write(b"".join(lines))
        self.pipe.flush()

    def sum(self):
        return sum(self.model.values())


class MemoryTest(PerchTest):
    def start_host(self, arena, **more):
        source = {"name": "in", "type": "stdin", "table": "rows"}
        self.host = self.start(config({"rows": ROWS}, [source], readers={"probation": "0"}, arena={"size": arena},
                                      **more), stdin=subprocess.PIPE)
        self.feed = Feed(self.host.process.stdin)
        return self.host

    def put(self, ids, amount):
        """The same, and waits until they are committed."""
        self.feed.put(ids, amount)
        eventually(lambda: self.host.source("in")["committed"]["rows"] == self.feed.count, "the rows are committed")

    def load_holder(self):
        """A reader that holds the version published now until `self.go` is there."""
        self.go = self.folder / "go"
        version = self.host.status()["published_version"]
        self.host.call("reader.load", file=str(SUMMING), name="holder", config={"hang_until": str(self.go)})
        eventually(lambda: self.host.readers()["holder"]["metrics"].get("hanging", {}).get("value") == 1, "it hangs")
        return version

    def check_all_arrived(self):
        """Every row that was fed is in the table and in the reader's sum."""
        host, feed = self.host, self.feed
        feed.pipe.close()
        source = host.wait_for_source("in")
        self.assertEqual((source["rows"], source["rejects"]), (feed.count, 0))
        self.assertEqual({row["id"]: row["amount"] for row in host.scan("rows")}, feed.model)
        host.wait_until_readers_saw_all()
        metrics = host.readers()["holder"]["metrics"]
        self.assertEqual({name: metrics[name]["value"] for name in ("sum", "rows", "gaps")},
                         {"sum": feed.sum(), "rows": len(feed.model), "gaps": 0})

    def full_lines(self):
        return [line for line in self.host.log().splitlines() if "the arena is full" in line]


class WhoHoldsWhat(MemoryTest):
    def snapshot_of(self, reader):
        """The pinned version that the reader holds alone, and its entry as a holder."""
        found = [(snapshot, holder) for snapshot in self.host.call("snapshot.list")["snapshots"]
                 for holder in snapshot["holders"] if holder["reader"] == reader]
        self.assertEqual(len(found), 1, found)
        return found[0]

    def test_a_version_that_a_reader_holds_is_listed_with_its_name_and_what_hangs_on_it(self):
        host = self.start_host("256MiB")
        count = 50_000
        self.put(range(count), lambda id: id)
        host.call("reader.load", file=str(SUMMING), name="quick")
        version = self.load_holder()
        generation = host.readers()["holder"]["generation"]

        sizes, since = [], []
        for part in range(4):
            # The writer looks at pins once per thousand dropped blocks or so: several passes, of which only the first
            # copies what the pinned version sees.
            for turn in range(6):
                self.put(range(part * count // 4, (part + 1) * count // 4), lambda id: id + turn)
            snapshot, holder = self.snapshot_of("holder")
            self.assertEqual(snapshot["version"], version)
            self.assertEqual((holder["generation"], holder["what"]), (generation, "current step"))
            self.assertGreater(holder["age_ns"], 0)
            sizes.append(snapshot["bytes"])
            since.append(holder["since_ns"])
        self.assertEqual(sizes, sorted(set(sizes)), "the more is updated, the more hangs on the old version")
        self.assertGreater(sizes[-1], count * 24)
        self.assertLess(max(since) - min(since), 1_000_000_000, "it is the same pin")
        self.assertEqual(host.readers()["holder"]["retained_bytes"], sizes[-1])
        self.assertGreaterEqual(host.status()["memory"]["retained_bytes"], sizes[-1])
        self.check_commands(version, generation)

        self.put(range(count), lambda id: -id)
        self.assertLess(self.snapshot_of("holder")[0]["bytes"], sizes[-1] * 1.2, "it retains its version, no more")
        self.go.touch()
        host.wait_until_readers_saw_all()
        self.check_flat(count)
        self.check_all_arrived()

    def check_commands(self, version, generation):
        said = self.host.cli("status").stdout
        line = next(line for line in said.splitlines() if "holder (generation" in line)
        self.assertIn(f"holder (generation {generation}: current step)", line)
        self.assertEqual(line.split()[0].replace(",", ""), str(version))
        snapshots = self.host.cli_json("status")["snapshots"]
        self.assertIn(version, [snapshot["version"] for snapshot in snapshots])
        self.assertIn("RETAINS", self.host.cli("readers").stdout)

    def check_flat(self, count):
        """Rounds of updates: what was retained is free again, and what rounds need does not grow."""
        committed = []
        for round in range(6):
            self.put(range(count), lambda id: id * round)
            self.host.wait_until_readers_saw_all()
            committed.append(self.host.status()["memory"]["committed_bytes"])
        self.assertEqual(committed[2:], committed[2:3] * 4)
        eventually(lambda: self.host.status()["memory"]["retained_bytes"] == 0, "all that was retained is free")
        self.assertEqual(self.host.readers()["holder"]["retained_bytes"], 0)


class Exhaustion(MemoryTest):
    def feed_until_full(self, first_id):
        """Inserts rows until the host has no room and its source waits; in a thread, which ends when the host takes
        its last ones."""
        full = threading.Event()

        def insert():
            id = first_id
            with contextlib.suppress(BrokenPipeError):
                while not full.is_set():
                    self.feed.put(range(id, id + 100), lambda id: id * 7)
                    id += 100
        thread = threading.Thread(target=insert, daemon=True)
        thread.start()
        eventually(lambda: self.host.status()["commits"]["out_of_room"], "the arena is full", 60)
        eventually(lambda: (source := self.host.source("in"))["queued_batches"] == source["queue_capacity"],
                   "the source's queue is full")
        full.set()
        return thread

    def figures(self):
        source = self.host.source("in")
        return {**{name: source[name] for name in ("rows", "bytes", "queued_batches")},
                "committed": source["committed"], "memory": self.host.status()["memory"]["committed_bytes"]}

    def resident_bytes(self):
        with open(f"/proc/{self.host.pid}/status", encoding="utf8") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS:"))

    def check_stands_still(self):
        """Nothing moves or grows while the source waits."""
        before, resident = self.figures(), self.resident_bytes()
        for _ in range(100):
            self.assertTrue(self.host.status()["commits"]["out_of_room"])
        self.assertEqual(self.figures(), before)
        self.assertLess(self.resident_bytes() - resident, 4 * MIB)

    def test_full_because_a_reader_holds_a_version_and_on_again_by_itself_when_it_lets_go(self):
        host = self.start_host("16MiB")
        held = 0
        while host.status()["memory"]["live_bytes"] < 5 * MIB:
            self.put(range(held, held + 2000), lambda id: id)
            held += 2000
        version = self.load_holder()
        for round in range(4):  # more than the arena holds goes through it, and retains one version only
            self.put(range(held), lambda id: id + round)
        self.assertFalse(host.status()["commits"]["out_of_room"])
        feeding = self.feed_until_full(held)
        self.check_stands_still()

        commits = host.status()["commits"]
        retained = host.readers()["holder"]["retained_bytes"]
        self.assertGreater(retained, 2 * MIB)
        for words in ("arena.size is 16", "no row is lost", "reader holder retains", f"version {version} for",
                      "current step"):
            self.assertIn(words, commits["out_of_room_reason"])
        self.assertIn(commits["out_of_room_reason"], host.cli("status").stdout)
        self.assertTrue(feeding.is_alive(), "the feed is held back too")

        self.go.touch()
        feeding.join(60)
        self.assertFalse(feeding.is_alive())
        self.check_all_arrived()
        self.assertEqual(len(self.full_lines()), 1, self.full_lines())
        self.assertIn("room again", host.log())
        status = host.status()["commits"]
        self.assertEqual((status["out_of_room"], status["out_of_room_reason"]), (False, ""))

    def test_full_without_anything_to_give_way(self):
        host = self.start_host("16MiB")
        feeding = self.feed_until_full(0)
        self.check_stands_still()
        reason = host.status()["commits"]["out_of_room_reason"]
        self.assertIn("raise arena.size", reason)
        self.assertNotIn("reader ", reason)

        committed = host.source("in")["committed"]["rows"]
        self.assertGreater(committed, 10_000)
        self.assertEqual(list(host.scan("rows")), [self.row(id) for id in range(committed)], "all, in their order")
        self.assertEqual(len(self.full_lines()), 1, json.dumps(self.full_lines()))
        left = host.source("in")["rows"] - committed
        host.stop()
        feeding.join(60)
        self.assertIn(f"{left} rows are not committed", host.log())

    @staticmethod
    def row(id):
        return {"id": id, "amount": id * 7, "check": id * 31 + id * 7}


if __name__ == "__main__":
    unittest.main()
