"""Layouts as NumPy dtypes: {symbol:char[8]@0;seq:uint64@8}16:8 is what lies in memory, field by field."""
import re

import numpy as np

NUMBERS = {"int8": "i1", "int16": "<i2", "int32": "<i4", "int64": "<i8", "uint8": "u1", "uint16": "<u2", "uint32": "<u4",
           "uint64": "<u8", "float32": "<f4", "float64": "<f8", "bool": "?", "timestamp_ns": "<M8[ns]"}


def fields_of(layout):
    """[(name, dtype, offset)] and the record's size."""
    matched = re.fullmatch(r"\{(.*)\}(\d+):(\d+)", layout)
    if not matched:
        raise ValueError(f"no layout: {layout!r}")
    fields = []
    for part in matched.group(1).split(";"):
        name, kind, extent, offset = re.fullmatch(r"(\w+):(\w+?)(?:\[(\d+)\])?@(\d+)", part).groups()
        if kind == "char":
            dtype = np.dtype(f"S{extent}")
        else:
            dtype = np.dtype(NUMBERS[kind]) if extent is None else np.dtype((NUMBERS[kind], (int(extent),)))
        fields.append((name, dtype, int(offset)))
    return fields, int(matched.group(2))


def make_dtype(fields, size):
    names, formats, offsets = zip(*fields)
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": size})


def dtype_of(layout):
    """The dtype of a record with this canonical layout text. char[N] is bytes, timestamp_ns is datetime64[ns]."""
    return make_dtype(*fields_of(layout))


def row_dtype(key_layout, value_layout):
    """A row: its key, and where values begin. Value fields that the key has too are called "value.NAME"."""
    keys, key_size = fields_of(key_layout)
    values, value_size = fields_of(value_layout)
    taken = {name for name, _, _ in keys}
    start = (key_size + 7) // 8 * 8
    renamed = [("value." + name if name in taken else name, dtype, start + offset) for name, dtype, offset in values]
    return make_dtype(keys + renamed, start + (value_size + 7) // 8 * 8), start
