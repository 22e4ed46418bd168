"""`perch new`: a project that builds without a warning, passes its test, runs in the host as it is, and whose next version
is swapped in, by the commands of its own README; in C++ and in C, for the example table and for one that a host has.

Takes up to half a minute: each project is compiled twice, for its first and its next version."""
import concurrent.futures
import json
import re
import unittest

from perch_host import BIN, PerchTest, SANITIZE, TRADES, config, market, perch, run, seconds

# A table unlike the example: a name that C++ reserves, a key of several types, no fractions among the values.
ODD = {"key": [{"name": "big", "type": "bool"}, {"name": "at", "type": "timestamp_ns"}, {"name": "x", "type": "float32"}],
       "value": [{"name": "many", "type": "uint8[4]"}, {"name": "label", "type": "char[5]"},
                 {"name": "count", "type": "int16"}]}
ODD_ROWS = [{"big": i % 2 == 0, "at": i, "x": i / 2, "many": [1, 2, 3, 4], "label": "añ", "count": i} for i in range(10)]


class Projects(PerchTest):
    limit = 240  # it compiles a lot

    def start_host(self):
        rows = self.folder / "rows"
        rows.write_text("".join(json.dumps(row) + "\n" for row in ODD_ROWS))
        odd = {"name": "odd", "type": "file", "path": str(rows), "follow": True, "table": "class"}
        return self.start(config({"trades": TRADES, "class": ODD}, [market(0, rate=500), odd],
                                 {"folder": str(self.folder / "plugins"), "probation": "10ms"}))

    def new(self, *arguments, socket="run/perch.sock", status=0):
        done = perch("--socket", socket, "new", *arguments, folder=self.folder)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def commands(self, project):
        """The README's commands, each under its first words."""
        lines = re.findall(r"^    (.+)$", (project / "README.md").read_text(), re.MULTILINE)
        return {re.sub(rf"^{re.escape(str(BIN / 'perch'))} ", "perch ", line): line for line in lines}

    def type(self, project, start, compilers):
        """Types the command of the README that begins so."""
        commands = self.commands(project)
        (line,) = [line for short, line in commands.items() if short.startswith(start)]
        (export,) = [line for short, line in commands.items() if short.startswith("export ")]
        cc, cxx = compilers
        strict = "-Wall -Wextra -Wpedantic -Werror"
        done = run("bash", "-c", f"{export}\n{line}", timeout=120, folder=project,
                   environment={"CC": cc, "CXX": cxx, "CFLAGS": strict, "CXXFLAGS": strict})
        self.assertEqual(done.returncode, 0, f"{line}\n{done.stdout}{done.stderr}")
        return done.stdout

    def check_publication(self, listener, generation, mean):
        """What the reader says of the table agrees with what it summed up change by change."""
        event = listener.event()
        while event["generation"] < generation:
            event = listener.event()
        self.assertEqual(event["data"]["rows"], event["data"]["inserted"], "each row is counted once")
        self.assertGreater(event["data"]["rows"], 0)
        self.assertIn(mean, event["data"])

    def follow_readme(self, host, name, language, compilers, table, mean):
        """From `perch new` to the second version."""
        new = ["--table", table] if table else []
        self.new(name, "--lang", language, *new, socket=str(host.socket))
        project = self.folder / name
        build = [("cmake -S", compilers), ("ctest", compilers)]
        for start, with_compilers in build:
            self.type(project, start, with_compilers)
        if not SANITIZE:  # there, libraries stay mapped
            self.type(project, "perch check", compilers)
        with host.connect() as listener:
            listener.subscribe(kinds=["publication"], reader=name)
            self.type(project, "perch load", compilers)
            self.check_publication(listener, 0, mean)

            source = project / (name + (".c" if language == "c" else ".cpp"))
            text = source.read_text()
            self.assertEqual(text.count("0.1.0"), 1)
            source.write_text(text.replace("0.1.0", "0.2.0"))
            for start, with_compilers in build:
                self.type(project, start, with_compilers)
            swapped = self.type(project, "perch swap", compilers)
            self.assertIn("0.1.0 -> 0.2.0", swapped)
            reader = {each["name"]: each for each in listener.call("reader.list")["readers"]}[name]
            self.assertEqual((reader["state"], reader["plugin_version"], reader["restarts"], reader["pinned_libraries"]),
                             ("running", "0.2.0", 0, []))
            if not table:  # rows come all the time
                self.check_publication(listener, reader["generation"], mean)

    def test_each_builds_runs_and_is_swapped_by_the_commands_of_its_readme(self):
        host = self.start_host()
        host.wait_for_rows("class", len(ODD_ROWS))
        gnu, clang = ("gcc", "g++"), ("clang", "clang++")
        cases = [("from-example", "cpp", gnu, "", "mean_price"), ("c_from_example", "c", clang, "", "mean_price"),
                 ("from-host", "cpp", clang, "class", "mean_count"), ("c_from_host", "c", gnu, "class", "mean_count")]
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(self.follow_readme, host, *case) for case in cases]:
                done.result(seconds(200))

    def test_what_it_prints_last_is_what_to_type_next(self):
        printed = self.new("a-name", "--dir", "my folder").stdout.splitlines()
        self.assertEqual(printed[0], "my folder: a reader of table trades")
        self.assertIn("  cmake -S 'my folder' -B 'my folder/build' && cmake --build 'my folder/build'", printed)
        self.assertIn(f"  {BIN / 'perch'} load 'my folder/build/a-name.so'", printed)
        self.assertTrue((self.folder / "my folder/a-name.cpp").exists())
        elsewhere = self.new("other", socket="elsewhere.sock").stdout
        self.assertIn(f"  {BIN / 'perch'} --socket elsewhere.sock load other/build/other.so\n", elsewhere)


