"""What Doxygen reads of a header: plain comments that describe what stands beside or below them become its own kind.

The head comment of a file ("// Config: …") becomes the file's description; in plugin.h, which is C, "/* … */" becomes "/** … */".
"""

import re
import sys


def head_comment(text):
    lines = text.split("\n")
    end = next((i for i, line in enumerate(lines) if not line.startswith("//")), len(lines))
    return "\n".join(["/// @file", *("///" + line[2:] for line in lines[:end]), "", *lines[end:]])


def c_comments(text):
    text = re.sub(r"^/\* ---- .*?\*/\n", "", text, flags=re.M | re.S)  # ruled headings
    text = re.sub(r"^/\* ", "/** @file\n * ", text, count=1)
    text = re.sub(r"^( *)/\* ", r"\1/** ", text, flags=re.M)
    return re.sub(r"([;,}] +|\d +)/\* ", r"\1/**< ", text)


with open(sys.argv[1], encoding="utf-8") as file:
    header = file.read()
print(c_comments(header) if sys.argv[1].endswith(".h") else head_comment(header), end="")
