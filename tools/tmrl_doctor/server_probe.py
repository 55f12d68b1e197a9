"""Asks the policy server, or one that is started for the look where none runs yet."""

import contextlib
import dataclasses
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np

from tmrl_bringup.link import ServerLink, link_of
from tmrl_bringup.processes import server_argv
from tmrl_bringup.restarts import last_words
from tmrl_bringup.rig import Rig
from tmrl_bringup.supervisor import die_with_parent
from tmrl_common.errors import DeadlineExceededError, HandshakeRefusedError
from tmrl_common.ports import free_port
from tmrl_common.transport.client import PolicyClient
from tmrl_common.transport.curve import client_security
from tmrl_common.types import Observation, PolicySpec
from tmrl_doctor.port import listens, stranger
from tmrl_doctor.server import ServerSeen

_PINGS = 100
_ENCODES = 10
_IMAGE_PX = 224
_ANSWER_S = 3.0
_CALL_S = 10.0
LOAD_S = 240.0
"""Longest time without any news of a server that loads. A pi0 of 7 GB on a slow disk takes minutes,
and says how far it is."""


class NoServerError(Exception):
    """There is no server, and none could be started; the text says why."""


def look_at_server(
    rig: Rig, *, may_start: bool, on_news: Callable[[str], None] = lambda _: None
) -> ServerSeen:
    """Pings the server and lets it encode observations; its actor and its chunks are left alone.

    A server that listens already and does not answer is still loading: it is waited for. A second
    one beside it would need the same GPU's memory once more.

    Args:
        rig: Complete.
        may_start: Whether one may be started for this look, where it belongs on this machine.
        on_news: Is given what a server that loads says, such as "loading 42 %", when it changes.

    Raises:
        NoServerError: There is none; the text says why.
    """
    link = link_of(rig)
    try:
        return _ask(link, link.endpoint, _ANSWER_S)
    except (DeadlineExceededError, HandshakeRefusedError) as error:
        if other := stranger(link.endpoint):
            raise NoServerError(f"{link.endpoint}: {other}") from error
        if isinstance(error, HandshakeRefusedError):
            raise NoServerError(error.detail) from error
        if not (may_start and link.local):
            raise NoServerError(f"{link.endpoint}: {error.detail}") from error
    if listens(link.endpoint):

        def gone() -> str:
            ended = f"{link.endpoint} was listened on, and is no more; did the server end?"
            return "" if listens(link.endpoint) else ended

        return _ask_until_loaded(link, link.endpoint, gone, on_news)
    with _temporary_server(rig) as (link, process, log):

        def ended() -> str:
            return "" if process.poll() is None else f"it does not start: {last_words(log)}"

        return _ask_until_loaded(link, "started for this look", ended, on_news)


def _ask_until_loaded(
    link: ServerLink, where: str, ended: Callable[[], str], on_news: Callable[[str], None]
) -> ServerSeen:
    """Asks again and again, as long as the server gets further.

    Args:
        link: To the server.
        where: What is said of it.
        ended: Why it will not answer any more; empty while it may.
        on_news: Is given what it says.

    Raises:
        NoServerError: It ended, or nothing new was heard of it for too long.
    """
    ends_s, detail, news = time.monotonic() + LOAD_S, "", ""
    while time.monotonic() < ends_s:
        if reason := ended():
            raise NoServerError(reason)
        try:
            return _ask(link, where, _ANSWER_S)
        except DeadlineExceededError as error:
            detail = error.detail
            if error.loading != news:
                ends_s, news = time.monotonic() + LOAD_S, error.loading
                on_news(news)
    raise NoServerError(f"{link.endpoint} listens and got no further in {LOAD_S:g} s: {detail}")


def _ask(link: ServerLink, where: str, answer_s: float) -> ServerSeen:
    security = client_security(**link.key_files)
    with PolicyClient(link.endpoint, client="doctor", robot="doctor", security=security) as client:
        spec = client.connect(deadline_s=answer_s).spec
        observation = _nothing_to_see(spec)
        client.encode(observation, deadline_s=_CALL_S)
        pings_s = [_timed(lambda: client.ping(deadline_s=_CALL_S)) for _ in range(_PINGS)]
        encodes_s = [
            _timed(lambda: client.encode(observation, deadline_s=_CALL_S)) for _ in range(_ENCODES)
        ]
    return ServerSeen(where, spec, tuple(pings_s), tuple(encodes_s))


def _timed(call: Callable[[], object]) -> float:
    start_s = time.perf_counter()
    call()
    return time.perf_counter() - start_s


def _nothing_to_see(spec: PolicySpec) -> Observation:
    grey = np.full((_IMAGE_PX, _IMAGE_PX, 3), 128, dtype=np.uint8)
    return Observation(
        proprio=np.zeros(spec.proprio_dim, dtype=np.float32),
        context=np.zeros(spec.context_dim, dtype=np.float32),
        images=dict.fromkeys(spec.cameras, grey),
        prompt="doctor" if spec.cameras else "",
    )


@contextlib.contextmanager
def _temporary_server(
    rig: Rig,
) -> "Generator[tuple[ServerLink, subprocess.Popen[bytes], Path]]":
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    there = rig.with_overrides({"policy_server.endpoint": endpoint, "policy_server.bind": endpoint})
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "policy_server.log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                server_argv(there), stdout=output, stderr=output, preexec_fn=die_with_parent
            )
        try:
            yield dataclasses.replace(link_of(rig), endpoint=endpoint), process, log
        finally:
            process.terminate()
            try:
                process.wait(timeout=5.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
