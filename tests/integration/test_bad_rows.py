"""Ten thousand random rows, good and bad: the good ones all arrive, each bad one is in the reject log with its reason.

Every bad row has one fault, known by construction.
"""
import base64
import collections
import itertools
import json
import random
import struct
import subprocess
import threading
import unittest

from perch_host import PerchTest, config

ROWS = 10_000
SEED = 20240229
TABLE = {"key": [{"name": "id", "type": "uint64"}, {"name": "tag", "type": "char[6]"}],
         "value": [{"name": "name", "type": "char[8]"}, {"name": "level", "type": "int32"},
                   {"name": "ratio", "type": "float64"}, {"name": "coarse", "type": "float32"},
                   {"name": "small", "type": "uint8"}, {"name": "flag", "type": "bool"},
                   {"name": "when", "type": "timestamp_ns"}, {"name": "pair", "type": "int16[2]"}]}
FIELDS = [field["name"] for part in TABLE.values() for field in part]
BYTES = {"name": 8, "tag": 6}


def text_of(row):
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()


def padded(row, size):
    """A row that is good but for its `size` in bytes."""
    line = text_of({**row, "more": ""})
    return line[:-2] + b"x" * (size - len(line)) + b'"}'


def as_stored(row):
    """The row with its floats as the table keeps them."""
    return {**row, "ratio": float(row["ratio"]), "coarse": struct.unpack("f", struct.pack("f", row["coarse"]))[0]}


