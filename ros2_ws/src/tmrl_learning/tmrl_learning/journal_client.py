"""Asks the agent's journal for rows; both who learn beside it and who send them on do so."""

from collections.abc import Callable, Sequence
from typing import Any

from tmrl_learning.ingestion import FETCH_COUNT, Row
from tmrl_learning.messages import row_of
from tmrl_msgs.srv import FetchTransitions
from tmrl_ros.executor import guarded


class JournalClient:
    """One question at a time: what answers an older one means nothing.

    Args:
        node: The ROS node that has the client.
        session: Whose rows.
        namespace: Of the agent, with a slash at its end; empty where it is the node's own.
        on_fetched: Called by the executor with the rows from the number asked for on, ascending,
            and with the highest number that the journal ever gave to a transition.
    """

    def __init__(
        self,
        node: Any,
        session: str,
        namespace: str,
        on_fetched: Callable[[Sequence[Row], int], None],
    ) -> None:
        self._session = session
        self._take = guarded(node, self._take_rows)
        self._on_fetched = on_fetched
        self._client: Any = node.create_client(FetchTransitions, f"{namespace}replay/fetch")
        self._newest: Any = None

    def ask(self, first_sequence: int) -> bool:
        """Asks for rows; whether there is a journal to ask."""
        if not self._client.service_is_ready():
            return False
        request = FetchTransitions.Request(
            session=self._session, first_sequence=first_sequence, max_count=FETCH_COUNT
        )
        if self._newest is not None:
            self._client.remove_pending_request(self._newest)
        self._newest = self._client.call_async(request)
        self._newest.add_done_callback(self._take)
        return True

    def _take_rows(self, future: Any) -> None:
        response = future.result()
        if future is self._newest and response is not None:
            rows = [row_of(message) for message in response.transitions]
            self._on_fetched(rows, response.last_sequence)
