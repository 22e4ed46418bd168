#!/usr/bin/env python3
"""Compiles files one by one, syntax only, as a build folder's compile_commands.json says.

    tests/each.py BUILD [FILE...]

Without files: all of them. A header is compiled as its .cpp file would be, or else as the first file that includes it. Unity builds
do not see an include that a file forgot; this does.
"""
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def compilations(build):
    """{file: the compiler's arguments, for syntax only}"""
    found = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        file = pathlib.Path(entry["file"])
        if file in found or file.suffix != ".cpp":
            continue
        arguments = shlex.split(entry["command"])
        compiler = next(i for i, argument in enumerate(arguments) if argument.endswith(("c++", "g++", "clang++")))
        arguments = arguments[compiler:]
        output = arguments.index("-o")
        del arguments[output:output + 2]
        for flag in ("-MD", "-MT", "-MF"):
            if flag in arguments:
                at = arguments.index(flag)
                del arguments[at:at + (1 if flag == "-MD" else 2)]
        found[file] = arguments + ["-fsyntax-only"]
    return found


def first_that_includes(header, known):
    name = re.compile(r'#include "([a-z_/]*/)?' + re.escape(header.name) + '"')
    return next((file for file in known if name.search(file.read_text())), None)


def with_headers(chosen, known):
    """The compilations of these files."""
    jobs = {}
    for file in chosen:
        if file in known:
            jobs[file] = known[file]
        elif file.suffix == ".hpp":
            source = file.with_suffix(".cpp")
            neighbour = source if source in known else first_that_includes(file, known)
            if neighbour is not None:
                arguments = [str(file) if argument == str(neighbour) else argument for argument in known[neighbour]]
                jobs[file] = arguments + ["-x", "c++", "-Wno-pragma-once-outside-header", "-w"]
    return jobs


def compile_one(build, job):
    file, arguments = job
    at = arguments.index("-x") if "-x" in arguments else None
    if at is not None:  # the language must stand before the file
        language, arguments = arguments[at:at + 2], arguments[:at] + arguments[at + 2:]
        arguments = arguments[:1] + language + arguments[1:]
    done = subprocess.run(arguments, cwd=build, capture_output=True, text=True)
    return file, done.returncode, done.stderr


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    known = compilations(build)
    chosen = [(ROOT / name).resolve() for name in sys.argv[2:]] or list(known)
    jobs = with_headers(chosen, known)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for file, status, errors in pool.map(lambda job: compile_one(build, job), jobs.items()):
            if status != 0:
                failed += 1
                print(f"{file.relative_to(ROOT)} does not compile alone:\n{errors}", flush=True)
    if failed:
        sys.exit(f"each: {failed} of {len(jobs)} files do not compile alone")
    print(f"each: {len(jobs)} files compile alone")


if __name__ == "__main__":
    main()
