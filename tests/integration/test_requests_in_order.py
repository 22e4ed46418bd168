"""Many people at once change one reader: each of them gets one answer, and what happened is what some order of their
requests would have done."""
import json
import random
import threading
import unittest

import perch_host
from perch_host import PLUGINS, PLUGINS_NEXT, PerchTest, RpcError, TRADES, config, drop, fewer, market

PEOPLE = 16
REQUESTS = max(fewer(40), 10)  # of each
FILES = [PLUGINS / "vwap.so", PLUGINS_NEXT / "vwap.so"]


class RequestsInOrder(PerchTest):
    def setUp(self):
        self.plugins = self.folder / "plugins"
        self.plugins.mkdir()
        drop(FILES[0], self.plugins)
        readers = {"folder": str(self.plugins), "probation": "1ms",
                   "instances": [{"name": "vwap", "plugin": "vwap", "config": {"every": "0"}}]}
        self.host = self.start(config({"trades": TRADES}, [market(50_000, rate=5000)], readers))

    def request(self, chance):
        probation = chance.choice(["0", "1ms", "20ms"])
        return chance.choice([
            ("reader.swap", {"name": "vwap", "file": str(chance.choice(FILES)), "probation": probation}),
            ("reader.swap", {"name": "vwap", "file": str(chance.choice(FILES)), "dry_run": True}),
            ("reader.swap", {"name": "vwap", "without_state": True}),
            ("reader.configure", {"name": "vwap", "config": {"every": chance.choice(["0", "1ms"])},
                                  "probation": probation}),
            ("reader.accept", {"name": "vwap"}), ("reader.rollback", {"name": "vwap"}),
            ("reader.disable", {"name": "vwap"}), ("reader.enable", {"name": "vwap"}),
            ("reader.enable", {"name": "vwap"}), ("reader.unload", {"name": "vwap"}),
            ("reader.load", {"file": str(chance.choice(FILES)), "name": "vwap"}),
            ("reader.load", {"file": str(chance.choice(FILES)), "name": "vwap"}), ("reader.list", {})])

    def ask_all(self, seed, answers):
        """All requests are on their way before the first answer is read."""
        chance = random.Random(seed)
        requests = [self.request(chance) for _ in range(REQUESTS)]
        with perch_host.Client(self.host.socket, timeout=90) as client:
            for first in range(0, REQUESTS, 20):  # fewer than a connection may have under way
                group = requests[first:first + 20]
                for number, (method, params) in enumerate(group, first):
                    client.send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
                replies = [client.reply() for _ in group]
                if sorted(reply["id"] for reply in replies) != list(range(first, first + len(group))):
                    raise AssertionError(f"other answers than asked for: {replies}")
                for reply in replies:
                    answers.append((*requests[reply["id"]], reply))

    def test_each_gets_one_answer_and_the_events_explain_them(self):
        events = self.host.connect(timeout=60)
        events.subscribe(kinds=["reader.loaded", "reader.swapped", "reader.configured", "reader.accepted",
                                "reader.rolled_back", "reader.disabled", "reader.enabled", "reader.unloaded"])
        answers = []
        people = [threading.Thread(target=self.ask_all, args=(seed, answers)) for seed in range(PEOPLE)]
        for person in people:
            person.start()
        for person in people:
            person.join()
        self.assertEqual(len(answers), PEOPLE * REQUESTS)

        self.host.call("log.level")  # whatever was published before it comes before the following
        happened = []
        with self.host.connect() as last:
            try:
                last.call("reader.load", file=str(FILES[0]), name="the_end")
            except RpcError as error:
                self.fail(error.text())
        while True:
            event = events.event()
            if event["reader"] == "the_end":
                break
            happened.append(event["kind"])
        self.check(answers, happened)

    def check(self, answers, happened):
        def succeeded(method, **wanted):
            return sum(1 for asked, params, reply in answers if asked == method and "result" in reply
                       and all(params.get(name) == value for name, value in wanted.items()))
        swaps = succeeded("reader.swap") - succeeded("reader.swap", dry_run=True) + succeeded("reader.configure")
        rolled_back = sum(1 for _, _, reply in answers if "error" in reply
                          and reply["error"]["data"]["kind"] == "rolled_back")
        # A swap that was taken over, and then ended with the reader within its probation, was refused so.
        ended = sum(1 for _, _, reply in answers if "error" in reply
                    and "within its probation" in reply["error"]["message"])
        self.assertEqual(happened.count("reader.swapped") + happened.count("reader.configured"),
                         swaps + rolled_back + ended)
        self.assertEqual(happened.count("reader.accepted"), swaps)
        self.assertEqual(happened.count("reader.rolled_back"), rolled_back)
        self.assertEqual(happened.count("reader.unloaded"), succeeded("reader.unload"))
        self.assertEqual(happened.count("reader.loaded"), succeeded("reader.load"))
        self.assertLessEqual(happened.count("reader.disabled"), succeeded("reader.disable"))
        self.assertLessEqual(happened.count("reader.enabled"), succeeded("reader.enable"))
        self.assertGreater(min(swaps, rolled_back, happened.count("reader.disabled"), happened.count("reader.enabled")),
                           0, happened)
        # Each state follows from the one before.
        there, enabled, on_probation = True, True, False
        for kind in happened:
            what = kind.removeprefix("reader.")
            expected = {"loaded": not there, "unloaded": there, "disabled": there and enabled,
                        "enabled": there and not enabled, "accepted": on_probation, "rolled_back": on_probation,
                        "swapped": there and enabled and not on_probation,
                        "configured": there and enabled and not on_probation}[what]
            self.assertTrue(expected, (kind, happened))
            there = what == "loaded" or there and what != "unloaded"
            enabled = what in ("enabled", "loaded") or enabled and what not in ("disabled",)
            on_probation = what in ("swapped", "configured")


if __name__ == "__main__":
    unittest.main()
