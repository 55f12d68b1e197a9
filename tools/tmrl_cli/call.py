"""`./tmrl call SERVICE`: asks a running rig for something, where `ros2 service call` is missing."""

import argparse
import importlib
import os
import sys
import time
from collections.abc import Mapping
from typing import Any

import rclpy
import yaml
from rclpy.client import Client
from rclpy.node import Node

from tmrl_bringup.rig import RigError, nearest, parse_overrides
from tmrl_common.verbs import EXIT_REFUSED
from tmrl_doctor.silence import absent_servers, likely_cause
from tmrl_ros.network import enter_ros

_DESCRIPTION = """\
Calls a ROS 2 service by the end of its name and prints the answer; without SERVICE, lists those of
the rigs that run. The same as `ros2 service call`, on machines without the ros2 command."""

_EPILOG = """\
examples:
  ./tmrl call operator/start
  ./tmrl call operator/label outcome:=success operator_name:=ada      or failure; 0 or 1
  ./tmrl call /widowx/controller/estop"""

_NAMED = {"outcome": ("EpisodeOutcome", ("SUCCESS", "FAILURE", "DISCARDED"))}
"""Fields whose numbers have names: the message of tmrl_msgs that gives them, and which apply."""
_FIND_S = 10.0
_LIST_S = 3.0
_ANSWER_S = 60.0
_STOPS = ("controller/estop", "controller/hold", "operator/stop", "operator/pause")
"""Whoever asks for these waits beside an arm that moves: no answer is soon said to be none."""
_FIND_STOP_S = 5.0
_ANSWER_STOP_S = 5.0
"""Longer than a hold waits for the arm's driver (`hold_confirmation.LONGEST_S`)."""
_STILL_MOVING = "; the arm may still move: press its own stop button"
_POLL_S = 0.05
_OF_EVERY_NODE = ("/describe_parameters", "/get_parameter", "/list_parameters", "/set_parameters")


