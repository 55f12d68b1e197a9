"""Commands on their way to services, and what comes back."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any, Protocol

from tmrl_common.types import Outcome
from tmrl_console.board import Board
from tmrl_console.desk import Answer
from tmrl_console.protocol import Command, Verb
from tmrl_console.services import missing, service_for


class Client(Protocol):
    """A client of one service, as rclpy has it."""

    def service_is_ready(self) -> bool:
        """Whether somebody serves it."""
        ...

    def call_async(self, request: Any) -> Any:
        """Sends a request; returns a future whose callbacks run in the ROS thread."""
        ...


class ServicesRobot:
    """Implements `tmrl_console.desk.Robot` with services and the e-stop's topic."""

    def __init__(
        self, clients: Mapping[str, Client], press: Callable[[], None], board: Board
    ) -> None:
        """Takes the ways to the other nodes.

        Args:
            clients: One for each service, by its name.
            press: Publishes the e-stop.
            board: Knows the episode's state.
        """
        self._clients, self._press, self._board = clients, press, board

    def ask(self, command: Command) -> "Future[Answer]":
        """Has a command carried out; an e-stop goes out on the topic first, then to the service."""
        if command.verb is Verb.ESTOP:
            self._press()
        service = service_for(command, self._board.get("episode", "code"))
        client, answered = self._clients[service.name], Future[Answer]()
        if not client.service_is_ready():
            answered.set_result(Answer(success=False, message=missing(service.name)))
            return answered
        call = client.call_async(service.request(command))
        call.add_done_callback(partial(_pass_on, answered))
        return answered


def _pass_on(answered: "Future[Answer]", call: Any) -> None:
    if not answered.set_running_or_notify_cancel():
        # It came too late: the page has been given another answer.
        return
    if (error := call.exception()) is not None:
        answered.set_exception(error)
        return
    answered.set_result(_answer(call.result()))


def _answer(response: Any) -> Answer:
    fields: dict[str, Any] = {}
    if hasattr(response, "revision"):
        fields = {"episode": response.episode, "outcome": Outcome(response.outcome).name}
    return Answer(
        success=response.success,
        message=response.message,
        fields=fields if response.success else {},
    )
