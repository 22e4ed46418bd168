"""Damaged plugin files, sent through a running host while rows flow: it lives, and its rows are right.

Takes half a minute: a host judges hundreds of damaged files, one after the other."""
import random
import struct
import unittest

import perch_host
from perch_host import PLUGINS, PerchTest, RpcError, fewer

CONFIG = {
    "host": {"name": "test", "run_dir": "run"},
    "arena": {"size": "64MiB"},
    "commit": {"max_rows": 16, "max_delay": "1ms"},
    "tables": {"trades": {
        "key": [{"name": "symbol", "type": "char[8]"}, {"name": "seq", "type": "uint64"}],
        "value": [{"name": "ts", "type": "timestamp_ns"}, {"name": "price", "type": "float64"},
                  {"name": "size", "type": "float64"}]}},
    "sources": [{"name": "feed", "type": "exec", "format": "ndjson", "table": "trades",
                 "command": ["sh", "-c", "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo '{\"symbol\":\"A\",\"seq\":'$i"
                                         "',\"ts\":0,\"price\":1.5,\"size\":2}'; done"]}],
    "control": {"socket": "run/perch.sock"},
}
HEADER, SEGMENT = 64, 56


def damaged(good, count):
    """Truncated and with bits flipped where the structure is: headers, the dynamic section, notes."""
    choice = random.Random(11)
    segments = struct.unpack_from("<Q", good, 32)[0], struct.unpack_from("<H", good, 56)[0]
    places = [(0, HEADER), (segments[0], segments[1] * SEGMENT)]
    for index in range(segments[1]):
        kind, _, offset, _, _, size = struct.unpack_from("<IIQQQQ", good, segments[0] + index * SEGMENT)
        if kind in (2, 4):  # PT_DYNAMIC, PT_NOTE
            places.append((offset, size))
    for number in range(count):
        if number % 4 == 0:
            yield good[:choice.randrange(len(good))]
            continue
        offset, size = choice.choice(places)
        copy = bytearray(good)
        copy[offset + choice.randrange(size)] ^= 1 << choice.randrange(8)
        yield bytes(copy)


class MalformedPlugins(PerchTest):
    def test_a_host_survives_them_while_rows_flow(self):
        host = self.start(CONFIG)
        good = (PLUGINS / "vwap.so").read_bytes()
        refused = loaded = 0
        for number, content in enumerate(damaged(good, max(24, fewer(300)))):
            file = self.folder / f"damaged{number}.so"
            file.write_bytes(content)
            try:
                host.call("reader.load", file=str(file), name="damaged")
                loaded += 1
                host.call("reader.unload", name="damaged")
            except RpcError as error:
                refused += 1
                self.assertIn(error.kind, ("refused", "incompatible"), error.text())
                self.assertGreater(len(error.message), 20)
            try:
                inspected = host.call("reader.inspect", file=str(file))
                self.assertIn("loadable", inspected)
            except RpcError as error:
                self.assertGreater(len(error.message), 20)
            if number % 20 == 0:
                done = perch_host.perch("inspect", file)
                self.assertIn(done.returncode, (0, 1, 4), done.stderr)
                self.assertNotEqual(done.stdout + done.stderr, "")
        print(f"{refused} damaged files refused, {loaded} with damage that nobody reads loaded and unloaded")
        self.assertGreater(refused, loaded)
        host.wait_for_rows("trades", 3000)
        self.assertEqual([row["seq"] for row in host.scan("trades")], list(range(1, 3001)))
        host.call("reader.load", file=str(PLUGINS / "vwap.so"), name="good")
        self.assertEqual(host.readers()["good"]["state"], "running")


if __name__ == "__main__":
    unittest.main()
