"""Long files and functions: a warning where one should look, an error where it is too late."""
import source

FILE = (700, 1000)
FUNCTION = (80, 150)


def judge(path, line, what, lines, limits):
    warn, stop = limits
    if lines > warn:
        advice = f"at most {stop}" if lines > stop else f"look for a second one inside past {warn}"
        yield source.Finding(path, line, f"{what} has {lines} lines; {advice}", lines <= stop)


def check(root):
    for path in source.files(root, "include", "libbackend", "examples", "tests"):
        text = source.read(root, path)
        yield from judge(path, 1, "the file", text.count("\n"), FILE)
        for function in source.functions(text):
            yield from judge(path, function.line, function.name, function.lines, FUNCTION)
