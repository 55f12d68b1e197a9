"""The floor under everything on ZeroMQ: a libzmq without known holes in its CURVE handshake."""

import zmq

from tmrl_common.errors import TransportError

OLDEST_LIBZMQ = (4, 3, 5)


def check_libzmq() -> None:
    """Refuses a libzmq that is too old.

    Raises:
        TransportError: Older ones have remotely exploitable faults (CVE-2019-13132,
            CVE-2020-15166) or lack the options used here.
    """
    found = zmq.zmq_version_info()
    if found < OLDEST_LIBZMQ:
        wanted = ".".join(map(str, OLDEST_LIBZMQ))
        raise TransportError(
            f"libzmq is {zmq.zmq_version()}; {wanted} or newer is needed: pip install -U pyzmq"
        )
