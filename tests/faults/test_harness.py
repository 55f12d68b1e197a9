"""The harness itself: a few faults in a real session, after which nothing is amiss."""

from pathlib import Path

import pytest

from .harness import Harness
from .plan import PARTS, draw

pytestmark = [pytest.mark.e2e, pytest.mark.ros, pytest.mark.long, pytest.mark.timeout(3600)]

RESTARTED = ("policy_server", "learning", "console", "recorder")
"""Parts after whose death the session continues: to start it again takes longest."""


def test_a_session_survives_a_few_faults(tmp_path: Path) -> None:
    report = Harness(tmp_path, 1, print).run(draw(1, 4, RESTARTED))
    result = report.result()
    assert report.passed, result
    figures = result["figures"]
    assert (figures["kills"], figures["stops"], figures["proxy_faults"]) == (4, 2, 2)
    assert all(event.took_s is not None for event in report.events)
    assert figures["rows"] > 0
    assert figures["ticks"] > figures["chunks"] > 0


def test_a_session_survives_faults_of_every_part(tmp_path: Path) -> None:
    report = Harness(tmp_path, 2, print).run(draw(2, 3 * len(PARTS)))
    assert report.passed, report.result()
