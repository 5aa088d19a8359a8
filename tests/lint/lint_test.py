"""Each check finds what it is for, in a small tree made here, and passes the same tree without it."""
import pathlib
import tempfile
import unittest

import api
import layers
import lists
import size
import snippets
import source
import statics
import yields


class Tree(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def found(self, check):
        return [f"{f.path}:{f.line}" + (" warning" if f.warning else "") for f in check.check(self.root)]


class Source(unittest.TestCase):
    def test_comments_and_strings_are_not_code(self):
        text = 'int a; /* f(); */\nchar *b = "g() /* \\" */"; // h()\n'
        self.assertEqual(source.calls(source.blank(text)), set())
        self.assertEqual(len(source.blank(text)), len(text))

    def test_functions_are_found_with_their_length(self):
        text = "#define X(a) \\\n    a()\n\nstatic int one(int a,\n               int b)\n{\n    two();\n}\n"
        one, = source.functions(text)
        self.assertEqual((one.name, one.line, one.lines, one.static), ("one", 4, 5, True))


class Layers(Tree):
    def test_a_folder_may_include_its_own_row_and_those_before(self):
        self.write("libbackend/http/a.c", '#include "http/b.h"\n#include "core/c.h"\n#include <backend/json.h>\n')
        self.assertEqual(self.found(layers), [])

    def test_a_later_row_is_refused(self):
        self.write("libbackend/core/a.c", '#include "core/a.h"\n#include "http/b.h"\n')
        self.write("libbackend/http/a.c", "#include <backend/config.h>\n")
        self.write("include/backend/str.h", "#include <backend/request.h>\n")
        self.assertEqual(self.found(layers),
                         ["include/backend/str.h:1", "libbackend/core/a.c:2", "libbackend/http/a.c:1"])

    def test_the_queue_knows_nothing_of_requests(self):
        self.write("libbackend/queue/a.c", '#include "http/router.h"\n')
        self.assertEqual(self.found(layers), ["libbackend/queue/a.c:1"])

    def test_a_library_is_seen_where_it_is_wrapped_only(self):
        self.write("libbackend/fiber/loop.c", "#include <h2o.h>\n")
        self.write("libbackend/fiber/timer.c", "#include <h2o.h>\n")
        self.write("libbackend/http/body.c", "#include <cjson/cJSON.h>\n")
        self.write("include/backend/json.h", "#include <cjson/cJSON.h>\n")
        self.assertEqual(self.found(layers),
                         ["include/backend/json.h:1", "libbackend/fiber/timer.c:1", "libbackend/http/body.c:1"])

    def test_an_example_has_public_headers_and_its_own(self):
        self.write("examples/shop/main.c", '#include "cart.h"\n#include <backend/app.h>\n#include "http/router.h"\n')
        self.write("examples/shop/cart.h", "")
        self.assertEqual(self.found(layers), ["examples/shop/main.c:3"])


class Api(Tree):
    HEADER = ("BK_BEGIN_DECLS\n/** Says. */\nBK_API BK_NODISCARD\nint bk_a(void);\n\n"
              "BK_API void bk_b(int x); /**< Does. */\n#define bk_c(x) \\\n    bk_b(x)\n")

    def test_documented_and_tested_is_fine(self):
        self.write("include/backend/x.h", self.HEADER)
        self.write("tests/unit/x_test.c", "bk_a(); bk_c(1);")
        self.assertEqual(self.found(api), [])

    def test_undocumented_or_untested_is_not(self):
        self.write("include/backend/x.h", self.HEADER + "BK_API void bk_d(void);\n")
        self.write("tests/unit/x_test.c", "bk_d();")
        self.assertEqual(self.found(api), [f"include/backend/x.h:{n}" for n in (3, 6, 9)])

    def test_an_exception_needs_a_reason_and_a_use(self):
        self.write("include/backend/x.h", self.HEADER)
        self.write("tests/unit/x_test.c", "bk_a();")
        self.write("tests/lint/untested.txt", "bk_b:\nbk_a: it is hard\n")
        self.assertEqual(self.found(api), ["tests/lint/untested.txt:1", "tests/lint/untested.txt:2"])


class Yields(Tree):
    def setUp(self):
        super().setUp()
        self.write("include/backend/x.h", "BK_API BK_YIELDS\nint bk_sleep(int ms);\nBK_API int bk_work(void);\n")

    def test_a_hidden_wait_is_found_through_static_functions(self):
        self.write("libbackend/http/x.c", "static int f(void)\n{\n    return bk_sleep(1);\n}\n\n"
                                          "int bk_work(void)\n{\n    return f();\n}\n")
        self.assertEqual(self.found(yields), ["libbackend/http/x.c:6"])

    def test_a_static_function_of_another_file_is_another_function(self):
        self.write("libbackend/http/a.c", "static int f(void)\n{\n    return bk_sleep(1);\n}\n")
        self.write("libbackend/http/x.c", "static int f(void)\n{\n    return 1;\n}\n\n"
                                          "int bk_work(void)\n{\n    return f();\n}\n")
        self.assertEqual(self.found(yields), [])

    def test_fiber_and_excused_lines_are_left_out(self):
        self.write("libbackend/fiber/x.c", "int bk_work(void)\n{\n    return bk_sleep(1);\n}\n")
        self.write("libbackend/http/x.c",
                   "int bk_work(void)\n{\n    return bk_sleep(0); /* lint: does not yield: 0 ms */\n}\n")
        self.assertEqual(self.found(yields), [])


class Size(Tree):
    def test_long_is_a_warning_and_too_long_an_error(self):
        def function(name, lines):
            return f"int {name}(void)\n{{\n" + "    a();\n" * (lines - 3) + "}\n"

        self.write("libbackend/core/a.c", function("f", 80) + function("g", 81) + function("h", 151))
        self.write("libbackend/core/b.c", "\n" * 701)
        self.write("libbackend/core/c.c", "\n" * 1001)
        self.assertEqual(self.found(size), ["libbackend/core/a.c:81 warning", "libbackend/core/a.c:162",
                                            "libbackend/core/b.c:1 warning", "libbackend/core/c.c:1"])


class Statics(Tree):
    def test_a_function_used_in_its_own_file_only_should_be_static(self):
        names = ("a", "b", "c")
        self.write("libbackend/core/a.h", "".join(f"void bk__{n}(void);\n" for n in names) + "#define X() bk__c()\n")
        self.write("libbackend/core/a.c", "\n".join(f"void bk__{n}(void)\n{{\n}}\n" for n in names))
        self.write("libbackend/core/b.c", "void f(void)\n{\n    bk__b();\n}\n")
        self.assertEqual(self.found(statics), ["libbackend/core/a.c:1"])


class Lists(Tree):
    def setUp(self):
        super().setUp()
        self.write("meson.build", "project('x',\n  version: '0.1.0')\n")
        self.write("include/backend/meson.build", "public_headers = ['backend.h']")
        self.write("include/backend/backend.h", '#define BK_VERSION "0.1.0"\n')
        self.write("libbackend/core/meson.build", "files('a.c')")
        self.write("libbackend/core/a.c", "")
        self.write("tests/fuzz/meson.build", "['path']")
        self.write("tests/fuzz/fuzz_path.c", "")
        self.write("tests/fuzz/corpus/path/root", "/")

    def test_a_complete_tree_is_fine(self):
        self.assertEqual(self.found(lists), [])

    def test_a_file_that_is_built_nowhere_is_found(self):
        self.write("libbackend/core/b.c", "")
        self.write("include/backend/middleware/jwt.h", "")
        self.write("tests/fuzz/fuzz_json.c", "")
        self.assertEqual(self.found(lists), ["include/backend/meson.build:1", "libbackend/core/meson.build:1",
                                             "tests/fuzz/meson.build:1", "tests/fuzz/fuzz_json.c:1"])

    def test_the_versions_agree(self):
        self.write("include/backend/backend.h", '\n#define BK_VERSION "0.2.0"\n')
        self.assertEqual(self.found(lists), ["include/backend/backend.h:2"])


class Snippets(Tree):
    PAGE = "# Title\n\n<!-- snippet: examples/a/b.c one -->\n```c\n%s```\n"

    def test_what_a_page_shows_is_what_the_file_has(self):
        self.write("examples/a/b.c", "int a;\n/* snippet: one */\nint b;\n/* end of snippet */\n")
        self.write("docs/guide/p.md", self.PAGE % "int b;\n")
        self.assertEqual(self.found(snippets), [])
        self.write("docs/guide/p.md", self.PAGE % "int c;\n")
        self.assertEqual(self.found(snippets), ["docs/guide/p.md:4"])
        snippets.write(self.root)
        self.assertEqual((self.root / "docs/guide/p.md").read_text(), self.PAGE % "int b;\n")

    def test_code_from_nowhere_and_snippets_for_nobody_are_found(self):
        self.write("examples/a/b.c", "/* snippet: two */\nint b;\n/* end of snippet */\n")
        self.write("docs/guide/p.md", self.PAGE % "int b;\n")
        self.write("README.md", "```c\nint x;\n```\n```sh\nls\n```\n")
        self.assertEqual(self.found(snippets), ["README.md:1", "docs/guide/p.md:4", "examples/a/b.c:1"])

    def test_a_page_may_show_a_whole_file(self):
        self.write("examples/a/b.c", "int a;\n")
        self.write("README.md", "<!-- snippet: examples/a/b.c -->\n```c\nint a;\n```\n")
        self.assertEqual(self.found(snippets), [])


if __name__ == "__main__":
    unittest.main()
