"""The door for clients of openpi: its websocket protocol in front of the same server.

On connecting a client gets the metadata; then every message is an observation and every answer a
chunk, or, as text, one sentence that says what was wrong. After such a sentence the connection
stays open. `/healthz` answers over plain HTTP.
"""

import asyncio
import hmac
import logging
import math
import socket
import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future
from http import HTTPStatus
from pathlib import Path

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tmrl_common.errors import DecodeError, ErrorCode, RemoteError, RequestError, TransportError
from tmrl_common.messages import (
    Act,
    ChunkReply,
    ErrorReply,
    Hello,
    Message,
    PolicyExpectation,
    Welcome,
)
from tmrl_common.transport.curve import is_local
from tmrl_policy_server.local_peers import LocalPeers
from tmrl_policy_server.openpi_codec import MAX_BYTES, pack_openpi, unpack_openpi
from tmrl_policy_server.openpi_dialect import OpenpiDialect

_log = logging.getLogger(__name__)

_HUNG_AFTER_S = 10.0
_FEWEST_KEY_CHARACTERS = 16
_GREETING_WITHIN_S = 10.0


def read_api_keys(path: Path) -> frozenset[str]:
    """Reads API keys, one a line; lines that start with # are comments.

    Raises:
        TransportError: The file is absent, holds no key, or one that could be guessed.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise TransportError(f"key file {path} cannot be read: {error.strerror}") from error
    keys = frozenset(line.strip() for line in lines if line.strip() and not line.startswith("#"))
    if not keys:
        raise TransportError(f"{path} holds no API key; write one a line")
    for key in keys:
        if len(key) < _FEWEST_KEY_CHARACTERS:
            raise TransportError(
                f"{path} holds an API key of {len(key)} characters, which can be guessed; use at "
                f"least {_FEWEST_KEY_CHARACTERS}, such as those of: openssl rand -hex 32"
            )
    return keys


def reserve(bind: str, keys: Collection[str]) -> socket.socket:
    """Takes an address without listening yet: until the server is ready, clients are refused.

    Args:
        bind: HOST:PORT.
        keys: API keys that clients must show; may be empty on this machine only.

    Raises:
        TransportError: The address is taken, impossible, or reachable without keys.
    """
    host, separator, port = bind.rpartition(":")
    if not separator or not host or not port.isdecimal():
        raise TransportError(f"websocket_bind is '{bind}'; it must be HOST:PORT")
    if not is_local(f"tcp://{bind}") and not keys:
        raise TransportError(
            f"websocket clients on {bind} could come from other machines and no API keys are "
            "given; listen on 127.0.0.1, or name a file of keys with websocket_keys"
        )
    reserved = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        reserved.bind((host.strip("[]"), int(port)))
    except (OSError, OverflowError) as error:
        reserved.close()
        raise TransportError(f"cannot listen on {bind} for websocket clients: {error}") from error
    return reserved


class WebsocketFront:
    """Serves websocket clients from a thread of its own.

    Attributes:
        address: Where it listens, (host, port).
    """

    def __init__(
        self,
        reserved: socket.socket,
        peers: LocalPeers,
        dialect: OpenpiDialect,
        busy_s: Callable[[], float],
        *,
        keys: Collection[str] = (),
        max_clients: int = 64,
        deadline_s: float = 10.0,
    ) -> None:
        """Listens and serves.

        Args:
            reserved: From `reserve`; closed with the front.
            peers: The way to the server.
            dialect: Translates.
            busy_s: How long the inference in progress has been running, for `/healthz`.
            keys: API keys of which a client must show one; empty asks for none.
            max_clients: Most connections.
            deadline_s: Longest time that a request may take.

        Raises:
            TransportError: The address was taken in the meantime.
        """
        self.address: tuple[str, int] = reserved.getsockname()[:2]
        self._socket = reserved
        self._peers = peers
        self._dialect = dialect
        self._busy_s = busy_s
        self._keys = tuple(keys)
        self._max_clients = max_clients
        self._deadline_s = deadline_s
        self._clients = 0
        self._started: Future[asyncio.AbstractEventLoop] = Future()
        self._closing = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="websocket", daemon=True)
        self._thread.start()
        self._loop = self._started.result()

    def close(self) -> None:
        """Closes every connection and stops listening."""
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            self._started.set_exception(
                TransportError(f"cannot listen on {self.address} for websocket clients: {error}")
            )
        except BaseException as error:  # noqa: BLE001 - raised where the start is waited for
            self._started.set_exception(error)

    async def _serve(self) -> None:
        server = serve(
            self._converse,
            sock=self._socket,
            compression=None,
            max_size=MAX_BYTES,
            max_queue=1,
            origins=[None],  # Browsers name one; no page may talk to the server on its machine.
            process_request=self._check,
        )
        async with server:
            self._started.set_result(asyncio.get_running_loop())
            await self._closing.wait()

    def _check(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answers plain HTTP, and turns away who may not connect; None lets in."""
        if request.path == "/healthz":
            busy_s = self._busy_s()
            if busy_s < _HUNG_AFTER_S:
                return connection.respond(HTTPStatus.OK, "OK\n")
            sentence = f"the inference in progress has been running for {busy_s:.0f} s\n"
            if math.isinf(busy_s):
                sentence = "the GPU has failed, and the server ends\n"
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, sentence)
        if self._keys and not self._shows_key(request):
            sentence = "show an API key of the server's file: Authorization: Api-Key KEY\n"
            return connection.respond(HTTPStatus.UNAUTHORIZED, sentence)
        if self._clients >= self._max_clients:
            sentence = f"{self._clients} clients are connected, which is the most\n"
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, sentence)
        return None

    def _shows_key(self, request: Request) -> bool:
        scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
        matches = [hmac.compare_digest(shown.encode(), key.encode()) for key in self._keys]
        return scheme == "Api-Key" and any(matches)

    async def _converse(self, connection: ServerConnection) -> None:
        caller = _Caller(self._peers)
        self._clients += 1
        try:
            welcome = await caller.greet()
            await connection.send(pack_openpi(self._dialect.metadata(welcome)))
            async for message in connection:
                await connection.send(await self._answer(caller, message))
        except ConnectionClosed:
            _log.info("a websocket client went without a word")
        finally:
            self._clients -= 1
            caller.close()

    async def _answer(self, caller: "_Caller", message: str | bytes) -> str | bytes:
        """A chunk, or a sentence that says why there is none."""
        try:
            if isinstance(message, str):
                detail = "the message is text; an observation is binary, as openpi-client sends it"
                raise DecodeError(ErrorCode.MALFORMED, detail)
            request = self._dialect.request(unpack_openpi(message))
            reply = await caller.ask(request, self._deadline_s)
            return pack_openpi(self._dialect.answer(request, reply))
        except TimeoutError:
            return (
                f"{ErrorCode.DEADLINE_EXPIRED}: there was no chunk within {self._deadline_s} s; "
                f"the inference in progress has been running for {self._busy_s():.1f} s"
            )
        except RemoteError as error:
            return str(error)
        except Exception:  # noqa: BLE001 - the edge of the process: logged, answered, not hidden
            _log.exception("a websocket request failed in a way that is not foreseen")
            return f"{ErrorCode.INTERNAL}: {ErrorCode.INTERNAL.sentence}"


