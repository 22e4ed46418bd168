"""Reads a Perch host's live tables into NumPy arrays.

    import perch
    bars = perch.connect().table("bars").scan(prefix={"symbol": "AAPL"})
    print(bars["close"].mean())

A scan sees one version of the table, which never changes; `Connection.pin` holds a version for several of them. It
reads the host's memory by itself, so it costs the host nothing but the versions that are pinned: do not keep them.
"""
try:
    import numpy as _
except ImportError as error:
    import sys
    raise ImportError(f"perch gives NumPy arrays, and {sys.executable} has no NumPy: install it for that Python, or run the one "
                      "that has it (Debian's python3-numpy is for /usr/bin/python3)") from error

from ._connection import Change, Connection, Events, Snapshot, Table, connect, listen
from ._library import EndedError, IncompatibleError, NoHostError, PerchError, RefusedError, WaitTimeout
from ._records import dtype_of

__all__ = ["Change", "Connection", "EndedError", "Events", "IncompatibleError", "NoHostError", "PerchError",
           "RefusedError", "Snapshot", "Table", "WaitTimeout", "connect", "dtype_of", "listen"]
