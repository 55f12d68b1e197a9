"""What the console does for a page: hands commands to the robot, and lets one person drive."""

import asyncio
import itertools
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

from tmrl_console.board import Board
from tmrl_console.drive import Driving
from tmrl_console.protocol import Command, Drive, Ping


@dataclass(frozen=True)
class Answer:
    """Another node's answer.

    Attributes:
        success: Whether it was done.
        message: What was done, or why nothing was.
        fields: Further fields of the answer, such as the episode that was labelled.
    """

    success: bool
    message: str
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])


class Robot(Protocol):
    """The session as far as commands reach it. Called from the web server's thread."""

    def ask(self, command: Command) -> "Future[Answer]":
        """Has the command carried out; an e-stop is on its way when this returns."""
        ...


class Desk:
    """Serves every page that is open."""

    def __init__(self, robot: Robot, board: Board, driving: Driving, timeout_s: float) -> None:
        """Takes what it serves with.

        Args:
            robot: Carries commands out.
            board: Says who drives otherwise.
            driving: Of the keys.
            timeout_s: Longest wait for an answer.
        """
        self._robot, self._board, self._driving = robot, board, driving
        self._timeout_s = timeout_s
        self._pages = itertools.count(1)

    def open_page(self) -> int:
        """Returns the number of a new page."""
        return next(self._pages)

    def close_page(self, page: int) -> None:
        """A page is gone; whoever drove there has let go."""
        self._driving.release(page)

    async def serve(self, page: int, message: Command | Drive | Ping) -> dict[str, Any] | None:
        """Does what a page asks for.

        Args:
            page: Which one.
            message: What it sent.

        Returns:
            What the page is sent back; None for nothing.
        """
        match message:
            case Ping(value):
                return {"pong": value}
            case Drive(held=True, actions=actions):
                refusal = self._driving.hold(page, actions, self._busy())
                return {"drive": refusal}
            case Drive():
                self._driving.release(page)
                return None
            case Command():
                return await self._command(message)

    def _busy(self) -> str:
        driven = self._board.get("controller", "mode") == "teleop"
        if not driven or self._driving.driver is not None:
            return ""
        return f"another device drives: {self._board.get('controller', 'reason', '')}"

    async def _command(self, command: Command) -> dict[str, Any]:
        try:
            future = asyncio.wrap_future(self._robot.ask(command))
            answer = await asyncio.wait_for(future, self._timeout_s)
        except TimeoutError:
            answer = Answer(
                success=False,
                message=f"no answer to {command.verb} within {self._timeout_s:g} s; look at who is "
                "alive, then try again",
            )
        return {
            "answer": command.request_id,
            "do": command.verb,
            "success": answer.success,
            "message": answer.message,
            **answer.fields,
        }