class _Caller:
    """One connection as a peer of the server; one request at a time."""

    def __init__(self, peers: LocalPeers) -> None:
        self._peers = peers
        self._loop = asyncio.get_running_loop()
        self._peer = peers.join(self._deliver)
        self._newest_id = 0
        self._answer: asyncio.Future[Message] = self._loop.create_future()

    async def greet(self) -> Welcome:
        """Say hello as a client that takes any policy."""
        hello = Hello("openpi client", "websocket", PolicyExpectation())
        answer = await self._send(hello, _GREETING_WITHIN_S)
        if not isinstance(answer, Welcome):
            raise TypeError(f"the server greeted a websocket client with {type(answer).__name__}")
        return answer

    async def ask(self, request: Act, deadline_s: float) -> ChunkReply:
        """Has a chunk made.

        Raises:
            RequestError: The server answered with an error.
            TimeoutError: There was no answer in time.
        """
        answer = await self._send(request, deadline_s)
        if isinstance(answer, ErrorReply) and answer.code is ErrorCode.NO_HANDSHAKE:
            # Many others greeted since, and this one was forgotten.
            await self.greet()
            answer = await self._send(request, deadline_s)
        if isinstance(answer, ErrorReply):
            raise RequestError(answer.code, answer.message)
        if not isinstance(answer, ChunkReply):
            raise TypeError(f"the server answered an act with {type(answer).__name__}")
        return answer

    def close(self) -> None:
        """Leaves."""
        self._peers.leave(self._peer)

    async def _send(self, request: Message, deadline_s: float) -> Message:
        self._newest_id += 1
        self._answer = self._loop.create_future()
        self._peers.ask(self._peer, self._newest_id, request)
        return await asyncio.wait_for(self._answer, deadline_s)

    def _deliver(self, request_id: int, message: Message) -> None:
        """Called in the server's thread."""
        self._loop.call_soon_threadsafe(self._resolve, request_id, message)

    def _resolve(self, request_id: int, message: Message) -> None:
        if request_id == self._newest_id and not self._answer.done():
            self._answer.set_result(message)
