# The library's own stubs leave packets open; described is what this repository uses.
from collections.abc import Iterator, Sequence
from fractions import Fraction
from types import TracebackType
from typing import Any, Literal, overload

import numpy as np
from av import error as error
from numpy.typing import NDArray

class VideoFrame:
    time: float | None
    def to_ndarray(self, format: str) -> NDArray[np.uint8]: ...
    @classmethod
    def from_ndarray(cls, array: NDArray[np.uint8], format: str) -> VideoFrame: ...

class Packet: ...

class VideoStream:
    width: int
    height: int
    pix_fmt: str
    bit_rate: int
    options: dict[str, str]
    time_base: Fraction
    def encode(self, frame: VideoFrame | None = ...) -> list[Packet]: ...

class _Streams:
    video: Sequence[VideoStream]

class _Container:
    def __enter__(self) -> Any: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
    def close(self) -> None: ...

class InputContainer(_Container):
    streams: _Streams
    def __enter__(self) -> InputContainer: ...
    def seek(self, offset: int, *, stream: VideoStream) -> None: ...
    def decode(self, stream: VideoStream) -> Iterator[VideoFrame]: ...

class OutputContainer(_Container):
    def __enter__(self) -> OutputContainer: ...
    def add_stream(self, codec: str, rate: Fraction) -> VideoStream: ...
    def mux(self, packets: Sequence[Packet]) -> None: ...

@overload
def open(file: str, mode: Literal["r"] = ...) -> InputContainer: ...
@overload
def open(file: str, mode: Literal["w"], format: str | None = ...) -> OutputContainer: ...
