"""Judges what the arm was sent: by the log and the rig's file alone, with no code of the stack's.

Time is the world's: the stamps of the arm's states. When a command was taken is what the arm's
driver says in its states.
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from .command_log import Chunk, ChunkKey, Command, CommandLog, State, Vector

_TOLERANCE = 1e-6
_MOST_ATTEMPTS = 64
_MAX_SEED = 2**63 - 1
_LATE_TICKS = 2
"""From a setpoint's end to the hold: what the stack promises."""


@dataclass(frozen=True)
class Rules:
    """What the rig allows.

    Attributes:
        box_m: x_min x_max y_min y_max z_min z_max of the tool, m.
        translation_m: Longest way of the target per control period, m.
        rotation_rad: Largest turn of it per control period, rad.
        gripper_step: Largest change of the opening per control period.
        period_s: Control period, s.
        tick_s: Between two states of a world that runs by itself, s.
        chunk_age_s: Oldest observation that a chunk may answer when it begins, s.
        world_waits: Whether only commands advance the world.
        seed: Of the session.
    """

    box_m: tuple[float, ...]
    translation_m: float
    rotation_rad: float
    gripper_step: float
    period_s: float
    tick_s: float
    chunk_age_s: float
    world_waits: bool
    seed: int

    @classmethod
    def of_rig(cls, path: Path) -> "Rules":
        """The rules in a run's `config.yaml`."""
        parts: Mapping[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        controller = parts["controller"]
        return cls(
            box_m=tuple(controller["workspace_box"]),
            translation_m=controller["max_translation_m"],
            rotation_rad=controller["max_rotation_rad"],
            gripper_step=controller["max_gripper_step"],
            period_s=1.0 / controller["control_rate_hz"],
            tick_s=1.0 / parts["driver"].get("tick_rate_hz", 50.0),
            chunk_age_s=controller["max_chunk_age_s"],
            world_waits=parts["driver"]["real_time_factor"] == 0.0,
            seed=parts["agent"]["seed"],
        )


@dataclass
class ArmVerdict:
    """What was found, one sentence each.

    Attributes:
        judged: Commands.
        unseen: Sequence numbers of commands that the recorder did not get, after its first.
        chunks: Executed ones whose observation was judged.
        doubled: Delivered, or executed, twice.
        stale: Executed when they were no longer valid, or answers to something else.
        out_of_limit: Outside the box, or faster than the rig allows.
    """

    judged: int = 0
    unseen: int = 0
    chunks: int = 0
    doubled: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    out_of_limit: list[str] = field(default_factory=list)

    @property
    def findings(self) -> list[str]:
        """All of them."""
        return [*self.doubled, *self.stale, *self.out_of_limit]


def judge(log: CommandLog, rules: Rules) -> ArmVerdict:
    """Judges the life of one session, in which controller and driver live once."""
    verdict = ArmVerdict(judged=len(log.commands))
    _judge_order(log, verdict)
    _judge_answers(log, rules, verdict)
    _judge_validity(log, rules, verdict)
    _judge_limits(log, rules, verdict)
    return verdict


def _judge_order(log: CommandLog, verdict: ArmVerdict) -> None:
    newest: int | None = None
    for command in log.commands:
        if newest is not None and command.sequence <= newest:
            verdict.doubled.append(f"command {command.sequence} came after {newest}")
            continue
        if newest is not None:
            verdict.unseen += command.sequence - newest - 1
        newest = command.sequence


def _judge_answers(log: CommandLog, rules: Rules, verdict: ArmVerdict) -> None:
    chunks = {chunk.key: chunk for chunk in log.chunks}
    stamps = {state.sequence: state.stamp_ns for state in log.states}
    executed: set[ChunkKey] = set()
    seeds: set[int] = set()
    for outcome in (each for each in log.outcomes if each.steps):
        if outcome.key in executed:
            verdict.doubled.append(f"chunk {outcome.key.sequence} was executed twice")
        executed.add(outcome.key)
        chunk = chunks.get(outcome.key)
        if chunk is None:
            continue
        verdict.chunks += 1
        if chunk.seed in seeds:
            verdict.doubled.append(f"chunk {chunk.key.sequence} is an answer that came before")
        elif not _answers_its_question(chunk, rules.seed):
            verdict.stale.append(f"chunk {chunk.key.sequence} answers another question")
        seeds.add(chunk.seed)
        seen_ns = stamps.get(chunk.arm_state_sequence)
        if seen_ns is None:
            continue
        age_s = (outcome.started_ns - seen_ns) * 1e-9
        if age_s > rules.chunk_age_s + rules.tick_s:
            verdict.stale.append(f"chunk {chunk.key.sequence} began {age_s:.3f} s after its state")


def _answers_its_question(chunk: Chunk, seed: int) -> bool:
    """Whether the seed in the answer is one that was sent with the question of this chunk."""
    for attempt in range(_MOST_ATTEMPTS):
        sequence = np.random.SeedSequence((seed, chunk.episode, chunk.number, attempt))
        if int(sequence.generate_state(1, np.uint64)[0]) & _MAX_SEED == chunk.seed:
            return True
    return False


def _judge_validity(log: CommandLog, rules: Rules, verdict: ArmVerdict) -> None:
    states = _in_order(log.states)
    taken = [state.last_command for state in states]
    for command in (each for each in log.commands if each.moves):
        first = bisect_left(taken, command.sequence)
        if first == len(states) or states[first].last_command != command.sequence:
            # Never taken, or replaced before anybody could see what it did.
            continue
        earliest_s = _taken_at_earliest_s(states, first, rules)
        late_s = earliest_s - command.stamp_ns * 1e-9
        if late_s > command.valid_for_s + rules.tick_s:
            verdict.stale.append(
                f"command {command.sequence}, valid for {command.valid_for_s:.3f} s, was taken "
                f"after {late_s:.3f} s"
            )
        if not rules.world_waits and (over_s := _moved_on_s(states, first, command, rules)):
            verdict.stale.append(
                f"command {command.sequence} moved the arm for {over_s:.3f} s, valid for "
                f"{command.valid_for_s:.3f} s"
            )


def _in_order(states: list[State]) -> list[State]:
    """States without repetitions; the newest word on one of them counts."""
    newest = {state.sequence: state for state in states}
    return [newest[number] for number in sorted(newest)]


def _taken_at_earliest_s(states: list[State], first: int, rules: Rules) -> float:
    """World time at which a command was taken, not later than it really was, s."""
    state = states[first]
    if first and states[first - 1].sequence < state.sequence - 1:
        # States in between were not heard: it may have been in the first of them.
        return states[first - 1].stamp_ns * 1e-9 + rules.tick_s
    return state.stamp_ns * 1e-9


def _moved_on_s(states: list[State], first: int, command: Command, rules: Rules) -> float:
    """For how long a command kept the arm moving, where that was too long, otherwise 0, s."""
    for state in states[first:]:
        if state.last_command != command.sequence or state.holding:
            return 0.0
        moved_s = (state.stamp_ns - states[first].stamp_ns) * 1e-9
        if moved_s > command.valid_for_s + _LATE_TICKS * rules.tick_s + _TOLERANCE:
            return moved_s
    return 0.0


def _judge_limits(log: CommandLog, rules: Rules, verdict: ArmVerdict) -> None:
    states = {state.sequence: state for state in log.states}
    previous: Command | None = None
    rested = True
    for command in log.commands:
        if not command.moves:
            rested = True
            continue
        measured = states.get(command.arm_state_sequence)
        faults = _faults_alone(command, rules)
        # After a rest the target starts again where the arm is.
        start = measured if rested else previous
        if not faults and start is not None:
            faults = _faults_of_step(start, command, rules)
        verdict.out_of_limit += [f"command {command.sequence} {fault}" for fault in faults[:1]]
        previous, rested = command, False


def _faults_alone(command: Command, rules: Rules) -> list[str]:
    numbers = np.concatenate((command.position_m, command.quaternion_xyzw, [command.gripper]))
    if not np.isfinite(numbers).all():
        return ["is not finite"]
    low_m, high_m = np.array(rules.box_m[::2]), np.array(rules.box_m[1::2])
    outside_m = np.maximum(low_m - command.position_m, command.position_m - high_m).max()
    faults: list[str] = []
    if outside_m > _TOLERANCE:
        faults.append(f"is {outside_m:.4f} m outside the box")
    if not -_TOLERANCE <= command.gripper <= 1.0 + _TOLERANCE:
        faults.append(f"opens the gripper to {command.gripper:.4f}")
    if not 0.0 < command.duration_s <= rules.period_s + _TOLERANCE:
        faults.append(f"lasts {command.duration_s:.4f} s")
    return faults


def _faults_of_step(start: State | Command, command: Command, rules: Rules) -> list[str]:
    """How a command is too fast, from the target before it or from where the arm was."""
    periods = command.duration_s / rules.period_s
    if isinstance(start, Command):
        # What the recorder did not get counts with what it got next.
        periods *= max(1, command.sequence - start.sequence)
    way_m = float(np.linalg.norm(command.position_m - start.position_m))
    turn_rad = _angle_rad(start.quaternion_xyzw, command.quaternion_xyzw)
    step = abs(command.gripper - start.gripper)
    limits = (
        ("goes", way_m, rules.translation_m, "m"),
        ("turns", turn_rad, rules.rotation_rad, "rad"),
        ("opens or closes by", step, rules.gripper_step, ""),
    )
    return [
        f"{verb} {value:.4f} {unit} where {periods * most:.4f} are allowed"
        for verb, value, most, unit in limits
        if value > periods * most + _TOLERANCE
    ]


def _angle_rad(first: Vector, second: Vector) -> float:
    """Between two unit quaternions, rad; precise for small angles, too."""
    apart = min(np.linalg.norm(first - second), np.linalg.norm(first + second))
    return float(4.0 * np.arcsin(min(1.0, apart / 2.0)))
