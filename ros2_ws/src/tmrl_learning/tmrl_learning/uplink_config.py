"""Parameters of the uplink node."""

from dataclasses import dataclass
from typing import Annotated

from tmrl_common.constraints import NotEmpty, Range, check_fields


@dataclass(frozen=True)
class UplinkConfig:
    """How the robot's machine reaches a learner on another one.

    Attributes:
        robot: Name of the arm.
        session: Identifier of the fine-tuning run.
        server: Endpoint of the policy server, through whose door the learner is reached.
        client_key: File with this machine's secret CURVE key.
        server_key: File with the server's public key; goes with client_key.
        deadline_s: Longest wait for an answer of the policy server.
    """

    robot: Annotated[str, NotEmpty("widowx")]
    session: Annotated[str, NotEmpty("monday")]
    server: Annotated[str, NotEmpty("tcp://192.168.1.20:5760")]
    client_key: str = ""
    server_key: str = ""
    deadline_s: Annotated[float, Range(0.0, 60.0, above=True)] = 5.0

    def __post_init__(self) -> None:
        """Refuses what could not work.

        Raises:
            ValueError: Names the value and the valid ones.
        """
        check_fields(self)
