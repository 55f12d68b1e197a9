"""This pi0 against the recorded outputs of another implementation, number by number.

A folder of vectors holds `model.safetensors` and `io.npz`, of pi0 or pi0.5, smoothed or not; five
of them are committed under policies/tests/golden. Fails where an output differs by more than the
tolerance.
"""

import argparse
from pathlib import Path
from typing import Any

import torch

from tmrl_policies.checkpoint import CheckpointError
from tmrl_policies.pi0.parity import TOLERANCE, TOLERANCE_OF_NORMALISED_PI0, compare


def run(argv: list[str]) -> dict[str, Any]:
    """Compares; the errors are relative to the largest magnitude of each output."""
    parser = argparse.ArgumentParser(prog="./tmrl bench pi0-parity")
    parser.add_argument("directory", metavar="DIR", type=Path, help="folder of vectors")
    parser.add_argument(
        "--tolerance",
        type=float,
        help=(
            f"largest relative error that passes (default: {TOLERANCE}, for a pi0 with normalised "
            f"prefix {TOLERANCE_OF_NORMALISED_PI0})"
        ),
    )
    parser.add_argument(
        "--siglip-heads",
        type=int,
        help="attention heads of the image encoder (default: 16 for a width of 1152, else 4)",
    )
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    try:
        compared = compare(options.directory, options.siglip_heads)
    except CheckpointError as error:
        parser.error(str(error))
    errors = compared.errors
    tolerance = compared.tolerance if options.tolerance is None else options.tolerance
    return {
        "ratios": {},
        "figures": {"max_relative_error": errors, "tolerance": tolerance},
        "passed": bool(errors) and max(errors.values()) <= tolerance,
    }
