"""A policy server without a policy, for the tests of those who call one."""

import threading

import numpy as np

from tmrl_common.clock import SteadyClock
from tmrl_common.closeable import Closeable
from tmrl_common.errors import DecodeError, RequestError
from tmrl_common.messages import Act, ChunkReply, Encode, Features, Reply, Swap, Swapped, Timings
from tmrl_common.protocol import Admitted, ServerIdentity, ServerProtocol, ServerSettings
from tmrl_common.transport.curve import ServerSecurity
from tmrl_common.transport.server import RouterSocket
from tmrl_common.types import FloatArray, PolicySpec, Steering

_POLL_S = 0.02
_MOST_MESSAGES = 64


class FakePolicyServer(Closeable):
    """Speaks the real protocol on a real socket; its chunks are zeros. Use as a context manager.

    Attributes:
        endpoint: Where it listens.
        requests: Every act, encode and swap that it answered, oldest first.
        fail_with: While set, every request is answered with this error instead.
        hangs: While set, requests are taken in and never answered; pings are.
    """

    def __init__(
        self,
        spec: PolicySpec,
        endpoint: str = "tcp://127.0.0.1:*",
        security: ServerSecurity | None = None,
        *,
        hangs: bool = False,
    ) -> None:
        """Listens and answers from a thread of its own."""
        self.hangs = hangs
        self.requests: list[Act | Encode | Swap] = []
        self.fail_with: RequestError | None = None
        self._spec = spec
        self._clock = SteadyClock()
        self._closing = threading.Event()
        # An epoch need only differ between two lives of a server.
        epoch = f"fake-{self._clock.now_s()}"
        identity = ServerIdentity("FakePolicyServer", epoch, spec)
        self._protocol = ServerProtocol(identity, ServerSettings(), self._clock.now_s())
        self._socket = RouterSocket(endpoint, security)
        self.endpoint = self._socket.endpoint
        self._thread = threading.Thread(target=self._run, name="fake-policy-server", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops listening."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        with self._socket:
            while not self._closing.is_set():
                for received in self._socket.receive(_POLL_S, _MOST_MESSAGES):
                    peer, request_id, content, owner = received
                    if isinstance(content, DecodeError):
                        self._protocol.receive_undecodable(peer, content)
                    else:
                        now_s = self._clock.now_s()
                        self._protocol.receive(peer, request_id, content, now_s, owner)
                for admitted in self._protocol.take_work(self._clock.now_s()):
                    self._work(admitted)
                for answer in self._protocol.take_answers():
                    self._socket.send(*answer)

    def _work(self, admitted: Admitted) -> None:
        self.requests.append(admitted.request)
        if self.hangs:
            return
        if self.fail_with is not None:
            error = self.fail_with
            self._protocol.refuse(admitted.peer, admitted.request_id, error.code, error.detail)
            return
        reply = self._reply_to(admitted.request)
        self._protocol.answer(admitted.peer, admitted.request_id, reply)

    def _reply_to(self, request: Act | Encode | Swap) -> Reply:
        if isinstance(request, Swap):
            self._protocol.actor_version = request.version
            return Swapped(request.version)
        features = np.zeros(self._spec.features_dim, dtype=np.float32)
        if isinstance(request, Encode):
            return Features(features, self._spec.policy_version)
        return self._chunk_for(request, features)

    def _chunk_for(self, request: Act, features: FloatArray) -> ChunkReply:
        nothing = np.zeros(0, dtype=np.float32)
        z = np.zeros(self._spec.z_dim, dtype=np.float32)
        self._protocol.chunks_served += 1
        return ChunkReply(
            actions=np.zeros((self._spec.horizon, self._spec.action_dim), dtype=np.float32),
            steering=request.explicit or Steering(request.source, z, 0.0, nothing),
            features=features,
            policy_version=self._spec.policy_version,
            actor_version=self._protocol.actor_version,
            seed=request.seed,
            timings=Timings(0.0, 0.0, 0.0, 0.0, 0.0),
        )
