"""Pictures of a camera as JPEG: a tenth of the room, and small enough for a disk at 30 Hz."""

import io

import numpy as np
from PIL import Image as Pillow
from sensor_msgs.msg import CompressedImage, Image

KIND = "sensor_msgs/msg/Image"
JPEG_KIND = "sensor_msgs/msg/CompressedImage"
JPEG_TOPIC = "/compressed"
"""What image_transport appends to the topic of a picture."""
_CHANNELS = {"rgb8": 3, "bgr8": 3, "mono8": 1}


def jpeg_of(image: Image, quality: int) -> CompressedImage | None:
    """Compresses a picture.

    Args:
        image: With whole rows, which may be longer than its pixels.
        quality: 1 to 95.

    Returns:
        The same picture, stamp and frame; None for an encoding that JPEG does not hold, such as
        depth, or a message that contradicts itself.
    """
    channels = _CHANNELS.get(image.encoding)
    rows, columns, step = image.height, image.width, image.step
    if channels is None or not rows or not columns or step < columns * channels:
        return None
    content = np.frombuffer(image.data, np.uint8)
    if content.size != rows * step:
        return None
    pixels = content.reshape(rows, step)[:, : columns * channels].reshape(rows, columns, channels)
    if image.encoding == "bgr8":
        pixels = pixels[:, :, ::-1]
    stream = io.BytesIO()
    Pillow.fromarray(np.ascontiguousarray(pixels.squeeze(-1) if channels == 1 else pixels)).save(
        stream, "JPEG", quality=quality
    )
    said = f"{image.encoding}; jpeg compressed {image.encoding}"
    return CompressedImage(header=image.header, format=said, data=stream.getvalue())
