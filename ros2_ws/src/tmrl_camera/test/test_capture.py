"""A camera is read while it sends, and opened again after ever longer pauses while it does not."""

import threading

import numpy as np
import pytest

from tmrl_camera.camera import Calibration, CameraError, Frame, Opened
from tmrl_camera.capture import Capture, CaptureThread, Lost

OPENED = Opened("camera", Calibration(4, 2, (1.0, 1.0), (2.0, 1.0), "plumb_bob", ()))
FRAME = Frame(np.zeros((2, 4, 3), dtype=np.uint8), 0.0)


class ScriptedCamera:
    """Opens and reads as the script says: "." works, "x" fails, "!" is a bug."""

    def __init__(self, script):
        self.script = iter(script)
        self.closed = 0

    def _next(self, result):
        step = next(self.script, ".")
        if step == "!":
            raise ZeroDivisionError("bug")
        if step == "x":
            raise CameraError("no camera 7")
        return result

    def open(self):
        return self._next(OPENED)

    def read(self):
        return self._next(FRAME)

    def close(self):
        self.closed += 1


def run(camera, steps):
    capture = Capture(camera, retry_first_s=0.5, retry_max_s=4.0)
    made = [capture.step() for _ in range(steps)]
    return [step.event for step in made], [step.pause_s for step in made]


def test_pauses_double_up_to_the_longest_and_are_short_again_after_a_frame():
    camera = ScriptedCamera("xxxxx..x.")
    events, pauses = run(camera, 9)
    assert pauses == [0.5, 1.0, 2.0, 4.0, 4.0, 0.0, 0.0, 0.5, 0.0]
    assert events == [Lost("no camera 7")] * 5 + [OPENED, FRAME, Lost("no camera 7"), OPENED]
    assert camera.closed == 6, "closed after every failure, so that it can be opened again"


def test_a_camera_that_opens_but_never_sends_is_not_hammered():
    _, pauses = run(ScriptedCamera(".x.x.x"), 6)
    assert pauses == [0.0, 0.5, 0.0, 1.0, 0.0, 2.0]


def test_the_thread_ends_and_stops_the_camera_even_during_a_pause():
    lost = threading.Event()
    camera = ScriptedCamera("x")
    thread = CaptureThread(Capture(camera, 1e6, 1e6), lambda _: lost.set())
    thread.start()
    assert lost.wait(60.0)
    thread.close()
    thread.check()
    assert camera.closed == 2


def test_an_unexpected_error_is_raised_where_the_node_sees_it():
    camera = ScriptedCamera("!")
    thread = CaptureThread(Capture(camera, 1.0, 1.0), lambda _: None)
    thread.start()
    with pytest.raises(ZeroDivisionError, match="bug"):
        while True:
            thread.check()
    thread.close()
    assert camera.closed == 1
