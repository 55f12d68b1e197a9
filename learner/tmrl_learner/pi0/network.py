"""The network made ready for training: what is trained, in which precision, over which GPUs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

from tmrl_learner.pi0.config import FinetuneConfig
from tmrl_learner.pi0.lora import add_lora
from tmrl_learner.pi0.processes import Processes
from tmrl_policies.pi0.gemma import AdaptiveRmsNorm
from tmrl_policies.pi0.model import Pi0
from tmrl_policies.pi0.weights import load_weights, to_bfloat16
from tmrl_policies.torch_seam import recomputed_in_backward, seeded

_LAYER_STEPS = ("project", "finish")
_STREAMS = ("siglip", "projector", "token_embedding", "prefix", "expert")
"""Parts of the network beside the projections of states, actions and times."""


def build_network(
    config: FinetuneConfig, weights: Path | None, processes: Processes
) -> tuple[Pi0, str]:
    """Makes the network that is trained.

    Args:
        config: How.
        weights: A `model.safetensors` or its folder; None starts from random weights.
        processes: Who trains it.

    Returns:
        The network on its device, and the SHA-256 of its weights file ("" without one).

    Raises:
        CheckpointError: The weights do not fit.
    """
    network, sha256 = _loaded(config, weights, processes.device)
    _choose_trained(network, config)
    for name, part in network.named_children():
        if name not in _STREAMS:
            _compute_in_float32(part)
    _compute_in_float32(network.siglip.patch_embedding)
    for part in network.modules():
        if isinstance(part, AdaptiveRmsNorm):
            _compute_in_float32(part.dense)
    if config.gradient_checkpointing:
        _recompute_activations(network)
    if processes.count > 1:
        _share_out(network, processes)
    return network, sha256


def trained_parameters(network: nn.Module) -> dict[str, nn.Parameter]:
    """What is trained, by name."""
    return {name: each for name, each in network.named_parameters() if each.requires_grad}


def _loaded(config: FinetuneConfig, weights: Path | None, device: torch.device) -> tuple[Pi0, str]:
    """The network with its first weights; what will be frozen takes half the memory."""
    if weights is None:
        with seeded(config.seed, devices=None), torch.device(device):
            network = Pi0(config.model)
    else:
        with torch.device("meta"):
            network = Pi0(config.model)
    if config.precision == "bfloat16":
        to_bfloat16(network)
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                if _is_trained_whole(name, config):
                    parameter.data = parameter.data.float()
    if weights is None:
        return network, ""
    network.to_empty(device=device)
    return network, load_weights(network, weights)


def _is_trained_whole(name: str, config: FinetuneConfig) -> bool:
    """Whether a parameter itself is trained, not frozen or updated by a product of low rank."""
    part = name.partition(".")[0]
    if part not in _STREAMS or config.trained == "full":
        return True
    return part == "expert" and not (config.trained == "lora" and config.lora.expert)


def _choose_trained(network: Pi0, config: FinetuneConfig) -> None:
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(_is_trained_whole(name, config))
    if config.trained == "lora":
        generator = torch.Generator().manual_seed(config.seed)
        streams = [network.prefix, *([network.expert] if config.lora.expert else [])]
        for stream in streams:
            add_lora(stream, config.lora.rank, config.lora.alpha, generator)


def _compute_in_float32(layer: nn.Module) -> None:
    """Keeps a layer out of automatic bfloat16, as openpi does with small and sensitive ones."""
    exact = layer.forward

    def forward(values: Tensor) -> Tensor:
        with torch.autocast(values.device.type, enabled=False):
            return exact(values.float())

    layer.forward = forward


def _recompute_activations(network: Pi0) -> None:
    """Keeps only what goes into the steps of each layer, and computes the rest in the backward."""

    def recomputed(step: Callable[..., Any]) -> Callable[..., Any]:
        return recomputed_in_backward(step)

    for layer in network.siglip.layers:
        layer.forward = recomputed(layer.forward)
    for stream in (network.prefix, network.expert):
        for layer in stream.layers:
            for step in _LAYER_STEPS:
                setattr(layer, step, recomputed(getattr(layer, step)))


def _share_out(network: Pi0, processes: Processes) -> None:
    """Gives every process a share of what is trained: weights, gradients, optimiser (FSDP2).

    Frozen weights stay whole on every process: they need no gradients, and never travel.
    """
    mesh = init_device_mesh(processes.device.type, (processes.count,))
    frozen = {parameter for parameter in network.parameters() if not parameter.requires_grad}
    layers = [*network.siglip.layers, *network.prefix.layers, *network.expert.layers]
    for layer in layers:
        if any(parameter.requires_grad for parameter in layer.parameters()):
            fully_shard(layer, mesh=mesh, ignored_params=frozen)
            for step in _LAYER_STEPS:
                if hasattr(layer, step):
                    register_fsdp_forward_method(layer, step)
    fully_shard(network, mesh=mesh, ignored_params=frozen)
    register_fsdp_forward_method(network, "flow_loss")
