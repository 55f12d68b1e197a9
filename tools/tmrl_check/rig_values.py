"""A rig's values beside what a checkpoint was trained for."""

from dataclasses import dataclass
from typing import Any

from tmrl_bringup.rig import Example, Rig
from tmrl_common.types import PolicySpec
from tmrl_policies.pi0.fitness import CheckedCheckpoint, Verdict, judge_prompt
from tmrl_policies.pi0.inputs.record import Pi0Record

_RATE_TOLERANCE = 0.02


@dataclass(frozen=True)
class Served:
    """What a policy asks of a rig.

    Attributes:
        cameras: Names of the cameras that it looks at.
        state: Names of the columns of the robot state; empty where the policy has none.
        state_dim: How many there are.
        action_space: Of its actions.
        horizon: Actions of a chunk.
        rate_hz: Actions per second in its data; None where nothing tells.
    """

    cameras: tuple[str, ...]
    state: tuple[str, ...]
    state_dim: int
    action_space: str
    horizon: int
    rate_hz: float | None

    @classmethod
    def of_pi0(cls, record: Pi0Record) -> "Served":
        """Of a pi0."""
        rig = record.rig
        return cls(
            cameras=rig.camera_names,
            state=rig.state,
            state_dim=rig.state_dim,
            action_space=rig.action_space,
            horizon=record.config.horizon,
            rate_hz=rig.rate_hz,
        )

    @classmethod
    def of_spec(cls, spec: PolicySpec) -> "Served":
        """Of a small policy."""
        return cls(spec.cameras, (), spec.proprio_dim, spec.action_space, spec.horizon, None)


def given(rig: Rig, part: str, key: str) -> Any:
    """A value of a rig; None where it is absent, or still an example."""
    value = rig.parts.get(part, {}).get(key)
    return None if isinstance(value, Example) else value


def judge_rig(checked: CheckedCheckpoint, rig: Rig, served: Served) -> None:
    """Adds whether cameras, rate, actions, state and prompt of a rig are the policy's."""
    _judge_cameras(checked, rig, served)
    _judge_rate(checked, rig, served)
    for part, key, wanted in (
        ("controller", "action_space", served.action_space),
        ("agent", "action_space", served.action_space),
        ("controller", "horizon", served.horizon),
    ):
        _judge_equal(checked, f"{part}.{key}", given(rig, part, key), wanted)
    steps = given(rig, "agent", "execute_steps")
    if isinstance(steps, int) and steps > served.horizon:
        sentence = f"{steps} steps of a chunk of {served.horizon}; lower it"
        checked.note("agent.execute_steps", Verdict.DOES_NOT_FIT, sentence)
    _judge_state(checked, given(rig, "agent", "proprio_fields"), served)
    prompt = given(rig, "agent", "prompt")
    if prompt is None:
        checked.note("prompt", Verdict.UNKNOWN, "agent.prompt is not given")
    elif checked.record is not None:
        judge_prompt(checked, str(prompt))


def _judge_cameras(checked: CheckedCheckpoint, rig: Rig, served: Served) -> None:
    if rig.simulated or not served.cameras:
        return
    have, need = set(rig.cameras), set(served.cameras)
    if missing := sorted(need - have):
        checked.note(
            "cameras",
            Verdict.DOES_NOT_FIT,
            f"the policy looks at {', '.join(sorted(need))}; {rig.file} lacks "
            f"{', '.join(missing)} (it has {', '.join(sorted(have)) or 'none'}). Name its cameras "
            "as the policy does",
        )
    elif extra := sorted(have - need):
        sentence = f"the policy does not look at {', '.join(extra)}"
        checked.note("cameras", Verdict.LOOK, sentence)
    else:
        checked.note("cameras", Verdict.FITS, ", ".join(sorted(need)))


def _judge_rate(checked: CheckedCheckpoint, rig: Rig, served: Served) -> None:
    rate_hz = given(rig, "controller", "control_rate_hz")
    if not isinstance(rate_hz, int | float) or served.rate_hz is None:
        checked.note("rate", Verdict.UNKNOWN, "nothing tells the rate of both")
    elif abs(rate_hz - served.rate_hz) > _RATE_TOLERANCE * served.rate_hz:
        checked.note(
            "rate",
            Verdict.DOES_NOT_FIT,
            f"controller.control_rate_hz is {rate_hz:g}, and the policy's data have "
            f"{served.rate_hz:g}: every action would last {1 / rate_hz:.3g} s instead of "
            f"{1 / served.rate_hz:.3g} s. Set it to {served.rate_hz:g}, unless the weights were "
            "trained on data of that rate",
        )
    else:
        checked.note("rate", Verdict.FITS, f"{rate_hz:g} actions per second")


def _judge_equal(checked: CheckedCheckpoint, subject: str, value: Any, wanted: Any) -> None:
    if value is None:
        checked.note(subject, Verdict.UNKNOWN, f"it is not given; the policy needs {wanted}")
    elif value != wanted:
        sentence = f"it is {value}, and the policy's is {wanted}; set it to {wanted}"
        checked.note(subject, Verdict.DOES_NOT_FIT, sentence)
    else:
        checked.note(subject, Verdict.FITS, str(value))


def _judge_state(checked: CheckedCheckpoint, fields: Any, served: Served) -> None:
    if not isinstance(fields, list | tuple):
        checked.note("state", Verdict.UNKNOWN, "agent.proprio_fields is not given")
        return
    names = tuple(map(str, fields))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if len(names) != served.state_dim:
        checked.note(
            "state",
            Verdict.DOES_NOT_FIT,
            f"agent.proprio_fields are {len(names)}, and the policy's state has {served.state_dim} "
            f"columns{': ' if served.state else ''}{', '.join(served.state)}",
        )
    elif set(names) == set(served.state) and names != served.state:
        sentence = f"agent.proprio_fields stand in another order than {', '.join(served.state)}"
        checked.note("state", Verdict.DOES_NOT_FIT, sentence)
    else:
        checked.note("state", Verdict.FITS, ", ".join(names))
