"""perch check: what it says of good plugins, and what it finds in one that does a single thing wrong.

Takes half a minute: each of some forty plugins goes through all checks, and each check is a process of its own."""
import json
import pathlib
import signal
import subprocess
import tempfile
import unittest

from perch_host import BIN, BUILD, PLUGINS, PLUGINS_NEXT, eventually, seconds

DONE, FAILED, USAGE, INCOMPATIBLE = 0, 1, 2, 4
FAULTY = BUILD / "faulty"


def check(file, *arguments):
    """Runs perch check; its exit code and its report as JSON."""
    done = subprocess.run([BIN / "perch", "check", file, "--json", *arguments], capture_output=True, text=True,
                          timeout=seconds(120), stdin=subprocess.DEVNULL)
    return done.returncode, json.loads(done.stdout), done.stderr


def by_name(report):
    return {entry["name"]: entry for entry in report["checks"]}


def texts(entry):
    return "\n".join(finding["text"] for finding in entry["findings"])


def is_passed(entry):
    """Passed, whatever time it took: a busy machine is no fault of the plugin."""
    return entry["verdict"] == "pass" or (
        entry["verdict"] == "warn" and all(" takes " in finding["text"] or " is slow: " in finding["text"]
                                           for finding in entry["findings"]))


class GoodPlugins(unittest.TestCase):
    def test_pass_every_check(self):
        for file in [*sorted(PLUGINS.glob("*.so")), PLUGINS_NEXT / "vwap.so", FAULTY / "checked_right.so"]:
            with self.subTest(file.name):
                code, report, errors = check(file, "--deadline", f"{seconds(60)}s")
                wrong = {entry["name"]: texts(entry) for entry in report["checks"] if not is_passed(entry)}
                self.assertEqual((code, wrong, errors), (DONE, {}, ""))
                self.assertGreaterEqual(by_name(report)["load"]["measured"]["loads"], 11)

    def test_leave_no_copies_behind(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([BIN / "perch", "check", FAULTY / "checked_crashes_in_create.so"], check=False,
                           env={"TMPDIR": folder}, stdout=subprocess.DEVNULL, timeout=seconds(120))
            self.assertEqual(list(pathlib.Path(folder).iterdir()), [])


# Plugin: the check that finds it, and words of what it says.
FAULTS = {
    "exports_more": ("symbols", ["another_symbol"]),
    "has_a_unique_symbol": ("unmappable", ["unique_symbol", "never unmap"]),
    "has_an_executable_stack": ("unmappable", ["executable stack"]),
    "needs_a_symbol": ("libraries", ["perch_nowhere"]),
    "needs_a_library": ("libraries", ["libperch_not_there.so.1"]),
    "maps_memory_when_loaded": ("load", ["mapped"]),
    "crashes_in_create": ("life-cycle", ["SIGSEGV", "create with {}"]),
    "hangs_in_save": ("life-cycle", ["did not end within", "save as of version"]),
    "exits_in_stop": ("life-cycle", ["ended the process (exit code 3)", "stop"]),
    "ends_its_thread": ("life-cycle", ["pthread_exit"]),
    "throws_away_rows": ("life-cycle", ["on_commit: rows are gone"]),
    "breaks_a_rule": ("life-cycle", ["the host says", "scan_open"]),
    "shares_one_instance": ("instances", ["SIGSEGV", "create with {}"]),
    "assumes_the_stride": ("grown-records", ["something else of the same rows"]),
    "crashes_on_garbage": ("damaged-state", ["SIGSEGV", "cut to 0 of 32 bytes: restore"]),
    "believes_a_size": ("damaged-state", ["SIGSEGV", "at byte 24 of 32: restore"]),
    "crashes_on_odd_config": ("config", ["SIGSEGV", "create with {\"label\""]),
    "refuses_without_a_message": ("config", ["did not say that the config is bad", "label"]),
    "publishes_no_json": ("output", ["no JSON"]),
    "has_many_metrics": ("output", ["names of metrics"]),
    "leaves_a_thread": ("leftovers", ["a thread is left running"]),
    "leaves_a_descriptor": ("leftovers", ["is left open: /dev/null"]),
    "closes_standard_output": ("leftovers", ["descriptor 1 of the host was closed"]),
    "handles_a_signal": ("leftovers", ["the handler of SIGUSR1 was changed"]),
    "changes_the_process": ("leftovers", ["the working folder was changed", "the umask was changed"]),
    "leaves_an_exit_handler": ("leftovers", ["after it was unloaded"]),
}

# The same, for what is no more than a warning.
WARNINGS = {
    "has_no_build_id": ("unmappable", ["build-id"]),
    "needs_a_holding_library": ("libraries", ["libchecked_holding.so", "perch_unique"]),
    "needs_spdlog": ("libraries", ["libspdlog", "host's own"]),
    "requires_a_config": ("manifest", ["requires", "mode"]),
    "saves_other_bytes": ("state", ["save twice in a row", "at byte 16"]),
    "forgets_its_state": ("state", ["saves another state than it got", "publishes something else"]),
    "floods_the_log": ("output", ["floods the log"]),
    "is_slow": ("callbacks", ["on_commit is slow"]),
}


class FaultyPlugins(unittest.TestCase):
    def test_each_fault_is_found_by_its_check(self):
        for name, (where, words) in FAULTS.items():
            with self.subTest(name):
                # The bound is what ends a plugin that hangs.
                bound = ["--deadline", f"{seconds(4)}s"] if name.startswith("hangs") else []
                code, report, errors = check(FAULTY / f"checked_{name}.so", "--only", where, *bound)
                found = by_name(report)[where]
                self.assertEqual((code, found["verdict"], errors), (FAILED, "fail", ""))
                for word in words:
                    self.assertIn(word, texts(found))

    def test_each_warning_is_found_by_its_check_and_fails_only_when_strict(self):
        for name, (where, words) in WARNINGS.items():
            with self.subTest(name):
                file = FAULTY / f"checked_{name}.so"
                code, report, _ = check(file, "--only", where)
                found = by_name(report)[where]
                self.assertEqual((code, found["verdict"]), (DONE, "warn"))
                for word in words:
                    self.assertIn(word, texts(found))
                self.assertEqual(check(file, "--only", where, "--strict")[0], FAILED)

    def test_those_that_no_check_finds_are_none(self):
        built = {file.stem.removeprefix("checked_") for file in FAULTY.glob("checked_*.so")}
        self.assertEqual(built - {"right"}, set(FAULTS) | set(WARNINGS))

    def test_every_check_has_a_plugin_that_does_not_pass(self):
        _, report, _ = check(FAULTY / "checked_right.so", "--rows", "1")
        found = {where for where, _ in [*FAULTS.values(), *WARNINGS.values()]}
        self.assertEqual({entry["name"] for entry in report["checks"]}, found)

    def test_what_ends_one_check_leaves_the_others_alone(self):
        _, report, _ = check(FAULTY / "checked_crashes_in_create.so")
        verdicts = {name: entry["verdict"] for name, entry in by_name(report).items()}
        self.assertEqual({name for name, verdict in verdicts.items() if verdict == "pass"},
                         {"manifest", "symbols", "unmappable", "libraries", "load"})
        self.assertEqual(set(verdicts.values()), {"pass", "fail"})  # and none was left out


class Options(unittest.TestCase):
    def test_a_config_of_the_user_is_what_instances_get(self):
        for given in ['{"label": "mine"}', "@file"]:
            with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
                file.write('{"label": "mine"}')
                file.flush()
                argument = f"@{file.name}" if given == "@file" else given
                _, report, _ = check(FAULTY / "checked_crashes_in_create.so", "--only", "life-cycle",
                                     "--config", argument)
                self.assertIn('create with {"label": "mine"}', texts(by_name(report)["life-cycle"]))

    def test_a_config_that_its_schema_refuses_is_said_to_be_wrong(self):
        code, report, _ = check(PLUGINS / "vwap.so", "--only", "config", "--config", '{"evry": "1s"}')
        self.assertEqual(code, FAILED)
        self.assertIn("evry", texts(by_name(report)["config"]))

    def test_the_same_seed_finds_the_same(self):
        def found(seed):
            _, report, _ = check(FAULTY / "checked_forgets_its_state.so", "--only", "state", "--seed", str(seed))
            return texts(by_name(report)["state"])

        self.assertEqual(found(7), found(7))
        self.assertNotEqual(found(7), found(8))

    def test_an_interrupted_check_leaves_nothing_behind(self):
        with tempfile.TemporaryDirectory() as folder:
            process = subprocess.Popen([BIN / "perch", "check", FAULTY / "checked_hangs_in_save.so", "--only", "state"],
                                       env={"TMPDIR": folder}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            eventually(lambda: list(pathlib.Path(folder).glob("*/*.so")), "a copy of the plugin is loaded")
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=seconds(60))
            self.assertEqual((process.returncode, errors), (FAILED, "perch: stopped\n"))
            self.assertEqual(list(pathlib.Path(folder).iterdir()), [])


class NoPlugins(unittest.TestCase):
    def test_are_told_apart_and_checked_no_further(self):
        with tempfile.TemporaryDirectory() as folder:
            text = pathlib.Path(folder) / "text.so"
            text.write_text("not a library\n")
            short = pathlib.Path(folder) / "short.so"
            short.write_bytes((PLUGINS / "vwap.so").read_bytes()[:1000])
            for file, words in [(text, "text file"), (short, "truncated"), (FAULTY / "no_plugin.so", "no Perch manifest"),
                                (FAULTY / "newer_interface.so", "newer than this host")]:
                with self.subTest(file.name):
                    code, report, _ = check(file)
                    self.assertEqual((code, report["is_plugin"]), (INCOMPATIBLE, False))
                    self.assertIn(words, texts(by_name(report)["manifest"]))
                    self.assertEqual({entry["verdict"] for entry in report["checks"][1:]}, {"skip"})

    def test_a_file_that_is_not_there(self):
        done = subprocess.run([BIN / "perch", "check", "/nowhere.so"], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout), (FAILED, ""))
        self.assertIn("/nowhere.so: No such file", done.stderr)


