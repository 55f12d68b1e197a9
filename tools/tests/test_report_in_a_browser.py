"""The page of a run in a real browser: its script works, also on episodes that a person drove."""

from pathlib import Path

import pytest

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

from tmrl_run.report.cli import main
from tmrl_run.testing import write_small_run


def test_an_episode_shows_its_chunks_also_those_that_a_person_drove(browser, tmp_path: Path):
    run = write_small_run(tmp_path / "run")
    assert main([str(run)]) == 0
    page = browser.new_page()
    errors, requests = [], []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto((run / "report.html").as_uri())
    page.click("#grid button[data-episode='2']")
    rows = page.locator("#chunks tbody tr")
    assert rows.count() == 4
    sigma = [rows.nth(i).locator("td").nth(1).text_content() for i in range(4)]
    assert sigma == ["0.20", "", "0.30", "0.35"]
    assert page.get_attribute("#grid button[data-episode='2']", "aria-pressed") == "true"
    assert not errors
    assert requests == [(run / "report.html").as_uri()]
    page.close()
