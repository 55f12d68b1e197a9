"""What a pre-trained policy does in closed loop, and the model card that says so."""

import textwrap
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from tmrl_learner.pretrain.config import PretrainConfig
from tmrl_learner.pretrain.dataset import DemonstrationSet
from tmrl_learner.pretrain.evaluate import BaseSteering, Evaluation
from tmrl_learner.pretrain.trainer import ValidationLoss
from tmrl_policies.corruption import noise_schedule
from tmrl_policies.flow_policy import FlowPolicy, FlowPolicyConfig

WARMUP_Z_BOUND = 2.0
"""Range of the repeated z in the coverage measurement; the demo's warm-up explores as far."""

TITLES = {
    "csp": "context-smoothed (CSP) policy",
    "bc": "behaviour-cloned (BC) policy",
    "postbc": "posterior behaviour-cloned (PostBC) policy",
    "cfg": "policy for classifier-free guidance (CFG)",
}


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
    elif config.method == "cfg":
        for weight in (0.0, 0.5, 1.0, 2.0):
            yield False, BaseSteering(guidance_weight=weight)
        yield False, BaseSteering(0.0, WARMUP_Z_BOUND, guidance_weight=0.0)
    else:
        yield False, BaseSteering()
        yield False, BaseSteering(0.0, WARMUP_Z_BOUND)


def context_trust(steering: BaseSteering) -> str:
    """How far the policy may trust its context, in words."""
    weight = steering.guidance_weight
    return f"sigma {steering.sigma:g}" if weight is None else f"guidance weight {weight:g}"


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


def training_account(config: PretrainConfig, policy: FlowPolicy, loss: ValidationLoss) -> str:
    """Returns the paragraph of a model card that says how the policy was trained, Markdown.

    Args:
        config: How it was trained.
        policy: The policy.
        loss: On held-out episodes.
    """
    shape = policy.config
    weights = sum(weight.numel() for weight in policy.parameters())
    low, high = config.final_learning_rate, config.learning_rate
    cosine = config.schedule == "cosine"
    rate = f"with cosine decay from {high:g} to {low:g}" if cosine else f"at a constant {high:g}"
    return textwrap.fill(
        f"**How it was trained.** Flow matching, {config.steps} steps of {config.batch_size} "
        f"chunks, AdamW {rate}, averaged weights. {weights:,} parameters, {shape.network} of "
        f"{shape.blocks} blocks of width {shape.hidden}. {_method_account(config, shape)} "
        f"Loss on held-out episodes: {loss.clean:.3f} with exact contexts, {loss.marginal:.3f} "
        "with none.",
        width=100,
    )


def _method_account(config: PretrainConfig, shape: FlowPolicyConfig) -> str:
    """What sets the method apart, and what the policy takes."""
    if config.method == "csp":
        left = float(noise_schedule(shape.schedule).alpha_bar[-1])
        return (
            f"Context noise schedule `{shape.schedule}`, sigma in [0, 1]; {left:.2g} of the "
            f"context's variance is left at sigma = 1. {shape.clean_fraction:.0%} of the contexts "
            "stayed exact on top of sigma uniform in [0, 1]."
        )
    if config.method == "postbc":
        posterior = config.posterior
        return (
            f"An ensemble of {posterior.members} regressors (two hidden layers of "
            f"{posterior.hidden}, {posterior.steps} steps), each on a bootstrap of whole episodes, "
            f"came first. Targets carried fresh Gaussian noise of {posterior.alpha:g} times its "
            "standard deviation. Contexts exact, sigma = 0 only."
        )
    if config.method == "cfg":
        return (
            f"Contexts exact, sigma = 0 only; {shape.context_dropout:.0%} of them were replaced by "
            "a null context, so that the policy can be guided: weight 1 is plain conditioning, "
            "weight 0 no context."
        )
    return "Contexts exact, sigma = 0 only."


_PLACES = {
    "": ("in pot", "the positions of two objects", "put the *carrot* into the pot", "into the pot"),
    "_plate": (
        "on plate",
        "the positions of two objects (four times over) and a plate",
        "set an object down on a plate that is\nsomewhere else in every episode: the *carrot* from "
        "the table, or, in 5 of 13, the carrot or the\nsausage that is in the gripper already",
        "on the plate",
    ),
    "_cameras": (
        "in pot",
        "the keypoints that its encoder finds in the pictures of the cameras",
        "put the *carrot* into the pot",
        "into the pot",
    ),
}
"""Where the object belongs and what is seen of it: in words of the card."""


def model_card(
    config: PretrainConfig,
    policy: FlowPolicy,
    demonstrations: DemonstrationSet,
    loss: ValidationLoss,
    measurements: list[Measurement],
    command: str,
    variant: str = "",
) -> str:
    """Returns the model card as Markdown.

    Args:
        config: How the policy was trained.
        policy: The policy.
        demonstrations: What it was trained on.
        loss: On held-out episodes.
        measurements: In closed loop.
        command: Makes the policy again.
        variant: "" for the pot, "_plate" for the plate, which moves, "_cameras" for the pot through
            cameras.
    """
    shape = policy.config
    goal, seen, shown, onto = _PLACES[variant]
    rows = "\n".join(measurement_row(measurement) for measurement in measurements)
    return f"""# WidowX simulation, {TITLES[config.method]}, seed {config.seed}

Made by `{command}`. Nothing in it comes from a real robot.

**What it does.** Moves a simulated WidowX 250 at 5 Hz. It looks at the tool's position, the gripper
and {seen}, and answers with the next {shape.horizon} actions (dx, dy, dz in
metres in the base frame, gripper opening 0 to 1), of which the first 5 are executed.

**What it learned from.** {demonstrations.episodes} scripted episodes
({len(demonstrations.actions)} steps) that {shown}. No demonstration picks up
the sausage. In the downstream task the *sausage* belongs {onto}; its positions lie inside
the range of the demonstrations, so the target is out of distribution, not the geometry.

{training_account(config, policy, loss)}

## Closed loop

| task | context | z | episodes | success | wrong object {goal} |
|---|---|---|---|---|---|
{rows}

`z` is the initial flow noise: Gaussian for every step, or one row drawn uniformly within a bound
and repeated. One try per layout, 100 control steps each, layouts that no demonstration used. The
downstream failures with exact contexts are the point: this is where fine-tuning starts.

## Limits

For the simulated cell of this repository only. It has no notion of collisions, people or limits:
the controller's safety layer is what keeps the arm in its workspace.
"""


def measurement_row(measurement: Measurement) -> str:
    """Returns the row of a card's table for one result, Markdown."""
    where = "in distribution" if measurement.in_distribution else "downstream"
    steering, result = measurement.steering, measurement.result
    bound = steering.repeated_z_bound
    z = "Gaussian" if bound is None else f"repeated, uniform +-{bound:g}"
    return (
        f"| {measurement.task} ({where}) | {context_trust(steering)} | {z} | {result.episodes} "
        f"| {result.success_rate:.2f} | {result.wrong_object_rate:.2f} |"
    )
