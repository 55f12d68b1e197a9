"""The learner's core: transitions in, update rounds, actor snapshots and checkpoints out.

No thread, no socket, no ROS: a shell (the ROS node, or the in-process loop) hands in transitions,
asks how many rounds are owed and runs them when it likes.
"""

import dataclasses
import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save as encode_tensors

from tmrl_common.transitions import Transition, check
from tmrl_learner.config import LearnerConfig, Sizes
from tmrl_learner.devices import check_device
from tmrl_learner.errors import LearnerError, ResumeError
from tmrl_learner.replay.buffer import InsertResult, ReplayBuffer
from tmrl_learner.replay.sequences import SequenceIndex
from tmrl_learner.replay.transition import unsteered
from tmrl_learner.served_candidates import ServedCandidates
from tmrl_learner.session_parts import Frozen, make_agent, make_hindsight
from tmrl_policies.checkpoint import Checkpoint, CheckpointError, load_checkpoint, save_checkpoint
from tmrl_policies.torch_seam import from_numpy

_log = logging.getLogger(__name__)

CHECKPOINT_KIND = "tmrl_learner"
CHECKPOINT_STEM = "learner"


def holds_checkpoint(folder: Path) -> bool:
    """Whether a learner was saved in a folder, also where only a part of that is left.

    Whoever resumes loads the folder if this says so: `load` names what is missing, and nothing
    begins over data that is half there. A first save that a kill broke off has left neither file
    under its name: there is nothing to resume then, and nothing to lose.
    """
    return any((folder / f"{CHECKPOINT_STEM}.{kind}").exists() for kind in ("json", "safetensors"))


Stream = tuple[str, str]
"""Robot and session: within it sequence numbers count from 1."""


class Phase(StrEnum):
    """What the agent should steer with."""

    WARMUP = "warmup"
    TRAINING = "training"


@dataclass(frozen=True)
class ActorSnapshot:
    """Weights of the steering actor, ready for the policy server.

    Attributes:
        version: Number of rounds behind the weights; 0 is the random initialisation.
        content: safetensors; the metadata entry "steering" is JSON with the actor's configuration
            and bounds.
        sha256: Of `content`, hexadecimal. It tells two runs of the same version apart.
    """

    version: int
    content: bytes
    sha256: str


@dataclass
class Counters:
    """What happened so far; part of the checkpoint.

    Attributes:
        stored: Transitions stored, each counted once.
        revised: Transitions replaced by a higher revision.
        duplicates: Transitions that had arrived before.
        lost: Sequence numbers that will never arrive.
        refused: Transitions that contradict themselves or have other sizes than configured.
        rounds: Update rounds done.
        rounds_owed: Update rounds that the stored transitions still call for.
        rounds_skipped: Rounds forgiven because the debt exceeded its bound.
        training: Whether the warm-up has ended.
        human: Segments that people drove and for which a latent was searched.
        explained: Those for which one was found.
    """

    stored: int = 0
    revised: int = 0
    duplicates: int = 0
    lost: int = 0
    refused: int = 0
    rounds: int = 0
    rounds_owed: int = 0
    rounds_skipped: int = 0
    training: bool = False
    human: int = 0
    explained: int = 0


@dataclass(frozen=True)
class ShellState:
    """What the shell around a session keeps in the session's checkpoints.

    Attributes:
        tensors: By name.
        metadata: JSON-able.
    """

    tensors: Mapping[str, torch.Tensor] = field(default_factory=dict[str, torch.Tensor])
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])


