"""Joins the newest readings of arm, objects and cameras into what the policy sees.

Fails closed: a part that is missing, stale, of another moment or not a number gives no observation
but the sentence that says why.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from tmrl_agent.frames import CameraWatch, Glance, ImageReading
from tmrl_agent.params import AgentConfig
from tmrl_common.config import nearest_name
from tmrl_common.types import FloatArray, Observation

_NS_PER_S = 1e9
_MOMENTS = 32
"""Arm states that are looked back to: the outcome of what a person drove comes after its end."""


@dataclass(frozen=True)
class Reading:
    """Named numbers of one message.

    Attributes:
        stamp_ns: ROS time of the measurement.
        received_s: Steady time of its arrival.
        values: Name to value, such as tool_x [m] or carrot.x [m].
    """

    stamp_ns: int
    received_s: float
    values: Mapping[str, float]


@dataclass(frozen=True)
class ArmReading(Reading):
    """The arm's state; see `AgentConfig.proprio_fields` for the names and units of its values.

    Attributes:
        sequence: Of the arm state.
        fault: Empty while the arm is healthy.
        frame_id: Name of the base frame.
    """

    sequence: int = 0
    fault: str = ""
    frame_id: str = ""


@dataclass(frozen=True)
class Assembled:
    """An observation, with ROS time and base frame of its arm state.

    Attributes:
        observation: What the policy sees.
        stamp_ns: ROS time of its arm state.
        frame_id: Base frame of its arm state.
        image_stamps_ns: ROS time of each of its images, by camera.
    """

    observation: Observation
    stamp_ns: int
    frame_id: str
    image_stamps_ns: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True)
class NotReady:
    """There is no observation now.

    Attributes:
        reason: One sentence: what is wrong with which part.
    """

    reason: str


@dataclass
class Moment:
    """The newest readings at the arrival of an arm state; in lock-step also those of its stamp."""

    arm: ArmReading
    objects: Reading | None
    images: dict[str, Glance]


class ObservationAssembler:
    """Keeps the newest readings and those of some moments before, and joins them on request.

    Args:
        config: The layout of the observation and how old its parts may be.
    """

    def __init__(self, config: AgentConfig) -> None:
        self._config = config
        self._arm: ArmReading | None = None
        self._past: deque[Moment] = deque(maxlen=_MOMENTS)
        # Each topic has a queue of its own: in lock-step, what belongs to an arm state may come
        # before it, and newer readings too.
        kept = _MOMENTS if config.lock_step else 1
        self._objects: deque[Reading] = deque(maxlen=kept)
        self._cameras = {
            name: CameraWatch(config.image_source(name), config) for name in config.cameras
        }
        self._glances = {name: deque((w.glance,), kept) for name, w in self._cameras.items()}

    @property
    def arm(self) -> ArmReading | None:
        """The newest state of the arm."""
        return self._arm

    @property
    def past(self) -> list[Moment]:
        """The newest moments, oldest first."""
        return list(self._past)

    def on_arm(self, reading: ArmReading) -> None:
        """Takes a state of the arm."""
        repeats = self._arm is not None and self._arm.sequence == reading.sequence
        self._arm = reading
        if repeats:
            self._past.pop()
        self._past.append(self._now(reading))

    def on_objects(self, reading: Reading) -> None:
        """Takes the positions of the objects."""
        self._objects.append(reading)
        for moment in self._moments_of(reading.stamp_ns):
            moment.objects = reading

    def on_image(self, camera: str, reading: ImageReading) -> None:
        """Takes a picture of one of the cameras."""
        self._cameras[camera].take(reading)
        glance = self._cameras[camera].glance
        self._glances[camera].append(glance)
        for moment in self._moments_of(reading.stamp_ns):
            moment.images[camera] = glance

    def _now(self, arm: ArmReading) -> Moment:
        """The readings at an arm state: of its stamp where there are some, else the newest."""
        stamp_ns = arm.stamp_ns
        newest = self._objects[-1] if self._objects else None
        objects = next((o for o in reversed(self._objects) if o.stamp_ns == stamp_ns), newest)
        images = {name: _of_stamp(seen, stamp_ns) for name, seen in self._glances.items()}
        return Moment(arm, objects, images)

    def _moments_of(self, stamp_ns: int) -> list[Moment]:
        """In lock-step, the moments that a reading belongs to although it comes after the arm's."""
        if not self._config.lock_step:
            return []
        return [moment for moment in self._past if moment.arm.stamp_ns == stamp_ns]

    def assemble(self, now_s: float) -> Assembled | NotReady:
        """Joins the newest readings.

        Args:
            now_s: Steady time.
        """
        if self._arm is None:
            return NotReady("no arm/state has arrived; is the driver alive?")
        return self.join(self._now(self._arm), now_s)

    def join(self, moment: Moment, now_s: float) -> Assembled | NotReady:
        """Joins the readings of a moment.

        Args:
            moment: The moment.
            now_s: Steady time of it: by then none of its parts may be too old.
        """
        arm = moment.arm
        if arm.fault:
            return NotReady(f"the arm reports a fault: {arm.fault}")
        images = {name: glance.reading for name, glance in moment.images.items()}
        parts: dict[str, Reading | ImageReading | None] = {"arm/state": arm}
        if self._config.context_objects:
            parts["perception/objects"] = moment.objects
        for camera, image in images.items():
            if image is not None and image.picture is not None:
                parts[self._config.image_source(camera)] = image
        problems = chain(
            (self._problem(topic, part, arm, now_s) for topic, part in parts.items()),
            (watch.problem(moment.images[name], now_s) for name, watch in self._cameras.items()),
        )
        for problem in filter(None, problems):
            return NotReady(problem)
        oldest_s = min(self._seen_s(part, arm) for part in parts.values() if part is not None)
        usable = {name: image for name, image in images.items() if image is not None}
        return self._join(arm, moment.objects, usable, now_s - oldest_s)

    def _problem(
        self, topic: str, part: Reading | ImageReading | None, arm: ArmReading, now_s: float
    ) -> str:
        """What keeps a part out of an observation; empty where nothing does."""
        if part is None:
            return f"no {topic} has arrived; is its source alive?"
        if self._config.lock_step:
            apart_s = (part.stamp_ns - arm.stamp_ns) / _NS_PER_S
            if part.stamp_ns != arm.stamp_ns:
                return (
                    f"{topic} is {apart_s:+.3f} s from arm/state; in lock-step both carry one stamp"
                )
            return ""
        age_s, limit_s = now_s - part.received_s, self._config.max_observation_age_s
        if age_s > limit_s:
            return (
                f"{topic} is {age_s:.3f} s old, the limit is {limit_s:.3f} s; its source is too "
                "slow or has stopped"
            )
        return self._late(topic, part, arm) if isinstance(part, ImageReading) else ""

    def _late(self, topic: str, image: ImageReading, arm: ArmReading) -> str:
        """Why a picture that has just arrived is an old one; empty where it is not."""
        lag_s, limit_s = _lag_s(image, arm), self._config.max_image_lag_s
        if limit_s == 0.0 or abs(lag_s) <= limit_s:
            return ""
        off = (
            "where its clock is that of another host, synchronise the two, or set max_image_lag_s "
            "to 0"
        )
        if lag_s < 0.0:
            return (
                f"{topic} is stamped {-lag_s:.3f} s ahead of arm/state, the limit is "
                f"{limit_s:.3f} s: one of the two clocks is wrong; {off}"
            )
        return (
            f"{topic} was in transit {lag_s:.3f} s longer than arm/state, by their stamps, the "
            f"limit is {limit_s:.3f} s: make its pictures fewer or smaller, or raise "
            f"max_image_lag_s; {off}"
        )

    def _seen_s(self, part: Reading | ImageReading, arm: ArmReading) -> float:
        """Steady time at which a part was measured, as far as that is known."""
        trusts_stamps = not self._config.lock_step and self._config.max_image_lag_s > 0.0
        if trusts_stamps and isinstance(part, ImageReading):
            return part.received_s - max(_lag_s(part, arm), 0.0)
        return part.received_s

    def _join(
        self,
        arm: ArmReading,
        objects: Reading | None,
        images: Mapping[str, ImageReading],
        age_s: float,
    ) -> Assembled | NotReady:
        seen: Mapping[str, float] = objects.values if objects else {}
        proprio = _pick("arm/state", "proprio_fields", self._config.proprio_fields, arm.values)
        context = _pick("perception/objects", "context_objects", self._config.context_objects, seen)
        if isinstance(proprio, NotReady):
            return proprio
        if isinstance(context, NotReady):
            return context
        observation = Observation(
            proprio=proprio,
            context=context,
            images={name: self._cameras[name].pixels(image) for name, image in images.items()},
            prompt=self._config.prompt,
            arm_state_sequence=arm.sequence,
            age_s=age_s,
        )
        stamps_ns = {name: image.stamp_ns for name, image in images.items()}
        return Assembled(observation, arm.stamp_ns, arm.frame_id, stamps_ns)


