"""docs/internals/fibers-gdb.py shows what parked fibers wait for, in a live process and in a core file."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

SCRIPT = pathlib.Path(os.environ["SOURCE_ROOT"]) / "docs/internals/fibers-gdb.py"
PROGRAM = pathlib.Path(os.environ["BUILD_ROOT"]) / "tests/integration/parked_fibers"


def gdb(*commands, program=PROGRAM, core=None):
    """What gdb prints for the commands."""
    arguments = ["gdb", "-nx", "-batch", "-ex", "set confirm off", "-ex", "set debuginfod enabled off"]
    for command in commands:
        arguments += ["-ex", command]
    # Leaks cannot be looked for under a debugger.
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    ran = subprocess.run([*arguments, str(program), *([str(core)] if core else [])], env=environment,
                         capture_output=True, text=True, timeout=100)
    return ran.stdout + ran.stderr


def can_trace():
    return shutil.which("gdb") is not None and "exited normally" in gdb("run", program="/bin/true")


@unittest.skipUnless(can_trace(), "gdb cannot trace a process here")
class FibersInGdb(unittest.TestCase):
    def stop(self, *commands):
        return gdb("break all_are_parked", "run", f"source {SCRIPT}", *commands)

    def stacks(self, text):
        """Names of functions, innermost first, by the names of fibers."""
        stacks = {}
        for line in text.splitlines():
            fiber = re.match(r"0x\w+  (?:parked|ready|running) +(\w+)", line)
            frame = re.match(r"#\d+ +(?:0x\w+ in )?(\w+)", line)
            if fiber:
                names = stacks[fiber[1]] = []
            elif frame and stacks:
                names.append(frame[1])
        return stacks

    def assert_in_order(self, names, *expected):
        """The names expected are among the names, in this order."""
        left = iter(names)
        for name in expected:
            self.assertIn(name, left, f"{expected} in {names}")

    def check_stacks(self, text):
        stacks = self.stacks(text)
        self.assertEqual(set(stacks), {"stopper", "reader", "sleeper", "parent", "child", "locker"}, text)
        self.assert_in_order(stacks["reader"], "bk_channel_recv", "read_article", "read_article", "read_article",
                             "reader", "run")
        self.assert_in_order(stacks["sleeper"], "bk_sleep_ms", "sleep_deeply", "sleeper", "run")
        self.assert_in_order(stacks["child"], "bk_sleep_ms", "sleep_deeply", "sleeper", "run")
        self.assert_in_order(stacks["parent"], "bk_group_wait", "parent", "run")
        self.assert_in_order(stacks["locker"], "bk_mutex_lock", "wait_for_stopper", "run")
        self.assert_in_order(stacks["stopper"], "all_are_parked", "stopper", "run")
        for name, functions in stacks.items():
            self.assertNotIn("main", functions, name)

    def test_the_list_tells_state_route_and_when_the_wait_ends(self):
        text = self.stop("bk fibers")
        self.assertRegex(text, r"loop 0x\w+ of thread 1: 6 fibers")
        self.assertRegex(text, r"0x\w+  running +stopper +-\n")
        self.assertRegex(text, r"0x\w+  parked +reader +/articles/\{id\}\n")
        self.assertRegex(text, r"0x\w+  parked +sleeper +- +until \+(29\d{3}|30000) ms, deadline \+(59\d{3}|60000) ms\n")

    def test_stacks_of_a_live_process(self):
        self.check_stacks(self.stop("bk fibers bt"))

    def test_one_stack_by_name_or_address(self):
        text = self.stop("bk fibers bt reader")
        self.assertEqual(list(self.stacks(text)), ["reader"])
        self.assert_in_order(self.stacks(text)["reader"], "bk_channel_recv", "reader")
        text = self.stop("python fiber = gdb.parse_and_eval('bk__loop_current->current')",
                         "python gdb.execute(f'bk fibers bt {int(fiber):#x}')")
        self.assertEqual(list(self.stacks(text)), ["stopper"])

    def test_the_process_goes_on_unharmed(self):
        text = self.stop("bk fibers bt", "backtrace", "continue")
        self.assertIn("8 waits are over", text)
        self.assertIn("exited normally", text)

    def test_stacks_in_a_core_file(self):
        if re.search(rb"__[at]san_init", PROGRAM.read_bytes()):
            self.skipTest("a sanitizer's shadow memory would fill the disk")
        with tempfile.TemporaryDirectory() as folder:
            core = pathlib.Path(folder) / "core"
            self.stop(f"generate-core-file {core}", "kill")
            self.check_stacks(gdb(f"source {SCRIPT}", "bk fibers bt", core=core))

    def test_where_there_is_nothing_it_says_so(self):
        self.assertIn("there is no process", gdb(f"source {SCRIPT}", "bk fibers"))
        self.assertIn("no thread runs a loop",
                      gdb("break main", "run", f"source {SCRIPT}", "bk fibers", "kill"))
        self.assertIn("usage: bk fibers", self.stop("bk fibers all", "kill"))


if __name__ == "__main__":
    unittest.main()
