"""The errors that the parts raise: one root, split by who erred.

`LocalError`: this side asked for something that cannot be. `RemoteError`: the peer or the network
failed; it carries a code, which travels on the wire.
"""

from enum import StrEnum


class ErrorCode(StrEnum):
    """Why a request was not answered. The values travel on the wire and never change meaning."""

    UNSUPPORTED_VERSION = "unsupported_version"
    UNKNOWN_KIND = "unknown_kind"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    NO_HANDSHAKE = "no_handshake"
    LOADING = "loading"
    SPEC_MISMATCH = "spec_mismatch"
    WRONG_ROBOT = "wrong_robot"
    KEYS_REFUSED = "keys_refused"
    BAD_REQUEST = "bad_request"
    DEADLINE_EXPIRED = "deadline_expired"
    SUPERSEDED = "superseded"
    OVERLOADED = "overloaded"
    NO_ACTOR = "no_actor"
    ACTOR_REFUSED = "actor_refused"
    NOT_FINITE = "not_finite"
    INTERNAL = "internal"

    @property
    def sentence(self) -> str:
        """What the code means, for a reader who sees only the code."""
        return _SENTENCES[self]


_SENTENCES = {
    ErrorCode.UNSUPPORTED_VERSION: "The two sides speak different versions of the protocol.",
    ErrorCode.UNKNOWN_KIND: "The message is of a kind that the receiver does not know.",
    ErrorCode.MALFORMED: "The message does not follow the format.",
    ErrorCode.TOO_LARGE: "The message exceeds the receiver's size limit.",
    ErrorCode.NO_HANDSHAKE: "The connection has not been greeted yet; send hello first.",
    ErrorCode.LOADING: "The server still loads its policy; it answers once that is ready.",
    ErrorCode.SPEC_MISMATCH: "The policy served is not the one that the robot expects.",
    ErrorCode.WRONG_ROBOT: "The key of this machine is that of another robot.",
    ErrorCode.KEYS_REFUSED: "The keys of the two sides do not fit.",
    ErrorCode.BAD_REQUEST: "The request's values do not fit the policy served.",
    ErrorCode.DEADLINE_EXPIRED: "The deadline passed before there was an answer.",
    ErrorCode.SUPERSEDED: "A newer request of the same client took its place.",
    ErrorCode.OVERLOADED: "The server already holds as much work as it accepts.",
    ErrorCode.NO_ACTOR: "No steering actor has been handed to the server yet.",
    ErrorCode.ACTOR_REFUSED: "The steering actor failed a check; the previous one keeps serving.",
    ErrorCode.NOT_FINITE: "The policy produced a number that is not finite.",
    ErrorCode.INTERNAL: "The server failed in a way that it does not know; its log has the cause.",
}


class TmrlError(Exception):
    """Root of every error that this software raises on purpose."""


class LocalError(TmrlError):
    """This side erred: a value, a configuration or a call that cannot be."""


class ConfigError(LocalError, ValueError):
    """A configuration names something unknown or holds a value out of range."""


class EncodeError(LocalError):
    """A message holds what the format cannot carry."""


class ClientBusyError(LocalError):
    """More requests are in flight than a client may have."""


class ClientClosedError(LocalError):
    """The client was closed, or its thread died, before the answer came."""


class TransportError(LocalError):
    """A socket cannot be opened as asked; the message names the endpoint and the remedy."""


class RemoteError(TmrlError):
    """The peer or the network failed.

    Attributes:
        code: Machine-readable reason.
        detail: What exactly happened, one sentence.
    """

    def __init__(self, code: ErrorCode, detail: str) -> None:
        """Joins code and detail into the error's text."""
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class DecodeError(RemoteError):
    """The peer sent bytes that are not a message.

    Attributes:
        request_id: Of the message, or 0 where it could not be read.
    """

    def __init__(self, code: ErrorCode, detail: str, request_id: int = 0) -> None:
        """Remembers to which request the peer expects the answer."""
        super().__init__(code, detail)
        self.request_id = request_id


class RequestError(RemoteError):
    """The server answered a request with an error."""


class HandshakeRefusedError(RemoteError):
    """The two sides do not fit; the detail names every difference."""


class DeadlineExceededError(RemoteError):
    """No answer came in time; the detail says whether the server was ever reached.

    Attributes:
        loading: What a server that is not ready yet says it does, such as "loading 42 %"; empty
            where it said nothing.
    """

    def __init__(self, detail: str, loading: str = "") -> None:
        """Takes what is known about the server at the deadline."""
        super().__init__(ErrorCode.DEADLINE_EXPIRED, detail)
        self.loading = loading
