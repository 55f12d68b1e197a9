"""The checks of one rig: which there are, what each needs, and how they hang together."""

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from tmrl_bringup.parts import CAMERAS, SERVER, TELEOP
from tmrl_bringup.processes import node_name, select_parts
from tmrl_bringup.rig import Rig, RigError
from tmrl_bringup.rig_checks import judge, missing_keys, sections_of
from tmrl_bringup.up import Session
from tmrl_camera.camera import CameraError
from tmrl_common.errors import TmrlError
from tmrl_common.messages import PolicyExpectation
from tmrl_doctor import arm, cameras, network, probes, server, session, storage, timing
from tmrl_doctor.arm_probe import ArmNotAskedError, look_at_arm
from tmrl_doctor.camera_probe import look_at_camera
from tmrl_doctor.finding import COMPUTES_S, Check, Finding, failed, good, skipped
from tmrl_doctor.hearing import NotHeardError
from tmrl_doctor.machine import check_gpu, check_packages
from tmrl_doctor.running import Shared
from tmrl_doctor.server_probe import LOAD_S, NoServerError, look_at_server
from tmrl_doctor.silence import likely_cause
from tmrl_doctor.teleop_probe import LOOKS_S, check_device
from tmrl_doctor.topic_listener import TopicListener
from tmrl_msgs.msg import AgentStatus, ControllerStatus, EpisodeState, LearnerStatus
from tmrl_ros import qos

_ARM_S = 40.0
_FOR_THE_SERVER = (
    SERVER,
    "controller.action_space",
    "controller.horizon",
    "controller.control_rate_hz",
    "agent.proprio_fields",
)
_FIND_S = 2.0
_HEAR_S = 6.0
"""Whoever joins gets the newest status at once; on a busy machine, joining takes seconds."""


