"""Our side of `bench_session`: the whole stack around the made-up arm, each part a process."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import domain_coordinator
import yaml
from session_servers import serving
from session_setting import CAMERAS, EXECUTE, FRAMES_HZ, HEIGHT, HORIZON, TIMEOUT_S, WIDTH, Run

_NS = 1e-9


def _write_rig(folder: Path, rate_hz: float, port: int, overlap_steps: int) -> Path:
    """A lab's own rig file: the shipped WidowX with every example replaced."""
    from tmrl_bringup.rig import load

    own: dict[str, Any] = {
        "arm.driver": "loopback",
        "controller.horizon": HORIZON,
        "controller.control_rate_hz": rate_hz,
        "controller.estop_file": str(folder / "estop"),
        "agent.execute_steps": EXECUTE[rate_hz],
        "agent.overlap_steps": overlap_steps,
        "operator.wait_for_learner": False,
        "operator.time_limit_s": 600.0,
        "learning.wandb": "disabled",
        "policy_server.endpoint": f"tcp://127.0.0.1:{port}",
    }
    rig = load("widowx").with_examples().with_overrides(own).as_dict()
    del rig["rig"]
    size = {"width_px": WIDTH, "height_px": HEIGHT, "rate_hz": FRAMES_HZ}
    rig["cameras"] = {name: {"serial": str(n), **size} for n, name in enumerate(CAMERAS)}
    path = folder / "bench.yaml"
    path.write_text(yaml.safe_dump(rig, sort_keys=False))
    return path


class _Listener:
    """Hears what reaches the arm, and asks the operator as a person would."""

    def __init__(self, domain: int) -> None:
        import rclpy

        from tmrl_msgs.msg import ActionChunk, ArmCommand, ChunkOutcome
        from tmrl_ros import qos
        from tmrl_ros.testing import NodeBench

        self._bench = NodeBench(domain, "listener", {}, TIMEOUT_S)
        self.close = self._bench.close
        self._node = self._bench.add(lambda: rclpy.create_node("listener", namespace="widowx"))
        self.setpoints_s: list[float] = []
        self.chunks_s: dict[int, float] = {}
        self.begun_s: dict[int, float] = {}
        listen, hold = self._node.create_subscription, ArmCommand.HOLD
        listen(ArmCommand, "arm/command", lambda m: self._on_command(m.mode == hold), qos.EVENT)
        listen(ActionChunk, "policy/chunk", self._on_chunk, qos.EVENT)
        listen(ChunkOutcome, "controller/outcome", self._on_outcome, qos.EVENT)

    def _on_command(self, is_hold: bool) -> None:  # noqa: FBT001
        if not is_hold:
            self.setpoints_s.append(time.time())

    def _on_chunk(self, message: Any) -> None:
        self.chunks_s[message.chunk] = time.time()

    def _on_outcome(self, message: Any) -> None:
        self.begun_s[message.chunk] = message.started.sec + _NS * message.started.nanosec

    def spin_until(self, condition: Callable[[], object], what: str) -> None:
        self._bench.until(condition, what)

    def ask(self, kind: Any, name: str, **fields: object) -> bool:
        client = self._node.create_client(kind, f"/widowx/operator/{name}")
        try:
            return self._bench.call(client, **fields).success
        finally:
            self._node.destroy_client(client)


def episode(think_s: float, rate_hz: float, seconds: float, overlap_steps: int = 0) -> Run:
    """One episode of the whole stack."""
    from tmrl_bringup.rig import load

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        domain = stack.enter_context(domain_coordinator.domain_id())
        port = stack.enter_context(serving("tmrl", think_s))
        rig, run_dir = _write_rig(folder, rate_hz, port, overlap_steps), folder / "run"
        parts = "parts:=arm,controller,agent,operator"
        _start(stack, domain, "tmrl_cli.cli", "up", str(rig), parts, f"run_dir:={run_dir}")
        for name in CAMERAS:
            file, given = folder / f"{name}.yaml", dict(load(str(rig)).parts[f"cameras.{name}"])
            file.write_text(yaml.safe_dump({"/**": {"ros__parameters": given}}))
            words = ["--ros-args", "-r", "__ns:=/widowx", "--params-file", str(file)]
            _start(stack, domain, "tmrl_camera.testing", *words)
        listener = _Listener(domain)
        stack.callback(listener.close)
        return _episode(listener, run_dir, think_s, seconds)


def _start(stack: ExitStack, domain: int, module: str, *words: str) -> None:
    environment = {**os.environ, "ROS_DOMAIN_ID": str(domain), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", module, *words], stdout=subprocess.DEVNULL, env=environment
    )
    stack.callback(process.wait, TIMEOUT_S)
    stack.callback(process.terminate)


def _episode(listener: _Listener, run_dir: Path, think_s: float, seconds: float) -> Run:
    from tmrl_agent.journal.reader import JournalReader
    from tmrl_msgs.msg import EpisodeOutcome
    from tmrl_msgs.srv import LabelEpisode, PersonRequest

    for name in ("start", "reset_done"):
        listener.spin_until(lambda n=name: listener.ask(PersonRequest, n), name)
    listener.spin_until(lambda: listener.begun_s, "the first chunk")
    end_s = time.monotonic() + seconds
    listener.spin_until(lambda: time.monotonic() > end_s, "the episode")
    listener.ask(LabelEpisode, "label", outcome=EpisodeOutcome.FAILURE, operator_name="bench")
    chunks = sorted(listener.begun_s)[:-1]
    with JournalReader(run_dir / "journal.sqlite", "widowx", "run") as journal:
        listener.spin_until(lambda: len(journal.numbers()) >= len(chunks), "the journal")
        stored = {each.chunk: each for each in journal.fetch(1, 256)}
    run = Run(setpoints_s=listener.setpoints_s)
    pieces = ("picture_to_request", "wire", "network", "chunk_to_setpoint")
    run.hops_s = {piece: [] for piece in pieces}
    # The first chunk begins on whatever the camera had seen before the episode; those that went out
    # before this listener was found by the agent are not judged.
    for chunk in filter(listener.chunks_s.__contains__, chunks[1:]):
        row, published_s = stored[chunk], listener.chunks_s[chunk]
        acted_s = next(t for t in listener.setpoints_s if t >= listener.begun_s[chunk])
        asked_s = published_s - row.round_trip_s
        seen_s = _NS * min(row.image_stamps_ns.values())
        run.continued += row.delay_steps > 0
        run.seen_to_act_s.append(acted_s - seen_s)
        spans = (asked_s - seen_s, row.round_trip_s - think_s, think_s, acted_s - published_s)
        for piece, span_s in zip(pieces, spans, strict=True):
            run.hops_s[piece].append(span_s)
    return run