class RowMaker:
    """Random rows. `good` gives (line, row as the table shows it), `bad` gives (line, reason)."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.ids = itertools.count()

    def row(self):
        pick = self.random
        return {"id": pick.choice([next(self.ids), 2**64 - 1 - next(self.ids)]),
                "tag": pick.choice(["", "a", "bcdefg", "ü"]),
                "name": pick.choice(["", "x", "eight888", "äöü", "日本", "\u0001\t", 'q"\\']),
                "level": pick.choice([-2**31, 2**31 - 1, 0, -1, pick.randint(-9999, 9999)]),
                "ratio": pick.choice([0, -1, 1e308, 5e-324, 2**53 + 1, pick.random(), -pick.random() * 1e17]),
                "coarse": pick.choice([0.5, -3, 2.0**127, 1.5e10]), "small": pick.randint(0, 255),
                "flag": pick.random() < 0.5, "when": pick.choice([-2**63, 2**63 - 1, pick.randint(0, 2**62)]),
                "pair": [pick.choice([-2**15, 2**15 - 1, 7]), pick.randint(-9, 9)]}

    def good(self):
        pick = self.random
        row = self.row()
        members = list(row.items())
        pick.shuffle(members)
        line = text_of(dict(members))
        form = pick.randrange(8)
        if form == 0:  # surplus members, also deeply nested ones
            depth = pick.choice([0, 1, 100])
            surplus = b'"more":' + b"[" * depth + b'{"id":-1}' + b"]" * depth
            line = line[:-1] + b"," + surplus + b"}" if pick.random() < 0.5 else b"{" + surplus + b"," + line[1:]
        elif form == 1:  # white space, and a carriage return before the newline
            line = b" \t" + json.dumps(row, indent=0).replace("\n", " ").encode() + b" \r"
        elif form == 2:  # escapes instead of characters
            line = json.dumps(row, ensure_ascii=True).encode()
        elif form == 3:  # a member twice: the last one counts
            line = b'{"level":12345,' + line[1:]
        return line, row

    def bad(self):
        reason = self.random.choice(["not_json", "not_object", "missing_field", "wrong_type", "out_of_range",
                                     "string_too_long", "not_utf8", "nul_in_string"])
        return getattr(self, reason)(), reason

    def spoil(self, field, value):
        """A good row but for one field, given as text."""
        row = self.row()
        row[field] = "@@@"
        return text_of(row).replace(b'"@@@"', value if isinstance(value, bytes) else value.encode())

    def not_json(self):
        line = text_of(self.row())
        cut = self.random.randrange(1, len(line) - 1)
        while line[cut - 1] >= 0x80:  # half a character would be another fault
            cut -= 1
        return self.random.choice([
            line[:cut], line[1:], line + b"}", line.replace(b":", b"=", 1), line[:-1] + b",}", b"hello", b"{",
            b'{"id"}', line[:-1] + b"\x00}", b"\x00", self.spoil("name", b'"a\x00b"'), self.spoil("name", b'"a\tb"'),
            self.spoil("name", r'"\ud800"'), self.spoil("name", r'"\x"'), self.spoil("ratio", "NaN"),
            self.spoil("ratio", "1."), self.spoil("ratio", "-Infinity"), self.spoil("level", "+1"),
            self.spoil("level", "01"),
            self.spoil("level", "0x10"), b"'" + line[1:], b"[" * 5000 + b"]" * 5000, b"{" * 3000, line + b" " + line])

    def not_object(self):
        return self.random.choice([b"[]", b"[" + text_of(self.row()) + b"]", b"17", b"-0.5", b'"row"', b"null", b"true",
                                   b"1e999", b"123456789012345678901234567890"])

    def missing_field(self):
        row = self.row()
        field = self.random.choice(FIELDS)
        value = row.pop(field)
        row[self.random.choice(["other", field.upper(), field + "s", ""])] = value
        return text_of(row)

    def wrong_type(self):
        field, values = self.random.choice([
            ("id", ['"7"', "1.5", "true", "null", "[7]", "1e2", "1.0"]), ("tag", ["7", "null", '["a"]', "{}", "true"]),
            ("name", ["0", "false", '{"name":"x"}']), ("level", ['"1"', "0.25", "null", "[]", "{}", "-0.0"]),
            ("ratio", ['"1.5"', "null", "true", '"NaN"', "[1.5]"]), ("coarse", ['""', "false"]),
            ("small", ['"\\u0001"', "false", "2.5"]), ("flag", ["0", "1", '"true"', "null"]),
            ("when", ['"2023-02-29T00:00:00Z"', "1.7e18", "null"]), ("pair", ["[]", "[1]", "[1,2,3]", "1", '["1",2]',
                                                                         "[1,null]", "[[1,2]]", "[0.5,1]", "{}"])])
        return self.spoil(field, self.random.choice(values))

    def out_of_range(self):
        field, values = self.random.choice([
            ("id", ["-1", "18446744073709551616", "99999999999999999999999"]),
            ("level", ["2147483648", "-2147483649", "9223372036854775808", "1" + "0" * 400]),
            ("ratio", ["1e309", "-1e999", "1" + "0" * 400]), ("coarse", ["1e39", "-3.5e38", "1e308", "1e400"]),
            ("small", ["256", "-1", "4294967296"]), ("when", ["9223372036854775808", "-9223372036854775809"]),
            ("pair", ["[32768,0]", "[0,-32769]"])])
        return self.spoil(field, self.random.choice(values))

    def string_too_long(self):
        field = self.random.choice(list(BYTES))
        room = BYTES[field]
        return self.spoil(field, json.dumps(self.random.choice([
            "x" * (room + 1), "x" * (room - 1) + "ü", "x" * 5000, "\U0001f426" * 3]), ensure_ascii=False))

    def not_utf8(self):
        wrong = self.random.choice([b"\xff", b"\xc3", b"\x80", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80",
                                    b"\xe2\x82"])
        if self.random.random() < 0.2:  # also where it would not matter
            return text_of(self.row())[:-1] + b',"more":"' + wrong + b'"}'
        return self.spoil(self.random.choice(list(BYTES)), b'"a' + wrong + b'"')

    def nul_in_string(self):
        field = self.random.choice(list(BYTES))
        return self.spoil(field, self.random.choice([r'"\u0000"', r'"a\u0000b"', r'"ab\u0000"']))


class Stream:
    """The whole input: `data`, the rows that must be in the table by key, and what must be rejected, in order."""

    def __init__(self):
        maker = RowMaker(SEED)
        self.rows = {}
        self.rejects = []  # (position, reason, line)
        self.good = 0
        data = bytearray()
        earlier = []
        for number in range(ROWS):
            turn = maker.random.random()
            if number in (ROWS // 3, ROWS // 2):  # far too long: good but for its length; one byte more than allowed
                line, reason = padded(maker.row(), 10_000_000 if number == ROWS // 3 else (1 << 20) + 1), "row_too_long"
            elif number == 2 * ROWS // 3:  # the longest that is taken
                line, shown = maker.good()
                line, reason = line + b" " * ((1 << 20) - len(line)), None
            elif turn < 0.40:
                line, reason = maker.bad()
            elif turn < 0.45 and earlier:  # the same key once more: the last value wins
                again = maker.random.choice(earlier)
                shown = {**maker.row(), "id": again["id"], "tag": again["tag"]}
                line, reason = text_of(shown), None
            elif turn < 0.46:  # a blank line is no row
                data += maker.random.choice([b"\n", b"  \t\n", b"\r\n"])
                continue
            else:
                (line, shown), reason = maker.good(), None
            if reason is None:
                self.good += 1
                self.rows[(shown["id"], shown["tag"].encode())] = shown
                earlier.append(shown)
            else:
                self.rejects.append((len(data), reason, line))
            data += line + b"\n"
        self.data = bytes(data[:-1])  # the last row has no newline and counts all the same


class BadRows(PerchTest):
    @classmethod
    def setUpClass(cls):
        cls.stream = Stream()

    def check(self, host, source):
        expected = self.stream
        status = host.wait_for_source(source)
        reasons = collections.Counter(reason for _, reason, _ in expected.rejects)
        self.assertEqual(status["bytes"], len(expected.data))
        self.check_rejects(host, source)
        self.assertEqual(status["rejects_by_reason"], reasons)
        self.assertEqual((status["rows"], status["rejects"]), (expected.good, len(expected.rejects)))
        rows = list(host.scan("rows"))
        self.assertEqual([(row["id"], row["tag"].encode()) for row in rows], sorted(expected.rows))
        for row in rows:
            self.assertEqual(as_stored(row), as_stored(expected.rows[(row["id"], row["tag"].encode())]))

    def check_rejects(self, host, source):
        found = host.rejects()
        for (position, reason, line), entry in zip(self.stream.rejects, found):
            shown = line if len(line) < 200 else line[:200] + b"..."
            self.assertEqual((entry["position"], entry["reason"]), (position, reason), f"{shown}: {entry['message']}")
            self.assertEqual(entry["source"], source)
            self.assertEqual(entry["row_bytes"], len(line))
            self.check_row_text(entry, line)
            self.assertTrue(entry["message"])
        self.assertEqual(len(found), len(self.stream.rejects))

    def check_row_text(self, entry, line):
        cut = len(line) > 4096
        self.assertEqual(entry.get("truncated", False), cut)
        if "row_base64" in entry:
            kept = base64.b64decode(entry["row_base64"])
        else:
            kept = entry["row"].encode()
        self.assertEqual(kept if not cut else kept[:4000], line if not cut else line[:4000])

    def test_through_a_file(self):
        (self.folder / "rows.ndjson").write_bytes(self.stream.data)
        source = {"name": "file", "type": "file", "path": str(self.folder / "rows.ndjson"), "table": "rows"}
        self.check(self.start(config({"rows": TABLE}, [source])), "file")

    def test_through_standard_input_in_pieces_of_any_size(self):
        host = self.start(config({"rows": TABLE}, [{"name": "in", "type": "stdin", "table": "rows"}]),
                          stdin=subprocess.PIPE)
        pieces = random.Random(SEED)

        def feed():
            with host.process.stdin as pipe:
                at = 0
                while at < len(self.stream.data):
                    size = pieces.choice([1, 7, 100, 4096, 65536, 1_000_000])
                    pipe.write(self.stream.data[at:at + size])
                    pipe.flush()
                    at += size

        feeder = threading.Thread(target=feed, daemon=True)
        feeder.start()
        self.check(host, "in")
        feeder.join(10)

    def test_through_a_command(self):
        (self.folder / "rows.ndjson").write_bytes(self.stream.data)
        source = {"name": "cat", "type": "exec", "command": ["cat", str(self.folder / "rows.ndjson")], "table": "rows",
                  "restart": "never"}
        self.check(self.start(config({"rows": TABLE}, [source])), "cat")


if __name__ == "__main__":
    unittest.main()
