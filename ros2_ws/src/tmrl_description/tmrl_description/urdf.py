"""Finds the URDF of an arm: one that comes with this package, or a lab's own file."""

from pathlib import Path
from xml.etree import ElementTree

from tmrl_common.config import nearest_name
from tmrl_common.errors import ConfigError

_FOLDER = Path(__file__).parent / "urdf"


def shipped() -> dict[str, Path]:
    """The descriptions of this package, by name."""
    return {path.stem: path for path in sorted(_FOLDER.glob("*.urdf"))}


def read_urdf(wanted: str) -> str:
    """Returns the text of a description.

    Args:
        wanted: Name of a shipped one, such as widowx_250, or path of a file that ends in .urdf;
            empty for none.

    Raises:
        ConfigError: There is none of that name, the file cannot be read, or it is no URDF.
    """
    if not wanted:
        return ""
    path = Path(wanted).expanduser() if wanted.endswith(".urdf") else shipped().get(wanted)
    if path is None:
        raise ConfigError(
            f"urdf is {wanted!r}; {nearest_name(wanted, list(shipped()))}, or give the path of a "
            "file that ends in .urdf"
        )
    try:
        text = path.read_text(encoding="utf-8")
        root = ElementTree.fromstring(text)
    except (OSError, UnicodeDecodeError, ElementTree.ParseError) as error:
        raise ConfigError(
            f"urdf {wanted} cannot be read ({error}): correct the path or the file"
        ) from error
    if root.tag != "robot" or root.find("link") is None:
        raise ConfigError(
            f"urdf {wanted} holds <{root.tag}>, not a <robot> with links: expand xacro files first"
        )
    return text
