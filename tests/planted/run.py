#!/usr/bin/env python3
"""Plants one bug at a time in a copy of host/tree and expects the tree's tests to catch it.

    tests/planted/run.py [--jobs N] [NAME...]

Each *.patch beside this file is one bug: its first line says what it is, an optional line "Tests: TARGET" names the
program that must catch it (unit_tree unless said), the rest is a unified diff against the repository's root. The copy
is build/planted/source, built in build/planted/build, and left there so that the next run compiles only what a patch
touches. Fails when a patch does not apply, when its build fails, when the tests fail without any bug, and when they
pass with one.
"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SOURCE = ROOT / "build" / "planted" / "source"
BUILD = ROOT / "build" / "planted" / "build"
COPIED = ["config", "CMakeLists.txt", "host", "plugin_sdk", "plugins", "tests"]
TESTS_TIMEOUT_S = 600  # of one run of the tests, which take half a minute; a bug may make them hang


def fail(message):
    sys.exit(f"planted: {message}")


def copy_tree():
    """Makes SOURCE equal to the repository's files, touching only those that differ, so that little is rebuilt."""
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *COPIED],
                            cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\n")
    wanted = {name for name in listed if name and (ROOT / name).is_file()}
    for name in wanted:
        target = SOURCE / name
        if target.is_file() and target.read_bytes() == (ROOT / name).read_bytes():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    for target in SOURCE.rglob("*"):
        if target.is_file() and str(target.relative_to(SOURCE)) not in wanted:
            target.unlink()


def build(target, jobs):
    if not (BUILD / "build.ninja").exists():
        subprocess.run(["cmake", "-S", SOURCE, "-B", BUILD, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=RelWithDebInfo"],
                       check=True, stdout=subprocess.DEVNULL)
    done = subprocess.run(["ninja", "-C", BUILD, f"-j{jobs}", target], capture_output=True, text=True)
    if done.returncode != 0:
        print(done.stdout[-3000:], done.stderr[-1000:], file=sys.stderr)
    return done.returncode == 0


def run_tests(target):
    """None when they pass, else what they say first."""
    program = str(BUILD / "bin" / target)
    runs = [[program]]
    if target == "unit_tree":  # those that compare with models first: they say best what is wrong
        judges = "tree*,cursor*,diff*,exhaustive*,get*,growth*,reclamation*"
        runs = [[program, "--abort-after=1", f"--test-case={judges}"],
                [program, "--abort-after=1", f"--test-case-exclude={judges}"]]
    for run in runs:
        try:
            done = subprocess.run(run, capture_output=True, text=True, errors="replace", timeout=TESTS_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return "hung"
        if done.returncode != 0:
            return first_failure(done.stdout + "\n" + done.stderr, done.returncode)
    return None


def first_failure(output, status):
    case = re.search(r"TEST CASE: +(.*)", output)
    message = re.search(r"(?:ERROR: |assertion failed: |PERCH_ASSERT.*?: |iteration: |error: )(.*)", output)
    aborted = re.search(r"^.*(?:freed twice|out of arena|perch: ).*$", output, re.MULTILINE)
    says = (aborted or message)
    text = says.group(0).strip() if says else f"ended with status {status}"
    return f"{case.group(1).strip() if case else 'the program'} | {text[:110]}"


def plant(patch, jobs):
    """Returns (what caught it or None, seconds of testing)."""
    text = patch.read_text()
    target = (re.search(r"^Tests: (\w+)$", text, re.MULTILINE) or [None, "unit_tree"])[1]
    applied = subprocess.run(["patch", "-p1", "--fuzz=1", "--no-backup-if-mismatch", "-i", patch], cwd=SOURCE,
                             capture_output=True, text=True)
    if applied.returncode != 0:
        fail(f"{patch.name} does not apply any more:\n{applied.stdout}")
    if not build(target, jobs):
        fail(f"{patch.name} does not compile")
    start = time.monotonic()
    return run_tests(target), time.monotonic() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("names", nargs="*", help="patches, without .patch; all unless named")
    arguments = parser.parse_args()
    patches = sorted(HERE.glob("*.patch"))
    if arguments.names:
        patches = [patch for patch in patches if patch.stem in arguments.names]
    if not patches:
        fail("no such patch")

    missed = []
    if not arguments.names:
        copy_tree()
        for target in ("unit_tree", "unit_tree_relacy"):
            if not build(target, arguments.jobs):
                fail(f"{target} does not compile without any bug")
            if (says := run_tests(target)) is not None:
                fail(f"{target} fails without any bug: {says}")
    for patch in patches:
        copy_tree()
        caught, seconds = plant(patch, arguments.jobs)
        print(f"{patch.stem:34} {'NOT CAUGHT' if caught is None else caught}  ({seconds:.1f} s)", flush=True)
        if caught is None:
            missed.append(patch.stem)
    copy_tree()
    if missed:
        fail(f"not caught: {', '.join(missed)}")
    print(f"planted: {len(patches)} bugs, each caught")


if __name__ == "__main__":
    main()
