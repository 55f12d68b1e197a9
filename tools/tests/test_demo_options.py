"""The demo's command line: a fixed sigma goes with its method, and lies in its range."""

import pytest

from tmrl_demo.options import parse


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
