"""The text of a rig's file: plain YAML with `!example`, every key once, every key a text.

Numbers are decimal, as people write them: for YAML 1.1, 010 is 8 and 1:30 is 90. Here both are
text, which the field's type then reads.
"""

import re
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import yaml


@dataclass(frozen=True)
class Example:
    """A value that only shows what is wanted; the key counts as missing.

    Attributes:
        value: Such as a lab would write.
    """

    value: Any


class _Loader(yaml.SafeLoader):
    """Reads plain YAML, and `!example`."""

    def construct_mapping(
        self,
        node: yaml.MappingNode,
        deep: bool = False,  # noqa: FBT001, FBT002 - PyYAML's signature
    ) -> dict[Hashable, Any]:
        """Refuses what YAML lets through: of a key that stands twice, it takes the last."""
        lines: dict[Hashable, int] = {}
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key, line = self.construct_object(key_node, deep=True), key_node.start_mark.line + 1
            if not isinstance(key, str):
                written = key_node.value if isinstance(key_node, yaml.ScalarNode) else "there"
                raise _Unclear(
                    f"line {line}: YAML reads the name {written} as {key!r}; put it into quotes"
                )
            if key in lines:
                raise _Unclear(
                    f"{key} stands twice, in lines {lines[key]} and {line}; remove one of them"
                )
            lines[key] = line
        return super().construct_mapping(node, deep)


_INT, _FLOAT = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in forms if tag not in (_INT, _FLOAT)]
    for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    _INT, re.compile(r"[-+]?(?:0|[1-9][0-9_]*|0x[0-9a-fA-F]+)$"), list("-+0123456789")
)
_Loader.add_implicit_resolver(
    _FLOAT,
    re.compile(
        r"(?:[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9]+)(?:[eE][-+][0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
    list("-+.0123456789"),
)


class _Unclear(yaml.YAMLError):
    """YAML that could mean two things."""


def _example(loader: _Loader, node: yaml.Node) -> Example:
    if isinstance(node, yaml.SequenceNode):
        return Example(loader.construct_sequence(node, deep=True))
    if isinstance(node, yaml.ScalarNode):
        # With the tag gone, the scalar is read as it would be without.
        kind = loader.resolve(yaml.ScalarNode, node.value, (node.style is None, False))
        return Example(loader.construct_object(yaml.ScalarNode(kind, node.value)))
    raise yaml.constructor.ConstructorError(
        None, None, "!example takes one value or a list", node.start_mark
    )


_Loader.add_constructor("!example", _example)


def parse(content: bytes) -> Any:
    """The values of a rig's file.

    Args:
        content: UTF-8, or UTF-16 with the mark at its start that editors write.

    Raises:
        ValueError: It is no such text or no YAML, a key stands twice, or a key is no text; says
            where.
    """
    try:
        return yaml.load(content, Loader=_Loader)
    except yaml.reader.ReaderError as error:
        if error.encoding != "utf-8":
            raise ValueError(f"is no YAML: {_one_line(error)}") from error
        line = content[: int(error.position)].count(b"\n") + 1
        raise ValueError(f"is no UTF-8, see line {line}; save it as UTF-8") from error
    except _Unclear as error:
        raise ValueError(f"cannot be used: {error}") from error
    except yaml.YAMLError as error:
        raise ValueError(f"is no YAML: {_one_line(error)}") from error


def value_of(text: str) -> Any:
    """The value that the text of an override means, by the same rules.

    Raises:
        yaml.YAMLError: It is no YAML.
    """
    return yaml.load(text, Loader=_Loader)


def _one_line(error: yaml.YAMLError) -> str:
    return " ".join(str(error).split())
