"""Sources that listen: many connections at once, feeds that hang or break off, binary rows from a Python feed."""
import random
import resource
import socket
import struct
import sys
import threading
import unittest

import perch_host
from perch_host import PerchTest, config, eventually, ndjson

sys.path.insert(0, str(perch_host.SOURCE / "plugin_sdk" / "python"))
import perch_feed  # noqa: E402


class Listeners(PerchTest):
    def setUp(self):
        super().setUp()
        self.path = self.folder / "feed.sock"

    def listen(self, **more):
        return {"name": "in", "type": "unix", "listen": str(self.path), "table": "points", **more}

    def refusal(self, source):
        """What a host says that cannot start with it."""
        host = self.launch(config(sources=[source]))
        self.assertEqual(host.wait_for_end(), 1)
        return host.log()

    def connect(self):
        feed = socket.socket(socket.AF_UNIX)
        feed.settimeout(perch_host.seconds(30))
        feed.connect(str(self.path))
        self.addCleanup(feed.close)
        return feed

    def test_two_hundred_connections_at_once(self):
        host = self.start(config(sources=[self.listen()]))
        each = perch_host.fewer(200)

        def send(number):
            feed = self.connect()
            rows = ndjson([{"id": number * 100_000 + i, "x": i} for i in range(each)])
            cut = random.Random(number)
            while rows:
                size = cut.randrange(1, 4000)
                feed.sendall(rows[:size])
                rows = rows[size:]
            feed.close()

        threads = [threading.Thread(target=send, args=(number,)) for number in range(200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        eventually(lambda: host.rows("points") == 200 * each, "every row of every connection")
        status = host.source("in")
        self.assertEqual((status["rejects"], status["rows"]), (0, 200 * each))
        eventually(lambda: host.source("in")["connections"] == 0, "all connections are over")

    def test_half_a_row_that_hangs_holds_nobody_up(self):
        host = self.start(config(sources=[self.listen(connections_max=3)]))
        hanging = self.connect()
        hanging.sendall(b'{"id":1,"x"')
        good = self.connect()
        good.sendall(ndjson([{"id": i, "x": 0} for i in range(10, 20)]))
        eventually(lambda: host.rows("points") == 10, "the other feed's rows")
        self.assertEqual(host.source("in")["connections"], 2)
        # One too many is closed, and told of.
        third, fourth = self.connect(), self.connect()
        self.assertEqual(fourth.recv(1), b"")
        eventually(lambda: host.source("in")["connections_refused"] == 1, "the refusal is counted")
        third.close()
        hanging.sendall(b':5}\n')
        eventually(lambda: host.rows("points") == 11, "the row is whole at last")
        # And one that breaks off inside of a row: that row is rejected, no other.
        good.sendall(b'{"id":99,"x":1}\n{"id":100,')
        good.close()
        eventually(lambda: host.source("in")["rejects_by_reason"] == {"not_json": 1}, "the half row is rejected")
        eventually(lambda: host.rows("points") == 12, "the whole row before it is in")

    def test_a_host_without_descriptors_goes_on_when_some_come_free(self):
        host = self.start(config(sources=[self.listen()]))
        used = host.status()["process"]["descriptors"]
        resource.prlimit(host.pid, resource.RLIMIT_NOFILE, (used + 3, 4096))
        feeds = [self.connect() for _ in range(20)]
        for number, feed in enumerate(feeds):
            feed.sendall(ndjson([{"id": number, "x": 0}]))
        eventually(lambda: "accept a connection: Too many open files" in host.source("in")["last_error"], "it is told")
        self.assertLess(host.rows("points"), 20)
        resource.prlimit(host.pid, resource.RLIMIT_NOFILE, (4096, 4096))
        eventually(lambda: host.rows("points") == 20, "the rows of all that waited")

    def test_tcp_and_a_port_that_is_taken(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            source = {"name": "in", "type": "tcp", "listen": f"127.0.0.1:{port}", "table": "points"}
            self.assertIn(f"source in: listen on 127.0.0.1:{port}", self.refusal(source))

    def test_the_sockets_file_goes_with_the_host_and_has_its_mode(self):
        host = self.start(config(sources=[self.listen(mode="0600")]))
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)
        host.stop()
        self.assertFalse(self.path.exists())
        self.path.write_text("precious")
        self.assertIn("there is a file that is no socket", self.refusal(self.listen()))
        self.assertEqual(self.path.read_text(), "precious")

    def test_binary_rows_from_python(self):
        host = self.start(config(sources=[self.listen(format="binary")]))
        layout = host.call("table.layout", table="points")
        feed = self.connect()
        key, value = layout["key"]["layout"], layout["value"]["layout"]
        writer = perch_feed.Writer(feed.makefile("wb"), key, value, table="points")
        for i in range(1000):
            writer.write(i, -i)
        writer.flush()
        eventually(lambda: host.rows("points") == 1000, "the rows")
        self.assertEqual([row["x"] for row in host.scan("points")][:3], [0, -1, -2])
        # Another layout is refused at once, with what differs, and the connection is closed.
        other = self.connect()
        perch_feed.Writer(other.makefile("wb"), key, "{y:int64@0}8:8").flush()
        self.assertEqual(other.recv(1), b"")
        status = host.source("in")
        self.assertEqual(status["rejects_by_reason"], {"wrong_layout": 1})
        self.assertIn("points, value field x: the table has int64 @0, the stream has none", status["last_error"])
        # Damage costs its frame; the stream goes on.
        data = perch_feed.header(key, value) + perch_feed.frame(struct.pack("<Qq", 2000, 1), 16)
        damaged = bytearray(perch_feed.frame(struct.pack("<Qq", 2001, 1) * 3, 16))
        damaged[20] ^= 1
        third = self.connect()
        third.sendall(data + damaged + perch_feed.frame(struct.pack("<Qq", 2002, 1), 16))
        eventually(lambda: host.rows("points") == 1002, "the frames around the damage")
        self.assertEqual(host.source("in")["rejects_by_reason"]["bad_checksum"], 3)


if __name__ == "__main__":
    unittest.main()
