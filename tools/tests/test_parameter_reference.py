"""The parameter reference: what the page in the repository says is what the classes say."""

import ast
from pathlib import Path

from tmrl_cli.parameter_reference import SECTIONS, page, reference_file

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_is_up_to_date():
    remedy = "run ./tmrl run python -m tmrl_cli.parameter_reference"
    assert reference_file().read_text(encoding="utf-8") == page(), remedy


def test_every_parameter_says_what_it_means():
    rows = [line for line in page().splitlines() if line.startswith("| `")]
    assert rows
    assert [row for row in rows if not row.rpartition(" | ")[2].strip(" |")] == []


def test_no_configuration_of_a_node_is_left_out():
    """Every class that a node hands to its base, as the sources name it."""
    named = {
        node.slice.id
        for path in (ROOT / "ros2_ws" / "src").glob("*/*/node.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and node.value.id == "TmrlNode"
        and isinstance(node.slice, ast.Name)
    }
    known = {section.config.partition(":")[2] for section in SECTIONS}
    assert named - known - {"C"} == set()
