"""PERCH_LAYOUT and PERCH_PLUGIN must refuse what is wrong, at compile time, in words. And the headers must compile alone.

Takes half a minute: each struct is a compilation of its own, by each compiler.

Run by ctest with PERCH_COMPILERS (a ";" list of C++ compilers; missing ones are skipped) and PERCH_SDK (its sources).
"""

import itertools
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

INCLUDE = pathlib.Path(os.environ["PERCH_SDK"]) / "include"
COMPILERS = [c for c in os.environ["PERCH_COMPILERS"].split(";") if shutil.which(c)]
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror"]

# What is wrong: the code in a namespace, and a part of the message.
STRUCTS = {
    "a field left out at the end": ("struct V { double a; int b; }; PERCH_LAYOUT(V, a)", "does not list"),
    "a field left out in the middle": ("struct V { int a; int b; int c; }; PERCH_LAYOUT(V, a, c)", "does not list"),
    "a field hidden in padding": (
        "struct V { std::uint32_t a; std::uint16_t hidden; double b; }; PERCH_LAYOUT(V, a, b)", "does not list"),
    "a field hidden behind the last": ("struct V { double a; char hidden; }; PERCH_LAYOUT(V, a)", "does not list"),
    "a bit-field hidden in padding": (
        "struct V { std::int8_t a; int hidden : 3; double b; }; PERCH_LAYOUT(V, a, b)", "does not list"),
    "an array hidden in padding": (
        "struct V { std::int8_t a; char hidden[3]; double b; }; PERCH_LAYOUT(V, a, b)", "does not list"),
    "fields out of order": ("struct V { int a; int b; }; PERCH_LAYOUT(V, b, a)", "in their order"),
    "a field listed twice": ("struct V { int a; int b; }; PERCH_LAYOUT(V, a, a)", "in their order"),
    "no field": ("struct V { int a; }; PERCH_LAYOUT(V)", "takes 1 to 64 fields"),
    "a pointer": ("struct V { int a; const char* b; }; PERCH_LAYOUT(V, a, b)", "'b' of V is a pointer"),
    "a pointer to a member": ("struct V { int V::* a; }; PERCH_LAYOUT(V, a)", "'a' of V is a pointer"),
    "a reference": ("struct V { int a; int& b; }; PERCH_LAYOUT(V, a, b)", "'b' of V is a reference"),
    "a bit-field": ("struct V { int a; int b : 3; }; PERCH_LAYOUT(V, a, b)", "'b' of V is a bit-field"),
    "a virtual function": ("struct V { int a; virtual void f(); }; PERCH_LAYOUT(V, a)", "not standard-layout"),
    "fields in two classes": ("struct B { int a; }; struct V : B { int b; }; PERCH_LAYOUT(V, a, b)",
                              "not standard-layout"),
    "a copy that is not plain": ("struct V { int a; V& operator=(const V&); }; PERCH_LAYOUT(V, a)",
                                 "not trivially copyable"),
    "a constructor": ("struct V { V(int); int a; }; PERCH_LAYOUT(V, a)", "not an aggregate"),
    "an enumeration": ("enum class E { x }; struct V { E a; }; PERCH_LAYOUT(V, a)", "'a' of V has an unsupported type"),
    "a single char": ("struct V { char a; }; PERCH_LAYOUT(V, a)", "unsupported type"),
    "a long double": ("struct V { long double a; }; PERCH_LAYOUT(V, a)", "unsupported type"),
    "a string_view": ("struct V { std::string_view a; }; PERCH_LAYOUT(V, a)", "unsupported type"),
    "an array of bools": ("struct V { bool a[2]; }; PERCH_LAYOUT(V, a)", "unsupported type"),
    "an array of timestamps": ("struct V { perch::timestamp_ns a[2]; }; PERCH_LAYOUT(V, a)", "unsupported type"),
    "an array of arrays": ("struct V { int a[2][2]; }; PERCH_LAYOUT(V, a)", "unsupported type"),
    "a struct in a struct": ("struct S { int x; }; struct V { S a; }; PERCH_LAYOUT(V, a)", "unsupported type"),
    "a packed struct": ("struct __attribute__((packed)) V { char a[3]; int b; }; PERCH_LAYOUT(V, a, b)",
                        "natural alignment"),
    "an over-aligned struct": ("struct alignas(16) V { int a; }; PERCH_LAYOUT(V, a)", "natural alignment"),
    "an over-aligned field": ("struct V { int a; alignas(8) int b; }; PERCH_LAYOUT(V, a, b)", "natural alignment"),
    "a union": ("union V { int a; float b; }; PERCH_LAYOUT(V, a, b)", "all fields"),
    "more than 4096 bytes": ("struct V { char a[4097]; }; PERCH_LAYOUT(V, a)", "over 4096 bytes"),
    "more than 64 fields": (
        "struct V { " + " ".join(f"int f{i};" for i in range(65)) + " }; PERCH_LAYOUT(V, "
        + ", ".join(f"f{i}" for i in range(65)) + ")", "takes 1 to 64 fields"),
    "a name that is too long": ("struct V { int " + "a" * 65 + "; }; PERCH_LAYOUT(V, " + "a" * 65 + ")",
                                "is not [A-Za-z_]"),
}

