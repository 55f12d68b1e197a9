"""Test only: stands in for the vendor's driver of a WidowX 250, with faults on request.

    python interbotix_stand_in.py NAMESPACE LOG < faults

Speaks the vendor's topics and services as far as the driver under test uses them, and behaves as
the vendor's published driver does: services tell nothing of success, a group read ends at the first
motor that fails, a motor off the bus makes all joints read the raw value 0. Every request and every
command is appended to LOG, one JSON object per line: what the tests believe, not the driver.

Standard input takes one fault per line: "overload elbow", "off elbow", "nan elbow", "freeze elbow",
"jump elbow", "block elbow", "silent", "well"; and "held": somebody holds the arm, it does not sink.
"""

import json
import sys
import threading
import time
from math import cos, nan, pi, radians, sin, sqrt

import interbotix_messages

RATE_HZ = 50.0
ARM = ("waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate")
ALL = (*ARM, "gripper")
MOTORS = (*ALL, "shoulder_shadow", "elbow_shadow")
START_RAD = (0.0, -0.17, 0.40, 0.0, 1.34, 0.0)
LIMITS_RAD = {
    "waist": (-pi, pi),
    "shoulder": (radians(-108), radians(114)),
    "elbow": (radians(-123), radians(92)),
    "forearm_roll": (-pi, pi),
    "wrist_angle": (radians(-100), radians(123)),
    "wrist_rotate": (-pi, pi),
}
FINGER_M = (0.015, 0.037)
HORN_M, ROD_M = 0.014, 0.024
SPEED_RAD_S = 3.0
SINKING_RAD_S = 0.2
REBOOT_S = 0.5
OVERLOAD = 1 << 5


def fresh_registers():
    """What a motor holds after a restart."""
    return {
        "Firmware_Version": 46,
        "Hardware_Error_Status": 0,
        "Torque_Enable": 1,
        "Profile_Velocity": 0,
        "Profile_Acceleration": 0,
        "Goal_PWM": 885,
    }


class Motors:
    """Nine motors, their registers and their faults."""

    def __init__(self):
        self.position = dict(zip(ARM, START_RAD, strict=True))
        self.goal = dict(self.position)
        self.velocity = dict.fromkeys(ARM, 0.0)
        self.finger_m = self.finger_goal_m = FINGER_M[1]
        self.gripper_mode = "pwm"
        self.registers = {name: fresh_registers() for name in MOTORS}
        self.faults = {}
        self.held = False
        self.rebooting_until = {}
        self.shown = dict(self.position)

    def fault(self, kind, name=""):
        if kind == "held":
            self.held = True
            return
        if kind == "well":
            # A person mends cables and frees joints; only a reboot ends an overload.
            self.faults = {n: k for n, k in self.faults.items() if k == "overload"}
            return
        self.faults[name] = kind
        if kind == "overload":
            self.registers[name].update(Hardware_Error_Status=OVERLOAD, Torque_Enable=0)

    def answers(self, name):
        """The vendor's library cannot read a motor that is in an error state, or is not there."""
        gone = self.faults.get(name) in ("overload", "off")
        return not gone and time.monotonic() >= self.rebooting_until.get(name, 0.0)

    def reboot(self, name, enable):
        if self.faults.get(name) == "overload":
            del self.faults[name]
        self.registers[name] = fresh_registers() | {"Torque_Enable": int(enable)}
        self.rebooting_until[name] = time.monotonic() + REBOOT_S
        if name in self.goal:
            self.goal[name] = self.position[name]

    def torque(self, name, on):
        """The second motor of a joint listens to what its first one receives."""
        for motor in (name, f"{name}_shadow"):
            if motor in self.registers and self.answers(motor):
                self.registers[motor]["Torque_Enable"] = on
        if name in self.goal:
            self.goal[name] = self.position[name]

    def stiff(self, name):
        held = self.registers[name]["Torque_Enable"] and self.faults.get(name) != "off"
        return held and time.monotonic() >= self.rebooting_until.get(name, 0.0)

    def step(self, period_s):
        most = SPEED_RAD_S * period_s
        for name in ARM:
            change = 0.6 * (self.goal[name] - self.position[name])
            if not self.stiff(name):
                sinks = name in ("shoulder", "elbow") and not self.held
                change = SINKING_RAD_S * period_s if sinks else 0.0
            elif self.faults.get(name) == "block":
                # At a wall; an encoder's reading is never quite still.
                change = 1e-4 * sin(1e3 * time.monotonic())
            change = min(max(change, -most), most)
            low, high = LIMITS_RAD[name]
            self.position[name] = min(max(self.position[name] + change, low), high)
            self.velocity[name] = change / period_s
        change = min(max(self.finger_goal_m - self.finger_m, -0.1 * period_s), 0.1 * period_s)
        if self.stiff("gripper"):
            self.finger_m += change

    def read(self, name):
        """Position as the joint states tell it."""
        if "off" in self.faults.values():
            return -pi
        fault = self.faults.get(name)
        if fault == "nan":
            return nan
        if fault == "jump":
            return self.position[name] - 2.0
        if fault != "freeze":
            self.shown[name] = self.position[name]
        return self.shown[name]

    def finger(self):
        if "off" in self.faults.values():
            return HORN_M * sin(-pi) + sqrt(ROD_M**2 - (HORN_M * cos(-pi)) ** 2)
        return self.finger_m


