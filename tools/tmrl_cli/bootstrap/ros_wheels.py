"""Repairs the CMake files inside the ROS wheels.

The wheels' exported targets name the Python of the machine that built them, in about twenty files.
A message package that links against them would look for headers in a folder that does not exist.
"""

import json
import re
import subprocess
from pathlib import Path

from tmrl_cli.bootstrap.layout import Layout

_BUILD_PYTHON = r"/opt/python/cp3\d+-cp3\d+"
_INCLUDE = re.compile(_BUILD_PYTHON + r"/include/python3\.\d+")
_SITE_PACKAGES = re.compile(_BUILD_PYTHON + r"/lib/python3\.\d+/site-packages")


def rewrite_prefixes(layout: Layout) -> int:
    """Points the exported CMake targets at the Python of the environment.

    Args:
        layout: The checkout whose environment holds the wheels.

    Returns:
        How many files were changed; 0 when all were right already.
    """
    include, site_packages = _python_paths(layout.python)
    changed = 0
    for path in (layout.venv / "share").rglob("*.cmake"):
        text = path.read_text(encoding="utf-8")
        repaired = _INCLUDE.sub(lambda _: include, text)
        repaired = _SITE_PACKAGES.sub(lambda _: site_packages, repaired)
        if repaired != text:
            path.write_text(repaired, encoding="utf-8")
            changed += 1
    return changed


def _python_paths(python: Path) -> tuple[str, str]:
    code = "import json, sysconfig; print(json.dumps(sysconfig.get_paths()))"
    answer = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    paths = json.loads(answer.stdout)
    return paths["include"], paths["purelib"]
