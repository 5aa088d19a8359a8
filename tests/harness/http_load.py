"""A steady load of requests over kept connections, which notes how each was answered.

    load = Load(port, {"read": (reads, 48), "write": (writes, 16)})    # kind: (request of a number, connections)
    ...
    load.stop()
    load.answers        # one Answer for each request
    load.broken         # words about each that was not answered as HTTP is

Numbers are never used twice, whatever became of the request.
"""
import asyncio
import itertools
import threading
import time
from typing import NamedTuple

PAUSE_S = 0.02  # of a connection between two requests: the load is steady, not as much as there can be
GIVE_UP_S = 15


class Answer(NamedTuple):
    kind: str
    number: int
    status: int  # 0: there was none
    at: float    # when it came, time.monotonic()
    took: float
    retry_after: bool
    body: bytes


class Load:
    def __init__(self, port, kinds):
        self.port = port
        self.kinds = kinds
        self.numbers = itertools.count(1)
        self.answers = []
        self.broken = []
        self.ends = False
        self.thread = threading.Thread(target=lambda: asyncio.run(self._all()), daemon=True)
        self.thread.start()

    async def _all(self):
        await asyncio.gather(*(self._client(kind, request)
                               for kind, (request, count) in self.kinds.items() for _ in range(count)))

    async def _client(self, kind, request):
        reader = writer = None
        while not self.ends:
            number, begin = next(self.numbers), time.monotonic()
            status, retry, body = 0, False, b""
            try:
                async with asyncio.timeout(GIVE_UP_S):
                    if writer is None:
                        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.write(request(number))
                    status, retry, body = await self._answer(reader)
            except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError) as why:
                self.broken.append(f"{kind} {number}: {why!r} after {time.monotonic() - begin:.3f} s")
                if writer is not None:
                    writer.close()
                writer = None
            now = time.monotonic()
            self.answers.append(Answer(kind, number, status, now, now - begin, retry, body))
            await asyncio.sleep(PAUSE_S)
        if writer is not None:
            writer.close()

    @staticmethod
    async def _answer(reader):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        body = await reader.readexactly(int(fields["content-length"]))
        return int(head[0].split(" ")[1]), "retry-after" in fields, body

    def since(self, when):
        return [answer for answer in list(self.answers) if answer.at - answer.took >= when]

    def stop(self):
        """Waits for the answers that are due."""
        self.ends = True
        self.thread.join(GIVE_UP_S * 2)
        assert not self.thread.is_alive(), "the load does not end"


def get(path):
    return f"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n".encode()


def post(path):
    return f"POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n".encode()