class LearnerSession:
    """One learning run.

    Args:
        config: What to do with the transitions.
        sizes: Lengths that the policy dictates.
        steady_s: Steady clock, s; measures the duration of rounds and decides nothing.
        base: The frozen policy, which the method "dsrl_na" and hindsight ask for, or how what its
            server hands out is read.

    Raises:
        ConfigError: The device is a GPU, and there is none; or the method is not installed.
        LearnerError: The method needs the frozen policy, and it is not there.
    """

    def __init__(
        self,
        config: LearnerConfig,
        sizes: Sizes,
        steady_s: Callable[[], float],
        base: Frozen | None = None,
    ) -> None:
        check_device(config.device)
        self.config = config
        self.sizes = sizes
        self.counters = Counters()
        epsilon_dim = sizes.epsilon if config.agent.epsilon_head else 0
        actions_dim = sizes.actions if config.method == "dsrl_na" else 0
        self._candidates = 0
        if isinstance(base, ServedCandidates) and actions_dim:
            self._candidates = base.count
        self.replay = ReplayBuffer(
            config.replay, sizes.features, sizes.z, epsilon_dim, actions_dim, self._candidates
        )
        self.agent = make_agent(config, sizes, base)
        self.hindsight = make_hindsight(config, sizes, base, self.agent)
        self._rng = np.random.default_rng(config.seed)
        self._steady_s = steady_s
        self._seen: dict[Stream, SequenceIndex] = {}
        self._durable: dict[Stream, SequenceIndex] = {}

    @property
    def phase(self) -> Phase:
        """Warm-up: steer uniformly. Training: steer by the actor."""
        return Phase.TRAINING if self.counters.training else Phase.WARMUP

    @property
    def updates_owed(self) -> int:
        """Rounds to run now: one per `chunks_per_round` transitions stored since the warm-up."""
        return self.counters.rounds_owed if self.replay.learnable else 0

    def ingest(self, transition: Transition) -> bool:
        """Takes a transition in, exactly once.

        Returns:
            Whether it was new: stored, or a revision of a stored one.

        Raises:
            InvalidTransitionError: It contradicts itself or has other sizes than configured;
                nothing was changed.
            ReplayFullError: Its episode alone fills the replay buffer.
        """
        check(transition)
        index = self._index(transition.robot, transition.session)
        if transition.sequence in index:
            self.counters.duplicates += 1
            return False
        found = transition if self.hindsight is None else self.hindsight.explain(transition)
        result = self.replay.insert(found)
        index.add(transition.sequence)
        self.counters.stored += result is InsertResult.STORED
        if self.hindsight is not None and unsteered(transition) and result is InsertResult.STORED:
            self.counters.human += 1
            self.counters.explained += not unsteered(found)
        self.counters.revised += result is InsertResult.REVISED
        self.counters.duplicates += result in (InsertResult.DUPLICATE, InsertResult.EVICTED)
        if self.counters.training:
            complete = self.counters.stored % self.config.schedule.chunks_per_round == 0
            self._owe(int(result is InsertResult.STORED and complete))
        elif self._warmup_is_over():
            self.counters.training = True
            self._owe(self.config.schedule.burst_rounds)
        return result in (InsertResult.STORED, InsertResult.REVISED)

    def refuse(self, transition: Transition) -> None:
        """Passes a transition over that `ingest` refused and that will not become another."""
        self._index(transition.robot, transition.session).add(transition.sequence)
        self.counters.refused += 1

    def give_up(self, robot: str, session: str, first: int, last: int) -> None:
        """Waits no longer for the numbers from `first` to `last`: nobody has them any more."""
        index = self._index(robot, session)
        for sequence in range(first, last + 1):
            self.counters.lost += sequence not in index
            index.add(sequence)

    def _index(self, robot: str, session: str) -> SequenceIndex:
        return self._seen.setdefault((robot, session), SequenceIndex())

    def _warmup_is_over(self) -> bool:
        schedule, stored = self.config.schedule, self.counters.stored
        enough = self.replay.successes >= schedule.warmup_successes
        return (stored >= schedule.warmup_chunks and enough) or (
            stored >= schedule.warmup_max_chunks
        )

    def _owe(self, rounds: int) -> None:
        debt = self.counters.rounds_owed + rounds
        self.counters.rounds_owed = min(debt, self.config.schedule.max_rounds_owed)
        self.counters.rounds_skipped += debt - self.counters.rounds_owed

    def update(self) -> dict[str, float]:
        """Runs one owed round: `utd` critic updates and one actor update.

        Returns:
            Metrics by name: losses, values, temperatures, steering, and `round_s`.

        Raises:
            LearnerError: No round is owed.
        """
        if not self.updates_owed:
            raise LearnerError("no update round is owed; ask updates_owed before update")
        start_s = self._steady_s()
        agent = self.config.agent
        batch = self.replay.sample(self._rng, agent.utd + 1, agent.batch_size)
        metrics = self.agent.update(batch)
        self.counters.rounds += 1
        self.counters.rounds_owed -= 1
        if self.hindsight is not None:
            metrics |= {"human_segments": self.counters.human}
            metrics |= {"human_segments_explained": self.counters.explained}
        return metrics | {"round_s": self._steady_s() - start_s}

    def actor_snapshot(self) -> ActorSnapshot:
        """The actor's weights as the policy server swaps them in."""
        # One metadata entry only: safetensors writes several in no fixed order, and equal weights
        # must have equal hashes.
        steering = json.dumps(
            {
                "actor": dataclasses.asdict(self.agent.actor.config),
                "bounds": dataclasses.asdict(self.agent.bounds),
            }
        )
        tensors = {n: t.cpu().contiguous() for n, t in self.agent.actor.state_dict().items()}
        content = encode_tensors(tensors, metadata={"steering": steering})
        return ActorSnapshot(self.counters.rounds, content, hashlib.sha256(content).hexdigest())

    def missing(self, robot: str, session: str, up_to: int) -> list[int]:
        """Sequence numbers from 1 to `up_to` that have not arrived, ascending."""
        return self._seen.get((robot, session), SequenceIndex()).missing(up_to)

    def contiguous_sequence(self, robot: str, session: str) -> int:
        """Returns the number up to which every one has arrived or was given up."""
        return self._seen.get((robot, session), SequenceIndex()).contiguous

    def durable_index(self) -> Mapping[Stream, SequenceIndex]:
        """The sequence numbers that the last checkpoint holds."""
        return self._durable

    def save(self, folder: Path, shell: ShellState | None = None) -> None:
        """Writes everything from which learning continues bit-equal, atomically.

        Args:
            folder: Where the checkpoint is kept; created if absent.
            shell: What `load` hands back: of the same moment, whenever the process dies.

        Raises:
            OSError: The disk refused; an older checkpoint in the folder is still whole.
        """
        arrays, replay = self.replay.state()
        tensors = {f"agent.{name}": tensor for name, tensor in self.agent.state().items()}
        tensors |= {f"replay.{name}": from_numpy(array) for name, array in arrays.items()}
        shell = shell or ShellState()
        tensors |= {f"shell.{name}": tensor for name, tensor in shell.tensors.items()}
        metadata = {
            "config": self.config.to_mapping(),
            "sizes": dataclasses.asdict(self.sizes),
            "candidates": self._candidates,
            "counters": dataclasses.asdict(self.counters),
            "replay": replay,
            "draws": self._rng.bit_generator.state,
            "seen": [[*s, i.contiguous, sorted(i.beyond)] for s, i in self._seen.items()],
            "shell": dict(shell.metadata),
        }
        save_checkpoint(folder / CHECKPOINT_STEM, CHECKPOINT_KIND, tensors, metadata)
        self._durable = {stream: index.copy() for stream, index in self._seen.items()}

    def load(self, folder: Path) -> ShellState:
        """Restores what `save` wrote.

        Returns:
            What the shell had added.

        Raises:
            CheckpointError: The checkpoint is absent or damaged.
            ResumeError: It was written under another configuration.
        """
        checkpoint = load_checkpoint(folder / CHECKPOINT_STEM, CHECKPOINT_KIND)
        if not checkpoint.verified:
            _log.warning(
                "%s was written by an older version, without a hash of its record: damage to that "
                "file alone cannot be noticed; the next checkpoint has one",
                folder / f"{CHECKPOINT_STEM}.json",
            )
        try:
            return self._restore(checkpoint)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(
                f"{folder / CHECKPOINT_STEM}.json does not hold a learner: "
                f"{type(error).__name__} {error}. Restore the folder from a copy, or move it away"
            ) from error

    def _restore(self, checkpoint: Checkpoint) -> ShellState:
        metadata = checkpoint.metadata
        self._check_same_run(metadata)
        groups: dict[str, dict[str, torch.Tensor]] = {"agent": {}, "replay": {}, "shell": {}}
        for name, tensor in checkpoint.tensors.items():
            group, _, rest = name.partition(".")
            groups[group][rest] = tensor
        self.agent.load_state(groups["agent"])
        arrays = {name: tensor.numpy() for name, tensor in groups["replay"].items()}
        self.replay.load_state(arrays, metadata["replay"])
        self.counters = Counters(**metadata["counters"])
        self._rng.bit_generator.state = metadata["draws"]
        self._seen = {
            (robot, session): SequenceIndex(contiguous, set(beyond))
            for robot, session, contiguous, beyond in metadata["seen"]
        }
        self._durable = {stream: index.copy() for stream, index in self._seen.items()}
        return ShellState(groups["shell"], metadata["shell"])

    def _check_same_run(self, metadata: Mapping[str, Any]) -> None:
        """The schedule and the devices may change on resume, what was learned with may not.

        Only on the same device the run continues as if it had never been interrupted.
        """
        mine = {**self.config.to_mapping(), "sizes": dataclasses.asdict(self.sizes)}
        mine["candidates"] = self._candidates
        theirs = {**metadata["config"], "sizes": metadata["sizes"]}
        theirs["candidates"] = metadata.get("candidates", 0)
        # A setting that is younger than the checkpoint had its default.
        theirs["agent"] = {**dataclasses.asdict(LearnerConfig().agent), **theirs["agent"]}
        mine["replay"] = {**mine["replay"], "device": theirs["replay"].get("device")}
        for name in ("method", "seed", "agent", "dsrl_na", "replay", "sizes", "candidates"):
            if mine[name] != theirs[name]:
                raise ResumeError(
                    f"the checkpoint was written with {name} = {theirs[name]}, this run has "
                    f"{mine[name]}; resume with the same configuration or start a new run"
                )
