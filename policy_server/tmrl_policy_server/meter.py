"""What the server is asked to count about its work, and the way not to."""

from typing import Protocol

from tmrl_common.messages import Message


class Meter(Protocol):
    """Counts every request, batch and answer, in the server's thread."""

    def asked(self, peer: bytes, request_id: int, request: Message) -> None:
        """A request came."""
        ...

    def batch(self, chunks: int) -> None:
        """So many requests for chunks were handed to the inference together."""
        ...

    def answered(self, peer: bytes, request_id: int, answer: Message) -> None:
        """An answer goes out; every request gets one."""
        ...


class SilentMeter:
    """Counts nothing."""

    def asked(self, peer: bytes, request_id: int, request: Message) -> None:
        """Ignores it."""

    def batch(self, chunks: int) -> None:
        """Ignores it."""

    def answered(self, peer: bytes, request_id: int, answer: Message) -> None:
        """Ignores it."""
