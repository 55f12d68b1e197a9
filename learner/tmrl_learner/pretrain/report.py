"""What a pre-trained policy does in closed loop, and the model card that says so."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from tmrl_learner.pretrain.config import PretrainConfig
from tmrl_learner.pretrain.dataset import DemonstrationSet
from tmrl_learner.pretrain.evaluate import BaseSteering, Evaluation
from tmrl_learner.pretrain.trainer import ValidationLoss
from tmrl_policies.flow_policy import FlowPolicy

WARMUP_Z_BOUND = 2.0
"""Range of the repeated z in the coverage measurement; the demo's warm-up explores as far."""


@dataclass(frozen=True)
class Measurement:
    """One closed-loop result.

    Attributes:
        task: Object that belongs into the pot.
        in_distribution: Whether the demonstrations solve this task.
        steering: How noise and context time were chosen.
        result: Counts.
    """

    task: str
    in_distribution: bool
    steering: BaseSteering
    result: Evaluation


def planned_measurements(config: PretrainConfig) -> Iterator[tuple[bool, BaseSteering]]:
    """Yields (in distribution?, steering): what is worth measuring for a method."""
    yield True, BaseSteering()
    if config.method == "csp":
        for sigma in (0.0, 0.25, 0.5, 0.75, 1.0):
            yield False, BaseSteering(sigma)
        yield False, BaseSteering(1.0, WARMUP_Z_BOUND)
    else:
        yield False, BaseSteering()
        yield False, BaseSteering(0.0, WARMUP_Z_BOUND)


def training_record(
    config: PretrainConfig,
    demonstrations: DemonstrationSet,
    loss: ValidationLoss,
    measurements: list[Measurement],
) -> dict[str, Any]:
    """Returns the JSON-able account that is stored with the policy."""
    return {
        "config": asdict(config),
        "demonstrations": {
            "episodes": demonstrations.episodes,
            "steps": len(demonstrations.actions),
            "sha256": demonstrations.sha256(),
        },
        "held_out_loss": asdict(loss),
        "measurements": [asdict(measurement) for measurement in measurements],
    }


def model_card(
    config: PretrainConfig,
    policy: FlowPolicy,
    demonstrations: DemonstrationSet,
    loss: ValidationLoss,
    measurements: list[Measurement],
    command: str,
) -> str:
    """Returns the model card as Markdown.

    Args:
        config: How the policy was trained.
        policy: The policy.
        demonstrations: What it was trained on.
        loss: On held-out episodes.
        measurements: In closed loop.
        command: Makes the policy again.
    """
    smoothing = "context-smoothed (CSP)" if config.method == "csp" else "behaviour-cloned (BC)"
    sigmas = "sigma in [0, 1]" if config.method == "csp" else "sigma = 0 only"
    shape = policy.config
    weights = sum(weight.numel() for weight in policy.parameters())
    rows = "\n".join(_row(measurement) for measurement in measurements)
    return f"""# WidowX simulation, {smoothing} policy, seed {config.seed}

Made by `{command}`. Nothing in it comes from a real robot.

**What it does.** Moves a simulated WidowX 250 at 5 Hz. It looks at the tool's position, the gripper
and the positions of two objects, and answers with the next {shape.horizon} actions (dx, dy, dz in
metres in the base frame, gripper opening 0 to 1), of which the first 5 are executed.

**What it learned from.** {demonstrations.episodes} scripted episodes
({len(demonstrations.actions)} steps) that put the *carrot* into the pot. No demonstration picks up
the sausage. In the downstream task the *sausage* belongs into the pot; its positions lie inside
the range of the demonstrations, so the target is out of distribution, not the geometry.

**How it was trained.** Flow matching, {config.steps} steps of {config.batch_size} chunks,
AdamW with cosine decay from {config.learning_rate:g} to {config.final_learning_rate:g}, averaged
weights. {weights:,} parameters, {shape.blocks} blocks of width {shape.hidden}.
Context noise schedule `{shape.schedule}`, {sigmas}.
Loss on held-out episodes: {loss.clean:.3f} with exact contexts, {loss.marginal:.3f} with none.

## Closed loop

| task | sigma | z | episodes | success | wrong object in pot |
|---|---|---|---|---|---|
{rows}

`z` is the initial flow noise: Gaussian for every step, or one row drawn uniformly within a bound
and repeated. One try per layout, 100 control steps each, layouts that no demonstration used. The
downstream failures at sigma = 0 are the point: this is where fine-tuning starts.

## Limits

For the simulated cell of this repository only. It has no notion of collisions, people or limits:
the controller's safety layer is what keeps the arm in its workspace.
"""


def _row(measurement: Measurement) -> str:
    where = "in distribution" if measurement.in_distribution else "downstream"
    steering, result = measurement.steering, measurement.result
    bound = steering.repeated_z_bound
    z = "Gaussian" if bound is None else f"repeated, uniform +-{bound:g}"
    return (
        f"| {measurement.task} ({where}) | {steering.sigma:g} | {z} | {result.episodes} "
        f"| {result.success_rate:.2f} | {result.wrong_object_rate:.2f} |"
    )
