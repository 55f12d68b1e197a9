"""How punctual the controller's 50 Hz tick is beside a learner, against a plain rclpy timer.

Side by side in one run, so that both see the same machine: the real controller node on the steady
clock, executing chunks; a plain rclpy node with a 50 Hz timer that does nothing but note the time;
a stand-in for arm and agent that keeps both supplied; and learner processes, one per core unless
asked otherwise, that update the networks at the sizes of the method on a robot.

Lateness is the time from a tick's deadline to its start. Each of the two knows its own deadlines:
the ticker's are absolute, rclpy hands over the expected time of every call. A deadline that was
left out counts until the next tick came, so that nobody looks better by ticking less often.
"""

import argparse
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

_RATE_HZ = 50.0
_WARM_UP_S = 3.0
_LONGEST_S = 55.0
"""The controller remembers the ticks of one minute."""
_TIMEOUT_S = 120.0
_PERCENTILES = {"p50": 50.0, "p99": 99.0, "p99_9": 99.9, "max": 100.0}


def _control(duration_s: float, fifo_priority: int) -> dict[str, Any]:
    """The real controller node; lateness of its ticks, ms."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor

    from tmrl_controller.process import punctual_controller
    from tmrl_controller.testing import CONFIG

    changes = {"max_arm_state_age_s": 2.0, "simulated_arm": True}
    given = vars(CONFIG) | changes | {"fifo_priority": fifo_priority}
    unset = ("joint_low_rad", "joint_high_rad", "max_joint_velocity_rad_s")
    unset += ("max_joint_acceleration_rad_s2",)
    arguments = ["--ros-args"]
    for name, value in given.items():
        if name not in unset:
            text = list(value) if isinstance(value, tuple) else json.dumps(value)
            arguments += ["-p", f"{name}:={text}"]
    rclpy.init(args=arguments)
    node = punctual_controller()
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    stopping = threading.Timer(_WARM_UP_S + duration_s, rclpy.try_shutdown)
    stopping.start()
    _spin(executor)
    node.ticker.stop()
    late_s = node.ticker.lateness.recent_s()[-round(duration_s * _RATE_HZ) :]
    steps = node.health()[1]["chunks_accepted"]
    return {
        "late_ms": (1e3 * late_s).tolist(),
        "scheduling": node.ticker.scheduling,
        "chunks": int(steps),
    }


def _time(duration_s: float, _fifo_priority: int) -> dict[str, Any]:
    """A plain rclpy timer; lateness of its calls, ms."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.timer import TimerInfo

    rclpy.init()
    node = rclpy.create_node("plain")
    late_ms: list[float] = []
    period_ns = round(1e9 / _RATE_HZ)
    last_ns: list[int] = []

    def tick(info: TimerInfo) -> None:
        now_ns, due_ns = node.get_clock().now().nanoseconds, info.expected_call_time.nanoseconds
        first_ns = last_ns.pop() + period_ns if last_ns else due_ns
        late_ms.extend((now_ns - ns) / 1e6 for ns in range(first_ns, due_ns + 1, period_ns))
        last_ns.append(due_ns)

    node.create_timer(1.0 / _RATE_HZ, tick)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    stopping = threading.Timer(_WARM_UP_S + duration_s, rclpy.try_shutdown)
    stopping.start()
    _spin(executor)
    return {"late_ms": late_ms[-round(duration_s * _RATE_HZ) :]}


def _spin(executor: Any) -> None:
    from rclpy.executors import ExternalShutdownException

    try:
        executor.spin()
    except ExternalShutdownException:
        return


def _supply(_duration_s: float, _fifo_priority: int) -> dict[str, Any]:
    """Arm and agent: a state every 20 ms, a chunk of 0.6 s every 0.8 s; until killed."""
    import rclpy
    from std_srvs.srv import Trigger

    from tmrl_controller.testing import CONFIG, action_chunk
    from tmrl_msgs import msg
    from tmrl_ros import qos
    from tmrl_ros.conversion import to_float32_field

    rclpy.init()
    node = rclpy.create_node("world")
    state_publisher = node.create_publisher(msg.ArmState, "arm/state", qos.STATE)
    chunk_publisher = node.create_publisher(msg.ActionChunk, "policy/chunk", qos.EVENT)
    resume = node.create_client(Trigger, "controller/resume")
    actions = np.zeros((CONFIG.horizon, CONFIG.action_dim), dtype=np.float32)
    sent = {"states": 0, "chunks": 0}
    resumed: list[bool] = []

    def measure() -> None:
        sent["states"] += 1
        state = msg.ArmState(robot=CONFIG.robot, sequence=sent["states"], gripper_command=1.0)
        position = state.x_base_tool.position
        position.x, position.y, position.z = 0.275, 0.0, 0.15
        state_publisher.publish(state)

    def propose() -> None:
        if not resumed:
            if resume.service_is_ready():
                resume.call_async(Trigger.Request()).add_done_callback(
                    lambda answer: resumed.extend([True] * answer.result().success)
                )
            return
        sent["chunks"] += 1
        chunk = action_chunk(sequence=sent["chunks"], arm_state_sequence=sent["states"])
        names = ("robot", "session", "episode", "chunk", "sequence", "agent_epoch", "horizon")
        names += ("arm_state_sequence", "action_space", "action_dim", "execute_steps", "sigma")
        message = msg.ActionChunk(**{name: getattr(chunk, name) for name in names})
        message.chunk, message.actions = sent["chunks"], to_float32_field(actions)
        chunk_publisher.publish(message)

    node.create_timer(1.0 / _RATE_HZ, measure)
    node.create_timer(0.8, propose)
    rclpy.spin(node)
    return {}


