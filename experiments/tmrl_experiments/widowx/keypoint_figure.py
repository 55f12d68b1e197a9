"""Draws what the cell's cameras see at the start of some episodes, and where the keypoints lie.

./tmrl run python -m tmrl_experiments.widowx.keypoint_figure POLICY --png FILE
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from tmrl_cell.actions import ToolTarget
from tmrl_cell.cell import WidowXCell
from tmrl_cell.expert import Expert
from tmrl_cell.layouts import OBJECTS, downstream_layout
from tmrl_cell.observation import context, proprio
from tmrl_policies.keypoint_checkpoint import load_encoder

_SEED = 101
_STEPS = (0, 8, 20)
"""Control steps of an expert's episode at which pictures are taken."""
_COLOURS = ("#ffb000", "#ff4d4d")
_FREE = "#ffffff"


def draw(folder: Path, png: Path) -> None:
    """Draws an episode in which the scripted expert takes the sausage.

    Args:
        folder: Of a policy with an encoder.
        png: File to write.

    Raises:
        CheckpointError: There is no encoder, or it is damaged.
    """
    encoder = load_encoder(folder).encoder
    shape, cell = encoder.config, WidowXCell()
    rng = np.random.default_rng(_SEED)
    target = ToolTarget.at(cell.reset(downstream_layout(rng)).tool_position_m)
    expert = Expert(rng, "sausage", miss_probability=0.0)
    figure = Figure(figsize=(2.0 * len(_STEPS), 2.0 * len(shape.cameras)), dpi=80)
    axes = figure.subplots(len(shape.cameras), len(_STEPS), squeeze=False)
    for step in range(max(_STEPS) + 1):
        if step in _STEPS:
            views = {c: cell.render(c, shape.size_px, shape.size_px) for c in shape.cameras}
            points = encoder.encode(views).reshape(len(shape.cameras), shape.keypoints, 2)
            pixels = (points + 1.0) * 0.5 * (shape.size_px - 1)
            for row, camera in enumerate(shape.cameras):
                panel = axes[row, _STEPS.index(step)]
                panel.imshow(views[camera])
                panel.set_axis_off()
                for number, (column, line) in enumerate(pixels[row]):
                    colour = _COLOURS[number] if number < len(OBJECTS) else _FREE
                    panel.plot(column, line, "+", color=colour, ms=9, mew=2)
        robot, objects = proprio(cell.readings()), context(cell.object_poses())
        target = target.moved(expert.act(robot, objects))
        cell.step(target.position_m, target.quaternion_wxyz, target.gripper_opening)
    cell.close()
    figure.subplots_adjust(0.0, 0.0, 1.0, 1.0, 0.02, 0.02)
    figure.savefig(png)


def main(argv: Sequence[str] | None = None) -> int:
    """Draws from the command line."""
    parser = argparse.ArgumentParser(description="Draw pictures and keypoints of an episode.")
    parser.add_argument("policy", type=Path, help="folder with encoder.json")
    parser.add_argument("--png", type=Path, required=True, help="file to write")
    arguments = parser.parse_args(argv)
    draw(arguments.policy, arguments.png)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
