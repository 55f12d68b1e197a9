"""Every process of this stack enters ROS in one place, which keeps it off the lab's network."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
THE_PLACE = ROOT / "ros2_ws/src/tmrl_ros/tmrl_ros/network.py"
NOT_OURS = {"test", "tests", "build", "install", "log", ".venv", "typings"}


def enters_ros(source: str) -> bool:
    """Whether it calls `rclpy.init`, also where that was imported by its own name."""
    return any(
        (isinstance(node, ast.Attribute) and ast.unparse(node) == "rclpy.init")
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "rclpy"
            and any(name.name == "init" for name in node.names)
        )
        for node in ast.walk(ast.parse(source))
    )


def test_only_one_module_calls_rclpy_init() -> None:
    assert enters_ros("import rclpy\nrclpy.init(args=[])")
    assert enters_ros("from rclpy import init")
    files = [p for p in ROOT.rglob("*.py") if not NOT_OURS & set(p.relative_to(ROOT).parts)]
    sources = {path: path.read_text(encoding="utf-8") for path in files}
    entering = [path for path, text in sources.items() if "rclpy" in text and enters_ros(text)]
    assert entering == [THE_PLACE]
