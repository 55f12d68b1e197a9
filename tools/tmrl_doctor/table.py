"""The doctor's table, and its exit code."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from tmrl_doctor.finding import Check, Finding, Level

_COLOURS = {
    Level.GOOD: "green",
    Level.WARNING: "yellow",
    Level.FAILED: "red",
    Level.SKIPPED: "dim",
}


def print_table(checks: Sequence[Check], findings: Sequence[Finding], console: Console) -> None:
    """Prints one line per check, with the remedy where something is not as it should be.

    Of a finding with several lines, the table has the first; all of them follow below.
    """
    table = Table("check", "", Column("what was seen", overflow="fold", ratio=3))
    table.add_column("remedy", overflow="fold", ratio=2)
    for check, finding in zip(checks, findings, strict=True):
        mark = f"[{_COLOURS[finding.level]}]{finding.level}[/]"
        first = finding.detail.partition("\n")[0]
        table.add_row(check.name, mark, escape(first), escape(finding.remedy))
    console.print(table)
    for check, finding in zip(checks, findings, strict=True):
        if "\n" in finding.detail:
            console.print(f"\n{check.name}: {escape(finding.detail)}", highlight=False)


def exit_code(findings: Sequence[Finding]) -> int:
    """1 where anything failed, 0 otherwise: warnings do not fail."""
    return int(any(finding.level is Level.FAILED for finding in findings))
