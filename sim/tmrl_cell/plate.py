"""The cell with a plate instead of the pot: a place on the table that is another in every episode.

In the pot's task nothing needs a small sigma: the pot never moves, so a policy that has forgotten
its context still finds it. Here the object must be set down within 3 cm of a place that only the
context tells, while the sausage, which no demonstration picks up, is reached only with a context
that is forgotten. The context says four times where the objects are and once where the plate is.
Noise is drawn for each number, so the plate is forgotten at a small sigma and the objects at a
large one only, as a small thing is in an image beside a large one: no sigma between does for both.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tmrl_cell.cell import WidowXCell
from tmrl_cell.expert import Release
from tmrl_cell.layouts import OBJECTS, Layout, downstream_layout, pretraining_layout
from tmrl_cell.observation import CONTEXT_NAMES, context
from tmrl_cell.readings import ArmReadings

PLATE_LOW_M = (0.20, -0.24)
PLATE_HIGH_M = (0.36, -0.10)
"""The plate's centre is anywhere in this box, in demonstrations and downstream, base frame [m]."""
REACH_M = 0.03
"""An object lies on the plate if its centre is nearer to the plate's than this [m]."""
OBJECT_COPIES = 4
"""How often the context says where the objects are."""
CONTEXT_DIM = OBJECT_COPIES * len(CONTEXT_NAMES) + 2
"""Length of the context: the objects' copies, and the plate."""

_LYING_M = 0.03
"""Height of an object's centre below which it lies on the table [m]."""
_OBJECTS_BEYOND_Y_M = -0.06
"""No object begins on the plate: they lie at larger y [m]."""
_SET_DOWN_M = 0.04
_SET_DOWN_SPREAD_M = 0.004


@dataclass(frozen=True)
class PlateLayout:
    """One arrangement of the cell.

    Attributes:
        objects: Where the objects lie and the tool starts.
        plate_xy_m: Centre of the plate on the table, base frame [m].
    """

    objects: Layout
    plate_xy_m: tuple[float, float]


def pretraining_plate_layout(rng: np.random.Generator) -> PlateLayout:
    """Draws a layout of the demonstrations: objects, plate and tool anywhere."""
    while True:
        objects = pretraining_layout(rng)
        if min(objects.carrot_xy_m[1], objects.sausage_xy_m[1]) >= _OBJECTS_BEYOND_Y_M:
            return PlateLayout(objects, _plate(rng))


def downstream_plate_layout(rng: np.random.Generator) -> PlateLayout:
    """Draws a layout of the task to be learned: objects as in the pot's, the plate anywhere."""
    objects = downstream_layout(rng)
    return PlateLayout(objects, _plate(rng))


def _plate(rng: np.random.Generator) -> tuple[float, float]:
    x_m, y_m = rng.uniform(PLATE_LOW_M, PLATE_HIGH_M)
    return float(x_m), float(y_m)


def onto(plate_xy_m: tuple[float, float]) -> Release:
    """How the expert sets an object down on a plate."""
    return Release(plate_xy_m, _SET_DOWN_SPREAD_M, _SET_DOWN_M)


class PlateCell(WidowXCell):
    """The simulated cell without its pot; what is asked about the pot is answered for the plate."""

    def __init__(self) -> None:
        """Hides the pot, and lets everything pass through it."""
        super().__init__()
        of_pot = self.model.geom_bodyid == self.model.body("pot").id
        self.model.geom_contype[of_pot] = 0
        self.model.geom_conaffinity[of_pot] = 0
        self.model.geom_rgba[of_pot, 3] = 0.0
        self._plate_xy_m = PLATE_LOW_M

    def begin(self, layout: PlateLayout) -> ArmReadings:
        """Lays everything out; the arm's state once the objects have settled.

        Raises:
            UnreachableTargetError: The arm cannot reach the start pose.
        """
        self._plate_xy_m = layout.plate_xy_m
        return self.reset(layout.objects)

    def policy_sees(self) -> NDArray[np.float32]:
        """The context, shape (CONTEXT_DIM,) [m]: carrot, sausage x, y, four times; plate x, y."""
        objects = context(self.object_poses())
        plate = np.asarray(self._plate_xy_m, dtype=np.float32)
        return np.concatenate([objects] * OBJECT_COPIES + [plate])

    def objects_in_pot(self) -> frozenset[str]:
        """Names of the objects that lie on the plate, held or not."""
        poses = self.object_poses()
        return frozenset(name for name in OBJECTS if self._is_on_plate(poses[name].position_m))

    def _is_on_plate(self, position_m: NDArray[np.float64]) -> bool:
        away_m = float(np.hypot(*(position_m[:2] - self._plate_xy_m)))
        return away_m < REACH_M and float(position_m[2]) < _LYING_M
