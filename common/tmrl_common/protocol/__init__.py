"""Both ends of the conversation as state machines without sockets, threads or clocks of their own.

The shells in `tmrl_common.transport` move bytes and tell the time; everything that decides is here.
"""

from tmrl_common.protocol.client import ClientProtocol, ClientSettings, ClientState
from tmrl_common.protocol.handshake import mismatches
from tmrl_common.protocol.server import Admitted, ServerIdentity, ServerProtocol, ServerSettings

__all__ = [
    "Admitted",
    "ClientProtocol",
    "ClientSettings",
    "ClientState",
    "ServerIdentity",
    "ServerProtocol",
    "ServerSettings",
    "mismatches",
]
