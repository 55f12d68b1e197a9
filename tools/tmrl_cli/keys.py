"""`./tmrl keys FILE`: a CURVE key pair for a machine of a rig whose policy server is elsewhere."""

import argparse
import sys
from pathlib import Path

from tmrl_common.transport import KeyPair
from tmrl_common.verbs import EXIT_REFUSED

_DESCRIPTION = """\
Makes a key pair: FILE holds the secret key and stays on this machine, FILE.pub the public one, to
be copied to the machine that is spoken with. Make one on every machine; docs/guides/remote_gpu.md
says which goes where. An existing key is never replaced."""


def main(argv: list[str]) -> int:
    """Makes a key pair.

    Returns:
        0; 2 where the file exists already or cannot be written.
    """
    parser = argparse.ArgumentParser(
        prog="./tmrl keys",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="such as ~/.tmrl/robot.key")
    path: Path = parser.parse_args(argv).file.expanduser()
    if not path.name:
        parser.error("FILE is empty; give a name such as ~/.tmrl/robot.key")
    pair = KeyPair.new()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pair.save(path)
    except OSError as error:
        remedy = "give another name, or keep the key that is there"
        sys.stderr.write(f"tmrl keys: cannot make {path}: {error.strerror}; {remedy}\n")
        return EXIT_REFUSED
    sys.stdout.write(f"{path}: secret, stays here\n{path}.pub: {pair.public.decode()}\n")
    return 0
