"""Runs the functions test_... of a module in their order, and says how each went.

The last line is what tests/tally.py counts by. Words on the command line choose the tests that have one of
them in their names. A test that cannot run here returns why, and counts as skipped.
"""
import sys
import time
import traceback


def run(module, call=lambda test: test()):
    """Whether one failed, so fit for sys.exit(). MODULE is its globals(); CALL gives a test what it needs."""
    wanted = sys.argv[1:]
    passed = failed = skipped = 0
    for name, test in list(module.items()):
        if not name.startswith("test_") or (wanted and not any(word in name for word in wanted)):
            continue
        begin = time.monotonic()
        try:
            why = call(test)
            verdict = f"skip {name}: {why}" if why else f"ok   {name}"
            passed, skipped = passed + (not why), skipped + bool(why)
        except Exception:  # pylint: disable=broad-except # whatever it is, the test has failed
            verdict = f"FAIL {name}\n{traceback.format_exc()}"
            failed += 1
        print(f"{verdict} ({time.monotonic() - begin:.1f} s)", flush=True)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return failed != 0 or passed + skipped == 0
