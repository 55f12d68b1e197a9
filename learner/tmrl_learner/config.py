"""Typed configuration of the learner and its named presets.

A preset is a plain value. `resolve` picks one by name, applies the method and `key=value` overrides
with dotted keys (`agent.utd=10`), and refuses every name that it does not know with the nearest one
that it does.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from typing import Annotated, Any, TypeVar

from tmrl_common.algorithms import NO_LEARNING, method_names
from tmrl_common.constraints import SEED, OneOf, Range, check_fields, read_fields
from tmrl_common.errors import ConfigError
from tmrl_learner.algorithms.dsrl.config import as_dsrl, as_fixed_sigma
from tmrl_learner.algorithms.dsrl_na.config import DsrlNaConfig
from tmrl_learner.algorithms.tmrl.config import TmrlConfig

C = TypeVar("C")

_Z_ONLY = {"dsrl": as_dsrl, "dsrl_na": as_dsrl, "fixed-sigma": as_fixed_sigma}
DEVICES = ("cpu", "cuda")
REPLAY_SHARES = ("success_share", "failure_share", "offline_share")
Share = Annotated[float, Range(0.0, 1.0)]
_Chunks = Annotated[int, Range(1, 1_000_000_000)]
_Count = Annotated[int, Range(0, 1_000_000_000)]


def methods() -> tuple[str, ...]:
    """Names of everything that learns here: ours, and the algorithms that are installed."""
    return tuple(name for name in method_names() if name != NO_LEARNING)


@dataclass(frozen=True)
class Sizes:
    """Lengths that the policy dictates (`PolicySpec` of the handshake).

    Attributes:
        features: S, of what the steering actor sees.
        z: Z, of the latent as it is stored.
        epsilon: E, of a context noise.
        actions: h * A, of the executed part of an action chunk; only DSRL-NA needs to know it.
    """

    features: int
    z: int
    epsilon: int
    actions: int = 0


@dataclass(frozen=True)
class ReplayConfig:
    """The replay buffer.

    What the shares leave over is drawn from all transitions that may be learned from; a stratum
    that is empty leaves its share to them. With `offline_share=0.5` and the other shares 0, every
    minibatch is half online, half offline, as in RLPD.

    Attributes:
        capacity: Number of transitions; above it the oldest episodes are dropped whole.
        success_share: Share of every minibatch drawn from successful episodes.
        failure_share: Share drawn from episodes that failed or timed out.
        offline_share: Share drawn from the offline data that the session was given.
        device: "cpu", or "cuda" to keep a copy of all rows on the GPU and draw there.
    """

    capacity: Annotated[int, Range(1, 1_000_000_000)] = 20_000
    success_share: Share = 0.5
    failure_share: Share = 0.0
    offline_share: Share = 0.0
    device: Annotated[str, OneOf(*DEVICES)] = "cpu"

    def __post_init__(self) -> None:
        """Refuses a buffer that holds nothing, and shares that are no shares.

        Raises:
            ConfigError: Names the value and the range.
        """
        check_fields(self, "replay.")
        shares = {name: getattr(self, name) for name in REPLAY_SHARES}
        if sum(shares.values()) > 1 + 1e-9:
            listed = " + ".join(f"{name} {share:g}" for name, share in shares.items())
            raise ConfigError(f"replay: {listed} is above 1; lower one of them")


@dataclass(frozen=True)
class ScheduleConfig:
    """When to explore blindly, and how much to learn afterwards.

    Attributes:
        warmup_chunks: Transitions to collect with uniform steering before any update.
        warmup_successes: Successful episodes to collect before any update as well.
        warmup_max_chunks: Ends the warm-up even without these successes.
        burst_rounds: Update rounds owed at the moment at which the warm-up ends.
        chunks_per_round: Transitions stored for each update round that is owed afterwards: 1 on a
            robot, more where many simulated environments fill the replay buffer at once.
        max_rounds_owed: Bound on the debt; a learner that fell behind skips what exceeds it.
    """

    warmup_chunks: _Chunks = 100
    warmup_successes: _Count = 0
    warmup_max_chunks: _Chunks = 1000
    burst_rounds: _Count = 0
    chunks_per_round: _Chunks = 1
    max_rounds_owed: _Count = 1000

    def __post_init__(self) -> None:
        """Refuses schedules that could never start.

        Raises:
            ConfigError: Names the value and the range.
        """
        check_fields(self, "schedule.")
        if self.warmup_max_chunks < self.warmup_chunks:
            raise ConfigError(
                f"schedule.warmup_max_chunks is {self.warmup_max_chunks}; it must be at least "
                f"warmup_chunks, {self.warmup_chunks}"
            )


@dataclass(frozen=True)
class HindsightConfig:
    """The search for the latent of what a person drove.

    Attributes:
        candidates: Latents that are tried for each of a person's segments; 0: no search, what
            people drive teaches nothing but to methods that judge actions.
        tolerance: Largest distance at which a candidate explains the segment: root mean square over
            its steps and columns, in the policy's normalised units.
    """

    candidates: Annotated[int, Range(0, 100_000)] = 0
    tolerance: Annotated[float, Range(0.0, 10.0, above=True)] = 0.2

    def __post_init__(self) -> None:
        """Refuses numbers out of range.

        Raises:
            ConfigError: Names the value and the range.
        """
        check_fields(self, "hindsight.")


@dataclass(frozen=True)
class LearnerConfig:
    """Everything that decides what a learner does with the same transitions.

    Attributes:
        method: "tmrl", "dsrl", "dsrl_na", "fixed-sigma", or the name of an installed algorithm.
        seed: Of the networks, of the draws from replay and of the actor's samples.
        device: Torch device of the networks, "cpu" or "cuda".
        agent: The actor-critic.
        replay: The replay buffer.
        schedule: Warm-up and update debt.
        dsrl_na: What only DSRL-NA needs.
        hindsight: How methods that judge latents learn from what people drive.
    """

    method: str = "tmrl"
    seed: Annotated[int, SEED] = 0
    device: Annotated[str, OneOf(*DEVICES)] = "cpu"
    agent: TmrlConfig = field(default_factory=TmrlConfig)
    replay: ReplayConfig = field(default_factory=ReplayConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    dsrl_na: DsrlNaConfig = field(default_factory=DsrlNaConfig)
    hindsight: HindsightConfig = field(default_factory=HindsightConfig)

    def __post_init__(self) -> None:
        """Refuses an unknown method or device, and replay on a GPU that learning does not use.

        Raises:
            ConfigError: Names the valid ones.
        """
        if self.method not in methods():
            raise ConfigError(_unknown("method", self.method, methods()))
        check_fields(self)
        if self.replay.device == "cuda" and self.device != "cuda":
            raise ConfigError(
                f"replay.device is cuda and device is {self.device}; every draw would travel from "
                "the GPU and back: set device=cuda, or replay.device=cpu"
            )

    def to_mapping(self) -> dict[str, Any]:
        """The resolved configuration as nested plain values, for `config.yaml` and checkpoints."""
        return asdict(self)


_ROBOT_AGENT = TmrlConfig(
    epsilon_head=True,
    z_bound=1.0,
    sigma_max=0.5,
    epsilon_bound=1.0,
    hidden=512,
    actor_layers=3,
    critic_layers=3,
    critics=5,
    learning_rate=1e-3,
    batch_size=256,
    utd=20,
    # As published: 0.005 once in a round of so many critic updates.
    polyak=1.0 - (1.0 - 0.005) ** (1 / 20),
    initial_temperature=1.0,
)
_ROBOT_REPLAY = ReplayConfig(capacity=10_000)

_SIMULATED = LearnerConfig(
    agent=TmrlConfig(
        z_bound=1.5,
        critics=2,
        learning_rate=2e-3,
        utd=10,
        gamma=0.95,
        entropy_per_dim=-1.5,
        sigma_entropy=-4.0,
    ),
    schedule=ScheduleConfig(
        warmup_chunks=100, warmup_successes=1, warmup_max_chunks=1000, burst_rounds=300
    ),
)

PRESETS: Mapping[str, LearnerConfig] = {
    "widowx_sim": _SIMULATED,
    "franka_sim": _SIMULATED,
    "widowx": LearnerConfig(agent=_ROBOT_AGENT, replay=_ROBOT_REPLAY),
    "franka": LearnerConfig(agent=_ROBOT_AGENT, replay=_ROBOT_REPLAY),
}


def resolve(
    preset: str, method: str = "tmrl", overrides: Mapping[str, Any] | None = None
) -> LearnerConfig:
    """Configuration of a named preset with a method and overrides.

    Args:
        preset: One of `PRESETS`.
        method: One of `methods()`; DSRL, DSRL-NA and fixed-sigma switch the sigma and epsilon heads
            off, and the first two hold sigma at 0.
        overrides: Dotted key to value; strings are converted to the type of the field.

    Raises:
        ConfigError: A name is unknown (the nearest valid one is suggested) or a value is invalid.
    """
    if preset not in PRESETS:
        raise ConfigError(_unknown("preset", preset, PRESETS))
    config = _heads_of_method(replace(PRESETS[preset], method=method))
    # Once more: no override switches a head on that the method does not have.
    return _heads_of_method(with_overrides(config, overrides or {}))


def _heads_of_method(config: LearnerConfig) -> LearnerConfig:
    if config.method not in _Z_ONLY:
        return config
    return replace(config, agent=_Z_ONLY[config.method](config.agent))


def with_overrides(config: C, overrides: Mapping[str, Any]) -> C:
    """A configuration with some of its values replaced.

    Args:
        config: A frozen dataclass, whose fields may be such dataclasses again.
        overrides: Dotted key to value; strings are converted to the type of the field.

    Raises:
        ConfigError: A key is unknown (the nearest valid one is suggested) or a value is invalid.
    """
    return _replaced(config, [(key, key.split("."), value) for key, value in overrides.items()])


def key_value(text: str) -> tuple[str, str]:
    """Key and value of an override as command lines take it, KEY=VALUE.

    Raises:
        ConfigError: There is no equals sign.
    """
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--set {text!r} is not KEY=VALUE, e.g. agent.utd=10")
    return key, value


def _replaced(config: Any, changes: Iterable[tuple[str, list[str], Any]]) -> Any:
    """All changes of a dataclass at once: two that are valid together need not be one by one.

    Args:
        config: The dataclass.
        changes: Whole key, its parts from here on, and the value.
    """
    valid = [f.name for f in fields(config)]
    changed: dict[str, Any] = {}
    inner: dict[str, list[tuple[str, list[str], Any]]] = {}
    for key, (name, *rest), value in changes:
        if name not in valid:
            raise ConfigError(_unknown("configuration key", key, valid))
        current = getattr(config, name)
        if bool(rest) != is_dataclass(current):
            raise ConfigError(f"configuration key {key!r} does not name a single value")
        if rest:
            inner.setdefault(name, []).append((key, rest, value))
        else:
            typed, problems = read_fields(config.__class__, {name: value}, key.removesuffix(name))
            if problems:
                raise ConfigError(problems[0])
            changed |= typed
    changed |= {name: _replaced(getattr(config, name), deeper) for name, deeper in inner.items()}
    return replace(config, **changed)


def _unknown(kind: str, name: str, valid: Iterable[str]) -> str:
    names = sorted(valid)
    nearest = difflib.get_close_matches(name.split(".")[-1], names, n=1, cutoff=0.0)
    return f"unknown {kind} {name!r}; did you mean {nearest[0]!r}? Valid: {', '.join(names)}"