def main(argv: list[str]) -> int:
    """Calls one service.

    Returns:
        0 where it was done, 1 where it was refused or did not answer, 2 where there is none.
    """
    parser = argparse.ArgumentParser(
        prog="./tmrl call",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("service", metavar="SERVICE", nargs="?", help="such as operator/start")
    parser.add_argument("fields", nargs="*", metavar="FIELD:=VALUE", help="of the request")
    parsed = parser.parse_args(argv)
    try:
        return _carry_out(parsed.service, parse_overrides(parsed.fields))
    except RigError as error:
        sys.stderr.write(f"tmrl call: {error}\n")
        return EXIT_REFUSED


def _carry_out(wanted: str | None, fields: Mapping[str, str]) -> int:
    enter_ros([])
    node = rclpy.create_node("caller")
    try:
        services = _services(node, wanted)
        if wanted is None:
            sys.stdout.write("".join(f"{name}  {kind}\n" for name, kind in services.items()))
            return 0
        name = choose(wanted, list(services))
        return _call(node, name, services[name], fields)
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


def choose(wanted: str, names: list[str]) -> str:
    """The one service that is meant.

    Args:
        wanted: A full name, or the end of one.
        names: Full names of all services.

    Raises:
        RigError: None ends so, or several do; the text lists what there is.
    """
    found = [name for name in names if name == wanted or name.endswith(f"/{wanted.lstrip('/')}")]
    if len(found) == 1:
        return found[0]
    if found:
        raise RigError(f"several services end so; give the whole name: {', '.join(found)}")
    if not names:
        besides = _STILL_MOVING if _stops(wanted) else ""
        absent = absent_servers(os.environ.get("ROS_DISCOVERY_SERVER", ""))
        server = f"; nobody listens at the discovery server {', '.join(absent)}" if absent else ""
        raise RigError(
            f"no service {wanted}: nothing runs on this ROS domain; start a rig with ./tmrl up, "
            f"and compare ROS_DOMAIN_ID{server}{besides}"
        )
    raise RigError(f"no service {wanted}; {nearest(wanted, names)}")


def filled(request: Any, kind: str, fields: Mapping[str, str]) -> Any:
    """The request with some of its fields set.

    Args:
        request: Of the service.
        kind: Its type, for people.
        fields: Values as they were typed; what the field is no text for is read as YAML.

    Raises:
        RigError: There is no such field, the value does not fit it, or what must be said is not.
    """
    types = request.get_fields_and_field_types()
    for name, typed in fields.items():
        if name not in types:
            raise RigError(f"{kind} has no field {name}; {nearest(name, list(types))}")
        # A generated message says itself what it holds; it does not refuse anything else.
        wanted = getattr(request, name).__class__
        names = _names_of(name)
        value: Any = typed
        if wanted is not str:
            value = names.get(typed.strip().lower(), _read(typed))
        if type(value) is not wanted and not (wanted is float and type(value) is int):
            known = ", ".join(f"{each} ({number})" for each, number in names.items())
            beside = f"; by name: {known}" if known else ""
            raise RigError(f"{name}:={typed} does not fit {kind}, {types[name]}{beside}")
        setattr(request, name, wanted(value))
    for name in types:
        # Left out, the number 0 would be sent, which is a success.
        if (names := _names_of(name)) and name not in fields:
            raise RigError(f"{kind} needs {name}, such as {name}:={' or '.join(names)}")
    return request


def _names_of(field: str) -> dict[str, int]:
    """Numbers of a field by their names, lower case; empty for most."""
    message, names = _NAMED.get(field, ("", ()))
    if not names:
        return {}
    messages: Any = importlib.import_module("tmrl_msgs.msg")
    constants: Any = getattr(messages, message)
    return {name.lower(): int(getattr(constants, name)) for name in names}


def _stops(service: str) -> bool:
    """Whether a service, named in full or by its end, stops an arm or a session."""
    end = service.strip("/")
    return bool(end) and any(
        f"/{stop}".endswith(f"/{end}") or end.endswith(stop) for stop in _STOPS
    )


def _read(typed: str) -> Any:
    """The value that a text means; the text itself where it is no YAML."""
    try:
        return yaml.safe_load(typed)
    except yaml.YAMLError:
        return typed


def _services(node: Node, wanted: str | None) -> dict[str, str]:
    """Services of rigs by full name, with their type; waits for the wanted one to be discovered."""
    find_s = min(_FIND_S, _FIND_STOP_S) if _stops(wanted or "") else _FIND_S
    ends_s = time.monotonic() + (_LIST_S if wanted is None else find_s)
    while True:
        found = {
            name: kinds[0]
            for name, kinds in node.get_service_names_and_types()
            if not any(mark in name for mark in _OF_EVERY_NODE)
            and not name.endswith("/get_type_description")
        }
        there = wanted is not None and any(name.endswith(wanted) for name in found)
        if there or time.monotonic() > ends_s:
            return dict(sorted(found.items()))
        time.sleep(_POLL_S)


def _call(node: Node, name: str, kind: str, fields: Mapping[str, str]) -> int:
    package, _, short = kind.split("/")
    service: Any = getattr(importlib.import_module(f"{package}.srv"), short)
    request = filled(service.Request(), kind, fields)
    client: Client[Any, Any] = node.create_client(service, name)
    answer_s, besides = (_ANSWER_STOP_S, _STILL_MOVING) if _stops(name) else (_ANSWER_S, "")
    heard = client.wait_for_service(timeout_sec=min(_FIND_S, answer_s))
    future = client.call_async(request) if heard else None
    if future is not None:
        rclpy.spin_until_future_complete(node, future, timeout_sec=answer_s)
    response: Any = future.result() if future is not None and future.done() else None
    if response is None:
        sys.stderr.write(
            f"tmrl call: nothing heard of {name} within {answer_s:g} s{besides}. "
            f"Likely cause: {likely_cause()}\n"
        )
        return 1
    for field in response.get_fields_and_field_types():
        sys.stdout.write(f"{field}: {getattr(response, field)}\n")
    return 0 if getattr(response, "success", True) else 1
