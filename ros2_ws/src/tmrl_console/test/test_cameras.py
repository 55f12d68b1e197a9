"""Pictures: the newest only, encoded once, and a reason where one cannot be shown."""

import io

import numpy as np
from PIL import Image

from tmrl_agent.images import RawPicture
from tmrl_console.cameras import Cameras


def picture(value, side=40):
    content = np.full(3 * side * side, value, dtype=np.uint8)
    return RawPicture("rgb8", side, side, 3 * side, content)


def test_only_the_newest_is_encoded_and_only_once():
    slot = Cameras(["wrist"], 640, 80).slot("wrist")
    read = []

    def put(value):
        slot.put(lambda: read.append(value) or picture(value))

    put(10)
    put(200)
    first, again = slot.newest(), slot.newest()
    assert read == [200]
    assert first is again
    assert first.number == 2
    shown = np.asarray(Image.open(io.BytesIO(first.jpeg)))
    assert abs(int(shown.mean()) - 200) <= 2


def test_large_pictures_are_made_smaller():
    slot = Cameras(["wrist"], 32, 80).slot("wrist")
    slot.put(lambda: picture(90, side=128))
    assert Image.open(io.BytesIO(slot.newest().jpeg)).size == (32, 32)


def test_what_cannot_be_read_is_a_sentence():
    slot = Cameras(["wrist"], 640, 80).slot("wrist")

    def broken():
        raise ValueError("has the encoding 'mono12'")

    slot.put(broken)
    assert slot.newest().problem == "the picture has the encoding 'mono12'"
    assert slot.newest().jpeg == b""


def test_watched_is_what_somebody_looks_at():
    cameras = Cameras(["wrist", "overview"], 640, 80)
    assert cameras.watched() == frozenset()
    for name in ("wrist", "wrist", "overview"):
        cameras.slot(name).watch()
    cameras.slot("wrist").leave()
    assert cameras.watched() == {"wrist", "overview"}
    cameras.slot("wrist").leave()
    assert cameras.watched() == {"overview"}
    assert cameras.slot("lamp") is None
