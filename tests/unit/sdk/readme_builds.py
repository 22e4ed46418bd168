"""The SDK's README must work as it is written: its reader is built against an installed SDK, outside of this tree.

Run by ctest with PERCH_BUILD (a build folder), PERCH_SDK (the SDK's sources) and PERCH_COMPILERS.
"""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

COMPILERS = [c for c in os.environ["PERCH_COMPILERS"].split(";") if shutil.which(c)]


def run(*command, **options):
    result = subprocess.run(command, text=True, capture_output=True, timeout=300, **options)
    if result.returncode != 0:
        raise AssertionError(f"{command} failed:\n{result.stdout}{result.stderr}")
    return result.stdout


def block(readme, language, part):
    """The one block of code in that language that has `part` in it."""
    (found,) = [text for text in re.findall(rf"```{language}\n(.*?)```", readme, re.DOTALL) if part in text]
    return found


class Readme(unittest.TestCase):
    def test_its_reader_builds_against_the_installed_sdk(self):
        readme = (pathlib.Path(os.environ["PERCH_SDK"]) / "README.md").read_text()
        header, source, build = (block(readme, *each) for each in (("cpp", "#pragma once"), ("cpp", "PERCH_PLUGIN("),
                                                                   ("cmake", "perch_add_plugin(")))
        with tempfile.TemporaryDirectory(prefix="perch-readme-") as name:
            home = pathlib.Path(name)
            run("cmake", "--install", os.environ["PERCH_BUILD"], "--component", "sdk", "--prefix", home / "perch-sdk")
            (home / "trades.hpp").write_text(header)
            (home / "counter.cpp").write_text(source)
            (home / "CMakeLists.txt").write_text(build)
            for compiler in COMPILERS:
                with self.subTest(compiler=compiler):
                    folder = home / f"build-{pathlib.Path(compiler).name}"
                    run("cmake", "-S", home, "-B", folder, f"-DCMAKE_PREFIX_PATH={home / 'perch-sdk'}",
                        env={**os.environ, "HOME": name, "CXX": compiler, "CXXFLAGS": "-Wall -Wextra -Werror"})
                    run("cmake", "--build", folder)
                    plugin = home / "perch/plugins/counter.so"
                    self.assertTrue(plugin.read_bytes() == (folder / "counter.so").read_bytes())
                    self.assertTrue(b'"id":"counter","version":"1.0.0"' in plugin.read_bytes())
                    exported = run("nm", "-D", "--defined-only", plugin).split()
                    self.assertEqual(exported[2:], ["perch_plugin"])


if __name__ == "__main__":
    unittest.main()
