"""The topics and frames of the simulated cameras."""

from sensor_msgs.msg import CameraInfo, Image

from tmrl_cell.camera_model import Pinhole, mount, pinhole
from tmrl_cell.cell import WidowXCell
from tmrl_cell.franka.cell import FrankaCell
from tmrl_cell.loopback import LoopbackCell
from tmrl_ros import qos
from tmrl_ros.node import TmrlNode
from tmrl_ros.transforms import Transforms
from tmrl_sim.messages import MeasurementMessages
from tmrl_sim.params import SimConfig


class Pictures:
    """Publishes what the cameras see, to whoever listens, how they project, where they are."""

    def __init__(
        self,
        node: TmrlNode[SimConfig],
        cell: WidowXCell | FrankaCell | LoopbackCell,
        messages: MeasurementMessages,
        transforms: Transforms,
    ) -> None:
        """Creates the publishers, none for a cell without cameras.

        Args:
            node: Publishes.
            cell: What is looked at.
            messages: Carry the stamp of the measurement.
            transforms: Take the cameras' frames.
        """
        self._config, self._messages = node.config, messages
        self._cell = None if isinstance(cell, LoopbackCell) else cell
        self._next_ns = 0
        names = self._config.cameras if self._cell else ()
        publish = node.create_publisher
        self._infos = {
            name: publish(CameraInfo, f"camera/{name}/camera_info", qos.IMAGE) for name in names
        }
        self._images = {name: publish(Image, f"camera/{name}/image", qos.IMAGE) for name in names}
        self._lenses: dict[str, Pinhole] = {}
        if self._cell is not None:
            model, size = self._cell.model, self._config.image_size_px
            self._lenses = {name: pinhole(model, name, size, size) for name in names}
            transforms.fix([messages.camera_frame(name, mount(model, name)) for name in names])

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
        for name, lens in self._lenses.items():
            if self._infos[name].get_subscription_count():
                self._infos[name].publish(self._messages.camera_info(name, lens, size))
            if self._images[name].get_subscription_count():
                pixels = self._cell.render(name, size, size)
                self._images[name].publish(self._messages.image(name, pixels))