class RigChecks:
    """Makes the checks of a session's rig.

    Args:
        asked_for: What would be started; its rig may be incomplete.
        listener: In the rig's namespace.
    """

    def __init__(self, asked_for: Session, listener: TopicListener) -> None:
        self._rig: Rig = asked_for.rig
        self._session = asked_for
        self._listener = listener
        self._arm = Shared(lambda: look_at_arm(self._rig.parts["arm"], listener))
        self._server = Shared(
            lambda: look_at_server(self._rig, may_start=True, on_news=self._note_news)
        )
        self._news_s = 0.0

    def all(self) -> list[Check]:
        """Every check, in the order of the table."""
        run_dir = self._session.options.run_dir
        checks = [
            Check("rig file", self._check_file, COMPUTES_S),
            Check("packages", check_packages, limit_s=COMPUTES_S),
            Check("GPU", check_gpu, limit_s=COMPUTES_S),
            *(self._arm_checks() if not self._rig.simulated else []),
            *self._camera_checks(),
            *self._device_checks(),
            Check("clock", lambda: timing.judge_clock(probes.look_at_clock())),
            Check("clock of the learner", self._check_skew),
            Check("real-time jitter", self._check_jitter, alone=True),
            Check("DDS discovery", _check_discovery, limit_s=COMPUTES_S),
            Check("ROS network", self._check_participants),
            Check("session", self._check_session, limit_s=40.0),
            Check("policy server", self._check_server, LOAD_S + 30.0, lambda: self._news_s),
            Check("checkpoint and rig", self._check_agreement, LOAD_S + 30.0, lambda: self._news_s),
            Check("journal", lambda: storage.judge_journal(probes.look_at_journal(run_dir))),
            Check("disk", lambda: storage.judge_space(*probes.free_space(run_dir))),
        ]
        return checks

    def _check_file(self) -> Finding:
        try:
            judge(self._rig, self._session.parts)
        except RigError as error:
            return failed(str(error), "complete the rig's file as the text below says")
        return good(f"{self._rig.file}: complete")

    def _arm_checks(self) -> list[Check]:
        def judged(judge_arm: Callable[[arm.ArmSeen], Finding]) -> Callable[[], Finding]:
            return self._needs(["arm"], lambda: self._judge_arm(judge_arm))

        return [
            Check("arm", judged(arm.judge_arm), _ARM_S),
            Check("arm firmware", judged(arm.judge_firmware), _ARM_S),
            Check("joint states", judged(arm.judge_joints), _ARM_S),
        ]

    def _judge_arm(self, judge_arm: Callable[[arm.ArmSeen], Finding]) -> Finding:
        try:
            return judge_arm(self._arm())
        except ArmNotAskedError as error:
            return skipped(str(error), "start it (./tmrl up), then run the doctor beside it")
        except TmrlError as error:
            remedy = "power, cable, network, the arm's own driver; then try again"
            return failed(str(error), remedy)

    def _camera_checks(self) -> list[Check]:
        checks: list[Check] = []
        agent = self._rig.parts["agent"]
        names = list(agent.get("cameras", ()))
        topics = agent.get("camera_topics") or [f"camera/{name}/image" for name in names]
        for name, topic in zip(names, topics, strict=False):
            part = f"{CAMERAS}.{name}"
            values = self._rig.parts.get(part)
            best_effort = bool(agent.get("best_effort_images", False))
            look = _camera_look(values, topic, self._listener, best_effort=best_effort)
            needed = [part] if values is not None else []
            checks.append(Check(f"camera {name}", self._needs(needed, look), limit_s=30.0))
        return checks

    def _device_checks(self) -> list[Check]:
        if TELEOP not in self._session.parts:
            return []

        def look() -> Finding:
            return check_device(self._rig.parts[TELEOP], self._listener)

        return [Check("teleop device", self._needs([TELEOP], look), LOOKS_S)]

    def _check_skew(self) -> Finding:
        if not self._listener.is_published("learner/status", _FIND_S):
            return skipped("no learner runs", "start one, then run the doctor beside it")
        now = self._listener.node.get_clock().now
        received = self._listener.receive(
            LearnerStatus, "learner/status", qos.STATUS, enough=2, wait_s=_HEAR_S
        )
        if not received:
            return failed("nothing heard of the learner that runs", likely_cause())
        if len(received) < 2:
            # The first one may be as old as the learner.
            return skipped("the learner says nothing new", "see logs/learning.log in the run")
        stamp = received[-1][1].header.stamp
        offset_ns = now().nanoseconds - (stamp.sec * 10**9 + stamp.nanosec)
        return timing.judge_skew(-1e-9 * offset_ns)

    def _check_jitter(self) -> Finding:
        tick_s = 1.0 / float(self._rig.parts["controller"].get("tick_rate_hz", 50.0))
        return timing.judge_jitter(probes.look_at_jitter(), tick_s)

    def _check_participants(self) -> Finding:
        names = [node_name(part) for part in select_parts(self._rig) if part != SERVER]
        self._listener.is_published("arm/state", _FIND_S)
        return network.judge_participants(self._listener.nodes(), f"/{self._rig.robot}", names)

    def _check_session(self) -> Finding:
        if not self._listener.is_published("controller/status", _FIND_S):
            return skipped("none runs", "start one (./tmrl up), then run the doctor beside it")
        silent: list[str] = []

        def newest(kind: Any, topic: str) -> Any:
            received = self._listener.receive(kind, topic, qos.STATUS, enough=1, wait_s=_HEAR_S)
            if not received and self._listener.is_published(topic, 0.0):
                silent.append(topic)
            return received[-1][1] if received else kind()

        controller = newest(ControllerStatus, "controller/status")
        episode = newest(EpisodeState, "episode/state")
        return session.judge_session(
            session.SessionSeen(
                mode=controller.mode,
                mode_reason=controller.reason,
                refusal=controller.last_refusal,
                agent=newest(AgentStatus, "agent/status").reason,
                episode=episode.episode,
                state=episode.state,
                state_reason=episode.reason,
                learner=newest(LearnerStatus, "learner/status").reason,
                silent=tuple(silent),
            )
        )

    def _check_server(self) -> Finding:
        return self._needs(_FOR_THE_SERVER, lambda: self._ask_server(server.judge_server))()

    def _check_agreement(self) -> Finding:
        def judge_seen(seen: server.ServerSeen, wanted: server.Expected) -> Finding:
            return server.judge_agreement(seen.spec, wanted)

        return self._needs(_FOR_THE_SERVER, lambda: self._ask_server(judge_seen))()

    def _note_news(self, news: str) -> None:
        self._news_s = time.monotonic()
        if news and sys.stderr.isatty():
            sys.stderr.write(f"policy server: {news}\n")

    def _ask_server(
        self, judge_server: Callable[[server.ServerSeen, server.Expected], Finding]
    ) -> Finding:
        try:
            return judge_server(self._server(), self._expected())
        except (NoServerError, TmrlError) as error:
            remedy = (
                "start it on its machine and check address, port, firewall and keys "
                "(docs/guides/remote_gpu.md); where it belongs here, mend what it says"
            )
            return failed(str(error), remedy)

    def _expected(self) -> server.Expected:
        agent, controller = self._rig.parts["agent"], self._rig.parts["controller"]
        policy = PolicyExpectation(
            action_space=agent.get("action_space", controller["action_space"]),
            proprio_dim=len(agent["proprio_fields"]),
            context_dim=len(agent.get("context_objects", ())),
            cameras=tuple(sorted(agent.get("cameras", ()))),
        )
        steps = int(agent.get("execute_steps", 5))
        rate_hz = float(controller["control_rate_hz"])
        return server.Expected(policy, int(controller["horizon"]), steps, rate_hz)

    def _needs(self, keys: Sequence[str], look: Callable[[], Finding]) -> Callable[[], Finding]:
        """Looks only where nothing is missing of these parts and keys."""

        def guarded() -> Finding:
            parts = {key for key in keys if key in self._rig.parts}
            parts |= {key.rpartition(".")[0] for key in keys if key not in self._rig.parts}
            chosen = [p for p in parts if p != SERVER or p in self._session.parts]
            lacking = [
                each.path
                for each in missing_keys(sections_of(self._rig, chosen))
                if any(each.path == key or each.path.startswith(f"{key}.") for key in keys)
            ]
            if lacking:
                return skipped(f"{', '.join(lacking)} missing", "complete the rig's file first")
            return look()

        return guarded


def _camera_look(
    values: Any, topic: str, listener: TopicListener, *, best_effort: bool
) -> Callable[[], Finding]:
    def look() -> Finding:
        rate_hz = float((values or {}).get("rate_hz", 0.0)) or (30.0 if values else 0.0)
        try:
            return cameras.judge_camera(
                look_at_camera(values, topic, listener, best_effort=best_effort), rate_hz
            )
        except NotHeardError as error:
            return failed(str(error), error.remedy)
        except (CameraError, ValueError) as error:
            return failed(str(error), "check cable, USB port and serial number")

    return look


def _check_discovery() -> Finding:
    return network.judge_discovery(probes.look_at_discovery())
