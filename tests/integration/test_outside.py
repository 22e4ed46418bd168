"""What is installed is all that a plugin author needs: readers are built against it in folders of their own, by CMake and
by pkg-config, with both compilers and linkers, in C++ and C; one reader in a live host then goes through all of them."""
import concurrent.futures
import json
import os
import pathlib
import shlex
import shutil
import tempfile
import unittest

import perch_host
from perch_host import BUILD, PerchTest, SANITIZE, SOURCE, TRADES, config, drop, market, perch, run, seconds

CMAKE_LISTS = """cmake_minimum_required(VERSION 3.20)
project(outside LANGUAGES {language})
find_package(perch REQUIRED)
perch_add_plugin(counter counter{suffix})
perch_drop_plugin(counter dropped)
"""
# Language, compiler, build type, linker.
BY_CMAKE = [("CXX", "g++", "Debug", "bfd"), ("CXX", "clang++", "Release", "lld"), ("C", "gcc", "Release", "lld"),
            ("C", "clang", "Debug", "bfd")]
# Language, compiler, its options, linker.
BY_PKG_CONFIG = [("CXX", "g++", "-std=c++20 -O2", "bfd"), ("CXX", "clang++", "-std=c++20 -O0 -g", "lld"),
                 ("C", "gcc", "-std=c11 -O0 -g", "lld"), ("C", "clang", "-std=c11 -O2", "bfd")]
SUFFIX = {"CXX": ".cpp", "C": ".c"}
STRICT = "-Wall -Wextra -Wpedantic -Werror"


def must(*command, **options):
    done = run(*command, timeout=120, **options)
    if done.returncode != 0:
        raise AssertionError(f"{command}: status {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


class Outside(PerchTest):
    @classmethod
    def setUpClass(cls):
        """An installation that was moved after it was made, and one source in each language from its `perch new`."""
        home = tempfile.TemporaryDirectory(prefix="perch-outside-")
        cls.addClassCleanup(home.cleanup)
        home = pathlib.Path(home.name)
        must("cmake", "--install", BUILD, "--prefix", home / "first")
        (home / "first").rename(home / "prefix")
        cls.prefix = home / "prefix"
        cls.sources = {}
        for language, name in (("CXX", "cpp"), ("C", "c")):
            must(cls.prefix / "bin/perch", "new", "counter", "--lang", name, "--dir", home / name)
            cls.sources[language] = home / name
        programs, perch_host.BIN = perch_host.BIN, cls.prefix / "bin"  # hosts of this class are the installed one
        cls.addClassCleanup(setattr, perch_host, "BIN", programs)


class Installation(Outside):
    def test_nothing_in_it_names_the_build_or_the_sources(self):
        for file in filter(pathlib.Path.is_file, self.prefix.rglob("*")):
            text = file.read_bytes()
            if not text.startswith((b"\x7fELF", b"!<arch>")):  # those have debug information
                self.assertNotIn(str(BUILD).encode(), text, file)
                self.assertNotIn(str(SOURCE).encode(), text, file)

    def test_the_market_runs_in_a_folder_of_its_own(self):
        market_config = json.loads((self.prefix / "share/perch/config/market.json").read_text())
        host = self.start(market_config)
        for plugin in sorted((self.prefix / "lib/perch/plugins").glob("*.so")):
            drop(plugin, host.folder / "plugins")
        vwap = host.wait_for_reader("vwap")
        self.assertEqual(vwap["file"], str(host.folder / "plugins/vwap.so"))
        with host.connect() as listener:
            listener.subscribe(kinds=["publication"], reader="vwap")
            self.assertGreater(listener.event()["data"]["trades"], 0)
        found = perch("--json", "tables", folder=host.folder)  # with no word of where the host is
        self.assertEqual(json.loads(found.stdout)["tables"][0]["name"], "trades")

    def test_the_sdk_alone_is_a_component(self):
        must("cmake", "--install", BUILD, "--component", "sdk", "--prefix", self.folder)
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["include", "share"])
        for file in ("include/perch/testing.hpp", "share/cmake/perch/perchConfig.cmake", "share/doc/perch/README.md",
                     "share/pkgconfig/perch-plugin.pc", "share/perch/template/cpp/reader.cpp.in",
                     "share/perch/examples/vwap/vwap.cpp"):
            self.assertTrue((self.folder / file).is_file(), file)


