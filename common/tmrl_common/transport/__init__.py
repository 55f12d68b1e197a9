"""ZeroMQ shells around `tmrl_common.protocol`: they move bytes, tell the time and decide nothing.

Needs pyzmq (the extra "transport").
"""

from tmrl_common.transport.client import PolicyClient
from tmrl_common.transport.curve import ClientSecurity, KeyPair, ServerSecurity
from tmrl_common.transport.server import Received, RouterSocket

__all__ = [
    "ClientSecurity",
    "KeyPair",
    "PolicyClient",
    "Received",
    "RouterSocket",
    "ServerSecurity",
]
