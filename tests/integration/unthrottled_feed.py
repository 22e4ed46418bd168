"""Usage: unthrottled_feed.py FOLDER ROWS COMMAND...

Passes a feed's rows on as fast as they are taken, keeps a copy in FOLDER/fed, and ends, between two rows, when
FOLDER/enough exists. So a test decides how long the load lasts, and knows exactly what was fed. After ROWS rows it goes
on slowly, which bounds what a slow machine has to store.
"""
import os
import pathlib
import subprocess
import sys
import time

folder, rows_left = pathlib.Path(sys.argv[1]), int(sys.argv[2])
feed = subprocess.Popen(sys.argv[3:], stdout=subprocess.PIPE, bufsize=0)
rest = b""
with (folder / "fed").open("wb", buffering=0) as copy:
    while not (folder / "enough").exists():
        if rows_left <= 0:
            time.sleep(0.005)
        block = os.read(feed.stdout.fileno(), 1 << 17 if rows_left > 0 else 1 << 12)
        lines, newline, rest = (rest + block).rpartition(b"\n")
        rows_left -= lines.count(b"\n") + 1
        copy.write(lines + newline)
        sys.stdout.buffer.write(lines + newline)
        sys.stdout.buffer.flush()
        if not block:
            break
feed.kill()
feed.wait()
