"""The SDK's README, typed in as it is written: its commands, in their order, in a home folder of its own.

Takes half a minute: it compiles what a reader of that page compiles, with CMake, with pkg-config and by hand."""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from perch_host import BUILD

README = pathlib.Path(__file__).resolve().parents[2] / "plugin_sdk" / "README.md"

# The host that the tutorial starts in the background ends with the script.
PROLOGUE = """set -euo pipefail
trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT
"""


def script_of(readme, folder):
    """The README's shell blocks; its whole reader is put in place where it stands."""
    script = [PROLOGUE]
    for language, text in re.findall(r"```(sh|cpp)\n(.*?)```", readme, re.DOTALL):
        if language == "sh":
            script.append(text)
        elif "PERCH_PLUGIN(" in text:
            (folder / "version_2.cpp").write_text(text)
            script.append(f"cp {folder}/version_2.cpp counter/counter.cpp\n")
    return "".join(script)


class Tutorial(unittest.TestCase):
    def test_its_commands_lead_to_a_swapped_second_version(self):
        with tempfile.TemporaryDirectory(prefix="perch-tutorial-") as name:
            home = pathlib.Path(name)
            subprocess.run(["cmake", "--install", BUILD, "--prefix", home / "perch"], check=True, timeout=120,
                           stdout=subprocess.DEVNULL)
            script = script_of(README.read_text(), home)
            self.assertIn("perch new counter", script)
            self.assertIn("version_2.cpp", script)
            environment = {key: value for key, value in os.environ.items() if not key.startswith("PERCH_")}
            done = subprocess.run(["bash", "-c", script], env={**environment, "HOME": name}, text=True,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
            self.assertEqual(done.returncode, 0, done.stdout)

            published = [json.loads(found) for found in re.findall(r"\{\"rows\".*?\}", done.stdout)]
            first = [result for result in published if "highest" not in result]
            second = [result for result in published if "highest" in result]
            self.assertEqual((len(first), len(second)), (3, 2), done.stdout)
            inserted = [result["inserted"] for result in first + second]
            self.assertEqual(inserted, sorted(inserted), "the second version went on where the first one was")
            self.assertGreater(second[0]["highest"], 0)


if __name__ == "__main__":
    unittest.main()
