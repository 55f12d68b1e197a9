"""Camera images as the network takes them: 224 x 224, not distorted."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from openpi_client.image_tools import resize_with_pad

from tmrl_policies.pi0.config import IMAGE_SIZE_PX

Image = NDArray[np.uint8]
"""Shape (height, width, 3), RGB."""

_SMALLEST_PX = 32
_LARGEST_PX = 4096


def prepare_images(images: Mapping[str, Image], cameras: tuple[str, ...]) -> Image:
    """Checks the images of a rig's cameras and brings them to the network's size.

    The image is scaled to fit and the rest is black, exactly as openpi does it.

    Args:
        images: Camera name to image.
        cameras: Names of the cameras, in the order of the result.

    Returns:
        Shape (number of cameras, 224, 224, 3), uint8.

    Raises:
        ValueError: A camera is missing or unknown, or an image has another type or shape.
    """
    missing = [name for name in cameras if name not in images]
    unknown = sorted(set(images) - set(cameras))
    if missing or unknown:
        raise ValueError(
            f"images of {sorted(images) or 'no camera'} came; the policy takes exactly "
            f"{sorted(cameras)}. Name the cameras of the robot alike"
        )
    for name in cameras:
        _check(name, images[name])
    return np.stack(
        [resize_with_pad(images[name], IMAGE_SIZE_PX, IMAGE_SIZE_PX) for name in cameras]
    )


def _check(name: str, image: Image) -> None:
    if image.dtype != np.uint8:
        raise ValueError(
            f"the image of camera '{name}' is of type {image.dtype}; send uint8 RGB, 0 to 255"
        )
    sides_px = image.shape[:2]
    fits = image.ndim == 3 and image.shape[2] == 3
    if not fits or min(sides_px) < _SMALLEST_PX or max(sides_px) > _LARGEST_PX:
        raise ValueError(
            f"the image of camera '{name}' has shape {image.shape}; it must be (height, width, "
            f"3) with sides of {_SMALLEST_PX} to {_LARGEST_PX} pixels"
        )
