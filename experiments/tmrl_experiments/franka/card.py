"""The model card of a policy that presses buttons."""

from collections.abc import Sequence

from tmrl_learner.pretrain.config import PretrainConfig
from tmrl_learner.pretrain.dataset import DemonstrationSet
from tmrl_learner.pretrain.report import (
    TITLES,
    Measurement,
    measurement_row,
    training_account,
)
from tmrl_learner.pretrain.trainer import ValidationLoss
from tmrl_policies.flow_policy import FlowPolicy


def button_card(
    config: PretrainConfig,
    policy: FlowPolicy,
    demonstrations: DemonstrationSet,
    loss: ValidationLoss,
    measurements: Sequence[Measurement],
    command: str,
) -> str:
    """Returns the model card as Markdown; arguments as of `tmrl_learner.pretrain.report`."""
    rows = "\n".join(measurement_row(measurement) for measurement in measurements)
    return f"""# Franka simulation, {TITLES[config.method]}, seed {config.seed}

Made by `{command}`. Nothing in it comes from a real robot.

**What it does.** Moves a simulated Franka at 15 Hz. It looks at the seven joints, how far the
gripper is closed, and where a blue and a red button stand, and answers with the next
{policy.config.horizon} actions (seven joint velocities in units of 0.2 rad per control period,
gripper closing 0 to 1), of which the first 8 are executed.

**What it learned from.** {demonstrations.episodes} scripted episodes
({len(demonstrations.actions)} steps) that press the *blue* button. No demonstration presses the red
one. In the downstream task the *red* one must be pressed; both stand where buttons stood in
demonstrations, so the target is out of distribution, not the geometry.

{training_account(config, policy, loss)}

## Closed loop

| task | context | z | episodes | success | other button pressed |
|---|---|---|---|---|---|
{rows}

`z` is the initial flow noise: Gaussian for every step, or one row drawn uniformly within a bound
and repeated. One try per layout, 96 control steps each, layouts that no demonstration used. The
downstream failures with exact contexts are the point: this is where fine-tuning starts.

## Limits

For the simulated cell of this repository only. It has no notion of collisions, people or limits:
the controller's safety layer is what keeps the arm in its workspace.
"""
