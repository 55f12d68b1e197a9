"""The rules of the house that a reader may rely on, proved by reading every source file."""

import ast
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PURE_PACKAGES = ("common", "policies", "policy_server", "learner", "sim", "experiments")
ROS_SHELLS = ("tmrl_ros",)
"""ROS packages that are shell through and through."""
ROS_MODULES = {"rclpy", "launch", "launch_ros", "ament_index_python"}
FORBIDDEN_CALLS = {"eval", "exec"}
FORBIDDEN_MODULES = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
FORBIDDEN_ATTRIBUTES = {"recv_pyobj", "send_pyobj"}
TORCH_PICKLE = {"load", "save"}
GENERATED = {"build", "install", "log", "__pycache__"}


def python_files(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*.py")
        if not GENERATED.intersection(path.relative_to(ROOT).parts)
        and not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    )


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Everything in a module, for all tests of this file: to walk them all takes seconds."""
    return tuple(ast.walk(parse(path)))


def imported_modules(path: Path) -> Iterator[tuple[str, int]]:
    """Yields each imported module's dotted name with its line; also imports inside functions."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module, node.lineno


def imports_of(paths: list[Path], refused: set[str]) -> list[str]:
    """Lists `file:line imports name` for every import of a refused top-level module."""
    return [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in paths
        for name, line in imported_modules(path)
        if name.split(".")[0] in refused
    ]


def cores() -> list[Path]:
    """Modules of ROS packages that decide: all but the nodes, their tests and the set-up files."""
    packages = [path.parent for path in (ROOT / "ros2_ws" / "src").glob("*/package.xml")]
    modules = [
        path
        for package in packages
        if package.name not in ROS_SHELLS
        for path in python_files(package / package.name)
    ]
    return [path for path in modules if path.stem != "node" and not path.stem.endswith("_node")]


@cache
def all_files() -> list[Path]:
    return python_files(ROOT)


@pytest.mark.parametrize("package", PURE_PACKAGES)
def test_pure_packages_never_import_ros(package):
    assert imports_of(python_files(ROOT / package), ROS_MODULES | {"tmrl_msgs", "tmrl_ros"}) == []


def test_cores_of_ros_packages_never_import_ros():
    assert imports_of(cores(), ROS_MODULES) == []


def test_common_needs_no_torch():
    assert imports_of(python_files(ROOT / "common"), {"torch"}) == []


READ_BEFORE_SET_UP = ("discovery_servers", "errors", "storage", "verbs")
"""What ./tmrl reads of tmrl_common before any package is installed."""


def test_bootstrap_needs_the_standard_library_only():
    cli = ROOT / "tools" / "tmrl_cli"
    common = [ROOT / "common" / "tmrl_common" / f"{name}.py" for name in READ_BEFORE_SET_UP]
    before_set_up = [ROOT / "tmrl", cli / "cli.py", *common, *python_files(cli / "bootstrap")]
    ours = {"tmrl_cli", "tmrl_cli.bootstrap", "tmrl_common"}
    ours |= {f"tmrl_common.{name}" for name in READ_BEFORE_SET_UP}
    ours |= {
        f"tmrl_cli.{'.'.join(path.relative_to(cli).with_suffix('').parts)}"
        for path in before_set_up
        if path.is_relative_to(cli)
    }
    foreign = {
        name
        for path in before_set_up
        for name, _ in imported_modules(path)
        if name.split(".")[0] not in sys.stdlib_module_names and name not in ours
    }
    assert foreign == set()


def test_nothing_is_pickled():
    assert imports_of(all_files(), FORBIDDEN_MODULES) == []
    assert list(_pickling_attributes()) == []


def _pickling_attributes() -> Iterator[str]:
    for path in all_files():
        for node in nodes(path):
            if not isinstance(node, ast.Attribute):
                continue
            is_torch = isinstance(node.value, ast.Name) and node.value.id == "torch"
            if node.attr in FORBIDDEN_ATTRIBUTES or (is_torch and node.attr in TORCH_PICKLE):
                yield f"{path.relative_to(ROOT)}:{node.lineno} uses {ast.unparse(node)}"


def _enters_ros(module: Iterable[ast.AST]) -> bool:
    """Whether it calls `rclpy.init`, also where that was imported by its own name."""
    return any(
        (isinstance(node, ast.Attribute) and ast.unparse(node) == "rclpy.init")
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "rclpy"
            and any(name.name == "init" for name in node.names)
        )
        for node in module
    )


def test_one_module_enters_ros_and_keeps_every_process_off_the_labs_network():
    assert _enters_ros(ast.walk(ast.parse("import rclpy\nrclpy.init(args=[])")))
    assert _enters_ros(ast.walk(ast.parse("from rclpy import init")))
    tests = {"test", "tests"}
    ours = [path for path in all_files() if not tests & set(path.relative_to(ROOT).parts)]
    entering = [path for path in ours if _enters_ros(nodes(path))]
    assert entering == [ROOT / "ros2_ws/src/tmrl_ros/tmrl_ros/network.py"]


def test_no_code_is_made_from_text():
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno} calls {node.func.id}"
        for path in all_files()
        for node in nodes(path)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in FORBIDDEN_CALLS
    ]
    assert found == []


def test_no_exception_is_caught_without_a_name():
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in all_files()
        for node in nodes(path)
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    assert found == []


def test_files_have_at_most_400_lines():
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in all_files()}
    assert [f"{path.relative_to(ROOT)}: {n}" for path, n in lengths.items() if n > 400] == []


def test_functions_fit_a_screen():
    too_long = [
        f"{path.relative_to(ROOT)}: {node.name} ({node.end_lineno - node.lineno + 1} lines)"
        for path in all_files()
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno + 1 > 60
    ]
    assert too_long == []


def test_nodes_are_thin():
    nodes = [
        path
        for path in python_files(ROOT / "ros2_ws" / "src")
        if (path.stem == "node" or path.stem.endswith("_node")) and "test" not in path.parts
    ]
    long = [path for path in nodes if len(path.read_text(encoding="utf-8").splitlines()) > 150]
    assert long == []