def _of_stamp(glances: Sequence[Glance], stamp_ns: int) -> Glance:
    """What a camera showed at that ROS time, else what it showed last."""
    readings = ((glance, glance.reading) for glance in reversed(glances))
    return next((g for g, r in readings if r is not None and r.stamp_ns == stamp_ns), glances[-1])


def _lag_s(image: ImageReading, arm: ArmReading) -> float:
    """How much longer a picture was in transit than the arm's state, s; 0 without a stamp.

    The difference of the stamps is less by that of the arrivals: how long ago a part arrived has a
    limit of its own.
    """
    if image.stamp_ns == 0:
        return 0.0
    return (arm.stamp_ns - image.stamp_ns) / _NS_PER_S - (arm.received_s - image.received_s)


def _pick(
    topic: str, setting: str, names: tuple[str, ...], values: Mapping[str, float]
) -> FloatArray | NotReady:
    """The named values in order, shape (len(names),), or what is wrong with one of them."""
    for name in names:
        if name not in values:
            near = nearest_name(name, list(values))
            return NotReady(f"{topic} has no '{name}' (from {setting}). {near}")
        if not np.isfinite(values[name]):
            return NotReady(f"'{name}' of {topic} is {values[name]}; the source is broken")
    return np.array([values[name] for name in names], dtype=np.float32)
