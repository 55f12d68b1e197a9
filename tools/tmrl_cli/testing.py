"""What tests of command lines share: a verb carried out in this process, a node that hangs."""

import contextlib
import io
import threading
from pathlib import Path
from unittest import mock

from rclpy.node import Node
from std_srvs.srv import Trigger

from tmrl_cli import call, cli
from tmrl_cli.bootstrap import entry
from tmrl_ros.network import enter_ros


def carry_out(argv: list[str], root: Path) -> tuple[int, str]:
    """The exit code of `./tmrl ARGV` in a checkout that is set up, and what it said.

    Args:
        argv: Verb and arguments.
        root: For the verbs that are carried out before the environment is entered.
    """
    said, printed = io.StringIO(), io.StringIO()
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stderr(said))
        stack.enter_context(contextlib.redirect_stdout(printed))
        # Nobody is waited for: there is no rig.
        for name in ("_FIND_S", "_LIST_S"):
            stack.enter_context(mock.patch.object(call, name, 0.0))
        stack.enter_context(mock.patch.object(entry, "prepare", return_value=False))
        try:
            parsed = cli.parse(argv)
            on_host = not cli.VERBS[parsed.verb].module
            code = entry.main(root, argv) if on_host else cli.main(argv)
        except SystemExit as end:
            code = int(end.code or 0)
    return code, said.getvalue() or printed.getvalue()


def offer_and_hang() -> None:
    """Offers the controller's e-stop and never answers; for a process of its own."""
    enter_ros([])
    node = Node("controller", namespace="widowx")
    node.create_service(Trigger, "controller/estop", lambda _, response: response)
    threading.Event().wait()
