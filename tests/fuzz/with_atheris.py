"""Fuzzes one door with atheris, which watches branches: `python with_atheris.py DOOR RUNS`.

Ends with 0 where nothing broke it; otherwise atheris has written the bytes to `crash-...` in the
working folder, to be kept in `found/DOOR`.
"""

import sys
import tempfile
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent))
_OURS = ["tmrl_common", "tmrl_agent", "tmrl_console", "tmrl_policy_server", "tmrl_bringup"]

with atheris.instrument_imports(include=[*_OURS, "tmrl_teleop", "json"]):
    from doors import DOORS


def main() -> None:
    """Runs until so many inputs were tried."""
    name, runs = sys.argv[1:]
    door = DOORS[name]()
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(door.seeds):
            Path(corpus, str(number)).write_bytes(seed)
        atheris.Setup([sys.argv[0], f"-runs={runs}", "-max_len=65536", corpus], door.enter)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
