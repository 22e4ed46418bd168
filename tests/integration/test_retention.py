"""Retention: what goes is the oldest, by first insertion or by a field; memory stays bounded."""
import json
import unittest

from perch_host import POINTS, PerchTest, config, fewer, ndjson

EVENTS = {"key": [{"name": "id", "type": "uint64"}],
          "value": [{"name": "ts", "type": "timestamp_ns"}, {"name": "x", "type": "int64"}]}
SECOND = 1_000_000_000


class Retention(PerchTest):
    def host_with(self, table, rows, **more):
        (self.folder / "rows.ndjson").write_bytes(ndjson(rows))
        source = {"name": "file", "type": "file", "path": str(self.folder / "rows.ndjson"), "table": "t"}
        host = self.start(config({"t": table}, [source], **more))
        status = host.wait_for_source("file")
        self.assertEqual((status["rows"], status["rejects"]), (len(rows), 0))
        return host

    def check(self, host, expected, inserted, key="id"):
        """The table has the expected rows, and what is missing is counted as evicted."""
        self.assertEqual(list(host.scan("t")), sorted(expected, key=lambda row: row[key]))
        table = host.call("table.list")["tables"][0]
        self.assertEqual((table["rows"], table["evicted_rows"]), (len(expected), inserted - len(expected)))

    def test_rows_go_in_the_order_of_first_insertion_and_an_update_does_not_move_a_row(self):
        order = [id * 7919 % 1000 for id in range(1000)]  # every id below 1000 once
        rows = [{"id": id, "x": id} for id in order]
        updates = [{"id": id, "x": -id} for id in order[900:950]]
        later = [{"id": id, "x": id} for id in range(5000, 5020)]
        host = self.host_with({**POINTS, "retain": {"rows": 100}}, rows + updates + later)
        kept = updates[20:] + rows[950:] + later
        self.check(host, kept, 1020)

    def test_rows_go_in_the_order_of_the_field_by(self):
        # Arrival is against the order of ts, so that insertion order would keep others.
        rows = [{"id": id, "ts": (1000 - id) * SECOND, "x": id} for id in range(1000)]
        host = self.host_with({**EVENTS, "retain": {"rows": 100, "by": "ts"}}, rows, commit={"max_rows": 1})
        self.check(host, rows[:100], 1000)

    def test_rows_older_than_age_behind_the_newest_go(self):
        now = 1_700_000_000 * SECOND
        rows = [{"id": id, "ts": now + id * SECOND, "x": id} for id in range(100)]
        late = [{"id": 1000, "ts": now + 50 * SECOND, "x": 0}, {"id": 1001, "ts": now + 95 * SECOND, "x": 0}]
        host = self.host_with({**EVENTS, "retain": {"age": "10s", "by": "ts"}}, rows + late)
        self.check(host, rows[89:] + late[1:], 102)

    def test_age_and_rows_together(self):
        rows = [{"id": id, "ts": id * SECOND, "x": id} for id in range(200)]
        host = self.host_with({**EVENTS, "retain": {"age": "1m", "rows": 20, "by": "ts"}}, rows)
        self.check(host, rows[-20:], 200)

    def test_by_may_be_a_field_of_the_key(self):
        table = {"key": [{"name": "ts", "type": "timestamp_ns"}, {"name": "id", "type": "uint64"}],
                 "value": [{"name": "x", "type": "int64"}], "retain": {"rows": 50, "by": "ts"}}
        rows = [{"ts": -id, "id": id, "x": id} for id in range(300)]
        host = self.host_with(table, rows)
        self.check(host, rows[:50], 300, key="ts")

    def test_by_the_first_field_of_the_key_exactly_the_last_rows_or_the_last_time_stays(self):
        table = {"key": [{"name": "ts", "type": "timestamp_ns"}, {"name": "seq", "type": "uint64"}],
                 "value": [{"name": "x", "type": "int64"}]}
        # Two rows a second, shuffled within blocks of eight; every tenth one is written again later.
        order = [block * 8 + place * 5 % 8 for block in range(2500) for place in range(8)]
        rows = [{"ts": seq // 2 * SECOND, "seq": seq, "x": seq} for seq in order]
        updates = [{**row, "x": -row["x"]} for row in rows[-400::10]]
        final = {row["seq"]: row for row in rows + updates}
        newest = [final[seq] for seq in sorted(final)]
        for retain, kept in [({"rows": 1000}, 1000), ({"age": "500s"}, 1002),
                             ({"rows": 700, "age": "500s"}, 700)]:
            with self.subTest(retain=retain):
                host = self.host_with({**table, "retain": {**retain, "by": "ts"}}, rows + updates,
                                      commit={"max_rows": 100})
                self.check(host, newest[-kept:], len(rows), key="seq")
                host.stop()

    def test_memory_stays_bounded_while_rows_stream_through(self):
        # Ten times the arena passes through; the smallest arena there is holds it, since only a window stays.
        count = fewer(2_000_000)
        program = ("import sys\n"
                   "for id in range(%d): sys.stdout.write('{\"id\":%%d,\"x\":%%d}\\n' %% (id, -id))" % count)
        (self.folder / "stream.py").write_text(program)
        source = {"name": "stream", "type": "exec", "command": ["python3", str(self.folder / "stream.py")],
                  "table": "t", "restart": "never"}
        host = self.start(config({"t": {**POINTS, "retain": {"rows": 20_000}}}, [source], arena={"size": "16MiB"}))
        status = host.wait_for_source("stream")
        self.assertEqual((status["rows"], status["rejects"]), (count, 0))
        rows = list(host.scan("t"))
        self.assertEqual(rows, [{"id": id, "x": -id} for id in range(count - 20_000, count)])
        memory = host.status()["memory"]
        self.assertLess(memory["live_bytes"], 8 << 20, json.dumps(memory))


if __name__ == "__main__":
    unittest.main()
