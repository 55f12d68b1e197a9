"""The container files: linted, of the compose specification's shape, asking for what there is."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tmrl_bringup.arguments import ARGUMENTS, refuse_unknown
from tmrl_bringup.layout import repository_root
from tmrl_bringup.rig import load, parse_overrides
from tmrl_cli.cli import VERBS

DOCKER = repository_root() / "docker"
COMPOSE = DOCKER / "compose.yaml"


def services() -> dict[str, Any]:
    """With every variable at its default, as `docker compose config` would show them."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", COMPOSE.read_text(encoding="utf-8"))
    return yaml.safe_load(text)["services"]


def test_the_dockerfile_is_linted():
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, DOCKER / "Dockerfile"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_compose_file_is_of_the_specification():
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, COMPOSE], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", services())
def test_a_service_is_built_from_a_stage_and_starts_what_there_is(name: str):
    service = services()[name]
    stages = re.findall(r"^FROM \S+ AS (\w+)$", (DOCKER / "Dockerfile").read_text(), re.MULTILINE)
    assert service["build"]["target"] in stages
    verb, *arguments = service["command"]
    assert verb in VERBS
    assert service["user"] == "1000:1000"
    given = parse_overrides([each for each in arguments if ":=" in each])
    refuse_unknown([key for key in given if "." not in key], tuple(ARGUMENTS))
    rig = load("widowx").with_overrides({k: v for k, v in given.items() if "." in k})
    assert rig.parts
    mounted = [volume.rpartition(":/")[2].removesuffix(":ro") for volume in service["volumes"]]
    inside = [text for text in map(str, service["command"]) if "/" in text]
    for path in (text.partition(":=")[2] or text for text in inside):
        assert path.split("/")[1] in (each.split("/")[0] for each in mounted), path


def test_each_profile_has_one_service():
    assert {name: service["profiles"] for name, service in services().items()} == {
        "demo": ["sim"],
        "robot": ["robot"],
        "gpu": ["gpu"],
    }


def test_what_git_ignores_at_the_root_stays_out_of_the_image():
    ignored = (repository_root() / ".dockerignore").read_text().split()
    made = [line.strip("/") for line in (repository_root() / ".gitignore").read_text().split("\n")]
    folders = [line for line in made if line and not line.startswith(("#", "*", "__", ".coverage"))]
    assert set(folders) <= set(ignored)
