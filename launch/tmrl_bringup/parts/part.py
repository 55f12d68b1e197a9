"""What the launcher knows about one part of a rig."""

import importlib
from dataclasses import dataclass
from enum import StrEnum

STOP_GRACE_S = 5.0
"""From the signal to SIGKILL. A limit for what hangs: most parts end within a second otherwise."""


class Place(StrEnum):
    """Where a part runs."""

    ROBOT = "robot"
    """Beside the arm, which needs it at every control step."""
    GPU = "gpu"
    """Wherever a GPU is; the arm holds without it, and nothing that was collected is lost."""


class RigKind(StrEnum):
    """Rigs that have a part."""

    ANY = "any"
    SIMULATED = "simulated"
    HARDWARE = "hardware"


@dataclass(frozen=True)
class Part:
    """One part of a rig: a process, or one process for each name below it.

    Attributes:
        name: Its section in a rig's file.
        configuration: Classes that know its parameters, each as "module:Class"; imported only to
            judge a rig that has the part, and without PyTorch or MuJoCo.
        package: ROS package; empty for a part that is no ROS node.
        executable: Executable of the package; for a part that is no node its Python module.
        place: Where it runs.
        rigs: Which rigs have it.
        restartable: Whether it may be started again during a session: the arm holds without it.
        stop_grace_s: From the signal that ends it to SIGKILL, s.
        optional: Whether a rig may leave it out, and a session continues without it once it cannot
            be started again.
        named: Whether its section holds parts of their own, such as `cameras.<name>`.
    """

    name: str
    configuration: tuple[str, ...]
    package: str
    executable: str
    place: Place = Place.ROBOT
    rigs: RigKind = RigKind.ANY
    restartable: bool = False
    stop_grace_s: float = STOP_GRACE_S
    optional: bool = False
    named: bool = False

    @property
    def is_node(self) -> bool:
        """Whether it is a ROS node."""
        return bool(self.package)

    def in_rig(self, *, simulated: bool) -> bool:
        """Returns whether a rig of this kind has the part."""
        own = RigKind.SIMULATED if simulated else RigKind.HARDWARE
        return self.rigs in (RigKind.ANY, own)

    def classes(self) -> tuple[type, ...]:
        """Returns the configuration classes."""
        found: list[type] = []
        for path in self.configuration:
            module, _, name = path.partition(":")
            found.append(getattr(importlib.import_module(module), name))
        return tuple(found)
