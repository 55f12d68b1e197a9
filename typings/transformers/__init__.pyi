# The library is large and typed in part; described is what this repository uses.
from os import PathLike
from typing import Any, Self

import torch
from torch import Tensor, nn

class Dinov2Config:
    hidden_size: int
    def __init__(
        self,
        *,
        hidden_size: int = ...,
        num_hidden_layers: int = ...,
        num_attention_heads: int = ...,
        mlp_ratio: int = ...,
        image_size: int = ...,
        patch_size: int = ...,
    ) -> None: ...

class Dinov2WithRegistersConfig(Dinov2Config):
    num_register_tokens: int
    def __init__(self, *, num_register_tokens: int = ..., **sizes: int) -> None: ...

class _Output:
    last_hidden_state: Tensor

class Dinov2Model(nn.Module):
    config: Dinov2Config
    def __init__(self, config: Dinov2Config) -> None: ...
    def __call__(self, pixel_values: Tensor) -> _Output: ...
    @classmethod
    def from_pretrained(
        cls,
        path: str,
        *,
        local_files_only: bool,
        use_safetensors: bool,
        output_loading_info: bool,
        dtype: torch.dtype,
    ) -> tuple[Self, dict[str, Any]]: ...
    def save_pretrained(self, save_directory: str | PathLike[str]) -> None: ...

# Not a subclass in the library; what is used of the two is alike.
class Dinov2WithRegistersModel(Dinov2Model): ...
