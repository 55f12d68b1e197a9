"""Parameter files of nodes, written so that ROS reads what the rig means.

The reader of ROS takes other text for numbers and booleans than Python's does, and no list of mixed
numbers: text is always quoted here, and every value is of its field's type before it is written. A
group without values is left out: ROS takes it for a parameter without a type.
"""

from typing import Any

import yaml


class _RosDumper(yaml.SafeDumper):
    """Writes text in quotes, and no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        """Two equal lists are written twice: ROS reads no aliases."""
        del data
        return True


def _quoted(dumper: _RosDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')


_RosDumper.add_representer(str, _quoted)


def parameter_file(parameters: dict[str, Any]) -> str:
    """The text of a parameter file for one node.

    Args:
        parameters: Its parameters, and those of its groups as mappings; tuples are lists.
    """
    content = {"/**": {"ros__parameters": _without_empty_groups(parameters)}}
    return yaml.dump(
        content, Dumper=_RosDumper, sort_keys=False, allow_unicode=True, width=float("inf")
    )


def _without_empty_groups(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _without_empty_groups(value) if isinstance(value, dict) else value
        for name, value in values.items()
        if value != {}
    }
