"""A bad network: a TCP proxy that passes, stalls, delays, cuts and resets.

    with Proxy(server.port) as net:
        connect_to(net.port)
        net.stall()      # nothing moves, in either direction; new connections are accepted and lie there
        net.heal()       # it moves again, without loss

What was stalled is kept in the sockets' buffers: as with a switch that is slow, not one that lost its power.
"""
import asyncio
import contextlib
import socket
import struct
import threading

PIECE = 65536


class Proxy:
    def __init__(self, target):
        self.target = target
        self.pairs = set()
        self.delay_s = 0.0
        self.cut_within = 0
        self.loop = asyncio.new_event_loop()
        self.moves = None
        self.port = None
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self._run(self._listen())

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10)

    async def _listen(self):
        self.moves = asyncio.Event()
        self.moves.set()
        self.listener = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=512)
        self.port = self.listener.sockets[0].getsockname()[1]

    async def _accept(self, reader, writer):
        self.pairs.add(writer)
        try:
            await self.moves.wait()
            there_reader, there = await asyncio.open_connection("127.0.0.1", self.target)
            self.pairs.add(there)
            try:
                await asyncio.gather(self._carry(reader, there, writer, False),
                                     self._carry(there_reader, writer, there, True))
            finally:
                self._drop(there)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._drop(writer)

    async def _carry(self, source, sink, other, from_server):
        while True:
            piece = await source.read(PIECE)
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            await self.moves.wait()
            if not piece:
                self._drop(sink)
                self._drop(other)
                return
            if from_server and self.cut_within > 0 and len(piece) > 1:
                self.cut_within -= 1
                sink.write(piece[:len(piece) // 2])
                await sink.drain()
                self._drop(sink)
                self._drop(other)
                return
            sink.write(piece)
            await sink.drain()

    def _drop(self, writer):
        self.pairs.discard(writer)
        with contextlib.suppress(OSError, RuntimeError):
            writer.close()

    def stall(self):
        self.loop.call_soon_threadsafe(self.moves.clear)

    def heal(self):
        self.delay_s, self.cut_within = 0.0, 0
        self.loop.call_soon_threadsafe(self.moves.set)

    def slow(self, seconds):
        """So much later, everything and each way."""
        self.delay_s = seconds

    def cut(self, times):
        """The next so many answers end in their middle, and with them their connections."""
        self.cut_within = times

    def reset(self):
        """RST to every client, as from a firewall that forgot."""
        async def all_of_them():
            for writer in list(self.pairs):
                with contextlib.suppress(OSError):
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                                               struct.pack("ii", 1, 0))
                writer.transport.abort()
                self.pairs.discard(writer)
        self._run(all_of_them())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        async def end():
            self.listener.close()
            self.moves.set()
            for writer in list(self.pairs):
                writer.transport.abort()
            ours = asyncio.current_task()
            others = [task for task in asyncio.all_tasks() if task is not ours]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
        self._run(end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()
