"""Writes rows in Perch's binary format (perch/feed.h) from Python, with nothing but the standard library.

    import socket, perch_feed
    feed = socket.socket(socket.AF_UNIX)
    feed.connect("run/feed.sock")                      # a source of type "unix" with "format": "binary"
    rows = perch_feed.Writer(feed.makefile("wb"),
                             "{symbol:char[8]@0;seq:uint64@8}16:8",              # perch layout trades
                             "{ts:timestamp_ns@0;price:float64@8;size:float64@16}24:8")
    rows.write("ACME", 1, 1764015408000000000, 12.5, 100.0)                      # key, then value, field by field
    rows.flush()

Run as a program it turns NDJSON on standard input into binary rows on standard output:

    perch_feed.py '{symbol:char[8]@0;seq:uint64@8}16:8' '{ts:timestamp_ns@0;price:float64@8}16:8' < rows.ndjson
"""
import json
import re
import struct
import sys
import zlib

FRAME_BYTES_MAX = 1 << 20
CODES = {"int8": "b", "int16": "h", "int32": "i", "int64": "q", "uint8": "B", "uint16": "H", "uint32": "I",
         "uint64": "Q", "float32": "f", "float64": "d", "bool": "B", "timestamp_ns": "q"}


class Layout:
    """A record, from its canonical text."""

    def __init__(self, text):
        self.text = text
        body, size, align = re.fullmatch(r"\{(.*)\}(\d+):(\d+)", text).groups()
        self.size, self.align, self.fields = int(size), int(align), []
        for field in body.split(";"):
            name, kind, extent, offset = re.fullmatch(r"(\w+):(\w+?)(?:\[(\d+)\])?@(\d+)", field).groups()
            self.fields.append((name, kind, int(extent or 0), int(offset)))

    def pack_into(self, record, start, values):
        for (name, kind, extent, offset), value in zip(self.fields, values, strict=True):
            if kind == "char":
                data = value.encode() if isinstance(value, str) else value
                if len(data) > extent:
                    raise ValueError(f"{name}: {len(data)} bytes, at most {extent}")
                struct.pack_into(f"{extent}s", record, start + offset, data)
            elif extent:
                struct.pack_into(f"<{extent}{CODES[kind]}", record, start + offset, *value)
            else:
                struct.pack_into("<" + CODES[kind], record, start + offset, value)


def up(offset, align):
    return (offset + align - 1) // align * align


def record_shape(key, value):
    """Where the value begins in a record, and its size: as C lays out struct { KEY key; VALUE value; }."""
    begin = up(key.size, value.align)
    return begin, up(begin + value.size, max(key.align, value.align))


def header(key_text, value_text, table=""):
    texts = (table + key_text + value_text).encode()
    size = record_shape(Layout(key_text), Layout(value_text))[1]
    return struct.pack("<8s6I", b"PERCHROW", 1, len(table.encode()), len(key_text.encode()), len(value_text.encode()),
                       size, zlib.crc32(texts)) + texts


def frame(records, record_bytes):
    """`records`: packed ones, one after the other."""
    return struct.pack("<4I", 0x46435250, len(records) // record_bytes, record_bytes, zlib.crc32(records)) + records


class Writer:
    """Gathers rows into frames and writes them to a binary file object."""

    def __init__(self, file, key_text, value_text, table="", rows_per_frame=256):
        self.file = file
        self.key, self.value = Layout(key_text), Layout(value_text)
        self.value_begin, self.record_bytes = record_shape(self.key, self.value)
        self.frame_bytes = min(FRAME_BYTES_MAX // self.record_bytes, rows_per_frame) * self.record_bytes
        self.records = bytearray()
        file.write(header(key_text, value_text, table))

    def write(self, *fields):
        """One row: the key's fields, then the value's."""
        record = bytearray(self.record_bytes)
        keys = len(self.key.fields)
        self.key.pack_into(record, 0, fields[:keys])
        self.value.pack_into(record, self.value_begin, fields[keys:])
        self.records += record
        if len(self.records) >= self.frame_bytes:
            self.end_frame()

    def end_frame(self):
        if self.records:
            self.file.write(frame(bytes(self.records), self.record_bytes))
            self.records.clear()

    def flush(self):
        self.end_frame()
        self.file.flush()


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    writer = Writer(sys.stdout.buffer, sys.argv[1], sys.argv[2])
    names = [field[0] for field in writer.key.fields + writer.value.fields]
    for line in sys.stdin:
        row = json.loads(line)
        writer.write(*(row[name] for name in names))
    writer.flush()


if __name__ == "__main__":
    main()
