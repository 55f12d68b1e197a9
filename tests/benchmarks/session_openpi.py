"""The other side of `bench_session`: openpi's runtime around the same made-up arm."""

import threading
import time
from typing import Any

import numpy as np
from session_servers import serving
from session_setting import CAMERAS, EXECUTE, FRAMES_HZ, HEIGHT, SENT_PX, TIMEOUT_S, WIDTH, Run

from tmrl_common.testing.waiting import wait_until


class _Cell:
    """openpi's environment: two cameras in a thread, the made-up arm; what it does is noted."""

    def __init__(self, run: Run, steps: int, rate_hz: float) -> None:
        from tmrl_arm.loopback import LoopbackArm, LoopbackConfig
        from tmrl_common.clock import SteadyClock

        self._run, self._steps, self._period_s = run, steps, 1.0 / rate_hz
        self._execute = EXECUTE[rate_hz]
        self._arm = LoopbackArm(LoopbackConfig(), SteadyClock())
        self._arm.connect()
        self._done = 0
        self._seen_s = 0.0
        self._frames: dict[str, tuple[float, Any]] = {}
        self._stop = threading.Event()
        self._film = threading.Thread(target=self._take_pictures)
        self._film.start()
        wait_until(lambda: len(self._frames) == len(CAMERAS), "the pictures", TIMEOUT_S)

    def close(self) -> None:
        self._stop.set()
        self._film.join()

    def _take_pictures(self) -> None:
        rng, due_s = np.random.default_rng(0), time.monotonic()
        scenes = [rng.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8) for _ in range(4)]
        number = 0
        while not self._stop.wait(max(0.0, due_s - time.monotonic())):
            for name in CAMERAS:
                self._frames[name] = time.time(), scenes[number % len(scenes)]
            number, due_s = number + 1, due_s + 1.0 / FRAMES_HZ

    def reset(self) -> None:
        self._done = 0

    def is_episode_complete(self) -> bool:
        return self._done >= self._steps

    def get_observation(self) -> dict[str, Any]:
        from openpi_client import image_tools

        frames = dict(self._frames)
        self._seen_s = min(stamp_s for stamp_s, _ in frames.values())
        reading = self._arm.read()
        observation = {
            "observation/state": np.append(reading.tool_position_m, reading.gripper_opening)
        }
        if self._done % self._execute == 0:
            for name, (_, pixels) in frames.items():
                small = image_tools.resize_with_pad(pixels, SENT_PX, SENT_PX)
                observation[f"observation/{name}"] = small
        return observation

    def apply_action(self, action: dict[str, Any]) -> None:
        from tmrl_common.arm import ArmCommand, CommandMode

        reading, row = self._arm.read(), action["actions"]
        self._arm.command(
            ArmCommand(
                robot="widowx",
                sequence=self._done + 1,
                arm_state_sequence=0,
                mode=CommandMode.CARTESIAN_POSE,
                position_m=reading.tool_position_m + row[:3],
                quaternion_xyzw=reading.tool_quaternion_xyzw,
                joint_velocity_rad_s=np.zeros(0),
                gripper_opening=float(row[6]),
                duration_s=self._period_s,
                valid_for_s=2.0 * self._period_s,
            )
        )
        now_s = time.time()
        self._run.setpoints_s.append(now_s)
        if self._done % self._execute == 0:
            self._run.seen_to_act_s.append(now_s - self._seen_s)
        self._done += 1


def episode(think_s: float, rate_hz: float, seconds: float) -> Run:
    """One episode of openpi's runtime."""
    from openpi_client.action_chunk_broker import ActionChunkBroker
    from openpi_client.runtime.agents.policy_agent import PolicyAgent
    from openpi_client.runtime.runtime import Runtime
    from openpi_client.websocket_client_policy import WebsocketClientPolicy

    run, execute_steps = Run(), EXECUTE[rate_hz]
    with serving("openpi", think_s) as port:
        cell = _Cell(run, round(seconds * rate_hz), rate_hz)
        try:
            client = WebsocketClientPolicy("127.0.0.1", port)
            agent = PolicyAgent(ActionChunkBroker(client, action_horizon=execute_steps))
            environment: Any = cell
            Runtime(environment, agent, [], max_hz=rate_hz).run()
        finally:
            cell.close()
    del run.seen_to_act_s[0]
    return run