class Refusals(PerchTest):
    def refused(self, status, *arguments, socket="run/perch.sock"):
        """What it says; and nothing is written, nothing changed."""
        before = sorted(self.folder.rglob("*"))
        done = perch("--socket", socket, "new", *arguments, folder=self.folder)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertEqual(sorted(self.folder.rglob("*")), before)
        return done.stderr

    def test_names_that_cannot_be_a_plugins(self):
        for name in ("Watch", "2nd", "a b", "a/b", "../a", "x" * 65):
            self.assertIn("cannot be a plugin's id", self.refused(2, name))
        self.assertIn("my-test", self.refused(2, "test"))
        self.assertIn("--lang", self.refused(2, "watch", "--lang", "rust"))

    def test_folders_that_have_something_in_them_or_nowhere_to_be(self):
        (self.folder / "watch").mkdir()
        (self.folder / "watch/notes").write_text("mine")
        self.assertIn("has something in it already", self.refused(1, "watch"))
        self.assertIn("is a file", self.refused(1, "x", "--dir", "watch/notes"))
        self.assertIn("mkdir -p", self.refused(1, "x", "--dir", "not/there"))
        (self.folder / "empty").mkdir()
        self.assertEqual(perch("new", "x", "--dir", "empty/", folder=self.folder).returncode, 0)
        self.assertTrue((self.folder / "empty/x.cpp").exists())

    def test_a_table_without_a_host_and_one_that_the_host_has_not(self):
        self.assertIn("without --table", self.refused(3, "watch", "--table", "trades"))
        reserved = {"key": [{"name": "id", "type": "uint64"}], "value": [{"name": "new", "type": "int64"}]}
        host = self.start(config({"trades": TRADES, "reserved": reserved}))
        self.assertIn("did you mean 'trades'", self.refused(1, "watch", "--table", "trade", socket=str(host.socket)))
        self.assertIn("field new", self.refused(1, "watch", "--table", "reserved", socket=str(host.socket)))


if __name__ == "__main__":
    unittest.main()
