"""A short animation of recorded episodes, one beside the other."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from tmrl_cell.cell import WidowXCell
from tmrl_cell.trajectory import load_trajectory

Picture = NDArray[np.uint8]

FRAME_RATE_HZ = 10.0
"""Twice real time for episodes recorded at 5 Hz."""

_CAPTION_HEIGHT_PX = 28
_CAPTION_COLOUR = (245, 245, 245)
_BAND_COLOUR = (40, 44, 52)
_LAST_FRAME_S = 1.5
_COLOURS = 128


def render_gif(
    trajectories: Sequence[Path],
    titles: Sequence[str],
    path: Path,
    height: int = 300,
    width: int = 400,
) -> None:
    """Draws episodes from their joint positions and stores them as one GIF.

    The episodes run side by side from their starts; one that is over shows its last instant.

    Args:
        trajectories: Files of `tmrl_cell.trajectory`, left to right.
        titles: One caption per episode.
        path: The GIF.
        height: Height of each picture, pixels.
        width: Width of each picture, pixels.

    Raises:
        OSError: A file cannot be read or written.
        ValueError: There is nothing to show, a trajectory is none, or a caption is missing.
    """
    if not trajectories or len(trajectories) != len(titles):
        raise ValueError(
            f"{len(trajectories)} episodes and {len(titles)} captions; give one caption for each, "
            "and at least one episode"
        )
    cell = WidowXCell(picture_quality=True)
    try:
        columns = [
            _captioned(_render(cell, load_trajectory(trajectory).qpos, height, width), title)
            for trajectory, title in zip(trajectories, titles, strict=True)
        ]
    finally:
        cell.close()
    _write(_side_by_side(columns), path)


def _render(cell: WidowXCell, qpos: NDArray[np.float32], height: int, width: int) -> list[Picture]:
    pictures: list[Picture] = []
    for snapshot in qpos:
        cell.restore(snapshot.astype(np.float64))
        pictures.append(cell.render("overview", height, width))
    return pictures


def _captioned(pictures: list[Picture], title: str) -> list[Picture]:
    """Puts one band with the caption above every picture."""
    band = Image.new("RGB", (pictures[0].shape[1], _CAPTION_HEIGHT_PX), _BAND_COLOUR)
    font = ImageFont.load_default(size=15)
    middle = (band.width / 2, band.height / 2)
    ImageDraw.Draw(band).text(middle, title, fill=_CAPTION_COLOUR, font=font, anchor="mm")
    return [np.concatenate((np.asarray(band), picture)) for picture in pictures]


def _side_by_side(columns: list[list[Picture]]) -> list[Picture]:
    longest = max(len(pictures) for pictures in columns)
    return [
        np.concatenate([pictures[min(at, len(pictures) - 1)] for pictures in columns], axis=1)
        for at in range(longest)
    ]


def _write(frames: list[Picture], path: Path) -> None:
    """Stores the frames with one palette: what does not move then costs nothing."""
    sample = np.concatenate(frames[:: max(1, len(frames) // 8)])
    palette = Image.fromarray(sample).quantize(_COLOURS)
    indexed = [
        Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE)
        for frame in frames
    ]
    durations_ms = [round(1e3 / FRAME_RATE_HZ)] * len(frames)
    durations_ms[-1] += round(1e3 * _LAST_FRAME_S)
    path.parent.mkdir(parents=True, exist_ok=True)
    indexed[0].save(path, save_all=True, append_images=indexed[1:], duration=durations_ms, loop=0)
