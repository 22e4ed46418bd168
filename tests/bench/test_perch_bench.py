"""perch_bench: every workload on every engine with few rows, and what it prints for people and programs."""
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

PROGRAM = pathlib.Path(os.environ["PERCH_BUILD"]) / "bin" / "perch_bench"

EVERY_ENGINE = {
    "get_random", "get_many", "scan", "snapshot", "upsert_random_1", "upsert_random_16", "upsert_random_64",
    "upsert_random_1024", "window_append_evict", "read_while_write"}
SNAPSHOTS = {"stalled_reader_memory"}
PERCH_ONLY = {"diff", "long_keys", "get_through_plugin_interface", "get_many_through_plugin_interface"}


def bench(*arguments):
    """The finished process, and what it wrote as JSON lines."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "results.json"
        done = subprocess.run([PROGRAM, *arguments, "--json", file], capture_output=True, text=True, timeout=300)
        lines = file.read_text().splitlines() if file.exists() else []
    return done, [json.loads(line) for line in lines]


def by_engine(results):
    """Names of the workloads that each engine has results of."""
    found = {}
    for result in results:
        found.setdefault(result["engine"], set()).add(result["workload"])
    return found


class PerchBench(unittest.TestCase):
    def check_lines(self, results):
        for result in results:
            self.assertEqual(list(result), ["workload", "engine", "rows", "value", "unit"])
            self.assertGreater(result["value"], 0, result)
        keys = [(r["workload"], r["engine"], r["rows"], r["unit"]) for r in results]
        self.assertEqual(len(keys), len(set(keys)))

    def test_every_workload_runs_on_every_engine(self):
        done, results = bench("--rows", "1000", "--repeat", "1", "--all")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.check_lines(results)
        self.assertEqual({result["rows"] for result in results}, {1000})
        found = by_engine(results)
        self.assertEqual(found.pop("perch"), EVERY_ENGINE | SNAPSHOTS | PERCH_ONLY)
        for engine, names in found.items():
            self.assertEqual(names, EVERY_ENGINE if engine == "absl" else EVERY_ENGINE | SNAPSHOTS, engine)
        for engine in {"lmdb", "absl", "concread"} - set(found):
            self.assertIn(f"without engine {engine}", done.stderr)
        heading, *lines = done.stdout.splitlines()
        self.assertEqual(heading.split(), ["workload", "unit", "perch", *found])
        self.assertEqual({line.split()[0] for line in lines if line[0].islower()}, EVERY_ENGINE | SNAPSHOTS | PERCH_ONLY)

    def test_a_reader_as_thread_and_as_process(self):
        done, results = bench("--rows", "3000", "--repeat", "1", "--filter", "thread_vs_process")
        self.assertEqual(done.returncode, 0, done.stderr)
        found = {}
        for result in results:
            found.setdefault(result["engine"], set()).add(result["workload"])
        perch = {f"thread_vs_process.{what}" for what in ("get_random", "scan", "diff", "snapshot", "event_to_reader")}
        self.assertEqual(found.pop("perch-thread"), perch)
        self.assertEqual(found.pop("perch-process"), perch)
        for bare in ("futex-thread", "futex-process"):  # a wake-up without any of Perch's code
            self.assertEqual(found.pop(bare), {"thread_vs_process.bare_wake_up"})

    def test_streams_go_through_every_system(self):
        done, results = bench("--rows", "3000", "--repeat", "1", "--filter", "ingest_,event_to_reader")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.check_lines(results)
        found = by_engine(results)
        ingest = {"ingest_ndjson", "ingest_csv", "ingest_binary"}
        self.assertEqual(found.pop("perch"), ingest | {"event_to_reader"})
        self.assertEqual(found.pop("perch_by_time"), ingest)
        self.assertEqual(found.pop("perch_both_spin"), {"event_to_reader"})
        self.assertEqual(found.pop("perch_reader_spins"), {"event_to_reader"})
        self.assertEqual(found.pop("nlohmann_lmdb"), {"ingest_ndjson"})
        if "without redis" not in done.stderr:
            self.assertEqual(found.pop("redis"), ingest | {"event_to_reader"})
        self.assertEqual(found, {})
        self.assertEqual({result["unit"] for result in results},
                         {"M rows/s", "cpu-s/M rows", "us p50", "us p99"})

    def test_only_what_is_named_runs(self):
        done, results = bench("--rows", "2000", "--repeat", "2", "--filter", "get_,snapsh", "--engine", "perch")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(by_engine(results),
                         {"perch": {"get_random", "get_many", "snapshot"} | PERCH_ONLY - {"diff", "long_keys"}})
        self.assertEqual(done.stderr.count("repetition"), 2)

    def test_a_name_that_names_nothing_is_a_usage_error(self):
        for arguments in (["--filter", "get_random,scam"], ["--engine", "perch,redis"]):
            done, results = bench(*arguments)
            self.assertEqual(done.returncode, 2)
            self.assertIn(arguments[1].split(",")[1], done.stderr)
            self.assertEqual(results, [])

    def test_the_curve_has_a_line_per_size(self):
        done, results = bench("--curve", "--rows-max", "10000", "--repeat", "1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.check_lines(results)
        for rows in (1000, 10000):
            self.assertEqual(by_engine(r for r in results if r["rows"] == rows), {"perch": {
                "load", "get_random", "get_many", "scan", "upsert_random_64", "memory", "memory_taken"}})
        self.assertEqual([line.split()[0] for line in done.stdout.splitlines()],
                         ["perch", "rows", "ns/row", "1000", "10000"])


if __name__ == "__main__":
    unittest.main()
