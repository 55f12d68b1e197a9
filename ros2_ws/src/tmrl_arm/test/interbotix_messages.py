"""Makes `interbotix_xs_msgs` importable for tests: the vendor's where it is, else the part in here.

The part is built once with CMake, into the workspace's build folder, and found again by a hash of
its sources. Nothing outside the tests ever sees it.
"""

import ctypes
import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

_SOURCE = Path(__file__).parent / "interbotix_interfaces"
_CACHE = Path(__file__).parents[3] / "build" / "test_interfaces"
_PYTHON = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"


def provide() -> None:
    """Build the part where the vendor's package is absent, and load it into this process."""
    if importlib.util.find_spec("interbotix_xs_msgs") is None:
        _load(_built())


def _built() -> Path:
    """Install prefix of the part, built if it is not there yet."""
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted(path for path in _SOURCE.rglob("*") if path.is_file()):
        digest.update(path.name.encode() + path.read_bytes())
    home = _CACHE / digest.hexdigest()[:16]
    prefix = home / "install"
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "complete").exists():
            _build(home / "build", prefix)
            (home / "complete").touch()
    return prefix


def _build(build: Path, prefix: Path) -> None:
    shutil.rmtree(build, ignore_errors=True)
    configure = [
        "cmake",
        "-S",
        _SOURCE,
        "-B",
        build,
        "-GNinja",
        f"-DCMAKE_INSTALL_PREFIX={prefix}",
        f"-DCMAKE_INSTALL_RPATH={prefix}/lib",
        "-DCMAKE_INSTALL_RPATH_USE_LINK_PATH=ON",
        f"-DPython3_EXECUTABLE={sys.executable}",
        "-DBUILD_TESTING=OFF",
    ]
    for command in (configure, ["cmake", "--build", build, "--target", "install"]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{_SOURCE.name} does not build:\n{done.stdout}{done.stderr}")


def _load(prefix: Path) -> None:
    sys.path.insert(0, str(prefix / _PYTHON))
    paths = [str(prefix), os.environ.get("AMENT_PREFIX_PATH", "")]
    os.environ["AMENT_PREFIX_PATH"] = os.pathsep.join(path for path in paths if path)
    # The middleware opens these by name, and the search path of a running process is fixed; what
    # is loaded already is found all the same.
    for library in sorted((prefix / "lib").glob("*.so"), key=_load_order):
        ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)


def _load_order(library: Path) -> tuple[bool, str]:
    """The generated C code before everything that links against it."""
    return "generator_c" not in library.name, library.name
