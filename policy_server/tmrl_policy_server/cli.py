"""Command line of the policy server: `python -m tmrl_policy_server --checkpoint DIR`."""

import argparse
import dataclasses
import logging
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import torch

from tmrl_common.clock import SteadyClock
from tmrl_common.closeable import Closeable
from tmrl_common.config import attribute_texts, build_config, nearest_name
from tmrl_common.errors import ConfigError, TransportError
from tmrl_common.transport import RouterSocket, ServerSecurity
from tmrl_common.transport.curve import server_security
from tmrl_policies.checkpoint import CheckpointError
from tmrl_policies.pi0.inputs.settings import Pi0Settings
from tmrl_policy_server.accelerator import (
    AcceleratorFailedError,
    AcceleratorMemoryError,
    explained,
)
from tmrl_policy_server.config import EngineConfig, InferencePlace, ServerConfig, assigned
from tmrl_policy_server.door import LoadingDoor
from tmrl_policy_server.engine import Engine
from tmrl_policy_server.front_ends import FrontEnds
from tmrl_policy_server.inference import Inference, InlineInference, ThreadInference
from tmrl_policy_server.loading import is_pi0, load_policy
from tmrl_policy_server.server import PolicyServer
from tmrl_policy_server.start_progress import StartProgress

EXIT_CANNOT_START = 2
EXIT_GPU_FAILED = 3
"""A supervisor starts the server again; where it cannot start, that would not help."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until SIGINT or SIGTERM.

    Returns:
        0 after a clean end, 2 where the server cannot start, 3 after the GPU failed; the reason is
        on standard error.
    """
    logging.basicConfig(level=logging.INFO, format="policy_server: %(message)s")
    try:
        serve(parse(sys.argv[1:] if arguments is None else arguments))
    except (ConfigError, TransportError, CheckpointError, AcceleratorMemoryError) as error:
        logging.getLogger(__name__).error("%s", error)
        return EXIT_CANNOT_START
    except AcceleratorFailedError as error:
        logging.getLogger(__name__).error("%s", error)
        return EXIT_GPU_FAILED
    return 0


class Settings(NamedTuple):
    """How a server is configured.

    Attributes:
        server: Where it listens and what it serves.
        engine: How steering is picked.
        pi0: Values of `Pi0Settings` by name; read only where the checkpoint is a pi0.
    """

    server: ServerConfig
    engine: EngineConfig
    pi0: Mapping[str, Any]


_CONFIGS = (ServerConfig, EngineConfig, Pi0Settings)


def parse(arguments: Sequence[str]) -> Settings:
    """Reads a command line; every setting has an option of its name.

    Raises:
        ConfigError: A setting is unknown, missing or out of range.
    """
    parser = argparse.ArgumentParser(
        prog="python -m tmrl_policy_server",
        description="Serves a frozen policy and the steering actor in front of it.",
        allow_abbrev=False,
    )
    for config_class in _CONFIGS:
        texts = attribute_texts(config_class)
        for field in dataclasses.fields(config_class):
            option = "--" + field.name.replace("_", "-")
            has_default = field.default not in (dataclasses.MISSING, "")
            default = f" Default: {field.default}." if has_default else ""
            parser.add_argument(
                option, metavar="VALUE", help=texts[field.name].replace("%", "%%") + default
            )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="assignments",
        help="Any of the settings above by its name; may be given several times.",
    )
    known, unknown = parser.parse_known_args(arguments)
    if unknown:
        # Through the same door as everything unknown, to suggest the nearest name.
        return _configs({unknown[0].lstrip("-").partition("=")[0].replace("-", "_"): ""})
    given = vars(known)
    assignments: list[str] = given.pop("assignments")
    values = {name: value for name, value in given.items() if value is not None}
    values.update(assigned(assignment) for assignment in assignments)
    return _configs(values)


def serve(settings: Settings) -> None:
    """Listens, loads, warms up, says that it is ready, and serves until a signal comes.

    Raises:
        TransportError: The endpoint is taken, or reachable from elsewhere without keys.
        CheckpointError: The policy cannot be loaded.
        ConfigError: Policy and configuration do not fit each other.
        AcceleratorMemoryError: The GPU has not enough memory for the policy.
        AcceleratorFailedError: The GPU failed.
    """
    config = settings.server
    torch.set_num_threads(config.threads)
    with ExitStack() as stack:
        signals = stack.enter_context(_Signals())
        # Bound first: a port in use is known at once, and clients hear how far the start is.
        socket = stack.enter_context(RouterSocket(config.bind, _security(config)))
        doors = stack.enter_context(FrontEnds(config))
        with StartProgress() as progress, LoadingDoor(socket, lambda: progress.sentence):
            inference = _start_inference(settings, socket, progress)
        stack.callback(inference.close)
        peers, meter = doors.open(inference, socket.wake)
        server = PolicyServer(inference, socket, config.limits, local_peers=peers, meter=meter)
        signals.note()
        logging.getLogger(__name__).info(
            "ready on %s, policy %s",
            socket.endpoint,
            inference.spec.policy_version[:12],
        )
        server.run(signals.came)


def _start_inference(
    settings: Settings, socket: RouterSocket, progress: StartProgress
) -> Inference:
    """Loads the policy and warms it up, in the thread that will run it."""
    config = settings.server
    folder = Path(config.checkpoint)

    def make() -> Engine:
        torch.set_num_threads(config.threads)
        transform = settings.engine.action_transform
        with explained():
            policy = load_policy(folder, transform, settings.pi0, config.max_batch, progress.loaded)
            engine = Engine(policy, settings.engine)
            progress.warms_up()
            engine.warm_up(config.max_batch)
        return engine

    threaded = config.inference is InferencePlace.THREAD
    if threaded or (config.inference is InferencePlace.AUTO and is_pi0(folder)):
        return ThreadInference(make, SteadyClock(), socket.wake)
    return InlineInference(make(), SteadyClock())


class _Signals(Closeable):
    """What SIGINT and SIGTERM do: at first they end the process at once, as loading may take long.

    No chunk has been made yet, and nothing needs to be put back. A context manager, which in the
    end restores what they did before.
    """

    def __init__(self) -> None:
        self._came = False
        self._before = {
            number: signal.signal(number, signal.SIG_DFL)
            for number in (signal.SIGINT, signal.SIGTERM)
        }

    def note(self) -> None:
        """From now on they are only remembered, and whoever serves ends in order."""
        for number in self._before:
            signal.signal(number, self._note)

    def came(self) -> bool:
        """Whether one has come since."""
        return self._came

    def close(self) -> None:
        """What they did before they do again."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._came = True


def _security(config: ServerConfig) -> ServerSecurity | None:
    if not config.secret_key:
        return None
    try:
        return server_security(Path(config.secret_key), Path(config.allowed_keys))
    except ValueError as error:
        raise ConfigError(f"{config.allowed_keys}: {error}") from error


def _configs(values: Mapping[str, Any]) -> Settings:
    names = [[field.name for field in dataclasses.fields(each)] for each in _CONFIGS]
    known = [name for each in names for name in each]
    for name in values:
        if name not in known:
            raise ConfigError(f"unknown setting '{name}'. {nearest_name(name, known)}")
    server, engine, pi0 = ({n: values[n] for n in each if n in values} for each in names)
    return Settings(build_config(ServerConfig, server), build_config(EngineConfig, engine), pi0)
