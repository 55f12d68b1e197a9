"""Installs packages with uv, which does in parallel what pip does one by one.

uv does not read pip's configuration. Where that says which index to use, uv is given the same;
where it says something that uv has no word for, pip keeps the work.
"""

import ast
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tmrl_cli.bootstrap.steps import Progress, run_logged

_SECTIONS = ("global", "install", ":env:")
"""Those that apply to `pip install`; a later one overrides an earlier one."""

_VARIABLES = {
    "cert": "SSL_CERT_FILE",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "extra-index-url": "UV_EXTRA_INDEX_URL",
    "find-links": "UV_FIND_LINKS",
    "index-url": "UV_INDEX_URL",
    "proxy": "ALL_PROXY",
    "timeout": "UV_HTTP_TIMEOUT",
    "trusted-host": "UV_INSECURE_HOST",
}
"""pip's setting to uv's variable. Variables and not arguments: an index's address may hold a
password, and arguments stand in logs and in the list of processes."""

_COMMA_SEPARATED = ("find-links",)

_SAME_RESULT = {
    "cache-dir",
    "disable-pip-version-check",
    "no-cache-dir",
    "no-color",
    "no-input",
    "no-warn-script-location",
    "prefer-binary",
    "progress-bar",
    "quiet",
    "require-virtualenv",
    "retries",
    "root-user-action",
    "verbose",
}
"""Settings of pip that do not change what gets installed."""


@dataclass(frozen=True)
class UvSettings:
    """What pip is configured to, in uv's terms."""

    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


def translated(pip_config: str) -> UvSettings | None:
    """Returns pip's configuration in uv's terms; None where uv has no word for a part of it.

    Args:
        pip_config: What `pip config list` prints.
    """
    settings: dict[str, str] = {}
    for section in _SECTIONS:
        for line in pip_config.splitlines():
            name, _, value = line.partition("=")
            if name.startswith(f"{section}."):
                settings[name.removeprefix(f"{section}.")] = str(ast.literal_eval(value))
    arguments = ["--index-strategy", "unsafe-best-match"]  # all indices are equal, as pip has it
    environment: dict[str, str] = {}
    for name, value in settings.items():
        if name in _VARIABLES:
            separator = "," if name in _COMMA_SEPARATED else " "
            environment[_VARIABLES[name]] = separator.join(value.split())
        elif name == "constraint":
            arguments += [part for file in value.split() for part in ("--constraints", file)]
        elif name == "no-index" and value.lower() in ("1", "true", "yes", "on"):
            arguments.append("--no-index")
        elif name not in _SAME_RESULT:
            return None
    return UvSettings(tuple(arguments), environment)


def settings_of(python: Path) -> UvSettings | None:
    """Returns the configuration of an environment's pip in uv's terms, as `translated` does."""
    command = [python, "-m", "pip", "config", "list"]
    answer = subprocess.run(command, capture_output=True, text=True)
    return translated(answer.stdout) if answer.returncode == 0 else None


def install(
    python: Path,
    settings: UvSettings,
    arguments: Sequence[str],
    *,
    log_file: Path,
    progress: Progress,
) -> bool:
    """Installs packages into an environment.

    Args:
        python: Interpreter of the environment, which also holds uv.
        settings: Which index to use.
        arguments: As `pip install` takes them.
        log_file: Overwritten with uv's output.
        progress: Where the activity is shown.

    Returns:
        Whether uv succeeded; where it did not, pip knows better what was wrong.
    """
    # As pip does by itself. Where nobody may write bytecode later, each process that imports torch
    # would compile it again, which takes 2 s of CPU time.
    compiled = "--compile-bytecode"
    options = ("--no-config", "--python", str(python), compiled, *settings.arguments)
    command = [python.parent / "uv", "pip", "install", *options, *arguments]
    environment = {**os.environ, **settings.environment}
    return run_logged(command, log_file=log_file, progress=progress, env=environment) == 0
