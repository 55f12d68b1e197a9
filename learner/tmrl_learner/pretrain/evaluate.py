"""Closed-loop evaluation of a frozen policy in an environment that the caller provides."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from tmrl_policies.flow_policy import FlowPolicy
from tmrl_policies.torch_seam import from_numpy


class Scene(NamedTuple):
    """What the environment shows before a control step.

    Attributes:
        proprio: Shape (P,), float32, raw units.
        context: Shape (C,), float32, raw units.
        success: Whether the task is solved now.
        wrong_object: Whether another object than the task's is where the task's belongs.
        holding: Whether something is in the gripper, where the environment says so.
    """

    proprio: NDArray[np.float32]
    context: NDArray[np.float32]
    success: bool
    wrong_object: bool
    holding: bool = False


class TaskEnvironment(Protocol):
    """One task in one cell."""

    @property
    def max_steps(self) -> int:
        """Time limit of an episode in control steps."""
        ...

    def reset(self, seed: int) -> Scene:
        """Starts an episode whose layout follows from ``seed``."""
        ...

    def step(self, action: NDArray[np.float32]) -> Scene:
        """Executes one action of shape (A,) in raw units."""
        ...


@dataclass(frozen=True)
class BaseSteering:
    """How the policy is run without a learned actor.

    Attributes:
        sigma: Context time of every chunk, in [0, 1].
        repeated_z_bound: None draws Gaussian flow noise for every step of a chunk; a bound draws
            one row uniformly within it and repeats the row, as reinforcement's warm-up does.
        guidance_weight: None conditions as ``sigma`` says; a weight guides instead, which takes a
            policy trained with context dropout.
    """

    sigma: float = 0.0
    repeated_z_bound: float | None = None
    guidance_weight: float | None = None

    def __post_init__(self) -> None:
        """Refuses guidance of a corrupted context.

        Raises:
            ValueError: There is a guidance weight, and sigma is not 0.
        """
        if self.guidance_weight is not None and self.sigma != 0.0:
            raise ValueError(
                f"guidance weight {self.guidance_weight} with sigma {self.sigma}; guidance takes "
                "exact contexts, set sigma to 0"
            )


@dataclass(frozen=True)
class Evaluation:
    """Counts over episodes.

    Attributes:
        episodes: How many were run.
        successes: Episodes solved within the time limit.
        wrong_objects: Episodes in which another object ended in the target's place, solved or not.
        steps: Control steps of all episodes together.
    """

    episodes: int
    successes: int
    wrong_objects: int
    steps: int

    @property
    def success_rate(self) -> float:
        """Share of episodes solved."""
        return self.successes / self.episodes

    @property
    def wrong_object_rate(self) -> float:
        """Share of episodes with another object in the target's place."""
        return self.wrong_objects / self.episodes


def evaluate(
    policy: FlowPolicy,
    environment: TaskEnvironment,
    steering: BaseSteering,
    *,
    episodes: int,
    seed: int,
    execute_steps: int = 5,
    on_episode: Callable[[], object] = lambda: None,
) -> Evaluation:
    """Runs whole episodes: a chunk is drawn, its first steps are executed, then the next is drawn.

    Args:
        policy: The policy, in evaluation mode.
        environment: Where to run; episode i resets with ``seed + i``.
        steering: How noise and context time are chosen.
        episodes: Number of episodes, at least 1.
        seed: Of layouts and of the policy's noise.
        execute_steps: Steps of every chunk that are executed, at most the horizon.
        on_episode: Called after every episode, for progress.
    """
    successes = wrong_objects = steps = 0
    for episode in range(episodes):
        generator = torch.Generator().manual_seed(seed + episode)
        scene, episode_steps = environment.reset(seed + episode), 0
        wrong = False
        while not scene.success and episode_steps < environment.max_steps:
            for action in draw_chunk(policy, scene, steering, generator)[:execute_steps]:
                scene = environment.step(action)
                episode_steps += 1
                wrong = wrong or scene.wrong_object
                if scene.success or episode_steps == environment.max_steps:
                    break
        successes += scene.success
        wrong_objects += wrong
        steps += episode_steps
        on_episode()
    return Evaluation(episodes, successes, wrong_objects, steps)


def draw_chunk(
    policy: FlowPolicy, scene: Scene, steering: BaseSteering, generator: torch.Generator
) -> NDArray[np.float32]:
    """Draws one action chunk for a scene, shape (H, A), raw units."""
    config = policy.config
    shape = (1, config.horizon, config.action_dim)
    if steering.repeated_z_bound is None:
        noise = torch.randn(shape, generator=generator)
    else:
        row = 2.0 * torch.rand((1, 1, config.action_dim), generator=generator) - 1.0
        noise = (steering.repeated_z_bound * row).expand(shape)
    proprio, context = from_numpy(scene.proprio)[None], from_numpy(scene.context)[None]
    if steering.guidance_weight is not None:
        weight = torch.full((1,), steering.guidance_weight)
        return policy.sample_guided(proprio, context, weight, noise)[0].numpy()
    epsilon = torch.randn((1, config.context_dim), generator=generator)
    sigma = torch.full((1,), steering.sigma)
    return policy.sample(proprio, context, sigma, epsilon, noise)[0].numpy()
