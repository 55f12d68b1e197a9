"""The e-stop as a topic, for hardware buttons: what true presses, only a person's name clears."""

from collections.abc import Callable
from functools import partial

from std_msgs.msg import Bool

from tmrl_common.service_reply import ServiceReply
from tmrl_controller.config import ControllerConfig
from tmrl_controller.presses import ESTOP, Presses
from tmrl_ros.anyone import publishers_of, subscribe_to_anyone
from tmrl_ros.node import TmrlNode


class EstopTopic:
    """Listens to every button; a true that is repeated is obeyed again, and logged once.

    Attributes:
        presses: Press the e-stop, also for the service.
    """

    def __init__(
        self,
        node: TmrlNode[ControllerConfig],
        estop: Callable[[str], ServiceReply],
        carry_out: Callable[[Callable[[], ServiceReply]], ServiceReply],
    ) -> None:
        """Subscribes.

        Args:
            node: Listens and logs.
            estop: Stops and latches for a reason.
            carry_out: Calls the core and sends at once what it decides.
        """
        self._logger = node.get_logger()
        self.presses, self._carry_out = Presses(estop), carry_out
        self._publishers = partial(publishers_of, node, ESTOP)
        self._said = ""
        subscribe_to_anyone(node, Bool, ESTOP, self._on_button)

    def _on_button(self, message: Bool, stamp_ns: int) -> None:
        if not message.data:
            return
        reply = self._carry_out(lambda: self.presses.by_topic(self._publishers(), stamp_ns))
        if reply.message != self._said:
            self._said = reply.message
            self._logger.warning(reply.message)
