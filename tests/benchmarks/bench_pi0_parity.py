"""This pi0 against the recorded outputs of another implementation, number by number.

A folder of vectors holds `model.safetensors` and `io.npz`; two of them are committed under
policies/tests/golden. Fails where an output differs by more than the tolerance.
"""

import argparse
from pathlib import Path
from typing import Any

import torch

from tmrl_policies.checkpoint import CheckpointError
from tmrl_policies.pi0.parity import compare

_TOLERANCE = 1e-4


def run(argv: list[str]) -> dict[str, Any]:
    """Compares; the errors are relative to the largest magnitude of each output."""
    parser = argparse.ArgumentParser(prog="./tmrl bench pi0-parity")
    parser.add_argument("directory", metavar="DIR", type=Path, help="folder of vectors")
    parser.add_argument(
        "--tolerance",
        type=float,
        default=_TOLERANCE,
        help=f"largest relative error that passes (default: {_TOLERANCE})",
    )
    parser.add_argument(
        "--siglip-heads",
        type=int,
        help="attention heads of the image encoder (default: 16 for a width of 1152, else 4)",
    )
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    try:
        errors = compare(options.directory, options.siglip_heads)
    except CheckpointError as error:
        parser.error(str(error))
    return {
        "ratios": {},
        "figures": {"max_relative_error": errors, "tolerance": options.tolerance},
        "passed": bool(errors) and max(errors.values()) <= options.tolerance,
    }
