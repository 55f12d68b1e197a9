"""Sends and receives messages of several frames, for sockets that do it thousands of times.

pyzmq's own `send_multipart` and `recv_multipart` look at every frame twice and reckon with enums,
which costs as much as a small policy. These do the same and no more.
"""

from collections.abc import Sequence

import zmq

from tmrl_common.framing import Frame

_NOBLOCK = int(zmq.NOBLOCK)
_NOBLOCK_AND_MORE = int(zmq.NOBLOCK | zmq.SNDMORE)


def send_frames(socket: "zmq.Socket[bytes]", frames: Sequence[Frame]) -> None:
    """Sends a message whole, or not at all; copies it.

    Raises:
        zmq.Again: It cannot be taken now.
    """
    *front, last = frames
    for frame in front:
        socket.send(frame, _NOBLOCK_AND_MORE)
    socket.send(last, _NOBLOCK)


def receive_frames(socket: "zmq.Socket[bytes]", flags: int = 0) -> list[zmq.Frame]:
    """Receives a message; its frames own what they hold, nothing is copied.

    Raises:
        zmq.Again: There is none, in time or at once, as the flags say.
    """
    frames = [socket.recv(flags, copy=False)]
    while frames[-1].more:
        frames.append(socket.recv(flags, copy=False))
    return frames
