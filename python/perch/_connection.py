"""Connections, snapshots and tables over libperch."""
import collections
import ctypes
import json
import weakref
from ctypes import byref, c_void_p

import numpy as np

from . import _library
from ._library import Cursor, Range, Run, TableInfo, call, library
from ._records import dtype_of, row_dtype

ROWS_AT_ONCE = 4096


def connect(socket=None, name="python"):
    """Connects to a host. `socket` None: $PERCH_SOCKET, else run/perch.sock; `name`: what the host calls us."""
    return Connection(socket, name)


def listen(socket=None, **filter):
    """Readers' results and what happens to readers, as dictionaries, from now on: listen(reader="vwap")."""
    return Events(socket, filter)


class Connection:
    """To one host, until `close` or the end of a with block. Any thread may use it."""

    def __init__(self, socket, name):
        handle = c_void_p()
        call("perch_connect", None if socket is None else str(socket).encode(), name.encode(), byref(handle))
        self._handle = handle
        self._functions = library.perch_functions(handle).contents
        self._close = weakref.finalize(self, library.perch_close, handle)

    def close(self):
        self._close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _open(self):
        if not self._close.alive:
            raise ValueError("the connection is closed")
        return self._handle

    @property
    def tables(self):
        """The names of the host's tables."""
        return [self._info(index).name.decode() for index in range(library.perch_table_count(self._open()))]

    @property
    def version(self):
        """The newest version's number."""
        return library.perch_version(self._open())

    def _info(self, index):
        info = TableInfo(struct_size=ctypes.sizeof(TableInfo))
        library.perch_table_at(self._open(), index, byref(info))
        return info

    def table(self, name):
        """A table; each call of it sees the version that is the newest then."""
        info = TableInfo(struct_size=ctypes.sizeof(TableInfo))
        call("perch_find_table", self._open(), name.encode(), byref(info))
        return Table(self, info, None)

    def pin(self):
        """The newest version, held until `unpin` or the end of a with block."""
        return Snapshot(self)

    def wait(self, seen=None, timeout=None):
        """Sleeps until a version other than `seen` (None: the newest) is there, and returns its number. WaitTimeout
        after `timeout` seconds; EndedError as soon as the host has ended."""
        seen = self.version if seen is None else seen
        nanoseconds = -1 if timeout is None else int(timeout * 1e9)
        _library.check(library.perch_wait(self._open(), seen, nanoseconds), None)
        return self.version

    def refresh(self):
        """Asks the host again for its tables, of which there may be more."""
        call("perch_refresh", self._open())


class Snapshot:
    """One version of all tables, which never changes. Costs the host memory while it is pinned."""

    def __init__(self, connection):
        self._connection = connection
        handle = c_void_p()
        call("perch_pin", connection._open(), byref(handle))
        self._handle = handle
        self._unpin = weakref.finalize(self, _unpin, connection, handle)

    def unpin(self):
        self._unpin()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.unpin()

    def _open(self):
        self._connection._open()
        if not self._unpin.alive:
            raise ValueError("the snapshot is not pinned any more")
        return self._handle

    @property
    def version(self):
        return self._connection._functions.snapshot_version(self._open())

    @property
    def time(self):
        """When it was committed, UTC."""
        return np.datetime64(self._connection._functions.snapshot_time_ns(self._open()), "ns")

    def table(self, name):
        found = self._connection.table(name)
        found._snapshot = self
        return found


def _unpin(connection, handle):
    if connection._close.alive:
        library.perch_unpin(connection._handle, handle)


Change = collections.namedtuple("Change", "kinds keys old new")
Change.__doc__ = """Net changes of a table, an array each: `kinds` 1 inserted, 2 updated, 3 removed; `keys`; the values
before and after, zeros where there are none."""


