"""A lab's own rig file: a copy of the checkout's, changed, its examples taken for values.

`given` holds, all optional: `rig`, whose file is copied; `name` of the copy; `replaced`, texts by
what stands in their place (each once); `added`, a text at the end; `text`, the whole file;
`encoding`.
"""

from pathlib import Path
from typing import Any

from tmrl_bringup.rig import RigError, config_dir

from ..reading import Answer, Outcome
from .rig import judged_with


def read(given: dict[str, Any], folder: Path) -> Answer:
    """The answer of the check that runs before any process starts."""
    original = Path(config_dir(), f"{given.get('rig', 'widowx')}.yaml")
    text = given.get("text", original.read_text(encoding="utf-8"))
    for old, new in given.get("replaced", {}).items():
        if text.count(old) != 1:
            raise LookupError(f"{old!r} stands {text.count(old)} times in {original}")
        text = text.replace(old, new)
    path = folder / given.get("name", "my_widowx.yaml")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((text + given.get("added", "")).encode(given.get("encoding", "utf-8")))
    try:
        rig = judged_with(str(path), {}, folder)
    except RigError as error:
        return Answer(Outcome.REFUSED, str(error))
    kind = "simulated" if rig.simulated else "hardware"
    return Answer(Outcome.TAKEN, f"{kind} {rig.robot}, cameras {', '.join(rig.cameras)}")
