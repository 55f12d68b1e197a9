"""colcon installs the Python packages as pip does: every module and every data file."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    "common": "tmrl_common",
    "policies": "tmrl_policies",
    "policy_server": "tmrl_policy_server",
    "learner": "tmrl_learner",
    "sim": "tmrl_cell",
}
GENERATED = {"__pycache__"}


@pytest.fixture(scope="module")
def install(tmp_path_factory) -> Path:
    """Where colcon installed all five."""
    colcon = shutil.which("colcon")
    assert colcon, "./tmrl setup installs it"
    folder = tmp_path_factory.mktemp("colcon")
    command = [colcon, "--log-base", folder / "log", "build"]
    command += ["--base-paths", *(ROOT / name for name in PACKAGES)]
    command += ["--build-base", folder / "build", "--install-base", folder / "install"]
    command += ["--merge-install", "--cmake-args", "-GNinja"]
    command += [f"-DPython3_EXECUTABLE={sys.executable}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (site,) = (folder / "install" / "lib").glob("python3*/site-packages")
    return site


def files(package: Path) -> set[str]:
    return {
        str(path.relative_to(package))
        for path in package.rglob("*")
        if path.is_file() and not GENERATED & {*path.parts}
    }


@pytest.mark.parametrize(("folder", "package"), PACKAGES.items())
def test_every_file_of_the_package_is_installed(install, folder, package):
    assert files(install / package) == files(ROOT / folder / package)


@pytest.mark.parametrize(("folder", "package"), PACKAGES.items())
def test_python_knows_its_version_there(install, folder, package):
    text = f"from importlib.metadata import version; print(version({package!r}))"
    # Without the environment's own packages, among which they are, too.
    command = [sys.executable, "-S", "-c", text]
    found = subprocess.run(
        command, env={"PYTHONPATH": str(install)}, capture_output=True, text=True, check=True
    )
    project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
    assert found.stdout.strip() == project["version"]
