"""Variables of the shell: those of `given` on top of none, judged as `./tmrl` does at its entry.

`{folder}` in a value stands for a folder that is there and empty, `{file}` for a file in it.
"""

import os
from pathlib import Path

from tmrl_cli.bootstrap import shell_settings

from ..reading import Answer, Outcome


def read(given: dict[str, str], folder: Path) -> Answer:
    """The answer at the entry of every verb."""
    file = folder / "file"
    file.touch()
    values = {
        name: str(value).replace("{folder}", str(folder)).replace("{file}", str(file))
        for name, value in given.items()
    }
    prefixes = {"AMENT_PREFIX_PATH": os.environ["AMENT_PREFIX_PATH"]}
    wrong = shell_settings.refusals({**prefixes, **values})
    return Answer(Outcome.REFUSED, "\n".join(wrong)) if wrong else Answer(Outcome.TAKEN)
