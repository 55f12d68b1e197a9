"""Where a robot's journal and a learner meet that cannot reach each other.

Both dial out to the policy server, the robot from behind whatever network it has. The desk keeps
one answer and one report for each stream of transitions and decides nothing: the journal stays the
authority, the learner asks for what it lacks, and whatever the desk forgets is asked for again. An
answer stays until the learner asks for something else, so one that was lost is given again.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tmrl_common.desk_messages import Offer, Parcel, Report, Wanted
from tmrl_common.errors import LocalError

_MOST_STREAMS = 16
"""Robots and sessions that are remembered; beyond, the one that was quiet longest is forgotten."""
_SILENCE_S = 5.0
"""After so long another process may take the place of one that fell silent."""
_NOTHING: NDArray[np.uint8] = np.zeros(0, np.uint8)


class DeskError(LocalError):
    """Somebody else speaks for this stream, or a number is none."""


@dataclass
class _Side:
    """Who speaks for one side of a stream, and when it did last."""

    what: str
    sender: str = ""
    heard_s: float = 0.0

    def hear(self, sender: str, stream: str, now_s: float) -> None:
        """Takes a message of a sender.

        Raises:
            DeskError: Another one is alive.
        """
        if self.sender not in ("", sender) and now_s - self.heard_s < _SILENCE_S:
            raise DeskError(
                f"another {self.what} of {stream} spoke {now_s - self.heard_s:.1f} s ago: stop one "
                "of the two, or give one another name or run directory"
            )
        self.sender, self.heard_s = sender, now_s


@dataclass
class _Stream:
    robot: _Side = field(default_factory=lambda: _Side("robot"))
    learner: _Side = field(default_factory=lambda: _Side("learner"))
    wanted: int = 0
    report: NDArray[np.uint8] = field(default_factory=lambda: _NOTHING)
    announced: int = 0
    answer: Offer | None = None


class LearnerDesk:
    """Passes rows one way and reports the other; every call takes the time and none blocks."""

    def __init__(self) -> None:
        """Starts without streams."""
        self._streams: OrderedDict[tuple[str, str], _Stream] = OrderedDict()

    def take(self, message: Offer | Report, now_s: float) -> Wanted | Parcel:
        """Takes a message in and answers with what the other side has left.

        Args:
            message: Of a robot or of a learner.
            now_s: Steady clock.

        Raises:
            DeskError: Another process of the same kind speaks for the stream, or a number is
                negative.
        """
        if message.first < 0:
            raise DeskError(f"first is {message.first}; it must be 0 or a sequence number")
        key = (message.robot, message.session)
        stream = self._streams.setdefault(key, _Stream())
        name = f"{message.robot}/{message.session}"
        side = stream.robot if isinstance(message, Offer) else stream.learner
        side.hear(message.sender, name, now_s)
        self._streams.move_to_end(key)
        if len(self._streams) > _MOST_STREAMS:
            self._streams.popitem(last=False)
        if isinstance(message, Offer):
            return _offered(stream, message, now_s)
        return _reported(stream, message)


def _offered(stream: _Stream, offer: Offer, now_s: float) -> Wanted:
    stream.announced = offer.announced
    if offer.first and offer.first == stream.wanted:
        stream.answer = offer
    answered = stream.answer is not None
    age_s = now_s - stream.learner.heard_s if stream.learner.sender else 0.0
    return Wanted(0 if answered else stream.wanted, stream.report, age_s)


def _reported(stream: _Stream, report: Report) -> Parcel:
    stream.report = report.report
    if report.first != stream.wanted:
        stream.wanted, stream.answer = report.first, None
    answer = stream.answer
    if answer is None:
        return Parcel(stream.announced, 0, 0, _NOTHING)
    return Parcel(stream.announced, answer.first, answer.last_sequence, answer.rows)