def members(request):
    if request.cmd_type == "single":
        return (request.name,)
    return {"arm": ARM, "all": ALL}[request.name]


class Server:
    """The vendor's topics and services around the motors."""

    def __init__(self, node, motors, log):
        from interbotix_xs_msgs import msg, srv
        from sensor_msgs.msg import JointState

        self.node, self.motors, self.log = node, motors, log
        self.states = node.create_publisher(JointState, "joint_states", 10)
        self.make_message = JointState
        for kind, name, callback in (
            (msg.JointGroupCommand, "joint_group", self.on_group),
            (msg.JointSingleCommand, "joint_single", self.on_single),
        ):
            # A recorder must not miss a setpoint, however busy the machine is.
            node.create_subscription(kind, f"commands/{name}", callback, 1000)
        for kind, name, callback in (
            (srv.RobotInfo, "get_robot_info", self.get_info),
            (srv.RegisterValues, "get_motor_registers", self.get_registers),
            (srv.RegisterValues, "set_motor_registers", self.set_registers),
            (srv.OperatingModes, "set_operating_modes", self.set_modes),
            (srv.MotorGains, "set_motor_pid_gains", self.set_gains),
            (srv.TorqueEnable, "torque_enable", self.set_torque),
            (srv.Reboot, "reboot_motors", self.reboot),
        ):
            node.create_service(kind, name, callback)
        node.create_timer(1.0 / RATE_HZ, self.tick)

    def on_group(self, message):
        self.log("joint_group", list(message.cmd))
        assert message.name == "arm"
        self.motors.goal.update(zip(ARM, message.cmd, strict=True))

    def on_single(self, message):
        self.log("joint_single", [message.name, message.cmd])
        if message.name == "gripper" and self.motors.gripper_mode == "linear_position":
            self.motors.finger_goal_m = 0.5 * message.cmd

    def get_info(self, request, response):
        names = members(request)
        response.name = [request.name]
        response.mode = self.motors.gripper_mode if names == ("gripper",) else "position"
        response.profile_type = "time"
        fingers = {"gripper": "left_finger"}
        response.joint_names = [fingers.get(name, name) for name in names]
        limits = [LIMITS_RAD.get(name, FINGER_M) for name in names]
        response.joint_lower_limits = [low for low, _ in limits]
        response.joint_upper_limits = [high for _, high in limits]
        response.num_joints = len(names)
        return response

    def get_registers(self, request, response):
        for name in members(request):
            if not self.motors.answers(name):
                break
            response.values.append(self.motors.registers[name][request.reg])
        return response

    def set_registers(self, request, response):
        self.log("set_registers", [request.name, request.reg, request.value])
        for name in members(request):
            if self.motors.answers(name):
                self.motors.registers[name][request.reg] = request.value
        return response

    def set_modes(self, request, response):
        self.log("set_modes", [request.name, request.mode])
        if request.name == "gripper":
            self.motors.gripper_mode = request.mode
            self.motors.registers["gripper"]["Goal_PWM"] = 885
        return response

    def set_gains(self, request, response):
        self.log("set_gains", [request.name])
        return response

    def set_torque(self, request, response):
        self.log("torque_enable", [request.name, request.enable])
        for name in members(request):
            self.motors.torque(name, int(request.enable))
        return response

    def reboot(self, request, response):
        self.log("reboot", [request.name, request.enable])
        for name in members(request):
            self.motors.reboot(name, request.enable)
        return response

    def tick(self):
        motors = self.motors
        motors.step(1.0 / RATE_HZ)
        if "silent" in motors.faults.values():
            return
        finger_m = motors.finger()
        message = self.make_message(name=[*ALL, "left_finger", "right_finger"])
        message.header.stamp = self.node.get_clock().now().to_msg()
        message.position = [*(motors.read(name) for name in ARM), 0.0, finger_m, -finger_m]
        message.velocity = [*(motors.velocity[name] for name in ARM), 0.0, 0.0, 0.0]
        self.states.publish(message)


def main():
    interbotix_messages.provide()
    import rclpy
    from rclpy.executors import ExternalShutdownException

    namespace, path = sys.argv[1:]
    motors = Motors()

    def log(what, values):
        with open(path, "a", encoding="utf-8") as file:
            entry = {"what": what, "values": values, "position": list(motors.position.values())}
            file.write(json.dumps(entry) + "\n")

    def listen():
        for line in sys.stdin:
            motors.fault(*line.split())
            log("fault", line.split())

    rclpy.init(args=[])
    node = rclpy.create_node("xs_sdk", namespace=namespace)
    Server(node, motors, log)
    threading.Thread(target=listen, daemon=True).start()
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        return


if __name__ == "__main__":
    main()
