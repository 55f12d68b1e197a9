"""No arrow of imports runs up and none in a circle, proved by reading every import.

Imports inside functions count as well: a module that waits for a call before it reaches up has the
dependency all the same. Imports that only the type checker makes do not run, and do not count
towards circles.
"""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROS_PACKAGES = ROOT / "ros2_ws" / "src"

LAYERS = (
    ("tmrl_common",),
    ("tmrl_policies",),
    ("tmrl_learner", "tmrl_policy_server", "tmrl_cell"),
    ("tmrl_experiments",),
    ("tmrl_ros", "tmrl_description"),
    (
        "tmrl_arm",
        "tmrl_camera",
        "tmrl_controller",
        "tmrl_operator",
        "tmrl_agent",
        "tmrl_learning",
        "tmrl_recorder",
        "tmrl_teleop",
    ),
    ("tmrl_sim", "tmrl_console", "tmrl_success"),
    ("tmrl_bringup",),
    ("tmrl_run",),
    ("tmrl_doctor", "tmrl_demo", "tmrl_check"),
    ("tmrl_cli",),
)
"""From the ground to the top. A package imports from layers below its own, not from its neighbours
nor from above. `tmrl_msgs` is generated and imports nothing of ours."""

FOLDERS = {
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
    "tmrl_check": ROOT / "tools",
    "tmrl_run": ROOT / "tools",
    **{path.parent.name: path.parent for path in ROS_PACKAGES.glob("*/setup.py")},
}

Graph = Mapping[str, set[str]]


@cache
def modules() -> dict[str, Path]:
    """Every module of every package by its dotted name."""
    found: dict[str, Path] = {}
    for package, folder in FOLDERS.items():
        for path in sorted((folder / package).rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def is_for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in (
        "TYPE_CHECKING",
        "typing.TYPE_CHECKING",
    )


def running(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below one, without what only the type checker reads."""
    for child in ast.iter_child_nodes(node):
        if not is_for_types_only(child):
            yield child
            yield from running(child)


def imports(tree: ast.Module, known: Mapping[str, object]) -> set[str]:
    """The known modules that one imports: `from a import b` means a.b where that is a module."""
    found: set[str] = set()
    for node in running(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (inside & known.keys()) or {node.module}
    return found & known.keys()


@cache
def graph() -> Graph:
    """What each module imports of ours."""
    return {
        name: imports(ast.parse(path.read_text(encoding="utf-8")), modules())
        for name, path in modules().items()
    }


def package_of(module: str) -> str:
    return module.split(".")[0]


def upward(edges: Graph, layers: tuple[tuple[str, ...], ...]) -> list[str]:
    """The imports of another package that is not in a lower layer."""
    level = {package: height for height, row in enumerate(layers) for package in row}
    return sorted(
        f"{importer} imports {imported}"
        for importer, targets in edges.items()
        for imported in targets
        if package_of(importer) != package_of(imported)
        and level[package_of(imported)] >= level[package_of(importer)]
    )


def circles(edges: Graph) -> list[str]:
    """Groups of modules that import each other, directly or around corners."""
    reached: dict[str, set[str]] = {}
    for start in edges:
        seen: set[str] = set()
        waiting = [*edges[start]]
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting += edges.get(name, set())
        reached[start] = seen
    groups = {
        tuple(sorted(other for other in reached[name] if name in reached.get(other, set())))
        for name in edges
        if name in reached[name]
    }
    return sorted(" <-> ".join(group) for group in groups)


def test_an_arrow_upwards_and_a_circle_would_be_found():
    text = "def later():\n    from top.hall import door\n"
    known = {"top": 0, "top.hall": 0, "ground.floor": 0}
    edges = {"ground.floor": imports(ast.parse(text), known), "top.hall": {"ground.floor"}}

    assert upward(edges, (("ground",), ("top",))) == ["ground.floor imports top.hall"]
    assert circles(edges) == ["ground.floor <-> top.hall"]


def test_a_name_only_for_the_type_checker_makes_no_circle():
    text = "if TYPE_CHECKING:\n    from top import hall\n"
    assert imports(ast.parse(text), {"top": 0, "top.hall": 0}) == set()


def test_every_package_has_its_layer():
    assert sorted(FOLDERS) == sorted(package for row in LAYERS for package in row)


def test_no_arrow_of_imports_runs_up():
    assert upward(graph(), LAYERS) == []


def test_no_imports_run_in_a_circle():
    assert circles(graph()) == []
