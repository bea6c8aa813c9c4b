"""Each check finds what it is for, and nothing in a tree that is well."""

import tempfile
import unittest
from pathlib import Path

import compatibility
import includes
import layout
import sizes
import tree
import words

GOOD_HEADER = "/* {name} - a thing. */\n#ifndef RUNNEL_{guard}\n#define RUNNEL_{guard}\n#endif\n"


class TidyTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name).resolve()
        for module in (tree, includes, layout, compatibility):
            self.addCleanup(setattr, module, "ROOT", module.ROOT)
            module.ROOT = self.root
        self.forget()
        self.addCleanup(self.forget)
        self.write("src/base/json.h", GOOD_HEADER.format(name="json.h", guard="BASE_JSON_H"))
        self.write("src/chat/chat.h", GOOD_HEADER.format(name="chat.h", guard="CHAT_CHAT_H"))

    def forget(self):
        for function in (tree.all_files, tree.text_of, tree.code_of):
            function.cache_clear()

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def places(self, check):
        self.forget()
        return [(tree.name_of(finding.path), finding.line) for finding in check()]

    def test_a_tree_that_is_well_has_no_findings(self):
        self.write("src/chat/turn.c", '#include "base/json.h"\n#include <stdio.h>\nint turn(void) {\n    return 0;\n}\n')
        checks = (includes.check, sizes.check_files, sizes.check_functions, words.check_calls, words.check_places)
        for check in (*checks, layout.check_headers, layout.check_space, layout.check_links, layout.check_scripts):
            self.assertEqual(self.places(check), [], check.__module__)

    def test_includes_outside_the_table_are_found(self):
        self.write("src/net/a.c", '#include "base/json.h"\n#include "chat/chat.h"\n#include <sqlite3.h>\n#include "none.h"\n')
        self.write("engines/fake/a.c", '#include "chat/chat.h"\n#include <llama.h>\n')
        expected = [("engines/fake/a.c", 1), ("engines/fake/a.c", 2)] + [("src/net/a.c", line) for line in (1, 2, 3, 4)]
        self.assertEqual(self.places(includes.check), expected)

    def test_long_functions_and_files_are_found(self):
        body = "    a++;\n" * 71
        self.write("src/chat/a.c", f"static int f(int a,\n             int b) {{\n{body}}}\nint g(int a) {{\n{body}}}\n")
        self.write("src/chat/b.c", "int a;\n" * 801)
        self.assertEqual(self.places(sizes.check_functions), [("src/chat/a.c", 2), ("src/chat/a.c", 75)])
        self.assertEqual(self.places(sizes.check_files), [("src/chat/b.c", 1)])

    def test_banned_calls_are_found_in_code_alone(self):
        self.write("src/chat/a.c", '/* atoi(x) */\nchar *s = "strcpy(";\nint n = atoi(s);\nvoid *p = malloc(1);\n')
        self.write("src/chat/a_test.c", "int n = atoi(s);\n")
        self.assertEqual(self.places(words.check_calls), [("src/chat/a.c", 3), ("src/chat/a.c", 4)])

    def test_paths_of_a_machine_and_registries_are_found(self):
        self.write("a.md", "see /home" + "/joe/x\nsee https://regi" + "stry.example.org/x\n")
        self.assertEqual(self.places(words.check_places), [("a.md", 1), ("a.md", 2)])

    def test_untidy_files_are_found(self):
        self.write("src/chat/b.h", "int b;\n")
        self.write("a.py", "def f(:\n")
        self.write("b.md", "[a](none.md) \n")
        self.assertEqual(self.places(layout.check_headers), [("src/chat/b.h", 1)] * 2)
        self.assertEqual(self.places(layout.check_scripts), [("a.py", 1)])
        self.assertEqual(self.places(layout.check_links), [("b.md", 1)])
        self.assertEqual(self.places(layout.check_space), [("b.md", 1)])


if __name__ == "__main__":
    unittest.main()
