"""The topics of the simulated cameras."""

from sensor_msgs.msg import Image

from tmrl_cell.cell import WidowXCell
from tmrl_cell.loopback import LoopbackCell
from tmrl_ros import qos
from tmrl_ros.node import TmrlNode
from tmrl_sim.messages import MeasurementMessages
from tmrl_sim.params import SimConfig


class Pictures:
    """Renders and publishes what the cameras see, where somebody listens."""

    def __init__(
        self,
        node: TmrlNode[SimConfig],
        cell: WidowXCell | LoopbackCell,
        messages: MeasurementMessages,
    ) -> None:
        """Creates the publishers, none for a cell without cameras.

        Args:
            node: Publishes.
            cell: What is looked at.
            messages: Carry the stamp of the measurement.
        """
        self._config, self._messages = node.config, messages
        self._cell = cell if isinstance(cell, WidowXCell) else None
        self._images = {
            camera: node.create_publisher(Image, f"camera/{camera}/image", qos.IMAGE)
            for camera in (node.config.cameras if self._cell else ())
        }
        self._next_ns = 0

    def publish(self, stamp_ns: int) -> None:
        """In lock-step every state has its pictures, because all carry one stamp.

        Args:
            stamp_ns: Simulated time of the measurement, ns.
        """
        due = self._config.lock_step or stamp_ns >= self._next_ns
        if not due or self._cell is None:
            return
        self._next_ns = stamp_ns + round(1e9 / self._config.camera_rate_hz)
        size = self._config.image_size_px
        for camera, topic in self._images.items():
            if topic.get_subscription_count():
                topic.publish(self._messages.image(camera, self._cell.render(camera, size, size)))
