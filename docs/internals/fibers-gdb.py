"""gdb commands for the fibers of libbackend, in a live process and in a core file.

    (gdb) source docs/internals/fibers-gdb.py
    (gdb) bk fibers            every fiber of every loop: state, what ends its wait, name, route
    (gdb) bk fibers bt         and the stack of each
    (gdb) bk fibers bt NAME    of those with this name; an address (0x...) picks one

Nothing is written to the process. A parked fiber left its registers on its stack
(libbackend/fiber/context_*.S); while its stack is printed, an unwinder tells gdb that the newest frame
of the thread was called from there. This works in a core file too, where registers cannot be set.

libbackend must have debug information.
"""
import re

import gdb
import gdb.unwinder

NEVER = 2**64 - 1


class Machine:
    """Where the switch saves registers, in bytes above the saved stack pointer, and how much it takes
    off the stack when it goes on."""

    def __init__(self, sp, pc, saved, size):
        self.sp, self.pc, self.saved, self.size = sp, pc, saved, size

    def here(self, frame):
        return tuple(int(frame.read_register(name)) for name in (self.sp, self.pc))


X86_64 = Machine("rsp", "rip",
                 {"r15": 0, "r14": 8, "r13": 16, "r12": 24, "rbx": 32, "rbp": 40, "rip": 48}, 56)
AARCH64 = Machine("sp", "pc", {**{f"x{19 + i}": 8 * i for i in range(12)}, "pc": 88}, 160)


def machine():
    name = gdb.selected_frame().architecture().name()
    if name.startswith("i386:x86-64"):
        return X86_64
    if name.startswith("aarch64"):
        return AARCH64
    raise gdb.GdbError(f"on {name} a parked fiber lies in a ucontext_t, which is not read here")


def word(address):
    kind = gdb.lookup_type("unsigned long").pointer()
    return int(gdb.Value(address).cast(kind).dereference())


def text(value):
    """A bk_str or a C string; "-" where there is none."""
    try:
        if value.type.strip_typedefs().code == gdb.TYPE_CODE_STRUCT:
            value, length = value["ptr"], int(value["len"])
        else:
            length = -1
        return value.string(errors="replace", length=length) if value else "-"
    except gdb.MemoryError:
        return "?"


class FrameId:
    def __init__(self, sp, pc):
        self.sp, self.pc = sp, pc


class Unwinder(gdb.unwinder.Unwinder):
    """While it has a fiber, leads from the newest frame of the thread to where that was parked."""

    def __init__(self):
        super().__init__("libbackend-fiber")
        self.context = None  # the fiber's saved stack pointer
        self.machine = None
        self.newest = None  # stack pointer and program counter of the thread

    def __call__(self, frame):
        if self.context is None or self.machine.here(frame) != self.newest:
            return None
        kind = frame.read_register(self.machine.sp).type

        def value(number):
            return gdb.Value(number).cast(kind)

        # gdb takes a stack for broken where a caller lies below what it called. The thread's stack lies
        # anywhere, so its frame is said to be right below the fiber's.
        unwound = frame.create_unwind_info(FrameId(value(self.context - 16), value(self.newest[1])))
        for register, offset in self.machine.saved.items():
            unwound.add_saved_register(register, value(word(self.context + offset)))
        unwound.add_saved_register(self.machine.sp, value(self.context + self.machine.size))
        return unwound

    def backtrace(self, context):
        """What bt prints of the stack that was left at this context, its frames counted from 0."""
        self.machine = machine()
        self.newest = self.machine.here(gdb.newest_frame())
        first = None
        try:
            self.context = context
            gdb.invalidate_cached_frames()
            frame = gdb.newest_frame()
            while frame is not None and first is None:
                if self.machine.here(frame)[0] == context + self.machine.size:
                    first = frame.level()
                frame = frame.older()
            printed = gdb.execute("backtrace", to_string=True)
        finally:
            self.context = None
            gdb.invalidate_cached_frames()
        if first is None:
            raise gdb.GdbError("its stack cannot be read")
        frames = re.findall(r"^#(\d+) +(.*\n(?:(?!#).*\n)*)", printed, re.M)
        return "".join(f"#{int(level) - first:<3}{rest}" for level, rest in frames if int(level) >= first)


