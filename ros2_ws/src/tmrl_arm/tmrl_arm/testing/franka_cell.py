"""A simulated Franka behind libfranka's own network protocol, with a hand for trouble; a script.

It runs in the simulator's environment (see franka_simulator.py), on top of franky-sim, whose robot
never errs. This one does, on request: lines on standard input are

    reflex          the robot stops itself as after a collision, until its errors are recovered
    mode NAME       the robot is in this mode (Idle, UserStopped, Guiding, Other)
    freeze          nothing is sent any more, and the sockets stay open
    unhomed         the hand has forgotten its width

Usage: franka_cell.py HOSTNAME FOLDER. Into FOLDER/clock goes the robot's time, a float64 in s; into
FOLDER/collision.json the thresholds that it was given last; into FOLDER/velocities every joint
velocity that it was commanded while it moved, as rows of 8 float64: the number of the state that it
answers, one per ms, and the joints' in rad/s.
"""

# franky-sim is not in the environment that types are checked in.
# pyright: basic, reportMissingImports=false

import json
import mmap
import os
import struct
import sys
import threading
import time
from pathlib import Path
from typing import Any

from franky_sim import SimulationServer
from franky_sim.franka_robot_protocol import (
    AutomaticErrorRecoveryCommand,
    AutomaticErrorRecoveryStatus,
    BaseCommand,
    MoveStatus,
    RobotCommand,
    RobotMode,
    SetCollisionBehaviorCommand,
    UDPCommand,
)
from franky_sim.franka_robot_server import FrankaRobotServer
from franky_sim.mujoco_simulator import MujocoSimulator

_STEP_S = 0.001
_ERRORS = 41
_JOINT_REFLEX = 6


class Trouble:
    """What is wrong with the robot at the moment."""

    def __init__(self) -> None:
        self.mode: RobotMode | None = None
        self.reflex = False
        self.frozen = False
        self.unhomed = False
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in sys.stdin:
            word, _, argument = line.strip().partition(" ")
            if word == "reflex":
                self.reflex = True
            elif word == "mode":
                self.mode = None if argument == "Idle" else RobotMode[f"k{argument}"]
            elif word == "freeze":
                self.frozen = True
            elif word == "unhomed":
                self.unhomed = True
            else:
                print(f"unknown request {line!r}", file=sys.stderr)  # noqa: T201 - a script
                os._exit(2)
        # Whoever started this process is gone.
        os._exit(0)

    @property
    def holds(self) -> bool:
        """Whether the robot may not move."""
        return self.reflex or self.mode is not None


def install(trouble: Trouble, folder: Path) -> None:
    """Makes every robot server obey and take notes."""
    healthy = FrankaRobotServer.robot_state.fget

    def robot_state(server: FrankaRobotServer):  # noqa: ANN202 - a class of franky-sim
        state = healthy(server)
        if trouble.reflex:
            flags = tuple(number == _JOINT_REFLEX for number in range(_ERRORS))
            return state.replace(robot_mode=RobotMode.kReflex, errors=flags, reflex_reason=flags)
        return state if trouble.mode is None else state.replace(robot_mode=trouble.mode)

    def recover(command: AutomaticErrorRecoveryCommand, _: FrankaRobotServer) -> None:
        if trouble.mode is not None:
            command.reply(AutomaticErrorRecoveryStatus.kCommandNotPossibleRejected)
            return
        trouble.reflex = False
        command.reply(AutomaticErrorRecoveryStatus.kSuccess)

    def note_thresholds(command: SetCollisionBehaviorCommand, _: FrankaRobotServer) -> None:
        notes = {
            "torque_nm": command.upper_torque_thresholds_nominal,
            "force_n": command.upper_force_thresholds_nominal,
        }
        (folder / "collision.json").write_text(json.dumps(notes), encoding="utf-8")
        command.reply(0)

    FrankaRobotServer.robot_state = property(robot_state)
    SetCollisionBehaviorCommand.handle = note_thresholds
    AutomaticErrorRecoveryCommand.handle = recover


def ignore_late_commands() -> None:
    """Lets no packet that ends one motion end the next one: as a real robot, franky-sim not."""
    start, handle = FrankaRobotServer.start_motion, FrankaRobotServer._handle_udp_command
    begun_with: dict[FrankaRobotServer, int] = {}

    def start_motion(server: FrankaRobotServer, *how: Any) -> None:
        # Of the next state; what answers an earlier one belongs to an earlier motion.
        begun_with[server] = server._FrankaServer__message_id
        start(server, *how)

    def handle_udp_command(server: FrankaRobotServer, data: bytes) -> None:
        if UDPCommand.from_bytes(data).message_id >= begun_with.get(server, 0):
            handle(server, data)

    FrankaRobotServer.start_motion = start_motion
    FrankaRobotServer._handle_udp_command = handle_udp_command


def record_velocities(folder: Path) -> None:
    """Keeps what the robot is commanded, whoever ends when and how."""
    handle = FrankaRobotServer._handle_udp_command
    record = (folder / "velocities").open("wb", buffering=0)

    def handle_udp_command(server: FrankaRobotServer, data: bytes) -> None:
        command = UDPCommand.from_bytes(data)
        if server.current_motion_id:
            record.write(struct.pack("8d", command.message_id, *command.dq_c))
        handle(server, data)

    FrankaRobotServer._handle_udp_command = handle_udp_command


def abort_motion(server: FrankaRobotServer) -> None:
    """Ends the motion in progress as a reflex does."""
    motion = server.current_motion_id
    if motion:
        server.stop_motion(send_preemption_signal=False)
        BaseCommand.send_response(
            server._tcp_socket, RobotCommand.kMove, motion, MoveStatus.kReflexAborted
        )
        server.reset_current_motion_id()


def main() -> None:
    """Simulates until it is killed."""
    hostname, folder = sys.argv[1], Path(sys.argv[2])
    clock_file = folder / "clock"
    trouble = Trouble()
    install(trouble, folder)
    ignore_late_commands()
    record_velocities(folder)
    clock_file.write_bytes(struct.pack("d", 0.0))
    with MujocoSimulator() as sim:
        sim.add_robot()
        with (
            SimulationServer(sim, hostname_candidates=[hostname]) as server,
            clock_file.open("r+b") as file,
            mmap.mmap(file.fileno(), 8) as shared,
        ):
            # Stored in one piece; struct.pack_into would let a reader see it half written.
            clock = memoryview(shared).cast("d")
            steps = 0
            while True:
                if trouble.frozen:
                    time.sleep(0.1)
                    continue
                if trouble.unhomed:
                    server.robot_servers[0].gripper_server._max_width = 0.0
                if trouble.holds:
                    abort_motion(server.robot_servers[0])
                server.run_once()
                steps += 1
                clock[0] = steps * _STEP_S


if __name__ == "__main__":
    main()
