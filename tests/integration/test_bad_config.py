"""A bad config: one clear message with the place and the nearest valid name, exit status 2, nothing started."""
import copy
import json
import subprocess
import unittest

import perch_host
from perch_host import BIN, POINTS, PerchTest, config


class BadConfig(PerchTest):
    def setUp(self):
        self.good = config(sources=[{"name": "in", "type": "stdin", "table": "points"}])

    def message(self, text, *arguments):
        """What perchd says of a config with this text. Checks everything but the words."""
        file = self.folder / "config.json"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return self.run_perchd(file, *arguments)

    def run_perchd(self, file, *arguments):
        before = set(self.folder.iterdir())
        done = perch_host.run(BIN / "perchd", "--config", file, *arguments, folder=self.folder)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(done.stdout, "")
        lines = done.stderr.splitlines()
        self.assertEqual(len(lines), 1, f"one message and no more: {done.stderr}")
        self.assertIn(str(file), lines[0], "it names the file")
        self.assertEqual(set(self.folder.iterdir()), before, "nothing was made: no run_dir, no socket")
        return lines[0]

    def says(self, change, *words):
        """`change` spoils the good config; the message has to hold all the words."""
        spoiled = copy.deepcopy(self.good)
        change(spoiled)
        for arguments in ([], ["--check"]):
            message = self.message(json.dumps(spoiled), *arguments)
            for word in words:
                self.assertIn(word, message)

    def test_the_config_is_good_before_it_is_spoiled(self):
        file = self.folder / "config.json"
        file.write_text(json.dumps(self.good))
        done = perch_host.run(BIN / "perchd", "--config", file, "--check", folder=self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([each.name for each in self.folder.iterdir()], ["config.json"])

    def test_unknown_names(self):
        self.says(lambda c: c.update(tabels=c.pop("tables")), "tabels", '"tables"')
        self.says(lambda c: c["commit"].update(max_row=7), "commit.max_row", '"max_rows"')
        self.says(lambda c: c["host"]["log"].update(levle="info"), "host.log.levle", '"level"')
        self.says(lambda c: c["tables"]["points"].update(retian={"rows": 1}), "tables.points.retian", '"retain"')
        self.says(lambda c: c["sources"][0].update(tabel="points"), "sources[0].tabel", '"table"')
        self.says(lambda c: c["sources"][0].update(table="pionts"), "sources[0].table", '"points"')
        self.says(lambda c: c["sources"][0].update(type="stdn"), "sources[0].type", '"stdin"')
        self.says(lambda c: c["host"]["log"].update(level="inof"), "host.log.level", '"info"')

    def test_wrong_types(self):
        self.says(lambda c: c["commit"].update(max_rows="many"), "commit.max_rows", "whole number")
        self.says(lambda c: c["commit"].update(max_delay=5), "commit.max_delay", "duration")
        self.says(lambda c: c["arena"].update(size="4 gigs"), "arena.size", "4 gigs")
        self.says(lambda c: c.update(sources={}), "sources", "array")
        self.says(lambda c: c["tables"].update(points=[]), "tables.points", "object")
        self.says(lambda c: c["tables"]["points"]["value"][0].update(type="flaot64"), "tables.points.value", "float64")
        self.says(lambda c: c["tables"]["points"]["key"][0].update(type="int64[3]"), "tables.points.key")

    def test_a_table_twice(self):
        table = json.dumps(POINTS)
        self.assertIn("tables.points: given twice", self.message(f'{{"tables":{{"points":{table},"points":{table}}}}}'))

    def test_retain_without_its_field(self):
        self.says(lambda c: c["tables"]["points"].update(retain={"age": "1h"}), "tables.points.retain", '"by"')
        self.says(lambda c: c["tables"]["points"].update(retain={}), "tables.points.retain", '"rows"', '"age"')
        self.says(lambda c: c["tables"]["points"].update(retain={"rows": 5, "by": "y"}), "tables.points.retain.by", "y")
        self.says(lambda c: c["tables"]["points"].update(retain={"age": "1h", "by": "x"}),
                  "tables.points.retain.by", "timestamp_ns")

    def test_missing_files(self):
        self.assertIn("No such file", self.run_perchd(self.folder / "nowhere.json"))
        self.says(lambda c: c["sources"].append({"name": "f", "type": "file", "path": "rows.ndjson",
                                                 "table": "points"}), "sources[1].path", "rows.ndjson")
        self.says(lambda c: c["sources"].append({"name": "e", "type": "exec", "command": ["perch-fed"],
                                                 "table": "points"}), "sources[1].command[0]", "perch-fed")

    def test_what_is_not_json(self):
        for text, place in [("", ":1:1"), ("tables: {}", ":1:"), ('{\n "tables": {\n}', ":3:"),
                            ('{"tables":{}},', ":1:"), (b'{"host":{"name":"\xff"}}', ":1:")]:
            with self.subTest(text):
                message = self.message(text)
                self.assertIn("not JSON", message)
                self.assertIn(place, message)
        self.assertIn("object", self.message("[]"))
        self.message("[" * 100000)

    def test_options(self):
        for arguments in ([], ["--confg", "x"], ["--config"]):
            done = perch_host.run(BIN / "perchd", *arguments, folder=self.folder)
            self.assertEqual(done.returncode, 2, done)
            self.assertEqual(list(self.folder.iterdir()), [])

    def test_a_second_host_in_the_same_run_dir_is_refused_and_the_first_goes_on(self):
        host = self.start(self.good, stdin=subprocess.PIPE)
        done = perch_host.run(BIN / "perchd", "--config", host.config_file, folder=host.folder)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("another host", done.stderr)
        host.process.stdin.write(b'{"id":1,"x":2}\n')
        host.process.stdin.close()
        host.wait_for_rows("points", 1)


if __name__ == "__main__":
    unittest.main()
