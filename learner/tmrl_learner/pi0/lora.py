"""Low-rank updates of frozen linear layers (Hu et al., "LoRA", section 4.1)."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from tmrl_policies.torch_seam import UnfilledLinear


class LoraLinear(UnfilledLinear):
    """A frozen linear layer, plus `scale * up @ down`, which starts as zero.

    Args:
        frozen: Layer whose weights it takes over.
        rank: Rows of `down`.
        alpha: scale is alpha / rank.
        generator: Of the first values of `down`.
    """

    def __init__(
        self, frozen: nn.Linear, rank: int, alpha: float, generator: torch.Generator
    ) -> None:
        super().__init__(frozen.in_features, frozen.out_features)
        self.weight = nn.Parameter(frozen.weight.detach(), requires_grad=False)
        if frozen.bias is not None:  # pyright: ignore[reportUnnecessaryComparison]
            self.bias = nn.Parameter(frozen.bias.detach(), requires_grad=False)
        device = frozen.weight.device
        bound = 1.0 / math.sqrt(frozen.in_features)
        down = torch.empty(rank, frozen.in_features).uniform_(-bound, bound, generator=generator)
        self.lora_down = nn.Parameter(down.to(device))
        self.lora_up = nn.Parameter(torch.zeros(frozen.out_features, rank, device=device))
        self.scale = alpha / rank

    def forward(self, input: Tensor) -> Tensor:
        """Maps (..., in_features) to (..., out_features)."""
        update = functional.linear(functional.linear(input, self.lora_down), self.lora_up)
        return super().forward(input) + self.scale * update


def add_lora(module: nn.Module, rank: int, alpha: float, generator: torch.Generator) -> None:
    """Replaces every linear layer below `module` by one with a low-rank update."""
    for child in list(module.modules()):
        for name, layer in list(child.named_children()):
            if isinstance(layer, nn.Linear) and not isinstance(layer, LoraLinear):
                setattr(child, name, LoraLinear(layer, rank, alpha, generator))


def merged_state(tensors: dict[str, Tensor], scale: float) -> dict[str, Tensor]:
    """A state dict in which the updates are added to the weights that they update.

    Args:
        tensors: By name, the low-rank parts as `<layer>.lora_down` and `<layer>.lora_up`.
        scale: alpha / rank.

    Returns:
        The same without low-rank parts; merged weights keep their own dtype.
    """
    merged = {name: tensor for name, tensor in tensors.items() if ".lora_" not in name}
    for name, down in tensors.items():
        if name.endswith(".lora_down"):
            layer = name.removesuffix(".lora_down")
            weight = merged[f"{layer}.weight"]
            update = scale * (tensors[f"{layer}.lora_up"].float() @ down.float())
            merged[f"{layer}.weight"] = (weight.float() + update).to(weight.dtype)
    return merged
