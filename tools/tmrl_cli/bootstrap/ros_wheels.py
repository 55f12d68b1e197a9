"""Repairs the CMake files inside the ROS wheels.

The wheels' exported targets name the Python of the machine that built them, in about twenty files.
A message package that links against them would look for headers in a folder that does not exist.
"""

import json
import re
import shutil
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
            _replace(path, repaired)
            changed += 1
    return changed


def _replace(path: Path, text: str) -> None:
    """Puts a new file in the place of one that may be linked from the installer's cache.

    An edit in place would reach the cache, and with it the next checkout's environment.
    """
    new = path.with_name(f"{path.name}.new")
    new.write_text(text, encoding="utf-8")
    shutil.copymode(path, new)
    new.replace(path)


def _python_paths(python: Path) -> tuple[str, str]:
    code = "import json, sysconfig; print(json.dumps(sysconfig.get_paths()))"
    answer = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    paths = json.loads(answer.stdout)
    return paths["include"], paths["purelib"]
