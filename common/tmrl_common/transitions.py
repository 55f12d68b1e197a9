"""A transition, and the one table of its fields.

The annotations of `Transition` are the table: the journal's columns, the ROS message, the content
hash, the checks at the learner's door and the builders of tests are all made from `FIELDS`. A new
field is one line here, one in `tmrl_msgs/Transition.msg`, and a higher SCHEMA_VERSION.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from enum import Enum, auto
from math import inf, isfinite
from typing import Annotated, Any, get_args, get_type_hints

import numpy as np
from numpy.typing import NDArray

from tmrl_common.chunks import Driver, Origin
from tmrl_common.errors import LocalError
from tmrl_common.types import FloatArray, Outcome, SteeringSource

SCHEMA_VERSION = 3
"""Of the journal; a field's `since` says with which version it came."""
LAST_WHOLE_VERSION = 2
"""A field of a later version counts in the content hash only where it differs from its default, so
that the hashes of rows without it stay as they are."""

MAX_INTEGER = 2**63 - 1
"""SQLite's integers are signed."""
_MAX_UINT32 = 2**32 - 1
_MAX_UINT16 = 2**16 - 1
_MAX_MAGNITUDE = 1e6
"""Of any number that is learned from: metres, radians and features stay far below; its square still
is a float32."""


class InvalidTransitionError(LocalError, ValueError):
    """A transition contradicts itself, or holds a value out of range or of another size."""


class Kind(Enum):
    """What a field holds, and so how it is stored and sent."""

    TEXT = auto()
    COUNT = auto()
    """Integer, at least 0."""
    NUMBER = auto()
    """One float32."""
    FLAG = auto()
    NAME = auto()
    """A StrEnum."""
    CODE = auto()
    """An IntEnum of one byte."""
    STAMP = auto()
    """ROS time, integer nanoseconds."""
    NAMED_STAMPS = auto()
    """Name to ROS time, integer nanoseconds."""
    VECTOR = auto()
    """Float32, shape (n,)."""
    ROWS = auto()
    """Float32, shape (steps, action_dim): what tells how many steps there are."""
    STEP_CODES = auto()
    """Uint8 codes, shape (steps,)."""
    STEP_STAMPS = auto()
    """ROS times, int64 nanoseconds, shape (steps,), or (0,) where they are not known."""


@dataclass(frozen=True)
class Column:
    """How a field is stored, sent and checked.

    Attributes:
        kind: What it holds.
        low: Smallest valid number.
        high: Largest valid number.
        like: Name of the field whose shape it has.
        unit: Of a number.
        since: Schema version of the journal with which it came.
    """

    kind: Kind
    low: float = -inf
    high: float = inf
    like: str = ""
    unit: str = ""
    since: int = 1


_TEXT = Column(Kind.TEXT)
_FLAG = Column(Kind.FLAG)
_STEP = Column(Kind.COUNT, low=0, high=_MAX_UINT32)
_SECONDS = Column(Kind.NUMBER, low=0.0, unit="s")
_VECTOR = Column(Kind.VECTOR, low=-_MAX_MAGNITUDE, high=_MAX_MAGNITUDE)
_CANDIDATES = Column(Kind.VECTOR, low=-_MAX_MAGNITUDE, high=_MAX_MAGNITUDE, since=3)
_VERSION = Column(Kind.COUNT, low=0, high=MAX_INTEGER)


def _nothing() -> FloatArray:
    return np.zeros(0, np.float32)


def _no_stamps() -> NDArray[np.int64]:
    return np.zeros(0, np.int64)


