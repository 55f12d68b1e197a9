"""Writes the page: one HTML file with its data inside, which opens from disk without a server."""

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from tmrl_experiments.spectrum.panel import Panel
from tmrl_learner.atomic_file import write_atomically

_PLACE_OF_DATA = "/*DATA*/null"


def write_page(path: Path, panels: Sequence[Panel], command: str) -> None:
    """Writes the page with all panels.

    Args:
        path: HTML file to write, in a folder that exists.
        panels: What it shows, in this order.
        command: What makes the page again; it is printed on it.

    Raises:
        OSError: The file cannot be written.
    """
    data = {"command": command, "panels": [panel.as_json() for panel in panels]}
    # "</" would end the script element that carries the data.
    text = json.dumps(data, separators=(",", ":")).replace("</", "<\\/")
    template = files("tmrl_experiments.spectrum").joinpath("page.html").read_text(encoding="utf-8")
    write_atomically(path, template.replace(_PLACE_OF_DATA, text))
