"""Names that ROS takes for nodes, namespaces and the words of topics; imports nothing of ROS."""

import re
import unicodedata
from dataclasses import dataclass

_LEGAL = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def is_ros_name(text: str) -> bool:
    """Whether a text is letters, digits and underscores, and begins with a letter."""
    return _LEGAL.fullmatch(text) is not None


def legal_name(text: str, kind: str) -> str:
    """The name that is nearest to a text and that ROS takes.

    Args:
        text: Such as "wx250s-left".
        kind: Put before what would begin with a digit, or be nothing, such as "camera".
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    words = re.sub(r"[^A-Za-z0-9]+", "_", plain).strip("_")
    return words if is_ros_name(words) else f"{kind}_{words}".rstrip("_")


def refusal(text: str, kind: str) -> str:
    """The end of a sentence about a name that ROS does not take."""
    return (
        "it must be letters, digits and underscores, and begin with a letter, as ROS wants its "
        f"names: for example {legal_name(text, kind)}"
    )


@dataclass(frozen=True)
class RosName:
    """Constraint: a name that stands in those of nodes or topics.

    Attributes:
        kind: What has the name, such as "camera".
    """

    kind: str

    @property
    def text(self) -> str:
        """What is valid."""
        return "letters, digits and underscores, a letter first"

    def admits(self, value: str) -> bool:
        """Returns whether ROS takes the name."""
        return is_ros_name(value)

    def remedy(self, value: str) -> str:
        """Returns the rule, and the nearest name that is taken."""
        return refusal(value, self.kind)
