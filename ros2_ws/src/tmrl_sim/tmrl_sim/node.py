"""The ROS shell of the simulation: converts, calls the core, publishes what it measured."""

# Generated messages are typed in part only.

import sys

from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from std_srvs.srv import Trigger

from tmrl_cell.kinematics import UnreachableTargetError
from tmrl_cell.trajectory import TrajectoryRecorder
from tmrl_description.urdf import read_urdf
from tmrl_msgs.msg import ArmCommand, EpisodeState, ObjectPoses, SuccessDetection
from tmrl_msgs.srv import ResetScene
from tmrl_ros import qos
from tmrl_ros.arm_topics import ArmTopics
from tmrl_ros.chunk_messages import arm_command
from tmrl_ros.node import TmrlNode
from tmrl_ros.run import run_node
from tmrl_sim.backend import make_cell
from tmrl_sim.core import Measurement, SimCore
from tmrl_sim.messages import MeasurementMessages
from tmrl_sim.params import SimConfig
from tmrl_sim.pictures import Pictures

_REPEAT_PERIOD_S = 0.5


class SimNode(TmrlNode[SimConfig]):
    """Stands in for the driver of the arm, the object tracker and the success detector."""

    def __init__(self) -> None:
        """Declares parameters, topics and services, lays out the first scene and publishes it.

        Raises:
            ParameterError: A parameter is unknown, missing or out of range.
        """
        super().__init__("sim", SimConfig)
        # This node is the clock: following /clock itself would only cost a callback per step.
        self.set_parameters([Parameter("use_sim_time", value=False)])
        config = self.config
        self._cell = make_cell(config)
        self._core = SimCore(config, self._cell)
        self._recorder = TrajectoryRecorder(config.recorded_in, config.control_period_s)
        world = self._core.world
        self._messages = MeasurementMessages(config, world.can.joint_names, world.objects)
        self._clock_topic = self.create_publisher(Clock, "/clock", qos.STATE)
        self._objects = self.create_publisher(ObjectPoses, "perception/objects", qos.STATE)
        self._success = self.create_publisher(SuccessDetection, "task/success", qos.VERDICT)
        self._arm_topics = ArmTopics(self, read_urdf(config.urdf))
        transforms = self._arm_topics.transforms
        self._pictures = Pictures(self, self._cell, self._messages, transforms)
        self.create_subscription(ArmCommand, "arm/command", self._on_command, qos.STATE)
        self.create_subscription(EpisodeState, "episode/state", self._on_episode, qos.STATUS)
        self.create_service(Trigger, "arm/home", self._on_home)
        self.create_service(ResetScene, "scene/reset", self._on_reset)
        self._repeated = self._published = 0
        period_s = _REPEAT_PERIOD_S if config.lock_step else config.wall_period_s
        beat = self._repeat if config.lock_step else self._tick
        self.create_timer(period_s, beat, clock=self.wall_clock)
        self._publish(self._core.newest)

    def health(self) -> tuple[str, dict[str, str]]:
        """The fault of the arm or of the recording, and how far the simulation has come."""
        newest = self._core.newest
        figures = {"states": str(newest.sequence), "simulated_s": f"{newest.stamp_ns * 1e-9:.1f}"}
        return newest.fault or self._recorder.problem, figures

    def _on_command(self, message: ArmCommand) -> None:
        measurement = self._core.command(arm_command(message))
        if measurement is not None:
            self._publish(measurement)

    def _on_home(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        try:
            self._publish(self._core.home())
        except UnreachableTargetError as error:
            response.success, response.message = False, f"cannot go home: {error}"
        else:
            response.success, response.message = True, "the arm is at its rest pose"
        return response

    def _on_reset(
        self, request: ResetScene.Request, response: ResetScene.Response
    ) -> ResetScene.Response:
        try:
            measurement = self._core.reset(request.seed)
        except UnreachableTargetError as error:
            response.success, response.message = False, f"cannot lay out this scene: {error}"
            return response
        self._recorder.on_reset()
        self._publish(measurement)
        response.success, response.message = True, f"scene {request.seed} is laid out"
        response.arm_state_sequence = measurement.sequence
        return response

    def _on_episode(self, message: EpisodeState) -> None:
        self._recorder.on_episode(
            message.episode,
            running=message.state == EpisodeState.RUNNING,
            first_sequence=message.first_arm_state_sequence,
        )

    def _tick(self) -> None:
        self._publish(self._core.tick())

    def _repeat(self) -> None:
        """While the world stands still: repeat its state for late starters, clear a shown fault."""
        newest = self._core.newest
        if newest.sequence == self._repeated and newest.fault:
            self._publish(self._core.recover())
        elif newest.sequence == self._repeated:
            self._clock_topic.publish(self._messages.clock)
            self._objects.publish(self._messages.objects)
            self._pictures.publish(newest.stamp_ns)
            self._arm_topics.publish(self._messages.arm_state)
        self._repeated = newest.sequence

    def _publish(self, measurement: Measurement) -> None:
        """Publishes what belongs to one instant, the arm last; of a repetition only that."""
        messages, sequence = self._messages, measurement.sequence
        messages.fill(measurement)
        if sequence != self._published:
            self._published = sequence
            self._clock_topic.publish(messages.clock)
            self._objects.publish(messages.objects)
            self._success.publish(messages.success)
            self._pictures.publish(measurement.stamp_ns)
            self._recorder.record(sequence, measurement.stamp_ns, self._cell.snapshot())
        self._arm_topics.publish(messages.arm_state)


def main() -> None:
    """Runs the node until it is asked to stop."""
    sys.exit(run_node(SimNode))