class Readers(Outside):
    limit = 240  # it compiles a lot

    def pkg_config(self, *arguments):
        environment = {"PKG_CONFIG_PATH": str(self.prefix / "share/pkgconfig")}
        return must("pkg-config", *arguments, "perch-plugin", environment=environment).split()

    def test_pkg_config_says_where_things_are(self):
        for variable, file in (("symbols", "."), ("templatedir", "cpp/reader.cpp.in"), ("pluginsdir", "vwap.so")):
            (folder,) = self.pkg_config(f"--variable={variable}")
            self.assertTrue((pathlib.Path(folder) / file).resolve().is_relative_to(self.prefix.resolve()))
            self.assertTrue((pathlib.Path(folder) / file).exists() or file == ".", variable)

    def by_cmake(self, language, compiler, build_type, linker):
        folder = self.folder / f"cmake-{compiler}"
        shutil.copytree(self.sources[language], folder)
        (folder / "CMakeLists.txt").write_text(CMAKE_LISTS.format(language=language, suffix=SUFFIX[language]))
        must("cmake", "-S", folder, "-B", folder / "build", f"-DCMAKE_PREFIX_PATH={self.prefix}",
             f"-DCMAKE_{language}_COMPILER={compiler}", f"-DCMAKE_{language}_FLAGS={STRICT}",
             f"-DCMAKE_BUILD_TYPE={build_type}", f"-DCMAKE_MODULE_LINKER_FLAGS=-fuse-ld={linker}")
        must("cmake", "--build", folder / "build")
        self.assertTrue((folder / "dropped/counter.so").is_file())
        return folder / "build/counter.so"

    def by_pkg_config(self, language, compiler, options, linker):
        folder = self.folder / f"pkg-config-{compiler}"
        shutil.copytree(self.sources[language], folder)
        must(compiler, *shlex.split(options), *STRICT.split(), "-shared", f"-fuse-ld={linker}",
             *self.pkg_config("--cflags"), f"counter{SUFFIX[language]}", "-o", "counter.so",
             *self.pkg_config("--libs"), folder=folder)
        return folder / "counter.so"

    def check_file(self, file):
        """The loader sees one symbol, and none that is unique (u): GCC makes some of the SDK's own inline variables, and
        pkg-config does not say -fno-gnu-unique."""
        symbols = must("nm", "-D", "--defined-only", file).split()
        self.assertEqual(symbols[2:], ["perch_plugin"], file)
        self.assertIn(symbols[1], "DR", file)
        inspected = perch("--json", "inspect", file)
        self.assertEqual(json.loads(inspected.stdout)["manifest"]["id"], "counter", file)

    def build_all(self):
        """Each build, and each without its symbol table."""
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            builds = [pool.submit(self.by_cmake, *each) for each in BY_CMAKE]
            builds += [pool.submit(self.by_pkg_config, *each) for each in BY_PKG_CONFIG]
            files = [build.result(seconds(200)) for build in builds]
        for file in list(files):
            stripped = file.with_name("stripped.so")
            must("strip", "-o", stripped, file)
            files.append(stripped)
        return files

    def check_counted(self, listener, generation):
        """Of what this generation publishes: each row that there is was counted once, by it or by one before it."""
        event = listener.event()
        while event["generation"] != generation:
            event = listener.event()
        self.assertGreater(event["data"]["rows"], 0)
        self.assertEqual(event["data"]["inserted"], event["data"]["rows"])

    def test_one_reader_goes_through_every_build_and_leaves_nothing_behind(self):
        files = self.build_all()
        for file in files:
            self.check_file(file)
        host = self.start(config({"trades": TRADES}, [market(0, rate=2000)],
                                 {"folder": str(self.folder / "plugins"), "probation": "0"}))
        before = host.counts()
        with host.connect() as listener:
            listener.subscribe(kinds=["publication"], reader="counter")
            generation = host.call("reader.load", file=str(files[0]))["reader"]["generation"]
            self.check_counted(listener, generation)
            for file in files[1:]:
                generation = host.call("reader.swap", name="counter", file=str(file))["generation"]
                self.check_counted(listener, generation)
        reader = host.readers()["counter"]
        self.assertEqual((reader["state"], reader["restarts"], reader["last_error"], reader["pinned_libraries"]),
                         ("running", 0, "", []))
        host.call("reader.unload", name="counter")
        self.assertEqual(host.readers(), {})
        if not SANITIZE:  # there, libraries stay mapped so that reports have names
            self.assertNotIn("counter", pathlib.Path(f"/proc/{host.pid}/maps").read_text())
            self.assertEqual(host.counts()["mapped files"], before["mapped files"])


if __name__ == "__main__":
    unittest.main()
