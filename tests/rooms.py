#!/usr/bin/env python3
"""Prints which room (folder of host/) includes which, from the sources, lowest first; fails when there is a circle.

    tests/rooms.py
"""
import collections
import pathlib
import re
import sys

HOST = pathlib.Path(__file__).resolve().parent.parent / "host"
INCLUDE = re.compile(r'^\s*#\s*include\s+"([a-z_]+)/[^"]+"', re.MULTILINE)


def included_rooms():
    """{room: {room it includes: number of includes}}"""
    rooms = sorted(entry.name for entry in HOST.iterdir() if entry.is_dir())
    uses = {room: collections.Counter() for room in rooms}
    for room in rooms:
        for file in sorted((HOST / room).rglob("*")):
            if file.suffix in (".cpp", ".hpp", ".inl"):
                uses[room].update(other for other in INCLUDE.findall(file.read_text())
                                  if other != room and other in uses)
    return uses


def in_order(uses):
    """Rooms such that each includes only earlier ones, or the rooms of a circle."""
    done, order = set(), []
    while len(order) < len(uses):
        ready = [room for room in uses if room not in done and set(uses[room]) <= done]
        if not ready:
            return None, sorted(room for room in uses if room not in done)
        order += ready
        done.update(ready)
    return order, []


def main():
    uses = included_rooms()
    order, circle = in_order(uses)
    if circle:
        for room in circle:
            print(f"{room:12} -> {', '.join(sorted(set(uses[room]) & set(circle)))}")
        sys.exit("rooms: there is a circle among these")
    for room in order:
        print(f"{room:12} -> {', '.join(f'{other} {uses[room][other]}' for other in order if uses[room][other])}")
    print(f"rooms: {len(order)}, each includes only rooms above it in this list")


if __name__ == "__main__":
    main()
