"""A small network that turns the pictures of a policy's cameras into keypoints.

Every camera has a convolutional network of its own. Each of its last layer's channels is turned
into one point of the picture: the mean place under a softmax over all places (Levine et al. 2016,
"End-to-end training of deep visuomotor policies"). The coordinates of the points are the numbers
that a flow policy takes as its context and whose noise smooths it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tmrl_policies.torch_seam import from_numpy


@dataclass(frozen=True)
class KeypointConfig:
    """Shape of a :class:`KeypointEncoder`.

    Attributes:
        cameras: Names, in the order of their points.
        size_px: Width and height of every picture.
        keypoints: Points of each camera.
        channels: Width of the convolutions before the points.
    """

    cameras: tuple[str, ...]
    size_px: int = 96
    keypoints: int = 4
    channels: int = 12

    def __post_init__(self) -> None:
        """Refuses values outside their ranges.

        Raises:
            ValueError: The message names the field, its value and its limit.
        """
        if not self.cameras or len(set(self.cameras)) != len(self.cameras):
            raise ValueError(f"cameras is {self.cameras}; name at least one, each once")
        if self.size_px < 16 or self.size_px % 2:
            raise ValueError(f"size_px is {self.size_px}; it must be even and at least 16")
        for name in ("keypoints", "channels"):
            value = getattr(self, name)
            if value < 1:
                raise ValueError(f"{name} is {value}; it must be at least 1")

    @property
    def token_dim(self) -> int:
        """Length C of a token vector: two coordinates of each point of each camera."""
        return len(self.cameras) * self.keypoints * 2

    @property
    def grid(self) -> int:
        """Places of a heat map along each side."""
        return self.size_px // 2


class KeypointEncoder(nn.Module):
    """Pictures in, coordinates of keypoints out."""

    _places: Tensor

    def __init__(self, config: KeypointConfig) -> None:
        """Builds an untrained encoder."""
        super().__init__()
        self.config = config
        self.towers = nn.ModuleList(_tower(config) for _ in config.cameras)
        side = torch.linspace(-1.0, 1.0, config.grid)
        rows, columns = torch.meshgrid(side, side, indexing="ij")
        places = torch.stack((columns.flatten(), rows.flatten()), dim=-1)
        self.register_buffer("_places", places, persistent=False)

    def heat(self, pictures: Tensor) -> Tensor:
        """Returns how much speaks for each place of each point.

        Args:
            pictures: Shape (B, cameras, size, size, 3), RGB, uint8.

        Returns:
            Logits over the places of half the picture's size, row after row, shape
            (B, cameras, K, grid * grid).
        """
        maps: list[Tensor] = []
        for number, tower in enumerate(self.towers):
            pixels = pictures[:, number].permute(0, 3, 1, 2).float() / 127.5 - 1.0
            maps.append(tower(pixels).flatten(2))
        return torch.stack(maps, dim=1)

    def points(self, heat: Tensor) -> Tensor:
        """Returns the mean place under the softmax of each map, (..., K, 2)."""
        return heat.softmax(dim=-1) @ self._places

    def forward(self, pictures: Tensor) -> Tensor:
        """Returns the keypoints of pictures.

        Args:
            pictures: As of `heat`.

        Returns:
            Shape (B, C), float32: camera after camera, point after point, its column and its row,
            each from -1 (left, top) to 1.
        """
        return self.points(self.heat(pictures)).flatten(1)

    @torch.no_grad()
    def encode(self, pictures: Mapping[str, NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Returns the keypoints of one instant, shape (C,).

        Args:
            pictures: Name of each camera to its picture, (size, size, 3), RGB.
        """
        stacked = np.stack([pictures[camera] for camera in self.config.cameras])
        return self(from_numpy(stacked)[None])[0].numpy()


def _tower(config: KeypointConfig) -> nn.Sequential:
    width = config.channels
    return nn.Sequential(
        nn.AvgPool2d(2),
        nn.Conv2d(3, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, config.keypoints, 3, padding=1),
    )
