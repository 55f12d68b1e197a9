"""A proxy of bytes between the clients of the policy server and its port.

What the kernel's TCP hides from both ends (packets that are lost, doubled or reordered) cannot be
made here, and need not be: an end sees delays and broken connections, and those are made. Doubled,
late and swapped *messages* are made behind this proxy, in `message_proxy`.
"""

import asyncio
import contextlib
import random
import threading

from .plan import Disturbance

_LONGEST_DELAY_S = 0.3
_LOOK_S = 0.02
_READ_BYTES = 65_536
_LARGEST_PIECE_BYTES = 512


class TcpProxy:
    """Forwards connections, in a thread of its own; use as a context manager.

    Args:
        port: Where it listens on this machine.
        target: Port on this machine that it forwards to.
        seed: Of delays and pieces.
    """

    def __init__(self, port: int, target: int, seed: int) -> None:
        self._port = port
        self._target = target
        self._chance = random.Random(seed)
        self._disturbance: Disturbance | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tcp-proxy", daemon=True)

    def __enter__(self) -> "TcpProxy":
        """Starts to listen."""
        self._thread.start()
        if not self._listening.wait(10.0):
            raise RuntimeError(f"the proxy does not listen on port {self._port}")
        return self

    def __exit__(self, *_: object) -> None:
        """Ends every connection."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def disturb(self, disturbance: Disturbance | None) -> None:
        """Disturbs from now on what passes; None ends that."""
        self._disturbance = disturbance
        if disturbance is Disturbance.CUT:
            self._loop.call_soon_threadsafe(self._cut)

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        self._listening.set()
        async with server:
            await self._stop.wait()
            self._cut()
        # What forwarded ends by itself, now that its connections have.
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._disturbance is Disturbance.CUT:
            writer.transport.abort()
            return
        try:
            there = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        ends = (writer, there[1])
        self._writers.update(ends)
        try:
            await asyncio.gather(self._forward(reader, there[1]), self._forward(there[0], writer))
        finally:
            self._writers.difference_update(ends)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forwards one direction; when it ends, so does the connection."""
        with contextlib.suppress(OSError):
            while data := await reader.read(_READ_BYTES):
                await self._pass(data, writer)
        with contextlib.suppress(OSError, RuntimeError):
            writer.close()

    async def _pass(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        if self._disturbance is Disturbance.DELAY:
            await asyncio.sleep(self._chance.uniform(0.0, _LONGEST_DELAY_S))
        while self._disturbance is Disturbance.STALL:
            await asyncio.sleep(_LOOK_S)
        while data:
            size = len(data)
            if self._disturbance is Disturbance.PIECES:
                size = self._chance.randint(1, _LARGEST_PIECE_BYTES)
            piece, data = data[:size], data[size:]
            writer.write(piece)
            await writer.drain()
            if data:
                # Otherwise the kernel would join the pieces again.
                await asyncio.sleep(0.001)
