"""Every door of strangers' bytes, with thousands of odd ones, and with those that once broke it."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

from .doors import DOORS

FOUND = Path(__file__).with_name("found")
TRIES = {"journal": 150, "rig": 60}
"""Of what reads a file; of all others so many:"""
MOST = 4000
_ODD = (0, 1, 0x7F, 0x80, 0xC0, 0xC1, 0xDF, 0xFF)


def odd(seed: bytes, random: np.random.Generator) -> bytes:
    """A text of bytes with a few things changed, as a broken sender or a patient stranger does."""
    content = bytearray(seed)
    for _ in range(int(random.integers(1, 6))):
        place = int(random.integers(len(content) + 1))
        length = int(random.integers(1, 9))
        match int(random.integers(6)):
            case 0:
                content[place : place + 1] = bytes([1 << int(random.integers(8))])
            case 1:
                content[place : place + 1] = bytes([_ODD[int(random.integers(len(_ODD)))]])
            case 2:
                del content[place : place + length]
            case 3:
                content[place:place] = random.bytes(length)
            case 4:
                start = int(random.integers(len(content) + 1))
                content[place:place] = content[start : start + 8 * length]
            case _:
                del content[place:]
        if not content:
            return b""
    return bytes(content)


@pytest.mark.parametrize("name", DOORS)
def test_odd_bytes_get_an_answer_and_never_break_the_door(name: str) -> None:
    door = DOORS[name]()
    for seed in door.seeds:
        door.enter(seed)
    random = np.random.default_rng(11)
    for number in range(TRIES.get(name, MOST)):
        content = odd(door.seeds[number % len(door.seeds)], random)
        try:
            door.enter(content)
        except Exception as error:
            file = FOUND / name / f"{number}.bin"
            raise AssertionError(
                f"{type(error).__name__} {error}: keep {content!r} as {file}"
            ) from error


@pytest.mark.parametrize(
    "file", sorted(FOUND.glob("*/*")), ids=lambda p: f"{p.parent.name}-{p.name}"
)
def test_what_once_broke_a_door_does_so_no_more(file: Path) -> None:
    DOORS[file.parent.name]().enter(file.read_bytes())
