"""The check that keeps a robot from executing a policy that was made for something else."""

from dataclasses import fields

from tmrl_common.messages import PolicyExpectation
from tmrl_common.types import PolicySpec


def mismatches(expected: PolicyExpectation, served: PolicySpec) -> list[str]:
    """Compare what a client demands with what is served, field by field.

    Returns:
        One phrase for each field that differs, naming it and both values; empty where all fits.
    """
    differences: list[str] = []
    for field in fields(expected):
        wanted, found = getattr(expected, field.name), getattr(served, field.name)
        if wanted is not None and wanted != found:
            differences.append(f"{field.name}: expected {wanted}, served {found}")
    return differences
