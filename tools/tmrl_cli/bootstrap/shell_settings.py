"""What the shell may say to ROS 2, DDS, MuJoCo and torch, judged by name before anything starts.

These libraries ignore a value that they do not know, or end in a traceback: a middleware that is
not installed, a domain beyond the last port, a discovery range that lets nobody be found.
"""

import difflib
import os
import re
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from tmrl_common.discovery_servers import server_of

Judge = Callable[[str], str]
"""Says what is wrong with a value, and what it takes; nothing where it is right."""

_SHOWN = 80
"""Characters of a value that are repeated."""
_LAST_DOMAIN = 232
"""UDP ports of the next one would lie above 65535."""
_RANGES = ("LOCALHOST", "SUBNET", "SYSTEM_DEFAULT")
_RANGE = "ROS_AUTOMATIC_DISCOVERY_RANGE"
_TRANSPORTS = (
    *("DEFAULT", "DEFAULTv6", "SHM", "UDPv4", "UDPv6"),
    *("LARGE_DATA", "LARGE_DATAv6", "P2P"),
)
_RENDERERS = ("egl", "glfw", "glx", "osmesa")
_RENDERERS_SWITCH = (
    *("enable", "enabled", "on", "true", "1"),
    *("disable", "disabled", "off", "false", "0"),
)
_GPU = re.compile(r"-?\d+|(GPU|MIG)-[\w/-]+", re.ASCII)
_NO_GPU = ("none", "nodevfiles")
"""What batch systems write where a job has none."""


def refusals(environment: Mapping[str, str]) -> list[str]:
    """Says what is wrong with the settings that the shell hands on.

    Args:
        environment: Variables of a process, the virtual environment entered; an empty one counts
            as not set.

    Returns:
        A sentence for each that cannot be meant: name, value, what it takes.
    """
    found: list[str] = []
    for name, judge in _JUDGES.items():
        value = environment.get(name, "")
        if value and (wrong := judge(value)):
            shown = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}..."
            found.append(f"{name} is '{shown}': {wrong}; correct it, or unset {name}")
    if wrong := _middleware(environment):
        found.append(wrong)
    return found


def _one_of(*names: str) -> Judge:
    def judge(value: str) -> str:
        if value in names:
            return ""
        nearest = difflib.get_close_matches(value.lower(), [n.lower() for n in names], n=1)
        meant = next((n for n in names if nearest and n.lower() == nearest[0]), "")
        hint = f"; did you mean {meant}?" if meant else ""
        return f"it takes {', '.join(names)}{hint}"

    return judge


def _whole_number(low: int, high: int | None = None) -> Judge:
    def judge(value: str) -> str:
        number = int(value) if value.isascii() and value.isdigit() and len(value) < 10 else -1
        if low <= number and (high is None or number <= high):
            return ""
        return f"it takes a whole number from {low}" + ("" if high is None else f" to {high}")

    return judge


def _each(separator: str, judge: Judge) -> Judge:
    def judge_all(value: str) -> str:
        parts = [part.strip() for part in value.split(separator)]
        return next((wrong for part in parts if part and (wrong := judge(part))), "")

    return judge_all


def _range(value: str) -> str:
    if value == "OFF":
        return "then no process finds another, on this machine neither; LOCALHOST keeps to it"
    return _one_of(*_RANGES)(value)


def _host(value: str) -> str:
    if re.search(r"[,\s]", value):
        return "several addresses are separated by ';'"
    try:
        socket.getaddrinfo(value, None)
    except (OSError, UnicodeError):
        return f"'{value}' is no address, and no name that this machine can resolve"
    return ""


def _server(value: str) -> str:
    server = server_of(value)
    return "it takes HOST:PORT, several separated by ';'" if server is None else _host(server.host)


def _file(value: str) -> str:
    path = Path(value.removeprefix("file://"))
    return "" if path.is_file() else "there is no such file"


def _writable_folder(value: str) -> str:
    try:
        Path(value).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return f"this folder cannot be made ({error.strerror})"
    return "" if os.access(value, os.W_OK | os.X_OK) else "you may not write into this folder"


def _keystore(value: str) -> str:
    return "" if Path(value).is_dir() else "there is no such folder"


def _renderer(value: str) -> str:
    plain = value.lower().strip()
    return "" if plain in _RENDERERS_SWITCH else _one_of(*_RENDERERS)(plain)


def _gpus(value: str) -> str:
    if value.lower() in _NO_GPU or all(_GPU.fullmatch(p.strip()) for p in value.split(",")):
        return ""
    return "it takes numbers of GPUs separated by ',', such as 0,1, or -1 for none"


def _transports(value: str) -> str:
    return _one_of(*_TRANSPORTS)(value.partition("?")[0])


def _inline_or_file(value: str) -> str:
    return "" if value.lstrip().startswith("<") else _file(value)


_SWITCH = _one_of("0", "1")

_JUDGES: Mapping[str, Judge] = {
    "ROS_DOMAIN_ID": _whole_number(0, _LAST_DOMAIN),
    _RANGE: _range,
    "ROS_LOCALHOST_ONLY": _SWITCH,
    "ROS_STATIC_PEERS": _each(";", _host),
    "ROS_DISCOVERY_SERVER": _each(";", _server),
    "ROS_LOG_DIR": _writable_folder,
    "ROS_HOME": _writable_folder,
    "ROS_SECURITY_ENABLE": _one_of("true", "false"),
    "ROS_SECURITY_STRATEGY": _one_of("Enforce", "Permissive"),
    "ROS_SECURITY_KEYSTORE": _keystore,
    "RCUTILS_COLORIZED_OUTPUT": _SWITCH,
    "RCUTILS_LOGGING_BUFFERED_STREAM": _SWITCH,
    "RCUTILS_LOGGING_USE_STDOUT": _SWITCH,
    "RMW_FASTRTPS_PUBLICATION_MODE": _one_of("ASYNCHRONOUS", "SYNCHRONOUS", "AUTO"),
    "RMW_FASTRTPS_USE_QOS_FROM_XML": _SWITCH,
    "FASTDDS_BUILTIN_TRANSPORTS": _transports,
    "FASTDDS_DEFAULT_PROFILES_FILE": _file,
    "FASTRTPS_DEFAULT_PROFILES_FILE": _file,
    "CYCLONEDDS_URI": _each(",", _inline_or_file),
    "MUJOCO_GL": _renderer,
    "OMP_NUM_THREADS": _each(",", _whole_number(1)),
    "CUDA_VISIBLE_DEVICES": _gpus,
    "WORLD_SIZE": _whole_number(1),
    "LOCAL_RANK": _whole_number(0),
}


def _middleware(environment: Mapping[str, str]) -> str:
    """Refuses a middleware that no prefix of ROS holds; where none is listed, ROS is asked."""
    wanted = environment.get("RMW_IMPLEMENTATION", "")
    folders = [
        Path(prefix, "share/ament_index/resource_index/rmw_typesupport")
        for prefix in environment.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
        if prefix
    ]
    there = {path.name for folder in folders if folder.is_dir() for path in folder.iterdir()}
    # The package that loads one of the others.
    there.discard("rmw_implementation")
    if not wanted or not there or wanted in there:
        return ""
    return (
        f"RMW_IMPLEMENTATION is '{wanted}': this ROS 2 has no such middleware, it has "
        f"{', '.join(sorted(there))}; install that one, or unset RMW_IMPLEMENTATION"
    )
