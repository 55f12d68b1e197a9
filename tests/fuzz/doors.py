"""Where bytes of strangers come in, each with what it may answer: one of the errors that it names.

Everything else that such a door raises is a fault: the thread behind it ends, or worse.
"""

import contextlib
import functools
import struct
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tmrl_agent.journal import Journal, JournalError, JournalReader
from tmrl_bringup.layout import repository_root
from tmrl_bringup.rig import RigError, load
from tmrl_common import parcels
from tmrl_common.codec import decode, encode
from tmrl_common.errors import DecodeError, RequestError
from tmrl_common.protocol.server import ServerIdentity, ServerProtocol, ServerSettings
from tmrl_common.testing.message_examples import EXAMPLE_SPEC, EXAMPLES
from tmrl_common.testing.transition_examples import example_transition
from tmrl_common.types import SteeringLimits
from tmrl_console.protocol import ProtocolError, read
from tmrl_policy_server.openpi_codec import pack_openpi, unpack_openpi
from tmrl_policy_server.openpi_dialect import OpenpiDialect
from tmrl_teleop.spacemouse_reports import SpaceMouseReports

_SIZE = struct.Struct("<I")


@dataclass(frozen=True)
class Door:
    """One of them.

    Attributes:
        enter: Hands bytes in; raises nothing but for a fault.
        seeds: Bytes as they should be, from which odd ones are made.
    """

    enter: Callable[[bytes], None]
    seeds: tuple[bytes, ...]


def joined(frames: list[bytes]) -> bytes:
    """Frames as one text of bytes: each with its size before it."""
    return b"".join(_SIZE.pack(len(frame)) + frame for frame in frames)


def _split(content: bytes) -> Iterator[bytes]:
    """The frames again; of sizes that were changed, as much as there is."""
    place = 0
    while place + _SIZE.size <= len(content):
        (size,) = _SIZE.unpack_from(content, place)
        place += _SIZE.size
        yield content[place : place + size]
        place += min(size, len(content))


def _enter_wire(content: bytes) -> None:
    with contextlib.suppress(DecodeError):
        request_id, message = decode(list(_split(content)))
        protocol = ServerProtocol(
            ServerIdentity("server", "epoch", EXAMPLE_SPEC), ServerSettings(), 0.0
        )
        protocol.receive(b"peer", request_id, message, 1.0)
        protocol.take_work(2.0)
        for answer in protocol.take_answers():
            encode(answer.request_id, answer.message)


def _wire_seeds() -> tuple[bytes, ...]:
    return tuple(
        joined([bytes(frame) for frame in encode(7, message)]) for message in EXAMPLES.values()
    )


@functools.cache
def _dialect() -> OpenpiDialect:
    return OpenpiDialect(EXAMPLE_SPEC, SteeringLimits(0.5, 2.0, 3.0), 5.0)


def _enter_openpi(content: bytes) -> None:
    with contextlib.suppress(DecodeError, RequestError):
        _dialect().request(unpack_openpi(content))


def _openpi_seeds() -> tuple[bytes, ...]:
    picture = np.zeros((4, 4, 3), np.uint8)
    observation = {
        "observation/state": np.zeros(5, np.float32),
        "observation/front_image": picture,
        "observation/wrist_image": picture,
        "prompt": "put the sausage into the pot",
    }
    steered = {"tmrl/sigma": 0.25, "tmrl/z": np.zeros(4, np.float32), "tmrl/seed": 7}
    return pack_openpi(observation), pack_openpi(observation | steered)


def _enter_parcel(content: bytes) -> None:
    with contextlib.suppress(parcels.ParcelError):
        for _, transition, problem in parcels.unpack(np.frombuffer(content, np.uint8)):
            assert (transition is None) == bool(problem)


def _parcel_seeds() -> tuple[bytes, ...]:
    return (parcels.pack(example_transition(n) for n in (1, 2)).tobytes(),)


def _enter_journal(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "journal.sqlite")
        path.write_bytes(content)
        with contextlib.suppress(JournalError), JournalReader(path, "widowx", "run") as journal:
            journal.labels()
            journal.numbers()
            journal.last_of(1)
            journal.fetch(1, 16)


def _journal_seeds() -> tuple[bytes, ...]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "journal.sqlite")
        with Journal(path, "widowx", "run") as journal:
            journal.append([example_transition(n) for n in (1, 2, 3)])
        return (path.read_bytes(),)


def _enter_console(content: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        read(content.decode("utf-8", "replace"))


_CONSOLE_SEEDS = (
    b'{"do": "success", "id": 3, "name": "ada", "episode": 7}',
    b'{"drive": ["forward", "up"]}',
    b'{"drive": null}',
    b'{"ping": 1234.5}',
)


def _enter_rig(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rig.yaml")
        path.write_bytes(content)
        with contextlib.suppress(RigError):
            load(str(path))


def _rig_seeds() -> tuple[bytes, ...]:
    folder = repository_root() / "launch" / "config"
    return tuple((folder / f"{name}.yaml").read_bytes() for name in ("widowx_sim", "franka"))


def _enter_spacemouse(content: bytes) -> None:
    reports = SpaceMouseReports()
    for frame in _split(content):
        reports.take(frame)
        assert all(abs(axis) <= 1.0 for axis in reports.axes)


_SPACEMOUSE_SEEDS = (
    joined([bytes([1, 10, 0, 20, 0, 30, 0]), bytes([2, 1, 0, 2, 0, 3, 0]), bytes([3, 1])]),
    joined([bytes([1, 94, 1, 162, 254, 0, 0, 0, 0, 0, 0, 0, 0])]),
)

DOORS: Mapping[str, Callable[[], Door]] = {
    "wire": lambda: Door(_enter_wire, _wire_seeds()),
    "openpi": lambda: Door(_enter_openpi, _openpi_seeds()),
    "parcel": lambda: Door(_enter_parcel, _parcel_seeds()),
    "journal": lambda: Door(_enter_journal, _journal_seeds()),
    "console": lambda: Door(_enter_console, _CONSOLE_SEEDS),
    "rig": lambda: Door(_enter_rig, _rig_seeds()),
    "spacemouse": lambda: Door(_enter_spacemouse, _SPACEMOUSE_SEEDS),
}
"""Made when they are asked for: a journal is written for its seeds."""
