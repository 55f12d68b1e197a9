"""A rig judged as a whole: what each part allows for itself, and together cannot be.

A part's own configuration class judges its own values; whatever two parts must agree on is here,
and in `arm_contradictions` where one of the two is the arm.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from tmrl_bringup.arm_contradictions import ARM_CHECKS
from tmrl_bringup.parts import CAMERAS, SERVER
from tmrl_bringup.whole import Check, Whole


def contradictions(whole: Whole) -> list[str]:
    """One sentence for each contradiction, of all that can be judged."""
    return [f"  {sentence}" for check in _CHECKS for sentence in check(whole)]


def _another_robots_name(whole: Whole) -> Iterable[str]:
    for part in sorted(whole.parts & set(whole.rig.parts)):
        named = whole.rig.parts[part].get("robot", whole.rig.robot)
        if named != whole.rig.robot:
            yield (
                f"{part}.robot is {named!r}, but the rig's robot is {whole.rig.robot!r}, and its "
                "nodes refuse what is meant for another one: remove the line, the robot is named "
                "once, at the top"
            )


def _steps_beyond_the_chunk(whole: Whole) -> Iterable[str]:
    steps, rows = whole.get("agent", "execute_steps"), whole.get("controller", "horizon")
    if steps and rows and steps > rows:
        yield (
            f"agent.execute_steps is {steps}, but a chunk has controller.horizon = {rows} steps: "
            f"give at most {rows}"
        )


def _two_overlaps(whole: Whole) -> Iterable[str]:
    steps = whole.get("agent", "overlap_steps")
    for part in ("controller", SERVER):
        theirs = whole.get(part, "overlap_steps")
        if steps is not None and theirs is not None and steps != theirs:
            yield (
                f"agent.overlap_steps is {steps}, but {part}.overlap_steps is {theirs}: remove the "
                "second line, the launch hands the agent's on"
            )


def _overlap_older_than_allowed(whole: Whole) -> Iterable[str]:
    steps, rate_hz = whole.get("agent", "overlap_steps"), _rate_hz(whole)
    age_s = whole.get("controller", "max_chunk_age_s")
    if steps and rate_hz and age_s is not None and age_s <= steps / rate_hz:
        yield (
            f"controller.max_chunk_age_s is {age_s:g}, but a chunk that continues another one "
            f"begins {steps / rate_hz:.3g} s after what it answers (agent.overlap_steps by "
            "controller.control_rate_hz), and each would be refused: give more"
        )


def _no_words_for_a_language_policy(whole: Whole) -> Iterable[str]:
    kind, prompt = whole.rig.parts[SERVER].get("kind"), whole.get("agent", "prompt")
    if kind and prompt is not None and not prompt.strip():
        yield (
            f"agent.prompt is {prompt!r}, but a policy of the kind {kind} takes its task in "
            "words: write the instruction of its demonstrations"
        )


def _two_action_spaces(whole: Whole) -> Iterable[str]:
    ours, theirs = whole.get("agent", "action_space"), whole.get("controller", "action_space")
    if ours and theirs and ours != theirs:
        yield (
            f"agent.action_space is {ours!r}, but controller.action_space is {theirs!r}: every "
            "chunk would be refused; give both the one of the policy"
        )


def _shorter_than_a_chunk(whole: Whole) -> Iterable[str]:
    chunk_s = _chunk_s(whole)
    if chunk_s is None:
        return
    for part, key in (
        ("agent", "wait_warning_s"),
        ("operator", "agent_timeout_s"),
        ("operator", "time_limit_s"),
    ):
        value = whole.get(part, key)
        if value is not None and value <= chunk_s:
            yield (
                f"{part}.{key} is {value:g}, no longer than a chunk takes ({chunk_s:.3g} s: "
                "agent.execute_steps by controller.control_rate_hz): give more"
            )


def _frozen_after_a_chunk(whole: Whole) -> Iterable[str]:
    chunk_s, after_s = _chunk_s(whole), whole.get("agent", "frozen_after_s")
    blind = whole.get("agent", "lock_step") or not whole.get("agent", "cameras")
    if chunk_s is not None and after_s and not blind and after_s >= chunk_s:
        yield (
            f"agent.frozen_after_s is {after_s:g}, but a chunk takes {chunk_s:.3g} s: what began "
            f"on a frozen picture would be learned from; give less than {chunk_s:.3g}"
        )


def _cameras_that_nobody_runs(whole: Whole) -> Iterable[str]:
    if whole.get("agent", "camera_topics"):
        # Another driver publishes them.
        return
    rig = whole.rig
    run = whole.get("driver", "cameras") if rig.simulated else rig.cameras
    if run is None:
        return
    for name in whole.get("agent", "cameras") or ():
        if name not in run:
            remedy = (
                f"name it in driver.cameras, or observe one of {', '.join(run) or 'none'}"
                if rig.simulated
                else f"give it a section {CAMERAS}.{name}, or agent.camera_topics where a driver "
                f"of your own publishes it; the rig runs {', '.join(run) or 'none'}"
            )
            yield f"agent.cameras has {name!r}, which nobody runs: {remedy}"


def _one_device_twice(whole: Whole) -> Iterable[str]:
    users: dict[str, list[str]] = defaultdict(list)
    for name in whole.rig.cameras:
        if serial := whole.get(f"{CAMERAS}.{name}", "serial"):
            users[serial].append(f"{CAMERAS}.{name}")
    for serial, names in users.items():
        if len(names) > 1:
            yield (
                f"{' and '.join(names)} have one serial, {serial!r}, and a device sends to one: "
                "give each its own, as listed by rs-enumerate-devices"
            )


def _pictures_older_than_allowed(whole: Whole) -> Iterable[str]:
    age_s = whole.get("agent", "max_observation_age_s")
    if age_s is None or whole.get("agent", "lock_step"):
        return
    for name in whole.get("agent", "cameras") or ():
        rate_hz = whole.get(f"{CAMERAS}.{name}", "rate_hz")
        if rate_hz and age_s < 1.0 / rate_hz:
            yield (
                f"agent.max_observation_age_s is {age_s:g}, but {CAMERAS}.{name} sends a picture "
                f"every {1.0 / rate_hz:.3g} s: raise one of the two"
            )


def _a_world_of_another_pace(whole: Whole) -> Iterable[str]:
    factor = whole.get("driver", "real_time_factor")
    if factor is None:
        return
    wanted = "lock_step" if factor == 0.0 else "state"
    pacing = whole.get("controller", "pacing")
    if pacing is not None and pacing != wanted:
        yield (
            f"controller.pacing is {pacing!r}, but with driver.real_time_factor {factor:g} it must "
            f"be {wanted!r}"
        )
    waits = whole.get("agent", "lock_step")
    if waits is not None and waits != (factor == 0.0):
        yield (
            f"agent.lock_step is {str(waits).lower()}, but with driver.real_time_factor "
            f"{factor:g} it must be {str(factor == 0.0).lower()}"
        )
    period_s, rate_hz = whole.get("driver", "control_period_s"), _rate_hz(whole)
    if factor == 0.0 and period_s and rate_hz and abs(period_s * rate_hz - 1.0) > _TOLERANCE:
        yield (
            f"driver.control_period_s is {period_s:g}, but controller.control_rate_hz is "
            f"{rate_hz:g}: a step would take another time than it is planned for; give "
            f"{1.0 / rate_hz:.4g}"
        )


def _rate_hz(whole: Whole) -> Any:
    return whole.get("controller", "control_rate_hz")


def _chunk_s(whole: Whole) -> float | None:
    """How long a chunk is executed, s; None where that cannot be said."""
    steps, rate_hz = whole.get("agent", "execute_steps"), _rate_hz(whole)
    return steps / rate_hz if steps and rate_hz else None


_TOLERANCE = 1e-6
_CHECKS: tuple[Check, ...] = (
    _another_robots_name,
    *ARM_CHECKS,
    _steps_beyond_the_chunk,
    _two_overlaps,
    _overlap_older_than_allowed,
    _no_words_for_a_language_policy,
    _two_action_spaces,
    _shorter_than_a_chunk,
    _frozen_after_a_chunk,
    _cameras_that_nobody_runs,
    _one_device_twice,
    _pictures_older_than_allowed,
    _a_world_of_another_pace,
)