@dataclass(frozen=True)
class Transition:
    """One step of the high-level decision process (tmrl_msgs/Transition).

    It is one action chunk, or as many control steps of a person's driving as a chunk executes.

    Attributes:
        robot: Name of the arm.
        session: Identifier of the fine-tuning run.
        sequence: Counts from 1 within (robot, session) and is never used twice.
        episode: Counts from 1.
        chunk: Counts from 0 within the episode; what a person drove counts, too.
        revision: A higher one replaces the same (session, episode, chunk).
        features: s, shape (features_dim,).
        z: Shape (z_dim,), or (horizon * z_dim,) flattened where z differs per step; empty where a
            person drove.
        sigma: Context timestep in [0, 1].
        epsilon: Shape (epsilon_dim,) or empty.
        steering: Who picked z, sigma and epsilon.
        reward: -1 per chunk, 0 on the chunk that succeeds.
        next_features: s', shape (features_dim,), of the same episode.
        terminated: The task was solved: no bootstrap.
        truncated: Time limit, or ended by a person: bootstraps from next_features.
        aborted: Fault or e-stop: stored, never learned from.
        episode_outcome: PENDING except on the last transition of an episode, whose value is the
            label of the whole episode.
        executed_actions: What was commanded after all limits, shape (steps, action_dim).
        driver: Who commanded each step, shape (steps,), uint8 of Driver.
        clamped: Whether a limit changed any step.
        origin: HUMAN where a person commanded at least one step.
        observation_stamp_ns: ROS time of the arm's state in the observation.
        image_stamps_ns: ROS time of each image in the observation, by camera.
        prompt: Instruction that the policy was given; empty for one that takes none.
        step_ends_ns: ROS time at which each step's control period ended, shape (steps,); empty
            where that is not known.
        delay_steps: Steps of the chunk before that were still executed between the observation and
            the first step of this chunk; 0 while the arm waits for each chunk.
        actor_version: Version of the steering actor.
        policy_version: Content hash of the base policy's checkpoint.
        seed: Of every random draw behind the chunk.
        inference_s: Receipt to reply at the policy server.
        round_trip_s: Request to reply at the agent.
        candidate_z: K latents that lead elsewhere from the same observation, flattened, shape
            (K * z_dim,); empty where none were asked for (`tmrl_common.candidates`).
        candidate_sigma: Context timestep of each, in [0, 1], shape (K,).
        candidate_actions: The steps that would be executed of the chunk that the frozen policy
            makes of each, raw units, flattened, shape (K * h * action_dim,).
    """

    robot: Annotated[str, _TEXT]
    session: Annotated[str, _TEXT]
    sequence: Annotated[int, Column(Kind.COUNT, low=1, high=MAX_INTEGER)]
    episode: Annotated[int, Column(Kind.COUNT, low=1, high=_MAX_UINT32)]
    chunk: Annotated[int, _STEP]
    revision: Annotated[int, _STEP]
    features: Annotated[FloatArray, _VECTOR]
    z: Annotated[FloatArray, _VECTOR]
    sigma: Annotated[float, Column(Kind.NUMBER, low=0.0, high=1.0)]
    epsilon: Annotated[FloatArray, _VECTOR]
    steering: Annotated[SteeringSource, Column(Kind.NAME)]
    reward: Annotated[float, Column(Kind.NUMBER, low=-1e3, high=1e3)]
    next_features: Annotated[
        FloatArray, Column(Kind.VECTOR, -_MAX_MAGNITUDE, _MAX_MAGNITUDE, like="features")
    ]
    terminated: Annotated[bool, _FLAG]
    truncated: Annotated[bool, _FLAG]
    aborted: Annotated[bool, _FLAG]
    episode_outcome: Annotated[Outcome, Column(Kind.CODE)]
    executed_actions: Annotated[FloatArray, Column(Kind.ROWS, -_MAX_MAGNITUDE, _MAX_MAGNITUDE)]
    driver: Annotated[NDArray[np.uint8], Column(Kind.STEP_CODES, high=max(Driver))]
    clamped: Annotated[bool, _FLAG] = False
    origin: Annotated[Origin, Column(Kind.NAME, since=2)] = Origin.POLICY
    observation_stamp_ns: Annotated[int, Column(Kind.STAMP, unit="ns", since=2)] = 0
    image_stamps_ns: Annotated[Mapping[str, int], Column(Kind.NAMED_STAMPS, unit="ns", since=2)] = (
        field(default_factory=dict[str, int])
    )
    prompt: Annotated[str, Column(Kind.TEXT, since=2)] = ""
    step_ends_ns: Annotated[
        NDArray[np.int64], Column(Kind.STEP_STAMPS, low=0, unit="ns", since=2)
    ] = field(default_factory=_no_stamps)
    delay_steps: Annotated[int, Column(Kind.COUNT, 0, _MAX_UINT16, since=2)] = 0
    actor_version: Annotated[int, _VERSION] = 0
    policy_version: Annotated[str, _TEXT] = ""
    seed: Annotated[int, _VERSION] = 0
    inference_s: Annotated[float, _SECONDS] = 0.0
    round_trip_s: Annotated[float, _SECONDS] = 0.0
    candidate_z: Annotated[FloatArray, _CANDIDATES] = field(default_factory=_nothing)
    candidate_sigma: Annotated[FloatArray, Column(Kind.VECTOR, 0.0, 1.0, since=3)] = field(
        default_factory=_nothing
    )
    candidate_actions: Annotated[FloatArray, _CANDIDATES] = field(default_factory=_nothing)

    @property
    def name(self) -> str:
        """How messages name it."""
        return f"transition {self.sequence} of {self.robot}/{self.session}"


