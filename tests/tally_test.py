"""What tally.py makes of the ways in which a test program can end."""
import unittest

import tally

CMOCKA = "[==========] Running {} test(s).\n[  PASSED  ] {} test(s).\n"


def judge(stdout, result="OK", suite="unit", stderr=""):
    return tally.judge({"stdout": stdout, "stderr": stderr, "result": result, "name": f"libbackend:{suite} / x"})


class Tally(unittest.TestCase):
    def test_cmocka_groups_are_added(self):
        text = CMOCKA.format(3, 1) + "[  SKIPPED ] 1 test(s), listed below:\n[  FAILED  ] 1 test(s), listed below:\n"
        self.assertEqual(judge(text + CMOCKA.format(2, 2), "FAIL"), (3, 1, 1))

    def test_a_summary_on_stderr_counts(self):
        self.assertEqual(judge("[==========] Running 2 test(s).\n", stderr="[  PASSED  ] 2 test(s).\n"), (2, 0, 0))

    def test_python_is_understood(self):
        self.assertEqual(judge("Ran 5 tests in 0.1s\n\nOK (skipped=1)\n"), (4, 0, 1))
        self.assertEqual(judge("Ran 5 tests in 0.1s\n\nFAILED (failures=1, errors=2, skipped=1)\n", "FAIL"), (1, 3, 1))

    def test_a_line_as_of_tests_run_is_understood(self):
        self.assertEqual(judge("FAILED x: why\n3 passed, 1 failed\n", "FAIL"), (3, 1, 0))
        self.assertEqual(judge("3 passed, 0 failed, 2 skipped\n"), (3, 0, 2))

    def test_a_crash_is_a_failure(self):
        self.assertEqual(judge("[==========] Running 9 test(s).\n", "FAIL"), (0, 1, 0))
        self.assertEqual(judge(CMOCKA.format(2, 2) + "[==========] Running 3 test(s).\n", "TIMEOUT"), (2, 1, 0))

    def test_a_leak_after_the_last_test_is_a_failure(self):
        self.assertEqual(judge(CMOCKA.format(4, 4), "FAIL"), (4, 1, 0))

    def test_an_early_exit_is_a_failure(self):
        self.assertEqual(judge("[==========] Running 3 test(s).\n"), (0, 1, 0))

    def test_silence_is_a_failure_but_for_the_suites_that_have_no_functions(self):
        self.assertEqual(judge("all is well\n"), (0, 1, 0))
        self.assertEqual(judge("12 inputs\n", suite="fuzz"), (1, 0, 0))
        self.assertEqual(judge("", "FAIL", suite="fuzz"), (0, 1, 0))

    def test_exit_code_77_is_a_skip(self):
        self.assertEqual(judge("", "SKIP"), (0, 0, 1))


if __name__ == "__main__":
    unittest.main()
