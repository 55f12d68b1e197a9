"""What passes between a robot's journal and a learner elsewhere, through the policy server.

The rules are in `tmrl_common.protocol.desk`; `tmrl_common.messages` lists all messages.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Offer:
    """A robot's journal, for a learner that cannot reach it itself. Answer: Wanted.

    Attributes:
        robot: Name of the arm.
        session: Identifier of the fine-tuning run.
        sender: Identifies the life of the process that offers.
        announced: Highest sequence number that the journal is known to hold.
        first: The number that the rows answer; 0 where they answer nothing.
        last_sequence: Highest number that the journal ever gave to a transition, by that answer.
        rows: From `first` on, ascending, packed by `tmrl_common.parcels`, shape (n,).
    """

    robot: str
    session: str
    sender: str
    announced: int
    first: int
    last_sequence: int
    rows: NDArray[np.uint8]


@dataclass(frozen=True)
class Wanted:
    """What the learner asks the journal for, and how it stands.

    Attributes:
        first: Sequence number from which on it wants rows; 0 while it wants none.
        report: The newest that it reported of itself, a JSON object in UTF-8, shape (n,); empty
            before the first.
        age_s: Time since that report.
    """

    first: int
    report: NDArray[np.uint8]
    age_s: float


@dataclass(frozen=True)
class Report:
    """A learner that learns from a journal elsewhere. Answer: Parcel.

    Attributes:
        robot: Name of the arm whose transitions it learns from.
        session: Identifier of the fine-tuning run.
        sender: Identifies the life of the process that learns.
        first: Sequence number from which on it wants rows; 0 while it wants none.
        report: What it reports of itself, a JSON object in UTF-8, shape (n,).
    """

    robot: str
    session: str
    sender: str
    first: int
    report: NDArray[np.uint8]


@dataclass(frozen=True)
class Parcel:
    """What the robot's journal answered by now; the fields are those of `Offer`.

    Attributes:
        announced: 0 where no robot has offered anything yet.
        first: 0 while the journal has not answered what is wanted.
        last_sequence: Of that answer.
        rows: Of that answer.
    """

    announced: int
    first: int
    last_sequence: int
    rows: NDArray[np.uint8]