TABLE = 'using T = perch::Table<"{}", {}, V>; static_assert(!T::name.empty());'
TABLES = {
    "an array in a key": ("struct V { int a[2]; }; PERCH_LAYOUT(V, a) " + TABLE.format("t", "V"), "no arrays"),
    "a key over 64 bytes": ("struct V { char a[65]; }; PERCH_LAYOUT(V, a) " + TABLE.format("t", "V"), "over 64 bytes"),
    "a record without layout": ("struct V { int a; }; " + TABLE.format("t", "V"), "no PERCH_LAYOUT"),
    "a name with a space": ("struct V { int a; }; PERCH_LAYOUT(V, a) " + TABLE.format("a b", "V"), "table's name"),
}

READER = """
struct K {{ int a; }}; PERCH_LAYOUT(K, a)
struct R {base} {{
  static constexpr perch::Info info{{{info}}};
  using Tables = perch::Tables<perch::Table<"t", K, K>>;
  {more}
  R({parameters}) {{}}
  void on_commit(const perch::Step&) {{}}
}};
}}
PERCH_PLUGIN(n::R)
namespace n {{"""


def reader(info='.id = "r", .version = "1.0.0"', base=": perch::Reader",
           parameters="perch::Host&, const perch::Config&", more=""):
    return READER.format(info=info, base=base, parameters=parameters, more=more)


SAVE = "void save(perch::StateWriter&) const override {}"
RESTORE = "void restore(perch::StateReader&) override {}"
OLDER_STATE = '.id = "r", .version = "1.0.0", .state_version = 2, .oldest_state = 1'
TAKES_SETTINGS = "perch::Host&, const Settings&"


def settings(member, setting):
    return (f"struct Settings {{ {member}; static constexpr auto members = "
            f"perch::settings(perch::setting({setting})); }};")


READERS = {
    "an id in capitals": (reader('.id = "R", .version = "1.0.0"'), "a plugin's id"),
    "a version that is no semver": (reader('.id = "r", .version = "1.0"'), "semver"),
    "an oldest state that is newer": (reader('.id = "r", .version = "1.0.0", .oldest_state = 2'), "newer"),
    "a schema that is no JSON": (reader('.id = "r", .version = "1.0.0", .config_schema = "{x}"'), "no JSON object"),
    "a class that is no reader": (reader(base=""), "derives from perch::Reader"),
    "a constructor without config": (reader(parameters="perch::Host&"), "has a constructor"),
    "settings that the constructor does not take": (
        reader(more=settings("int a = 1", '"a", &Settings::a, ""')), "a reader with Settings has a constructor"),
    "settings and a schema": (
        reader('.id = "r", .version = "1.0.0", .config_schema = "{}"', parameters=TAKES_SETTINGS,
               more=settings("int a = 1", '"a", &Settings::a, ""')), "follows from Settings"),
    "a setting of another type": (
        reader(parameters=TAKES_SETTINGS, more=settings("const int* a = nullptr", '"a", &Settings::a, ""')),
        "a setting is a bool"),
    "a setting under a wrong name": (
        reader(parameters=TAKES_SETTINGS, more=settings("int a = 1", '"", &Settings::a, ""')), "a setting's name"),
    "save without restore": (reader(more=SAVE), "overrides both"),
    "restore without save": (reader(more=RESTORE), "overrides both"),
    "a text put as a value": (
        reader(more="void save(perch::StateWriter& out) const override { out.put(std::string()); }" + RESTORE),
        "by put_string"),
    "a container put as a value": (
        reader(more="void save(perch::StateWriter& out) const override { out.put(std::vector<int>()); }" + RESTORE),
        "then each element"),
    "a pointer in a state": (
        reader(more=SAVE + "void restore(perch::StateReader& in) override { in.get<int*>(); }"), "without pointers"),
    "an older state without migrate": (reader(OLDER_STATE, more=SAVE + RESTORE), "overrides migrate"),
}
RIGHT_READERS = [
    reader(),
    reader(parameters=TAKES_SETTINGS, more=settings("int a = 1", '"a", &Settings::a, ""')),
    reader(OLDER_STATE, more=SAVE + RESTORE + " void migrate(std::uint32_t, perch::StateReader&) override {}"),
]


