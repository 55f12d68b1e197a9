import hashlib
import subprocess
import sys
import threading
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from safetensors.torch import save as encode_tensors

from tmrl_common.messages import ActorSpec, Swap
from tmrl_common.ports import free_port
from tmrl_common.types import Observation
from tmrl_policies.flow_checkpoint import save_flow_policy
from tmrl_policies.flow_policy import FlowPolicy, FlowPolicyConfig, PolicyBatch
from tmrl_policies.flow_served import ServedFlowPolicy
from tmrl_policies.steering import SteeringActor, SteeringActorConfig
from tmrl_policy_server.config import EngineConfig
from tmrl_policy_server.engine import Engine

PROPRIO, CONTEXT, HORIZON = 5, 4, 8
PATIENCE_S = 60.0
START_S = 300.0
"""For what hangs: on a busy machine torch alone takes a minute to be imported."""


class ServerProcess:
    """`python -m tmrl_policy_server`, with its log lines."""

    def __init__(self, *arguments):
        command = [sys.executable, "-m", "tmrl_policy_server", *map(str, arguments)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.lines = []
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self._reader.join()
        self.process.stderr.close()

    def _read(self):
        for line in self.process.stderr:
            self.lines.append(line)
            if "ready on tcp://" in line:
                self._ready.set()

    def wait_until_ready(self):
        assert self._ready.wait(START_S), self.lines
        return self

    def wait_for_end(self):
        code = self.process.wait(PATIENCE_S)
        self._reader.join()
        return code


@pytest.fixture(scope="session")
def server_process():
    """The class of server processes, which tests cannot import from here."""
    return ServerProcess


@pytest.fixture(scope="session")
def both_wires(server_process):
    """Serves a checkpoint over ZeroMQ and openpi's websocket: a context of endpoint and port."""

    @contextmanager
    def serve(checkpoint, *options):
        endpoint, port = f"tcp://127.0.0.1:{free_port()}", free_port()
        doors = ("--bind", endpoint, "--websocket-bind", f"127.0.0.1:{port}")
        command = ("--checkpoint", checkpoint, "--device", "cpu", *doors, *options)
        with server_process(*command) as server:
            server.wait_until_ready()
            yield endpoint, port

    return serve


@pytest.fixture
def endpoint():
    return f"tcp://127.0.0.1:{free_port()}"


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def make_policy():
    """Makes an untrained policy whose actions nevertheless depend on everything it is given."""

    def make(**config):
        torch.manual_seed(0)
        policy = FlowPolicy(
            FlowPolicyConfig(
                proprio_dim=PROPRIO,
                context_dim=CONTEXT,
                horizon=HORIZON,
                hidden=16,
                blocks=1,
                **config,
            )
        )
        data = PolicyBatch(
            3.0 + torch.randn(64, PROPRIO),
            5.0 * torch.randn(64, CONTEXT),
            torch.randn(64, HORIZON, 4),
        )
        policy.fit_normalisers(data)
        for layer in (policy.modulate, policy.network.chunk_out):
            torch.nn.init.normal_(layer.weight, std=0.3)
        return policy.eval().requires_grad_(requires_grad=False)

    return make


@pytest.fixture
def make_engine(make_policy):
    def make(policy=None, **config):
        settings = EngineConfig(**config)
        served = ServedFlowPolicy(policy or make_policy(), "version-1", settings.action_transform)
        return Engine(served, settings)

    return make


@pytest.fixture
def checkpoint(make_policy, tmp_path):
    folder = tmp_path / "checkpoint"
    save_flow_policy(folder, make_policy(), {"made_by": "a test"})
    return folder


@pytest.fixture
def observation():
    return Observation(
        np.linspace(2.0, 4.0, PROPRIO, dtype=np.float32),
        np.linspace(-5.0, 5.0, CONTEXT, dtype=np.float32),
    )


@pytest.fixture
def make_swap():
    """Makes a swap with random weights; keywords replace fields of its specification."""

    def make(version, spoil=None, **changes):
        values = {
            "features_dim": PROPRIO + CONTEXT,
            "z_dim": 4,
            "epsilon_dim": 0,
            "sigma_head": True,
            "hidden": 16,
            "layers": 2,
            "log_std_min": -5.0,
            "log_std_max": 2.0,
            "sigma_levels": 0,
        }
        bounds = {"z_bound": 2.0, "sigma_max": 1.0, "epsilon_bound": 2.0}
        shape = {name: changes.get(name, value) for name, value in values.items()}
        torch.manual_seed(version)
        tensors = SteeringActor(SteeringActorConfig(**shape)).state_dict()
        if spoil is not None:
            spoil(tensors)
        weights = encode_tensors(tensors)
        spec = ActorSpec(**{**values, **bounds, **changes})
        sha256 = hashlib.sha256(weights).hexdigest()
        return Swap(version, sha256, spec, np.frombuffer(weights, dtype=np.uint8))

    return make