class ForPeople(unittest.TestCase):
    def test_a_line_for_each_check_and_advice(self):
        done = subprocess.run([BIN / "perch", "check", FAULTY / "checked_exports_more.so"], capture_output=True,
                              text=True)
        self.assertEqual((done.returncode, done.stderr), (FAILED, ""))
        self.assertRegex(done.stdout, r"(?m)^  pass  manifest +checked 1\.0\.0")
        self.assertRegex(done.stdout, r"(?m)^  FAIL  symbols +it exports more than perch_plugin: another_symbol$")
        self.assertRegex(done.stdout, r"(?m)^ +→ build with perch_add_plugin")
        self.assertRegex(done.stdout, r"(?m)^\d+ checks: \d+ passed, 1 failed")

    def test_wrong_arguments(self):
        for arguments, word in [(["--only", "lod"], "there is no check"), (["--rows", "0"], "1 to 100000"),
                                (["--config", "[]"], "JSON object"), (["--config", "@/nowhere"], "/nowhere"),
                                (["--deadline", "soon"], "soon")]:
            with self.subTest(arguments):
                done = subprocess.run([BIN / "perch", "check", PLUGINS / "vwap.so", *arguments], capture_output=True,
                                      text=True)
                self.assertNotEqual(done.returncode, DONE)
                self.assertIn(word, done.stderr)


if __name__ == "__main__":
    unittest.main()