class Table:
    """A table, of one version where it came from a Snapshot, else of the newest at each call."""

    def __init__(self, connection, info, snapshot):
        self._connection = connection
        self._snapshot = snapshot
        self._index = info.index
        self.name = info.name.decode()
        self.key_layout = info.key_layout.decode()
        self.value_layout = info.value_layout.decode()
        self.key_dtype = dtype_of(self.key_layout)
        self.value_dtype = dtype_of(self.value_layout)
        self.dtype, self._value_offset = row_dtype(self.key_layout, self.value_layout)

    def __len__(self):
        with self._pinned() as snapshot:
            return self._connection._functions.table_rows(snapshot._open(), self._index)

    def scan(self, from_=None, to=None, prefix=None, reverse=False, from_exclusive=False, to_exclusive=False, limit=None):
        """The rows of a range as one structured array, key and value fields together, copied.

        Bounds are dictionaries, or tuples, of the key's leading fields: prefix={"symbol": "AAPL"}.
        """
        if limit is not None and limit < 0:
            raise ValueError(f"limit: {limit} rows cannot be had")
        chunks = []
        left = limit
        with self._pinned() as snapshot:
            cursor = self._scan(snapshot, from_, to, prefix, reverse, from_exclusive, to_exclusive)
            while left is None or left > 0:
                rows = np.empty(ROWS_AT_ONCE if left is None else min(left, ROWS_AT_ONCE), self.dtype)
                start = rows.ctypes.data
                count = library.perch_copy_rows(self._connection._open(), self._index, byref(cursor), start,
                                                rows.itemsize, start + self._value_offset, rows.itemsize, len(rows))
                if count == 0:
                    break
                chunks.append(rows[:count])
                if left is not None:
                    left -= count
        return np.concatenate(chunks) if chunks else np.empty(0, self.dtype)

    def runs(self, from_=None, to=None, prefix=None, reverse=False, from_exclusive=False, to_exclusive=False):
        """Values in place, nothing copied: (keys, values) of a few neighbouring rows at a time. Only of a pinned
        version, and only as long as it is pinned: then the memory is another's."""
        if self._snapshot is None:
            raise ValueError("values in place need a pinned version: with connection.pin() as s: s.table(…).runs()")
        cursor = self._scan(self._snapshot, from_, to, prefix, reverse, from_exclusive, to_exclusive)
        room = 64
        while True:
            self._snapshot._open()
            keys = np.empty(room, self.key_dtype)
            run = Run(struct_size=ctypes.sizeof(Run))
            count = self._connection._functions.scan_next(byref(cursor), keys.ctypes.data, room, byref(run))
            if count == 0:
                return
            yield keys[:count], self._in_place(run)

    def _in_place(self, run):
        stride = run.value_stride
        first = run.values + (min(stride, 0) * (run.count - 1))
        size = abs(stride) * (run.count - 1) + self.value_dtype.itemsize
        memory = np.frombuffer((ctypes.c_char * size).from_address(first), np.uint8)
        memory.flags.writeable = False
        values = np.ndarray(run.count, self.value_dtype, memory, offset=run.values - first, strides=(stride,))
        values.flags.writeable = False
        return values

    def get(self, *values, **fields):
        """The row of one key, or None: get("AAPL", 17) or get(symbol="AAPL", seq=17)."""
        key, count = self._key(fields or values, "key")
        if count != len(self.key_dtype.names):
            raise ValueError(f"a key has all of {', '.join(self.key_dtype.names)}")
        with self._pinned() as snapshot:
            found = self._connection._functions.get(snapshot._open(), self._index, key.ctypes.data)
            if not found:
                return None
            row = np.zeros((), self.dtype)
            ctypes.memmove(row.ctypes.data, key.ctypes.data, key.itemsize)
            ctypes.memmove(row.ctypes.data + self._value_offset, found, self.value_dtype.itemsize)
            return row[()]

    def changes_since(self, older):
        """The net changes from a pinned older version to this one."""
        if self._snapshot is None:
            raise ValueError("changes are between pinned versions: newer.table(…).changes_since(older)")
        cursor = Cursor()
        if self._connection._functions.diff_open(older._open(), self._snapshot._open(), self._index, byref(cursor)) != 0:
            raise ValueError("no changes between these: is the other one the older version of this connection?")
        parts = []
        while True:
            part = Change(np.empty(ROWS_AT_ONCE, np.uint32), np.empty(ROWS_AT_ONCE, self.key_dtype),
                          np.empty(ROWS_AT_ONCE, self.value_dtype), np.empty(ROWS_AT_ONCE, self.value_dtype))
            count = library.perch_copy_changes(
                self._connection._open(), self._index, byref(cursor), part.kinds.ctypes.data, part.keys.ctypes.data,
                part.keys.itemsize, part.old.ctypes.data, part.old.itemsize, part.new.ctypes.data, part.new.itemsize,
                ROWS_AT_ONCE)
            parts.append(Change(*(array[:count] for array in part)))
            if count == 0:
                return Change(*map(np.concatenate, zip(*parts)))

    def _pinned(self):
        return _Borrowed(self._snapshot) if self._snapshot is not None else self._connection.pin()

    def _scan(self, snapshot, from_, to, prefix, reverse, from_exclusive, to_exclusive):
        if prefix is not None:
            if from_ is not None or to is not None:
                raise ValueError("prefix says both bounds: leave from_ and to out")
            from_ = to = prefix
        low, low_fields = self._key(from_, "from_")
        high, high_fields = self._key(to, "to")
        range_ = Range(ctypes.sizeof(Range), low_fields, high_fields, from_exclusive, to_exclusive, reverse, 0,
                       low.ctypes.data, high.ctypes.data)
        cursor = Cursor()
        opened = self._connection._functions.scan_open(snapshot._open(), self._index, byref(range_), byref(cursor))
        if opened != 0:
            raise ValueError("no such range of keys (NaN?)")
        return cursor

    def _key(self, given, what):
        """A key record of the leading fields given, and how many they are."""
        record = np.zeros((), self.key_dtype)
        names = self.key_dtype.names
        if given is None:
            return record, 0
        if not isinstance(given, dict):
            if len(given) > len(names):
                raise ValueError(f"{what}: a key has only {', '.join(names)}")
            given = dict(zip(names, given))
        if list(given) != list(names[:len(given)]) and set(given) != set(names[:len(given)]):
            raise ValueError(f"{what}: leading fields of {', '.join(names)} are to be given, not {', '.join(given)}")
        for name, value in given.items():
            encoded = value.encode() if isinstance(value, str) else value
            if isinstance(encoded, bytes) and self.key_dtype[name].kind == "S" and \
                    len(encoded) > self.key_dtype[name].itemsize:
                raise ValueError(f"{what}: {name} has room for {self.key_dtype[name].itemsize} bytes")
            record[name] = encoded
        return record, len(given)


class _Borrowed:
    """A snapshot that is pinned for longer than one call."""

    def __init__(self, snapshot):
        self._snapshot = snapshot

    def __enter__(self):
        return self._snapshot

    def __exit__(self, *_):
        pass


class Events:
    """An iterator of events, each a dictionary; `next(timeout)` waits no longer than so many seconds."""

    def __init__(self, socket, filter):
        handle = c_void_p()
        call("perch_listen", None if socket is None else str(socket).encode(), json.dumps(filter).encode(), byref(handle))
        self._handle = handle
        self._close = weakref.finalize(self, library.perch_events_close, handle)

    def close(self):
        self._close()

    def __iter__(self):
        return self

    def __next__(self):
        try:
            return self.next()
        except _library.EndedError:
            raise StopIteration from None

    def next(self, timeout=None):
        if not self._close.alive:
            raise ValueError("this is closed")
        text = _library.String()
        call("perch_next_event", self._handle, -1 if timeout is None else int(timeout * 1e9), byref(text))
        return json.loads(ctypes.string_at(text.data, text.size))