def compile_text(compiler, text, *options):
    return subprocess.run([compiler, "-std=c++20", "-fsyntax-only", f"-I{INCLUDE}", *options, "-x", "c++", "-"],
                          input=text, text=True, capture_output=True, timeout=120)


class Refusals(unittest.TestCase):
    """Each case is compiled alone, against the headers compiled beforehand: they are most of the time."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="perch-refusals-")
        cls.addClassCleanup(folder.cleanup)
        cls.headers = pathlib.Path(folder.name)
        for compiler, header in itertools.product(COMPILERS, ("layout.hpp", "plugin.hpp")):
            copy = cls.header(compiler, header)
            copy.parent.mkdir(exist_ok=True)
            copy.write_text(f"#include <perch/{header}>\n")
            suffix = ".pch" if "clang" in compiler else ".gch"
            subprocess.run([compiler, "-std=c++20", f"-I{INCLUDE}", "-x", "c++-header", copy, "-o", f"{copy}{suffix}"],
                           check=True, timeout=120)

    @classmethod
    def header(cls, compiler, header):
        return cls.headers / pathlib.Path(compiler).name / header

    def check(self, header, cases):
        for compiler in COMPILERS:
            for name, (code, message) in cases.items():
                with self.subTest(compiler=compiler, wrong=name):
                    result = compile_text(compiler, f"namespace n {{ {code} }}\n", "-include", self.header(compiler, header))
                    self.assertNotEqual(result.returncode, 0, "it compiled")
                    errors = [line for line in result.stderr.splitlines() if "error:" in line and "perch:" in line]
                    self.assertTrue(any(message in line for line in errors), result.stderr)

    def test_wrong_structs(self):
        self.check("layout.hpp", STRUCTS)

    def test_wrong_tables(self):
        self.check("layout.hpp", TABLES)

    def test_wrong_readers(self):
        self.check("plugin.hpp", READERS)

    def test_right_code_compiles(self):
        right = "struct V { int a; int b[2]; }; PERCH_LAYOUT(V, a, b)"
        for compiler in COMPILERS:
            for header, code in [("layout.hpp", right)] + [("plugin.hpp", code) for code in RIGHT_READERS]:
                with self.subTest(compiler=compiler, header=header):
                    result = compile_text(compiler, f"namespace n {{ {code} }}\n", "-include",
                                          self.header(compiler, header))
                    self.assertEqual(result.returncode, 0, result.stderr)


class Headers(unittest.TestCase):
    def test_each_header_compiles_alone(self):
        headers = sorted(INCLUDE.glob("perch/*.h*"))
        self.assertGreater(len(headers), 10)
        for compiler in COMPILERS:
            for header in headers:
                with self.subTest(compiler=compiler, header=header.name):
                    result = compile_text(compiler, f"#include <{header.relative_to(INCLUDE)}>\n", *WARNINGS)
                    self.assertEqual(result.returncode, 0, result.stderr)

    def test_the_binary_interface_is_c11(self):
        """With the warnings of both compilers, and the pedantic ones, for C's PERCH_MANIFEST too."""
        # Of each length modulo 4: the text is padded to whole words.
        source = '#include <perch/plugin.h>\nPERCH_MANIFEST("{%s}");\nsize_t size = PERCH_MANIFEST_SIZE;\n' \
                 '_Static_assert(sizeof perch_manifest_note == 20 + (PERCH_MANIFEST_SIZE + 3) / 4 * 4, "a gap");\n'
        compilers = [c for c in ("cc", "gcc", "clang") if shutil.which(c)]
        self.assertTrue(compilers)
        for compiler in compilers:
            for length in range(4):
                with self.subTest(compiler=compiler, length=length):
                    result = subprocess.run(
                        [compiler, "-std=c11", "-fsyntax-only", f"-I{INCLUDE}", *WARNINGS, "-Wstrict-prototypes", "-x", "c", "-"],
                        input=source % (" " * length), text=True, capture_output=True, timeout=60)
                    self.assertEqual(result.returncode, 0, result.stderr)


if __name__ == "__main__":
    unittest.main()
