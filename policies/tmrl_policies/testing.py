"""Flow policies for tests: one whose every weight matters, and one that has learned."""

import torch

from tmrl_policies.flow_policy import FlowPolicy, FlowPolicyConfig, PolicyBatch
from tmrl_policies.torch_seam import backward, seed_everything, take_step


def scrambled(config: FlowPolicyConfig) -> FlowPolicy:
    """A policy with random weights everywhere: a fresh one has zeros that hide mistakes."""
    seed_everything(0)
    policy = FlowPolicy(config)
    with torch.no_grad():
        for weight in policy.parameters():
            weight.normal_(std=0.3)
    return policy.eval()


def teach(policy: FlowPolicy, data: PolicyBatch, steps: int, generator: torch.Generator) -> None:
    """Fits the statistics to the data and trains on batches of 128 rows of it.

    Args:
        policy: Learns.
        data: What it is to imitate.
        steps: Of the optimiser.
        generator: Draws rows, times and noises.
    """
    policy.fit_normalisers(data)
    optimiser = torch.optim.Adam(policy.parameters(), lr=3e-3)
    for _ in range(steps):
        rows = torch.randint(0, len(data.actions), (128,), generator=generator)
        loss = policy.loss(PolicyBatch(*(values[rows] for values in data)), generator)
        optimiser.zero_grad()
        backward(loss)
        take_step(optimiser)
    policy.eval()
