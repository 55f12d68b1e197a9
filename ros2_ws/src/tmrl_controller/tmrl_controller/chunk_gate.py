"""Judges a whole action chunk before its first step: one fault and none of it is executed."""

from collections.abc import Callable
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from tmrl_common.chunks import ActionChunk, RefusalCode
from tmrl_common.service_reply import ServiceReply
from tmrl_common.types import SteeringLimits
from tmrl_controller.action_spaces import action_space_of
from tmrl_controller.config import ControllerConfig
from tmrl_controller.refusals import Refusal

_MOST_EPOCHS = 4096
"""Each is an agent's life; none is ever forgotten, or an executed chunk could be executed again."""
_LONGEST_EPOCH = 128
_LAST_SEQUENCE = 2**62
_LAST_EPISODE = 2**31
"""No session comes near these; whoever did would leave the real agent no numbers to count on."""
_LONGEST_JUMP = 10_000
"""Most chunks of one agent that may get lost in a row."""


class ChunkGate:
    """Judges chunks against the configuration and against the chunks that came before."""

    def __init__(self, config: ControllerConfig) -> None:
        """Takes the limits.

        Args:
            config: Configuration of the rig.
        """
        self._config = config
        self._caps = config.steering_limits
        self._space = action_space_of(config)
        self._epoch = ""
        self._retired_epochs: set[str] = set()
        self._last_sequence: int | None = None
        self._session = ""
        self._last_position = (0, 0)

    @property
    def caps(self) -> SteeringLimits:
        """The caps on a chunk's steering that hold now."""
        return self._caps

    def lower_caps(self, caps: SteeringLimits) -> ServiceReply:
        """Takes lower caps in; while this runs, none is ever raised.

        Args:
            caps: Each at most as high as the one that holds now, or all stay as they are.
        """
        for name, now in asdict(self._caps).items():
            wanted = asdict(caps)[name]
            if wanted > now:
                return ServiceReply.refused(
                    f"{name} is to become {wanted:g}, it is {now:g} and can only be lowered: "
                    "restart the controller with the rig's value"
                )
        self._caps = caps
        shown = ", ".join(f"{name} {cap:g}" for name, cap in asdict(caps).items())
        return ServiceReply.done(f"from the next chunk on, caps are: {shown}")

    def judge(self, chunk: ActionChunk, age_s: float | None) -> Refusal | None:
        """Accepts or refuses a chunk.

        Args:
            chunk: The chunk as it arrived.
            age_s: Time since the arm state that it answers arrived here, s; None for an unknown
                one.

        Returns:
            None where the chunk may be executed, otherwise the first reason why not.
        """
        refusal = self._refused_identity(chunk)
        if refusal is not None:
            return refusal
        for check in self._checks():
            refusal = check(chunk)
            if refusal is not None:
                return refusal
        return self.judge_age(chunk, age_s)

    def admit(self, chunk: ActionChunk) -> None:
        """Remembers a chunk that passed and will be executed; nothing refused leaves a mark.

        The first chunk that passes announces its agent's epoch; the one before is over for good.

        Args:
            chunk: A chunk that `judge` let pass.
        """
        if chunk.agent_epoch != self._epoch:
            self._retired_epochs.add(self._epoch)
            self._epoch = chunk.agent_epoch
        self._last_sequence = chunk.sequence
        self._session = chunk.session
        self._last_position = (chunk.episode, chunk.chunk)

    def judge_again(self, chunk: ActionChunk, age_s: float | None) -> Refusal | None:
        """Judges a chunk that passed, when its first step is due: by its age and today's caps.

        Args:
            chunk: The chunk.
            age_s: As in `judge`.

        Returns:
            None where it may begin, otherwise why not.
        """
        return self._refused_steering(chunk) or self.judge_age(chunk, age_s)

    def judge_age(self, chunk: ActionChunk, age_s: float | None) -> Refusal | None:
        """Refuses a chunk that answers an arm state from too long ago.

        Args:
            chunk: The chunk.
            age_s: As in `judge`.

        Returns:
            None where it is fresh, otherwise why not.
        """
        if age_s is None:
            return Refusal(
                RefusalCode.UNKNOWN_ARM_STATE,
                f"the chunk answers arm state {chunk.arm_state_sequence}, which never arrived here "
                "or is long gone: check that agent and controller listen to the same arm",
            )
        limit_s = self._config.max_chunk_age_s
        if not 0.0 <= age_s <= limit_s:
            return Refusal(
                RefusalCode.TOO_OLD,
                f"the chunk answers an arm state of {age_s:.3f} s ago, allowed are "
                f"{limit_s:.3f} s: make inference faster or raise max_chunk_age_s",
            )
        return None

    def _checks(self) -> tuple[Callable[[ActionChunk], Refusal | None], ...]:
        return (
            self._refused_episode,
            self._refused_shape,
            self._refused_numbers,
            self._refused_steering,
            self._refused_steps,
        )

    def _refused_identity(self, chunk: ActionChunk) -> Refusal | None:
        if chunk.robot != self._config.robot:
            return Refusal(
                RefusalCode.WRONG_ROBOT,
                f"the chunk is for {chunk.robot!r}, this is {self._config.robot!r}: "
                "check the namespaces",
            )
        if not chunk.session or not chunk.agent_epoch:
            return Refusal(
                RefusalCode.MISSING_IDENTITY,
                f"session is {chunk.session!r} and agent_epoch {chunk.agent_epoch!r}, neither may "
                "be empty: the agent must fill them",
            )
        if len(chunk.agent_epoch) > _LONGEST_EPOCH:
            return Refusal(
                RefusalCode.MISSING_IDENTITY,
                f"agent_epoch has {len(chunk.agent_epoch)} characters, at most {_LONGEST_EPOCH} "
                "are allowed: an agent makes a UUID of 32",
            )
        return self._refused_epoch(chunk) or self._refused_sequence(chunk)

    def _refused_epoch(self, chunk: ActionChunk) -> Refusal | None:
        if chunk.agent_epoch == self._epoch:
            return None
        if chunk.agent_epoch in self._retired_epochs:
            return Refusal(
                RefusalCode.STALE_EPOCH,
                f"the chunk comes from agent {chunk.agent_epoch!r}, but {self._epoch!r} has taken "
                "over: stop the older agent",
            )
        if len(self._retired_epochs) >= _MOST_EPOCHS:
            return Refusal(
                RefusalCode.STALE_EPOCH,
                f"{_MOST_EPOCHS} agents have driven this arm since the controller started, and it "
                "remembers no more: end what starts agents again and again, restart the controller",
            )
        return None

    def _refused_sequence(self, chunk: ActionChunk) -> Refusal | None:
        last = self._last_sequence if chunk.agent_epoch == self._epoch else None
        if last is not None and chunk.sequence <= last:
            return Refusal(
                RefusalCode.OUT_OF_SEQUENCE,
                f"the chunk's sequence number is {chunk.sequence}, number {last} has been here "
                "already: a replayed or reordered chunk is never executed",
            )
        highest = _LAST_SEQUENCE if last is None else min(_LAST_SEQUENCE, last + _LONGEST_JUMP)
        if chunk.sequence > highest:
            return Refusal(
                RefusalCode.OUT_OF_SEQUENCE,
                f"the chunk's sequence number is {chunk.sequence}, at most {highest} can follow: "
                "numbers count up by one; see what else publishes policy/chunk",
            )
        return None

    def _refused_episode(self, chunk: ActionChunk) -> Refusal | None:
        position = (chunk.episode, chunk.chunk)
        same_session = chunk.session == self._session
        last_episode, last_chunk = self._last_position if same_session else (0, 0)
        jump = _LONGEST_JUMP if same_session else _LAST_EPISODE
        highest = min(last_episode + jump, _LAST_EPISODE)
        if chunk.episode < 1 or (same_session and position < self._last_position):
            return Refusal(
                RefusalCode.EPISODE_OUT_OF_ORDER,
                f"the chunk is number {chunk.chunk} of episode {chunk.episode}, after number "
                f"{last_chunk} of episode {last_episode}: episodes count up from 1",
            )
        if chunk.episode > highest:
            return Refusal(
                RefusalCode.EPISODE_OUT_OF_ORDER,
                f"the chunk is of episode {chunk.episode}, at most {highest} can "
                "follow: episodes count up by one; see what else publishes policy/chunk",
            )
        return None

    def _refused_shape(self, chunk: ActionChunk) -> Refusal | None:
        config = self._config
        if chunk.action_space != config.action_space:
            return Refusal(
                RefusalCode.WRONG_ACTION_SPACE,
                f"action_space is {chunk.action_space!r}, this rig executes "
                f"{config.action_space!r}: serve a policy for this rig",
            )
        claimed = (chunk.horizon, chunk.action_dim)
        expected = (config.horizon, config.action_dim)
        if claimed != expected or chunk.actions.size != config.horizon * config.action_dim:
            return Refusal(
                RefusalCode.WRONG_SHAPE,
                f"the chunk claims {claimed[0]} x {claimed[1]} and holds {chunk.actions.size} "
                f"numbers, expected are {expected[0]} x {expected[1]}: match horizon and policy",
            )
        if (chunk.follows > 0) != (chunk.committed_steps > 0):
            return Refusal(
                RefusalCode.CANNOT_SPLICE,
                f"the chunk continues chunk {chunk.follows} and begins with "
                f"{chunk.committed_steps} of its steps: give both numbers, or 0 for both",
            )
        most = config.horizon - chunk.committed_steps
        if not 1 <= chunk.execute_steps <= most:
            return Refusal(
                RefusalCode.BAD_EXECUTE_STEPS,
                f"execute_steps is {chunk.execute_steps}, it must lie in 1 to {most}: "
                "correct the agent's configuration",
            )
        return None

    def _refused_numbers(self, chunk: ActionChunk) -> Refusal | None:
        named: tuple[tuple[str, NDArray[np.float32] | float], ...] = (
            ("actions", chunk.actions),
            ("z", chunk.z),
            ("sigma", chunk.sigma),
            ("epsilon", chunk.epsilon),
        )
        for name, values in named:
            bad = int(np.size(values) - np.count_nonzero(np.isfinite(values)))
            if bad:
                return Refusal(
                    RefusalCode.NOT_FINITE,
                    f"{bad} of {np.size(values)} numbers in {name} are not finite: check the "
                    "policy's weights and statistics",
                )
        return None

    def _refused_steering(self, chunk: ActionChunk) -> Refusal | None:
        caps = self._caps
        if chunk.sigma < 0.0:
            return Refusal(
                RefusalCode.SIGMA_NEGATIVE,
                f"sigma is {chunk.sigma:g}, it must lie in 0 to {caps.sigma_cap:g}: "
                "check the agent's steering",
            )
        named = (
            (RefusalCode.SIGMA_ABOVE_CAP, "sigma", chunk.sigma, caps.sigma_cap),
            (RefusalCode.Z_ABOVE_CAP, "max|z|", _largest(chunk.z), caps.z_cap),
            (
                RefusalCode.EPSILON_ABOVE_CAP,
                "max|epsilon|",
                _largest(chunk.epsilon),
                caps.epsilon_cap,
            ),
        )
        for code, name, value, cap in named:
            # Compared as float32, in which the chunk travelled: a value clamped to the cap passes.
            if np.float32(value) > np.float32(cap):
                return Refusal(
                    code,
                    f"{name} is {value:g}, this rig's cap is {cap:g}: clamp to the controller's "
                    "caps before inference, or raise the cap in the rig's file and restart",
                )
        return None

    def _refused_steps(self, chunk: ActionChunk) -> Refusal | None:
        rows = chunk.actions.reshape(chunk.horizon, chunk.action_dim).astype(np.float64)
        first = chunk.committed_steps
        return self._space.refused(rows[first : first + chunk.execute_steps])


def _largest(values: NDArray[np.float32]) -> float:
    """Largest magnitude; 0 for an empty array."""
    return float(np.abs(values).max()) if values.size else 0.0
