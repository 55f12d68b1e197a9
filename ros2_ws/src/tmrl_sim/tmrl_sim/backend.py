"""Makes the cell that a configuration asks for."""

from tmrl_cell.cell import WidowXCell
from tmrl_cell.franka.cell import FrankaCell
from tmrl_cell.franka.task_file import load_task
from tmrl_cell.loopback import LoopbackCell, in_pot_after, never
from tmrl_sim.params import Backend, SimConfig


def make_cell(config: SimConfig) -> WidowXCell | FrankaCell | LoopbackCell:
    """A new cell; it wants a reset before anything else."""
    if config.task:
        return FrankaCell(load_task(config.task))
    if config.backend == Backend.MUJOCO:
        return WidowXCell()
    commands = config.loopback_success_commands
    return LoopbackCell(in_pot_after(commands, config.target) if commands else never)
