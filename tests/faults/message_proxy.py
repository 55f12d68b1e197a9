"""A proxy of whole messages in front of the policy server: it doubles, delays and swaps answers.

It works where no keys are used. Each connection of a client gets one of its own to the server, so
that the server tells them apart as it would without it.
"""

import heapq
import itertools
import random
import threading
import time

import zmq

from .plan import Disturbance

_LONGEST_DELAY_S = 0.3
_IDLE_S = 30.0
_LOOK_MS = 50
_CONNECT_MS = 200

_Frames = list[bytes]


class MessageProxy:
    """Forwards messages, in a thread of its own; use as a context manager.

    Args:
        port: Where it listens on this machine.
        target: Port on this machine that it forwards to.
        seed: Of the delays.
    """

    def __init__(self, port: int, target: int, seed: int) -> None:
        self._target = target
        self._chance = random.Random(seed)
        self._disturbance: Disturbance | None = None
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._front = self._context.socket(zmq.ROUTER)
        self._front.setsockopt(zmq.LINGER, 0)
        self._front.bind(f"tcp://127.0.0.1:{port}")
        self._poller = zmq.Poller()
        self._poller.register(self._front, zmq.POLLIN)
        self._backs: dict[bytes, zmq.Socket[bytes]] = {}
        self._used_s: dict[bytes, float] = {}
        self._later: list[tuple[float, int, bytes, _Frames]] = []
        self._kept: dict[bytes, _Frames] = {}
        self._number = itertools.count()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="message-proxy", daemon=True)

    def __enter__(self) -> "MessageProxy":
        """Starts to forward."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends every connection."""
        self._stop.set()
        self._thread.join()

    def disturb(self, disturbance: Disturbance | None) -> None:
        """Disturbs from now on what passes; None ends that."""
        self._disturbance = disturbance

    def _run(self) -> None:
        while not self._stop.is_set():
            events = dict(self._poller.poll(self._wait_ms()))
            if self._front in events:
                client, *frames = self._front.recv_multipart()
                self._ask(client, frames)
            for client, back in list(self._backs.items()):
                if back in events:
                    self._answer(client, back.recv_multipart())
            self._send_what_is_due()
        for socket in (self._front, *self._backs.values()):
            socket.close(linger=0)
        self._context.term()

    def _wait_ms(self) -> float:
        if not self._later:
            return _LOOK_MS
        return min(_LOOK_MS, max(0.0, 1e3 * (self._later[0][0] - time.monotonic())))

    def _ask(self, client: bytes, frames: _Frames) -> None:
        if client not in self._backs:
            self._forget_idle_ones()
            self._backs[client] = self._connect()
        self._used_s[client] = time.monotonic()
        try:
            self._backs[client].send_multipart(frames, zmq.NOBLOCK)
        except zmq.Again:
            # No server is there: what is sent now is lost, as on a network.
            return

    def _connect(self) -> "zmq.Socket[bytes]":
        back = self._context.socket(zmq.DEALER)
        back.setsockopt(zmq.LINGER, 0)
        # Nothing waits for a server that is gone, to be delivered to the next one.
        back.setsockopt(zmq.IMMEDIATE, 1)
        back.setsockopt(zmq.RECONNECT_IVL, 50)
        back.connect(f"tcp://127.0.0.1:{self._target}")
        self._poller.register(back, zmq.POLLIN)
        # The first question is not lost while the connection is being made.
        back.poll(_CONNECT_MS, zmq.POLLOUT)
        return back

    def _forget_idle_ones(self) -> None:
        now_s = time.monotonic()
        for client in [each for each, used_s in self._used_s.items() if now_s - used_s > _IDLE_S]:
            back = self._backs.pop(client)
            self._poller.unregister(back)
            back.close()
            self._used_s.pop(client)
            self._kept.pop(client, None)

    def _answer(self, client: bytes, frames: _Frames) -> None:
        match self._disturbance:
            case Disturbance.DOUBLED_ANSWERS:
                self._deliver(client, frames)
                self._deliver_later(client, frames)
            case Disturbance.LATE_ANSWERS:
                self._deliver_later(client, frames)
            case Disturbance.SWAPPED_ANSWERS if client not in self._kept:
                self._kept[client] = frames
                return
            case _:
                self._deliver(client, frames)
        if (earlier := self._kept.pop(client, None)) is not None:
            self._deliver(client, earlier)

    def _deliver(self, client: bytes, frames: _Frames) -> None:
        self._front.send_multipart([client, *frames])

    def _deliver_later(self, client: bytes, frames: _Frames) -> None:
        due_s = time.monotonic() + self._chance.uniform(0.0, _LONGEST_DELAY_S)
        heapq.heappush(self._later, (due_s, next(self._number), client, frames))

    def _send_what_is_due(self) -> None:
        while self._later and self._later[0][0] <= time.monotonic():
            _, _, client, frames = heapq.heappop(self._later)
            self._deliver(client, frames)
