"""A reader's config: judged by its plugin's schema before the plugin sees it, and changed while the reader runs."""
import json
import unittest

from perch_host import BIN, PLUGINS, PerchTest, TRADES, config, drop, fewer, market, run

EVERY = {"every": "0"}


def vwap(settings=None, **more):
    return {"name": "vwap", "plugin": "vwap", "config": EVERY if settings is None else settings, **more}


class Configure(PerchTest):
    def readers(self, *instances, probation="0s", plugins=("vwap",)):
        folder = self.folder / "plugins"
        folder.mkdir(exist_ok=True)
        for name in plugins:
            drop(PLUGINS / f"{name}.so", folder)
        return {"folder": str(folder), "probation": probation, "instances": list(instances)}

    def start_with(self, *instances, sources=(), **more):
        return self.start(config({"trades": TRADES}, sources, self.readers(*instances, **more)))

    def check(self, *instances, **more):
        """perchd --check on such a config."""
        file = self.folder / "checked.json"
        file.write_text(json.dumps(config({"trades": TRADES}, readers=self.readers(*instances, **more))))
        return run(BIN / "perchd", "--config", file, "--check")

    def test_members_are_set_over_the_running_config(self):
        host = self.start_with(vwap())
        self.assertEqual(host.readers()["vwap"]["config"], EVERY)
        done = host.cli("configure", "vwap", "every=250ms")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('configured with {"every":"250ms"}, generation 2', done.stdout)
        self.assertEqual(host.readers()["vwap"]["config"], {"every": "250ms"})
        shown = host.cli_json("readers")["readers"]
        self.assertEqual([reader["config"] for reader in shown], [{"every": "250ms"}])

    def test_the_whole_config_is_given_as_json_or_as_a_file(self):
        host = self.start_with(vwap())
        report = host.cli_json("configure", "vwap", "--config", '{"every":"1s"}', "--probation", "0s")
        self.assertEqual((report["reader"], report["generation"]), ("vwap", 2))
        self.assertEqual(report["from_version"], report["to_version"])
        (self.folder / "settings.json").write_text('{"every":"2s"}')
        done = host.cli("configure", "vwap", "--config", f"@{self.folder / 'settings.json'}")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(host.readers()["vwap"]["config"], {"every": "2s"})

    def test_a_refused_config_changes_nothing_and_says_what_is_wrong(self):
        host = self.start_with(vwap())
        for arguments, message in ((("evry=5s",), "config.evry: unknown member (did you mean every?)"),
                                   (("every=5",), "config.every: must be a string, not 5"),
                                   (("every=",), "every"), (("--config", "[1]"), "config"),
                                   (("--config", "{"), "no JSON"), (("every",), "is no KEY=VALUE"),
                                   ((), "needs the whole config"), (("every=5s", "--config", "{}"), "exclude")):
            done = host.cli("configure", "vwap", *arguments)
            self.assertEqual(done.returncode, 2, (arguments, done.stdout, done.stderr))
            self.assertIn(message, done.stderr, arguments)
        done = host.cli("configure", "vwpa", "every=5s")
        self.assertEqual(done.returncode, 1)
        self.assertIn("did you mean vwap?", done.stderr)
        reader = host.readers()["vwap"]
        self.assertEqual((reader["state"], reader["generation"], reader["config"]), ("running", 1, EVERY))
        refused = self.refuses("usage", host.call, "reader.configure", name="vwap", config={"every": []})
        self.assertIn("the config does not fit plugin vwap", refused.message)
        self.assertEqual(len(refused.details), 1)
        self.assertIn("config.every: must be a string, not []", refused.details[0])

    def test_the_code_that_runs_is_configured_also_when_its_file_is_gone(self):
        host = self.start_with()
        host.call("reader.unload", name="vwap")
        copy = drop(PLUGINS / "vwap.so", self.folder, "copy.so")
        host.call("reader.load", file=str(copy), name="mine", config=EVERY)
        copy.unlink()
        host.call("reader.configure", name="mine", config={"every": "3s"})
        self.assertEqual(host.readers()["mine"]["config"], {"every": "3s"})

    def test_no_row_is_missed_or_seen_twice_while_a_reader_is_configured_under_load(self):
        count = fewer(300_000)
        host = self.start_with(vwap(), sources=[market(count)])
        for turn in range(10):
            host.call("reader.configure", name="vwap", config={"every": f"{turn % 2}ms"})
        host.wait_for_rows("trades", count)
        host.wait_until_readers_saw_all()
        with host.connect() as listener:  # the last generation publishes the state that it takes over
            listener.subscribe(kinds=["publication"], reader="vwap", topic="vwap")
            generation = host.call("reader.configure", name="vwap", config=EVERY)["generation"]
            event = listener.event()
        self.assertEqual((event["generation"], event["data"]["trades"]), (generation, count))
        reader = host.readers()["vwap"]
        self.assertEqual((generation, reader["restarts"], reader["last_error"]), (12, 0, ""))

    def test_a_rollback_takes_the_config_back(self):
        host = self.start_with(vwap())
        client = host.connect()
        client.send({"jsonrpc": "2.0", "id": 1, "method": "reader.configure",
                     "params": {"name": "vwap", "config": {"every": "9s"}, "probation": "1h"}})
        host.wait_for_reader("vwap", "probation", config={"every": "9s"})
        host.call("reader.rollback", name="vwap")
        self.assertEqual(client.reply()["error"]["data"]["kind"], "rolled_back")
        self.assertEqual(host.readers()["vwap"]["config"], EVERY)

    def test_a_bad_config_of_an_instance_fails_it_alone_until_it_is_configured(self):
        host = self.start_with(vwap(), vwap({"evry": "1s"}, name="bad"))
        self.assertEqual(host.readers()["vwap"]["state"], "running")
        bad = host.readers()["bad"]
        self.assertEqual(bad["state"], "failed")
        self.assertIn("config.evry: unknown member (did you mean every?)", bad["last_error"])
        host.call("reader.configure", name="bad", config=EVERY)
        self.assertEqual(host.readers()["bad"]["state"], "running")

    def test_check_judges_instances_by_the_plugins_that_are_there(self):
        good = self.check(vwap())
        self.assertEqual((good.returncode, good.stderr), (0, ""))
        bad = self.check(vwap({"evry": "1s"}))
        self.assertEqual(bad.returncode, 2)
        self.assertIn("reader vwap: the config does not fit plugin vwap", bad.stderr)
        self.assertIn("config.evry: unknown member (did you mean every?)", bad.stderr)
        misspelt = self.check(vwap(plugin="vwapp"))
        self.assertEqual(misspelt.returncode, 0)
        self.assertIn("warning: reader vwap: no plugin 'vwapp' in", misspelt.stderr)
        self.assertIn("did you mean vwap?", misspelt.stderr)
        self.assertFalse((self.folder / "run").exists())


if __name__ == "__main__":
    unittest.main()
