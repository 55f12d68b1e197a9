"""Image embeddings for the steering actor: DINOv2 from a local directory, frozen.

The paper gives the actor one DINOv2-base embedding per camera, of an image at 224 pixels. The
authors' robot script takes the variant with registers and the mean of its patch tokens; the class
token is the other choice, both after the last layer norm. Nothing is downloaded, and only
safetensors are read.
"""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import Dinov2Model, Dinov2WithRegistersModel

from tmrl_common.errors import ConfigError
from tmrl_common.json_object import is_json_object
from tmrl_policies.dino_embeddings import CLASS_TOKEN, DINO_EMBEDDINGS

_WEIGHTS = "model.safetensors"
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
_KINDS: dict[str, type[Dinov2Model]] = {
    "dinov2": Dinov2Model,
    "dinov2_with_registers": Dinov2WithRegistersModel,
}


class Dinov2Features:
    """A frozen DINOv2.

    Attributes:
        dim: Length of an embedding; 768 for DINOv2-base.
    """

    dim: int

    def __init__(self, folder: Path, device: torch.device, embedding: str = CLASS_TOKEN) -> None:
        """Loads the model.

        Args:
            folder: Holds `config.json` and `model.safetensors` of a DINOv2 of the transformers
                library, such as facebook/dinov2-with-registers-base.
            device: Where it computes.
            embedding: One of `DINO_EMBEDDINGS`.

        Raises:
            ConfigError: A file is missing, damaged or of another model; the text names it.
        """
        assert embedding in DINO_EMBEDDINGS, embedding
        model = _load(folder)
        self.dim = int(model.config.hidden_size)
        self._of_class = embedding == CLASS_TOKEN
        # The order is class, registers, patches.
        self._first_patch = 1 + int(getattr(model.config, "num_register_tokens", 0))
        # The library's own `to` has a type that no checker understands.
        self._model: nn.Module = nn.Module.to(model, device)
        pixel_scale = 255.0 * torch.tensor(_IMAGENET_STD, device=device)
        pixel_mean = 255.0 * torch.tensor(_IMAGENET_MEAN, device=device)
        self._pixel_scale = pixel_scale[:, None, None]
        self._pixel_mean = pixel_mean[:, None, None]

    @torch.inference_mode()
    def embed(self, images: Tensor) -> Tensor:
        """Embeddings of images.

        Args:
            images: Shape (N, 3, height, width), uint8 RGB, on the model's device; sides are
                multiples of its patch, 14 pixels.

        Returns:
            Shape (N, dim), float32, on the model's device.
        """
        pixels = (images.float() - self._pixel_mean) / self._pixel_scale
        tokens: Tensor = self._model(pixel_values=pixels).last_hidden_state
        return tokens[:, 0] if self._of_class else tokens[:, self._first_patch :].mean(dim=1)


def _load(folder: Path) -> Dinov2Model:
    kind = _model_kind(folder)
    if kind not in _KINDS:
        raise ConfigError(
            f"{folder} holds a model of type '{kind}'; give one of type {' or '.join(_KINDS)}"
        )
    if not (folder / _WEIGHTS).is_file():
        raise ConfigError(
            f"there is no {folder / _WEIGHTS}; copy it there, only safetensors are read"
        )
    try:
        loaded = _KINDS[kind].from_pretrained(
            str(folder),
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
            dtype=torch.float32,
        )
    except (OSError, RuntimeError, SafetensorError, ValueError) as error:
        raise ConfigError(
            f"{folder} is damaged or not whole: {error}. Copy the directory again"
        ) from error
    model, report = loaded
    if report["missing_keys"]:
        # The library would continue with random numbers in their place.
        missing = ", ".join(sorted(report["missing_keys"])[:3])
        raise ConfigError(f"{folder / _WEIGHTS} lacks tensors such as {missing}; copy it again")
    return model.eval().requires_grad_(requires_grad=False)


def _model_kind(folder: Path) -> str:
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"there is no DINOv2 in '{folder}': cannot read config.json ({error.strerror}). "
            "Download facebook/dinov2-with-registers-base once and give its directory"
        ) from error
    except ValueError as error:
        raise ConfigError(f"{path} is not valid JSON: {error}; copy it again") from error
    return str(config.get("model_type")) if is_json_object(config) else "unknown"
