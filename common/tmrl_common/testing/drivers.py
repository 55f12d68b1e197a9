"""Installs packages that offer arm drivers, for tests: a folder on the path, no pip."""

from collections.abc import Mapping
from pathlib import Path

from tmrl_common.arm_drivers import GROUP


def offer_driver(
    folder: Path, package: str, offers: Mapping[str, str], modules: Mapping[str, str] | None = None
) -> None:
    """Writes what an installer leaves: metadata with entry points, and modules.

    Args:
        folder: Where packages lie; the caller has it on the path.
        package: Name of the package.
        offers: Entry points, name to `module:attribute`.
        modules: Name of each module to its source.
    """
    information = folder / f"{package}-1.0.dist-info"
    information.mkdir(parents=True)
    metadata = f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n"
    (information / "METADATA").write_text(metadata, encoding="utf-8")
    lines = [f"[{GROUP}]", *(f"{name} = {value}" for name, value in offers.items())]
    (information / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for name, source in (modules or {}).items():
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
