"""rosdep and colcon know what pip knows: package.xml, setup.py and pyproject.toml say the same."""

import ast
import re
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROS_FOLDERS = [
    ROOT / "launch",
    *sorted(path.parent for path in (ROOT / "ros2_ws" / "src").glob("*/package.xml")),
]
PYTHON_PACKAGES = ("common", "policies", "policy_server", "learner", "sim")
"""Installed by pip here, and by colcon in a lab's own workspace."""
WITH_EXTRAS = {"common": ("transport",)}
"""colcon knows no extras: the nodes need this one."""

ROSDEP = {
    "PyYAML": "python3-yaml",
    "gymnasium": "python3-gymnasium-pip",
    "msgpack": "python3-msgpack",
    "mujoco": "python3-mujoco-pip",
    "numpy": "python3-numpy",
    "pillow": "python3-pil",
    "pyzmq": "python3-zmq",
    "torch": "python3-torch",
    "tqdm": "python3-tqdm",
    "wandb": "python3-wandb-pip",
}
"""Names on the package index, and rosdep's for the same."""
WITHOUT_KEY = {"av", "pyarrow", "safetensors"}
"""rosdep does not know them."""


def manifest(path: Path) -> ElementTree.Element:
    return ElementTree.parse(path / "package.xml").getroot()


def depends(path: Path, kind: str = "exec_depend") -> set[str]:
    return {str(element.text) for element in manifest(path).findall(kind)}


def project(folder: str) -> dict:
    return tomllib.loads((ROOT / folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def required(folder: str) -> set[str]:
    """Names on the package index, and of our packages, without extras."""
    found = [*project(folder)["dependencies"]]
    for extra in WITH_EXTRAS.get(folder, ()):
        found += project(folder)["optional-dependencies"][extra]
    return {re.split(r"[\[<>=~! ]", text)[0] for text in found}


@pytest.mark.parametrize("folder", PYTHON_PACKAGES)
def test_rosdep_finds_what_pip_would_install(folder):
    wanted = required(folder)
    assert depends(ROOT / folder) == {ROSDEP.get(name, name) for name in wanted - WITHOUT_KEY}
    assert {n for n in wanted - ROSDEP.keys() if not n.startswith("tmrl_")} <= WITHOUT_KEY


def test_what_rosdep_does_not_know_is_in_the_guide():
    every = set().union(*(required(folder) for folder in PYTHON_PACKAGES))
    assert {n for n in every - ROSDEP.keys() if not n.startswith("tmrl_")} == WITHOUT_KEY
    guide = (ROOT / "docs" / "guides" / "ros_workspace.md").read_text(encoding="utf-8")
    assert f"pip install {' '.join(sorted(WITHOUT_KEY))}" in guide


@pytest.mark.parametrize("folder", PYTHON_PACKAGES)
def test_name_description_and_licence_are_those_of_pip(folder):
    found, ours = manifest(ROOT / folder), project(folder)
    assert found.findtext("name") == ours["name"]
    assert found.findtext("description") == ours["description"]
    assert found.findtext("license") == ours["license"]


def test_there_is_one_version():
    packages = [*ROS_FOLDERS, *(ROOT / folder for folder in PYTHON_PACKAGES)]
    versions = {path.name: manifest(path).findtext("version") for path in packages}
    for path in packages:
        if (path / "setup.py").exists():
            text = (path / "setup.py").read_text(encoding="utf-8")
            assert f'version="{versions[path.name]}"' in text, path.name
    for file in ROOT.glob("*/pyproject.toml"):
        versions[file.parent.name] = project(file.parent.name)["version"]
    assert len(set(versions.values())) == 1, versions


OF_ROS = ("_msgs", "_srvs", "_interfaces", "rclpy")
VENDORS = {"interbotix_xs_msgs"}
"""Comes with the arm's own software, and is imported only where that is driven."""


def imported(package: Path) -> set[str]:
    """Our packages, and those of messages, that a ROS package imports, its tests left out."""
    name = str(manifest(package).findtext("name"))
    found: set[str] = set()
    for path in (package / name).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module)
    packages = {module.split(".")[0] for module in found}
    return {p for p in packages if p.startswith("tmrl_") or p.endswith(OF_ROS)} - {name}


@pytest.mark.parametrize("package", ROS_FOLDERS, ids=lambda path: path.name)
def test_a_ros_package_declares_what_it_imports(package):
    declared = depends(package) | depends(package, "test_depend")
    assert imported(package) - declared - VENDORS == set()
