"""The images of docker/Dockerfile, built for real on a Debian made for it."""

import configparser
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tmrl_bringup.layout import repository_root

TOOLS = ("buildah", "podman", "mmdebstrap", "runc")
_SOURCES = (*Path("/etc/apt/sources.list.d").glob("debian.sources"), Path("/etc/apt/sources.list"))
_BASE = "localhost/tmrl-test-base"


def call(*words: object) -> str:
    """What a command writes; an error with all of it where it fails."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    assert done.returncode == 0, f"{words}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def _as_pip_is_configured(folder: Path) -> Iterator[str]:
    """Volumes that give a build the index, wheels and certificates of this machine's own pip."""
    merged = configparser.ConfigParser(interpolation=None)
    merged.add_section("global")
    for line in call("python3", "-m", "pip", "config", "list").splitlines():
        name, _, value = line.partition("=")
        merged.set("global", name.rpartition(".")[2], value.strip("'\""))
    file = folder / "pip.conf"
    with file.open("w") as stream:
        merged.write(stream)
    yield f"{file}:/etc/pip.conf:ro"
    for value in merged["global"].values():
        for word in value.replace("file://", " ").split():
            if word.startswith("/") and Path(word).exists():
                yield f"{word}:{word}:ro"


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Debian without anything, as `debian:bookworm-slim` is one."""
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    if absent or os.geteuid() != 0:
        pytest.skip(f"needs root and {', '.join(absent or TOOLS)}")
    if subprocess.run(["podman", "image", "exists", _BASE]).returncode != 0:
        tar = tmp_path_factory.mktemp("base") / "base.tar"
        sources = next(path for path in _SOURCES if path.exists())
        call(
            "mmdebstrap", "--variant=minbase", "--include=ca-certificates", "bookworm", tar, sources
        )
        call("podman", "import", tar, _BASE)
    return _BASE


@pytest.fixture(scope="session")
def image(base: str, tmp_path_factory: pytest.TempPathFactory):
    """Builds a stage of the Dockerfile, on top of what was built before; its name."""
    folder = tmp_path_factory.mktemp("pip")
    volumes = [word for each in _as_pip_is_configured(folder) for word in ("--volume", each)]

    def build(target: str) -> str:
        name = f"localhost/tmrl-test-{target}"
        words = (
            "buildah",
            "build",
            "--layers",
            "--isolation",
            "chroot",
            "--build-arg",
            f"BASE={base}",
        )
        words += ("--target", target, "--tag", name, *volumes)
        root = repository_root()
        call(*words, "--file", root / "docker" / "Dockerfile", root)
        return name

    return build
