"""Nothing moves the arm but what the limiter let through, proved by reading every source file.

The chain: only a driver takes commands; only the controller sends them; it makes them in one place,
from `Limited`, which only the limiter makes. Each test holds one link, and each way of looking is
shown an offender first, so that a test that sees nothing would be noticed.
"""

import ast
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROS_PACKAGES = ROOT / "ros2_ws" / "src"
CONTROLLER = ROS_PACKAGES / "tmrl_controller" / "tmrl_controller"
ROOTS = {
    "tmrl_common": ROOT / "common",
    "tmrl_policies": ROOT / "policies",
    "tmrl_policy_server": ROOT / "policy_server",
    "tmrl_learner": ROOT / "learner",
    "tmrl_cell": ROOT / "sim",
    "tmrl_experiments": ROOT / "experiments",
    "tmrl_bringup": ROOT / "launch",
    "tmrl_cli": ROOT / "tools",
    "tmrl_doctor": ROOT / "tools",
    "tmrl_demo": ROOT / "tools",
    **{path.parent.name: path.parent for path in ROS_PACKAGES.glob("*/setup.py")},
}
"""Every Python package of the repository, and the folder in which it lies."""
DRIVERS = ("tmrl_arm", "tmrl_sim")
WHO_DECIDES = (
    "tmrl_agent",
    "tmrl_console",
    "tmrl_experiments",
    "tmrl_learner",
    "tmrl_learning",
    "tmrl_operator",
    "tmrl_policies",
    "tmrl_policy_server",
    "tmrl_teleop",
)
"""Policy, person and learning: what they want must go through the controller."""
HARDWARE = {
    "franky",
    "interbotix_common_modules",
    "interbotix_xs_modules",
    "interbotix_xs_msgs",
    "tmrl_arm",
}

Finder = Callable[[ast.Module], Iterator[str]]