def members(anchor, kind, link):
    """The elements of an intrusive list (libbackend/core/list.h)."""
    kind = gdb.lookup_type(kind)
    offset = next(field.bitpos // 8 for field in kind.fields() if field.name == link)
    at = anchor["next"]
    while at and at != anchor.address:
        yield gdb.Value(int(at) - offset).cast(kind.pointer()).dereference()
        at = at["next"]


def loop_of_thread():
    """The loop of the selected thread; None where it has none."""
    try:
        loop = gdb.parse_and_eval("bk__loop_current")
        return loop.dereference() if loop else None
    except gdb.error:
        pass  # in a core file gdb may find no thread-locals: look for the loop's own frames
    frame = gdb.newest_frame()
    while frame is not None:
        name = "loop" if frame.name() == "bk__loop_turn" else "self" if frame.name() == "run" else None
        try:
            if name == "loop":
                return frame.read_var("loop").dereference()
            if name == "self":
                fiber = frame.read_var("self").cast(gdb.lookup_type("struct bk_fiber").pointer())
                return fiber["loop"].dereference()
        except (ValueError, gdb.error):
            pass  # another function of that name, or optimized away
        frame = frame.older()
    return None


def threads_with_loops():
    """Pairs of thread and loop; the thread is selected while its pair is looked at."""
    selected = gdb.selected_thread()
    if selected is None:
        raise gdb.GdbError("there is no process; run one, attach to one, or load a core file")
    frame = gdb.selected_frame()
    try:
        for thread in sorted(gdb.selected_inferior().threads(), key=lambda thread: thread.num):
            thread.switch()
            loop = loop_of_thread()
            if loop is not None:
                yield thread, loop
    finally:
        selected.switch()
        frame.select()


def describe(fiber, now):
    """One line."""
    state = str(fiber["state"]).removeprefix("BK__FIBER_").lower()
    notes = []
    if state == "parked" and int(fiber["wait_until"]) != NEVER:
        notes.append(f"until {int(fiber['wait_until']) - now:+} ms")
    if int(fiber["deadline"]) != NEVER:
        notes.append(f"deadline {int(fiber['deadline']) - now:+} ms")
    if fiber["cancelled"]:
        notes.append("cancelled")
    if int(fiber["shields"]) != 0:
        notes.append("shielded")
    task = fiber["task"]
    return (f"{int(fiber.address):#x}  {state:<8}{text(task['name']):<20}  {text(task['route']):<24}  "
            f"{', '.join(notes)}").rstrip()


class Bk(gdb.Command):
    """Commands of libbackend."""

    def __init__(self):
        super().__init__("bk", gdb.COMMAND_STACK, prefix=True)


class Fibers(gdb.Command):
    """List the fibers of every loop; "bk fibers bt [NAME|ADDRESS]" prints their stacks.

Times are counted from the present turn of the loop."""

    def __init__(self):
        super().__init__("bk fibers", gdb.COMMAND_STACK)
        self.unwinder = Unwinder()
        gdb.unwinder.register_unwinder(None, self.unwinder, replace=True)

    def invoke(self, argument, from_tty):
        words = gdb.string_to_argv(argument)
        if words and (words[0] != "bt" or len(words) > 2):
            raise gdb.GdbError("usage: bk fibers [bt [NAME|ADDRESS]]")
        wanted = words[1] if len(words) == 2 else None
        any_loop = False
        for thread, loop in threads_with_loops():
            any_loop = True
            print(f"loop {int(loop.address):#x} of thread {thread.num}: {int(loop['fiber_count'])} fibers")
            for fiber in members(loop["fibers"]["anchor"], "struct bk_fiber", "member_link"):
                if wanted in (None, text(fiber["task"]["name"]), f"{int(fiber.address):#x}"):
                    print(describe(fiber, int(loop["clock"]["now_ms"])))
                    if words:
                        self.print_stack(fiber, loop)
        if not any_loop:
            print("no thread runs a loop")

    def print_stack(self, fiber, loop):
        if int(fiber.address) == int(loop["current"]):
            print(gdb.execute("backtrace", to_string=True))
            return
        if not fiber["context"]:
            print("    has not begun\n")
            return
        try:
            print(self.unwinder.backtrace(int(fiber["context"])))
        except (gdb.MemoryError, gdb.GdbError) as problem:
            print(f"    {problem}\n")


Bk()
Fibers()
