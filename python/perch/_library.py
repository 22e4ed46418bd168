"""libperch through ctypes: perch/client.h and the reading part of perch/plugin.h, word for word."""
import ctypes
import ctypes.util
import os
import pathlib
from ctypes import POINTER, byref, c_char, c_char_p, c_int32, c_int64, c_size_t, c_ssize_t, c_uint32, c_uint64, c_uint8
from ctypes import c_void_p

OK, FAILED, TIMEOUT, ENDED, NO_HOST, INCOMPATIBLE, REFUSED = 0, 1, 3, 4, 5, 6, 7


class PerchError(Exception):
    """Something did not work; the message says what to do."""


class WaitTimeout(PerchError):
    """The time was over first."""


class EndedError(PerchError):
    """The host has ended; connect again for the next one."""


class NoHostError(PerchError):
    """Nobody answers at the socket."""


class IncompatibleError(PerchError):
    """Built for another format than the host's."""


class RefusedError(PerchError):
    """The host does not let this process read, or not that much."""


ERRORS = {TIMEOUT: WaitTimeout, ENDED: EndedError, NO_HOST: NoHostError, INCOMPATIBLE: IncompatibleError,
          REFUSED: RefusedError}


class Error(ctypes.Structure):
    _fields_ = [("message", c_char * 512)]


class String(ctypes.Structure):
    _fields_ = [("data", c_void_p), ("size", c_size_t)]


class TableInfo(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), ("index", c_uint32), ("name", c_char_p), ("key_layout", c_char_p),
                ("value_layout", c_char_p), ("key_hash", c_uint64), ("value_hash", c_uint64), ("key_size", c_uint32),
                ("value_size", c_uint32)]


class Range(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), ("from_fields", c_uint32), ("to_fields", c_uint32),
                ("from_exclusive", c_uint8), ("to_exclusive", c_uint8), ("reverse", c_uint8), ("reserved", c_uint8),
                ("from_", c_void_p), ("to", c_void_p)]


class Cursor(ctypes.Structure):
    _fields_ = [("opaque", c_uint64 * 96)]


class Run(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), ("count", c_uint32), ("values", c_void_p), ("value_stride", c_ssize_t)]


class Functions(ctypes.Structure):
    """perch_host: what a client gets of it reads."""
    _fields_ = [("struct_size", c_uint32), ("abi_version", c_uint32), ("context", c_void_p),
                ("log", c_void_p), ("publish", c_void_p), ("counter_add", c_void_p), ("gauge_set", c_void_p),
                ("histogram_record", c_void_p), ("wake_every", c_void_p),
                ("snapshot_version", ctypes.CFUNCTYPE(c_uint64, c_void_p)),
                ("snapshot_time_ns", ctypes.CFUNCTYPE(c_int64, c_void_p)),
                ("table_rows", ctypes.CFUNCTYPE(c_uint64, c_void_p, c_uint32)),
                ("get", ctypes.CFUNCTYPE(c_void_p, c_void_p, c_uint32, c_void_p)),
                ("scan_open", ctypes.CFUNCTYPE(c_int32, c_void_p, c_uint32, POINTER(Range), POINTER(Cursor))),
                ("scan_next", ctypes.CFUNCTYPE(c_uint32, POINTER(Cursor), c_void_p, c_uint32, POINTER(Run))),
                ("diff_open", ctypes.CFUNCTYPE(c_int32, c_void_p, c_void_p, c_uint32, POINTER(Cursor))),
                ("diff_next", c_void_p),
                ("get_many", ctypes.CFUNCTYPE(None, c_void_p, c_uint32, c_void_p, c_size_t, c_void_p))]


SIGNATURES = {
    "perch_connect": (c_int32, [c_char_p, c_char_p, POINTER(c_void_p), POINTER(Error)]),
    "perch_close": (None, [c_void_p]),
    "perch_table_count": (c_uint32, [c_void_p]),
    "perch_table_at": (c_int32, [c_void_p, c_uint32, POINTER(TableInfo)]),
    "perch_find_table": (c_int32, [c_void_p, c_char_p, POINTER(TableInfo), POINTER(Error)]),
    "perch_refresh": (c_int32, [c_void_p, POINTER(Error)]),
    "perch_functions": (POINTER(Functions), [c_void_p]),
    "perch_pin": (c_int32, [c_void_p, POINTER(c_void_p), POINTER(Error)]),
    "perch_unpin": (None, [c_void_p, c_void_p]),
    "perch_version": (c_uint64, [c_void_p]),
    "perch_wait": (c_int32, [c_void_p, c_uint64, c_int64]),
    "perch_copy_rows": (c_uint64, [c_void_p, c_uint32, POINTER(Cursor), c_void_p, c_size_t, c_void_p, c_size_t,
                                   c_uint64]),
    "perch_copy_changes": (c_uint64, [c_void_p, c_uint32, POINTER(Cursor), c_void_p, c_void_p, c_size_t, c_void_p,
                                      c_size_t, c_void_p, c_size_t, c_uint64]),
    "perch_listen": (c_int32, [c_char_p, c_char_p, POINTER(c_void_p), POINTER(Error)]),
    "perch_next_event": (c_int32, [c_void_p, c_int64, POINTER(String), POINTER(Error)]),
    "perch_events_close": (None, [c_void_p]),
}


def candidates():
    """Where libperch may be: said so, beside an installation's or a build folder's Python files, or in the system."""
    if os.environ.get("PERCH_LIBRARY"):
        yield os.environ["PERCH_LIBRARY"]
        return
    for folder in pathlib.Path(__file__).resolve().parents:
        for build in (folder, folder / "build" / "release"):
            yield from map(str, sorted((build / "lib").glob("**/libperch.so.0")))
    yield "libperch.so.0"


def load():
    failures = []
    for name in candidates():
        try:
            library = ctypes.CDLL(name)
        except OSError as error:
            failures.append(str(error))
            continue
        for function, (result, arguments) in SIGNATURES.items():
            getattr(library, function).restype = result
            getattr(library, function).argtypes = arguments
        return library
    raise ImportError("libperch.so.0 is not to be found; `./dev install PREFIX` puts it there, and PERCH_LIBRARY names "
                      f"it where it is elsewhere ({'; '.join(failures)})")


library = load()


def check(result, error):
    """Raises what a result other than OK means."""
    if result == OK:
        return
    message = error.message.decode(errors="replace") if error is not None else ""
    raise ERRORS.get(result, PerchError)(message or {ENDED: "the host has ended", TIMEOUT: "the time was over first"}
                                         .get(result, "it did not work"))


def call(name, *arguments):
    """A function that takes a perch_error last."""
    error = Error()
    check(getattr(library, name)(*arguments, byref(error)), error)