@cache
def sources() -> dict[str, Path]:
    """Every module of the repository by its dotted name, without tests and what only they use."""
    found: dict[str, Path] = {}
    for package, folder in ROOTS.items():
        for path in sorted((folder / package).rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            if "testing" not in parts:
                found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@cache
def nodes(tree: ast.Module) -> tuple[ast.AST, ...]:
    """Everything in a module, for all tests of this file: to walk them all takes seconds."""
    return tuple(ast.walk(tree))


def imports(tree: ast.Module) -> Iterator[str]:
    """Dotted names that a module imports; for `from a import b` both a and a.b."""
    for node in nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def meanings(tree: ast.Module) -> dict[str, str]:
    """What the names of a module stand for: local name to dotted name."""
    found: dict[str, str] = {}
    for node in nodes(tree):
        if isinstance(node, ast.Import):
            found |= {a.asname or a.name: a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return found


def meaning(expression: ast.expr, names: dict[str, str]) -> str:
    """The dotted name that an expression stands for; empty for other expressions."""
    text = ast.unparse(expression)
    first, _, rest = text.partition(".")
    known = names.get(text) or names.get(first, first)
    return known if text in names or not rest else f"{known}.{rest}"


@cache
def calls(tree: ast.Module) -> tuple[tuple[str, ast.Call], ...]:
    names = meanings(tree)
    found = (node for node in nodes(tree) if isinstance(node, ast.Call))
    return tuple((meaning(node.func, names), node) for node in found)


def makes(*wanted: str) -> Finder:
    """Finds calls of one of the dotted names."""

    def find(tree: ast.Module) -> Iterator[str]:
        yield from (name for name, _ in calls(tree) if name in wanted)

    return find


def publishes_arm_commands(tree: ast.Module) -> Iterator[str]:
    names = meanings(tree)
    for name, call in calls(tree):
        if name.endswith("create_publisher") or name.endswith("create_generic_publisher"):
            arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
            texts = [meaning(argument, names) for argument in arguments]
            if any(text.endswith("msg.ArmCommand") or "arm/command" in text for text in texts):
                yield ast.unparse(call)


def holds_the_seal(tree: ast.Module) -> Iterator[str]:
    yield from (name for name in imports(tree) if name.endswith(".SEAL"))
    for node in nodes(tree):
        if isinstance(node, ast.Attribute) and node.attr == "SEAL":
            yield ast.unparse(node)


def where(find: Finder) -> set[str]:
    """The modules in which something is found."""
    return {name for name, path in sources().items() if any(find(tree_of(path)))}


LIMITED = makes(
    "Limited",
    "tmrl_controller.limiter.Limited",
    "tmrl_controller.limiter.motion.Limited",
)
COMMAND = makes("tmrl_controller.decisions.LimitedCommand")
VALUE = makes("tmrl_common.arm.ArmCommand")
MESSAGE = makes("tmrl_msgs.msg.ArmCommand")


@pytest.mark.parametrize(
    ("find", "offender"),
    [
        (LIMITED, "from tmrl_controller.limiter import Limited as L\nL(motion, acted, object())"),
        (LIMITED, "import tmrl_controller.limiter as l\nl.Limited(motion, acted, None)"),
        (COMMAND, "from tmrl_controller import decisions\ndecisions.LimitedCommand(goal)"),
        (COMMAND, "from tmrl_controller.decisions import LimitedCommand\nLimitedCommand(goal)"),
        (VALUE, "from tmrl_common.arm import ArmCommand\nArmCommand('widowx', 1)"),
        (VALUE, "from tmrl_common import arm\narm.ArmCommand('widowx', 1)"),
        (MESSAGE, "from tmrl_msgs import msg\nmsg.ArmCommand(mode=1)"),
        (MESSAGE, "from tmrl_msgs.msg import ArmCommand as Command\nCommand()"),
        (MESSAGE, "import tmrl_msgs.msg\ntmrl_msgs.msg.ArmCommand()"),
        (publishes_arm_commands, "node.create_publisher(Any, 'arm/command', 1)"),
        (
            publishes_arm_commands,
            "from tmrl_msgs.msg import ArmCommand\nself.create_publisher(ArmCommand, t, 1)",
        ),
        (
            publishes_arm_commands,
            "from tmrl_msgs import msg\nn.create_publisher(msg_type=msg.ArmCommand, topic=t)",
        ),
        (holds_the_seal, "from tmrl_controller.limiter.motion import SEAL"),
        (holds_the_seal, "from tmrl_controller.limiter import motion\nmotion.SEAL"),
    ],
)
def test_an_offender_would_be_found(find: Finder, offender: str):
    assert list(find(ast.parse(offender)))


def test_only_the_limiter_says_what_it_let_through():
    limiter = {"tmrl_controller.limiter.cartesian", "tmrl_controller.limiter.joints"}

    assert where(LIMITED) == limiter
    assert where(holds_the_seal) == limiter


def test_commands_are_made_in_one_place():
    assert where(COMMAND) == {"tmrl_controller.setpoints"}
    assert where(VALUE) == {"tmrl_controller.decisions", "tmrl_ros.chunk_messages"}, (
        "sent, received"
    )
    assert where(MESSAGE) == {"tmrl_ros.chunk_messages"}


def test_only_the_controller_turns_a_command_into_a_message():
    def sends(tree: ast.Module) -> Iterator[str]:
        yield from (name for name, _ in calls(tree) if name.endswith("arm_command_msg"))

    assert where(sends) == {"tmrl_controller.node"}


def test_only_the_controller_publishes_to_the_driver():
    assert where(publishes_arm_commands) == {"tmrl_controller.node"}


def test_what_tests_play_the_controller_with_is_used_by_tests_only():
    def plays(tree: ast.Module) -> Iterator[str]:
        yield from (name for name in imports(tree) if name.startswith("tmrl_arm.testing"))

    assert where(plays) == set()


def test_only_drivers_and_the_controller_know_the_message():
    def knows(tree: ast.Module) -> Iterator[str]:
        names = meanings(tree)
        yield from (name for name in names.values() if name == "tmrl_msgs.msg.ArmCommand")
        for node in nodes(tree):
            if isinstance(node, ast.Attribute):
                yield from {meaning(node, names)} & {"tmrl_msgs.msg.ArmCommand"}

    packages = {name.split(".")[0] for name in where(knows)}
    assert packages <= {"tmrl_controller", "tmrl_ros", *DRIVERS}


@cache
def imported_by(name: str) -> frozenset[str]:
    """What a module of the repository imports directly; nothing for one of somebody else."""
    return frozenset(imports(tree_of(sources()[name]))) if name in sources() else frozenset()


def reached_from(start: str) -> set[str]:
    """Everything that a module imports, directly or through modules of this repository."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        parts = name.split(".")
        # Importing a.b.c runs a and a.b first.
        waiting += [".".join(parts[:n]) for n in range(1, len(parts))]
        waiting += imported_by(name)
    return seen


@pytest.mark.parametrize("package", WHO_DECIDES)
def test_policy_and_person_never_reach_a_driver_nor_the_makers_of_commands(package: str):
    makers = {"tmrl_controller.setpoints", "tmrl_controller.messages", "tmrl_controller.core"}
    modules = [name for name in sources() if name.split(".")[0] == package]
    for module in modules:
        reached = reached_from(module)
        assert not {name.split(".")[0] for name in reached} & HARDWARE, module
        assert not reached & makers, module


def test_only_drivers_touch_the_vendors_software():
    vendors = HARDWARE - {"tmrl_arm"}

    def touches(tree: ast.Module) -> Iterator[str]:
        yield from (name for name in imports(tree) if name.split(".")[0] in vendors)

    assert {name.split(".")[0] for name in where(touches)} <= {"tmrl_arm"}


def test_only_the_arms_node_and_the_doctor_make_drivers():
    """By name a driver needs no import that the tests above would see."""
    assert where(makes("tmrl_common.arm_drivers.import_driver")) == {"tmrl_arm.drivers"}
    made = where(makes("tmrl_arm.drivers.make_driver"))
    assert made == {"tmrl_arm.node", "tmrl_doctor.arm_probe"}


def test_the_limiter_depends_on_nothing_that_decides():
    for name, path in sources().items():
        if name.startswith("tmrl_controller.limiter"):
            ours = {used for used in imports(tree_of(path)) if used.startswith("tmrl_")}
            foreign = {
                used
                for used in ours
                if not used.startswith(("tmrl_common", "tmrl_controller.limiter"))
            }
            assert foreign == set(), name
