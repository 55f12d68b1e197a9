"""The controller as a node over real DDS, and the other side of every topic, for tests."""

# Generated messages are typed in part only.
# pyright: basic

from collections.abc import Mapping
from typing import Any

from rclpy.node import Node
from std_srvs.srv import Trigger

from tmrl_controller.node import ControllerNode
from tmrl_controller.testing import CONFIG, action_chunk
from tmrl_msgs import msg
from tmrl_msgs.srv import ClearEstop
from tmrl_ros import qos
from tmrl_ros.chunk_messages import action_chunk_msg
from tmrl_ros.conversion import to_stamp
from tmrl_ros.testing import NodeBench

PERIOD_S = CONFIG.control_period_s
PARAMETERS = {
    "robot": CONFIG.robot,
    "action_space": CONFIG.action_space,
    "horizon": CONFIG.horizon,
    "control_rate_hz": CONFIG.control_rate_hz,
    "workspace_box": list(CONFIG.workspace_box),
    "max_translation_m": CONFIG.max_translation_m,
    "max_rotation_rad": CONFIG.max_rotation_rad,
    "max_gripper_step": CONFIG.max_gripper_step,
    "max_translation_change_m": CONFIG.max_translation_change_m,
    "max_rotation_change_rad": CONFIG.max_rotation_change_rad,
    "max_lead_m": CONFIG.max_lead_m,
    "max_lead_rad": CONFIG.max_lead_rad,
    "refuse_translation_m": CONFIG.refuse_translation_m,
    "refuse_rotation_rad": CONFIG.refuse_rotation_rad,
    "sigma_cap": CONFIG.sigma_cap,
    "z_cap": CONFIG.z_cap,
    "epsilon_cap": CONFIG.epsilon_cap,
    "max_chunk_age_s": 60.0,
    "max_arm_state_age_s": 30.0,
    "max_teleop_age_s": 30.0,
    "setpoint_grace_s": 30.0,
    "simulated_arm": True,  # Allows these ages: a busy test machine is not what is tested here.
    "fifo_priority": 0,
}


class World(Node):
    """The other side of every topic: driver, agent and person."""

    def __init__(self) -> None:
        super().__init__("world")
        self.sequence = 0
        self.time_s = 100.0
        self.position_m = [0.275, 0.0, 0.15]
        self.answers_commands = False
        self.obeys = True
        self.taken = 0
        self.holding = True
        self.commands: list[msg.ArmCommand] = []
        self.outcomes: list[msg.ChunkOutcome] = []
        self.statuses: list[msg.ControllerStatus] = []
        self.state_publisher = self.create_publisher(msg.ArmState, "arm/state", qos.STATE)
        self.chunk_publisher = self.create_publisher(msg.ActionChunk, "policy/chunk", qos.EVENT)
        self.create_subscription(msg.ArmCommand, "arm/command", self.on_command, 1000)
        self.outcome_subscription = self.create_subscription(
            msg.ChunkOutcome, "controller/outcome", self.outcomes.append, qos.EVENT
        )
        self.create_subscription(
            msg.ControllerStatus, "controller/status", self.statuses.append, qos.STATUS
        )
        kinds = {"hold": Trigger, "resume": Trigger, "estop": Trigger, "clear_estop": ClearEstop}
        self.clients_by_name = {
            name: self.create_client(kind, f"controller/{name}") for name, kind in kinds.items()
        }

    def on_command(self, command: msg.ArmCommand) -> None:
        """Records a command and says that it has it; in lock-step, moves there and reports."""
        self.commands.append(command)
        if not self.obeys:
            return
        self.taken, self.holding = command.sequence, command.mode == msg.ArmCommand.HOLD
        if self.holding:
            # In lock-step the newest state again: no time passes.
            self.publish_state(**({"sequence": self.sequence} if self.answers_commands else {}))
        if self.answers_commands and command.mode == msg.ArmCommand.CARTESIAN_POSE:
            p = command.x_base_tool.position
            self.position_m = [p.x, p.y, p.z]
            self.time_s += PERIOD_S
            self.publish_state()

    def publish_state(self, **fields: object) -> None:
        """The driver reports a state; fields may be replaced."""
        self.sequence += "sequence" not in fields
        state = msg.ArmState(robot=CONFIG.robot, sequence=self.sequence, gripper_command=1.0)
        state.last_command_sequence, state.holding = self.taken, self.holding
        state.header.stamp = to_stamp(self.time_s)
        state.header.frame_id = "widowx/base"
        p = state.x_base_tool.position
        p.x, p.y, p.z = self.position_m
        for name, value in fields.items():
            setattr(state, name, value)
        self.state_publisher.publish(state)

    def offer(self, **changes: Any) -> None:
        """The agent proposes a chunk that answers the newest arm state."""
        chunk = action_chunk(arm_state_sequence=self.sequence, **changes)
        self.chunk_publisher.publish(action_chunk_msg(chunk))

    @property
    def moves(self) -> list[msg.ArmCommand]:
        """The commands that moved the arm."""
        return [c for c in self.commands if c.mode == msg.ArmCommand.CARTESIAN_POSE]

    @property
    def holds(self) -> list[msg.ArmCommand]:
        """The commands that stopped it."""
        return [c for c in self.commands if c.mode == msg.ArmCommand.HOLD]


class Bench(NodeBench):
    """A controller and its world."""

    def __init__(self, domain_id: int, parameters: Mapping[str, object]) -> None:
        super().__init__(domain_id, "controller", parameters)
        self.controller = self.add(ControllerNode)
        self.world = self.add(World)

    def connect(self) -> None:
        """Waits until everybody has found each other."""
        world = self.world
        self.until(
            lambda: (
                world.state_publisher.get_subscription_count() == 1
                and world.chunk_publisher.get_subscription_count() == 1
                and world.count_publishers("arm/command") == 1
                and world.statuses
                and all(client.service_is_ready() for client in world.clients_by_name.values())
            ),
            "discovery",
        )

    def ask(self, name: str, **fields: object) -> Any:
        """Calls one of the controller's services."""
        return self.call(self.world.clients_by_name[name], **fields)

    def resume(self) -> None:
        """Resumes as soon as the first arm state has arrived there."""
        self.until(lambda: self.ask("resume").success, "the controller to resume")
