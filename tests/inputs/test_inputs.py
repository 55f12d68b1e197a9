"""Every input as people have it gets the right answer."""

from pathlib import Path

import pytest

from .reading import Case, cases, read


@pytest.mark.parametrize("case", cases(), ids=str)
def test_an_input_gets_the_right_answer(case: Case, tmp_path: Path) -> None:
    fault = case.fault(read(case, tmp_path))
    assert not fault, fault