@dataclass(frozen=True)
class TransitionField:
    """One row of the table.

    Attributes:
        name: Of the attribute, the journal's column and the message's field.
        python_type: The enumeration of a NAME or CODE, else the type of the attribute.
        column: How it is stored, sent and checked.
        optional: Whether rows of before it came, or transitions without an arm, have a default.
        make_default: Makes that default, where there is one.
    """

    name: str
    python_type: Any
    column: Column
    optional: bool
    make_default: Callable[[], Any]

    @property
    def kind(self) -> Kind:
        """What it holds."""
        return self.column.kind


def _table() -> tuple[TransitionField, ...]:
    hints = get_type_hints(Transition, include_extras=True)
    rows: list[TransitionField] = []
    for each in fields(Transition):
        python_type, column = get_args(hints[each.name])
        optional = each.default is not MISSING or each.default_factory is not MISSING
        factory = each.default_factory
        make = (lambda value=each.default: value) if factory is MISSING else factory
        rows.append(TransitionField(each.name, python_type, column, optional, make))
    return tuple(rows)


FIELDS = _table()
"""Every field of a transition, in the order of the journal's columns."""


def origin_of(driver: NDArray[np.uint8]) -> Origin:
    """Returns who produced a chunk whose steps were commanded by `driver`, shape (steps,)."""
    return Origin.HUMAN if bool((driver == Driver.TELEOP).any()) else Origin.POLICY


_SHAPED = (Kind.VECTOR, Kind.STEP_CODES, Kind.STEP_STAMPS)
_UNBOUNDED = (Kind.NAMED_STAMPS, Kind.TEXT, Kind.FLAG, Kind.NAME, Kind.CODE)


def check(transition: Transition) -> None:
    """Refuses a transition that contradicts itself or holds a value out of range.

    Raises:
        InvalidTransitionError: Names the transition, the field, its value and what is valid.
    """
    for each in FIELDS:
        _check_shape(transition, each)
        _check_range(transition, each)
    _check_end(transition)


def _check_shape(transition: Transition, each: TransitionField) -> None:
    if each.kind not in _SHAPED or (each.kind is Kind.VECTOR and not each.column.like):
        return
    like = each.column.like
    want = getattr(transition, like).shape if like else (len(transition.executed_actions),)
    got = getattr(transition, each.name).shape
    unknown = each.kind is Kind.STEP_STAMPS and got == (0,)
    if got != want and not unknown:
        raise InvalidTransitionError(
            f"{transition.name}: {each.name} has shape {got}; "
            f"{like or 'executed_actions'} asks for {want}"
        )


def _check_range(transition: Transition, each: TransitionField) -> None:
    if each.kind in _UNBOUNDED:
        return
    value, column = getattr(transition, each.name), each.column
    if isinstance(value, int | float):
        # Of an array of one, the same comparisons take twenty times as long.
        valid = column.low <= value <= column.high
        if valid and (each.kind is not Kind.NUMBER or isfinite(value)):
            return
    numbers = np.asarray(value)
    inside = (numbers >= column.low) & (numbers <= column.high)
    if each.kind in (Kind.NUMBER, Kind.VECTOR, Kind.ROWS):
        inside &= np.isfinite(numbers)
    if not inside.all():
        worst = numbers[~inside].reshape(-1)[0]
        raise InvalidTransitionError(
            f"{transition.name}: {each.name} holds {worst}; valid: finite, from {column.low:g} to "
            f"{column.high:g}"
        )


def _check_end(transition: Transition) -> None:
    ends = transition.terminated + transition.truncated + transition.aborted
    if ends > 1:
        raise InvalidTransitionError(
            f"{transition.name}: at most one of terminated={transition.terminated}, truncated="
            f"{transition.truncated}, aborted={transition.aborted} may be set"
        )
    if transition.episode_outcome is not Outcome.PENDING and ends == 0:
        raise InvalidTransitionError(
            f"{transition.name}: carries the label {transition.episode_outcome.name} but ends no "
            "episode; only the last transition of an episode may be labelled"
        )