def _learn(_duration_s: float, _fifo_priority: int) -> dict[str, Any]:
    """Rounds of the learner at the sizes of the method on a robot; until killed."""
    import torch

    from tmrl_learner.algorithms.tmrl.agent import Batch, TmrlAgent
    from tmrl_learner.algorithms.tmrl.config import TmrlConfig
    from tmrl_learner.config import Sizes

    torch.set_num_threads(1)
    config = TmrlConfig(
        epsilon_head=True, actor_layers=3, critic_layers=3, critics=5, utd=20, hidden=512
    )
    sizes = Sizes(features=775, z=32, epsilon=2048)
    agent = TmrlAgent(config, sizes, seed=0, device="cpu")
    rows = (config.utd + 1) * config.batch_size
    widths = {"features": 775, "next_features": 775, "z": 32, "epsilon": 2048, "sigma": 1}
    batch: Batch = {name: torch.rand(rows, width) for name, width in widths.items()}
    batch |= {"reward": -torch.ones(rows, 1), "terminated": torch.zeros(rows, 1)}
    print("ready", flush=True)  # noqa: T201 - the parent waits for it
    while True:
        agent.update(batch)


_ROLES = {"control": _control, "time": _time, "supply": _supply, "learn": _learn}


def _start(stack: ExitStack, role: str, duration_s: float, priority: int) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, role, str(duration_s), str(priority)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


def _answer(process: subprocess.Popen[str], role: str) -> dict[str, Any]:
    output, _ = process.communicate(timeout=_TIMEOUT_S)
    if process.returncode != 0:
        raise RuntimeError(f"the process '{role}' ended with code {process.returncode}; see above")
    return json.loads(output)


def _figures(name: str, late_ms: Sequence[float]) -> dict[str, float]:
    return {
        f"{name}_{label}_ms": float(np.percentile(late_ms, percent))
        for label, percent in _PERCENTILES.items()
    }


def run(argv: list[str]) -> dict[str, Any]:
    """Measures; the ratio is the rclpy timer's p99 lateness over that of the controller's tick.

    Raises:
        RuntimeError: A process failed, or the controller executed nothing while it was measured.
    """
    import domain_coordinator

    parser = argparse.ArgumentParser(prog="./tmrl bench controller")
    cores = os.cpu_count() or 1
    parser.add_argument("--duration-s", type=float, default=45.0, help="measured (default: 45)")
    parser.add_argument("--learners", type=int, default=cores, help=f"processes (default: {cores})")
    parser.add_argument("--fifo-priority", type=int, default=50, help="0: normal scheduling")
    options = parser.parse_args(argv)
    if not 1.0 <= options.duration_s <= _LONGEST_S:
        parser.error(f"--duration-s is {options.duration_s}; it must lie in 1 to {_LONGEST_S}")
    given = (options.duration_s, options.fifo_priority)
    with ExitStack() as stack:
        os.environ["ROS_DOMAIN_ID"] = str(stack.enter_context(domain_coordinator.domain_id()))
        learners = [_start(stack, "learn", *given) for _ in range(options.learners)]
        for learner in learners:
            if learner.stdout is None or not learner.stdout.readline():
                raise RuntimeError("a learner ended before it learned anything; see above")
        _start(stack, "supply", *given)
        timer, controller = (_start(stack, role, *given) for role in ("time", "control"))
        measured, plain = _answer(controller, "control"), _answer(timer, "time")
        load = os.getloadavg()[0]
    if measured["chunks"] == 0:
        raise RuntimeError("the controller accepted no chunk, so its ticks had nothing to do")
    tick = _figures("tick", measured["late_ms"])
    usual = _figures("rclpy_timer", plain["late_ms"])
    return {
        "ratios": {"tick_p99_vs_rclpy_timer": usual["rclpy_timer_p99_ms"] / tick["tick_p99_ms"]},
        "figures": {
            **tick,
            **usual,
            "ticks": len(measured["late_ms"]),
            "timer_calls": len(plain["late_ms"]),
            "chunks": measured["chunks"],
            "learners": options.learners,
            "duration_s": options.duration_s,
            "load_average": load,
        },
        "scheduling": measured["scheduling"],
    }


if __name__ == "__main__":
    answer = _ROLES[sys.argv[1]](float(sys.argv[2]), int(sys.argv[3]))
    Path("/dev/stdout").write_text(json.dumps(answer), encoding="utf-8")
