"""The demo's command line: what an option means for the rig, and which are refused."""

from pathlib import Path

import pytest

from tmrl_demo.options import parse
from tmrl_demo.session import resolve_rig


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--sigma", "0.5"], "--sigma goes with --method fixed-sigma; tmrl has its own"),
        (["--method", "fixed-sigma", "--sigma", "1.5"], "--sigma is 1.5; it must lie in [0, 1]"),
    ],
)
def test_a_sigma_that_means_nothing_is_refused(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        parse(arguments)
    assert refused.value.code == 2
    assert sentence in capsys.readouterr().err


def test_a_fixed_sigma_is_taken_over() -> None:
    assert parse(["--method", "fixed-sigma", "--sigma", "0"]).sigma == 0.0
    assert parse(["--method", "fixed-sigma"]).sigma is None


@pytest.mark.parametrize(
    ("arguments", "factor", "pacing", "lock_step"),
    [
        ([], 0.0, "lock_step", True),
        (["--real-time"], 1.0, "state", False),
        (["--label", "manual"], 1.0, "state", False),
        (["--label", "manual", "driver.real_time_factor:=2.0"], 2.0, "state", False),
    ],
)
def test_a_person_who_labels_or_drives_gets_an_arm_that_takes_its_time(
    arguments: list[str], factor: float, pacing: str, *, lock_step: bool, tmp_path: Path
) -> None:
    parts = resolve_rig(parse(arguments), tmp_path).parts
    assert parts["driver"]["real_time_factor"] == factor
    assert parts["controller"]["pacing"] == pacing
    assert parts["agent"]["lock_step"] is lock_step
