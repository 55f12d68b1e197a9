"""The circle experiment runs end to end, and its figures mean what they say."""

import json
import math
from pathlib import Path

import pytest
import torch

from tmrl_experiments.theory.circle import CircleConfig, CircleSource
from tmrl_experiments.theory.cli import main
from tmrl_experiments.theory.measures import (
    angular_spread_deg,
    distance_to_circle,
    distance_to_target,
    overlap,
)


def on_circle(angles_deg: torch.Tensor) -> torch.Tensor:
    angles = torch.deg2rad(angles_deg)
    return torch.stack((angles.cos(), angles.sin()), dim=-1)


def test_no_training_point_lies_in_the_gap() -> None:
    source = CircleSource(CircleConfig(half_gap_deg=40.0), seed=0)
    for batch in (source.statistics(), source.validation()):
        angle = batch.context[:, 0]
        assert float(angle.abs().min()) > math.radians(40.0)
        assert float(angle.abs().max()) <= math.pi + 1e-6
        torch.testing.assert_close(batch.actions[:, 0], on_circle(torch.rad2deg(angle)))


def test_measures_of_known_points() -> None:
    exact = on_circle(torch.full((50,), 90.0))
    assert distance_to_circle(0.75 * exact) == pytest.approx(0.25, abs=1e-6)
    assert distance_to_target(exact, math.pi / 2) == pytest.approx(0.0, abs=1e-6)
    beside = on_circle(torch.tensor([80.0, 100.0]))
    assert angular_spread_deg(beside, math.pi / 2) == pytest.approx(10.0, abs=1e-3)
    around = on_circle(torch.tensor([-170.0, 170.0]))
    assert angular_spread_deg(around, math.pi) == pytest.approx(10.0, abs=1e-3)


def test_overlap_of_known_points() -> None:
    everywhere = on_circle(torch.arange(0.0, 360.0))
    half = on_circle(torch.arange(0.0, 180.0))
    assert overlap(everywhere, everywhere) == pytest.approx(1.0)
    assert overlap(everywhere, half) == pytest.approx(0.5, abs=0.02)
    assert overlap(half, on_circle(torch.arange(180.0, 360.0))) == pytest.approx(0.0, abs=0.02)


def test_the_command_writes_figure_and_numbers(tmp_path: Path) -> None:
    assert main(["--out", str(tmp_path), "--seeds", "0", "1", "--steps", "80"]) == 0
    assert (tmp_path / "circle.png").read_bytes().startswith(b"\x89PNG")
    written = json.loads((tmp_path / "circle.json").read_text())
    assert written["seeds"] == [0, 1]
    results = written["over_seeds"]
    spread = {
        (row["context"], row["sigma"]): row["angular_spread_deg"]["mean"]
        for row in results["smoothing"]
    }
    assert spread["seen", 0.0] < spread["seen", 0.5] < spread["seen", 1.0]
    for row in results["overlap"]:
        assert 0.0 <= row["overlap"]["min"] <= row["overlap"]["max"] <= 1.0 + 1e-6
        assert row["overlap"]["min"] >= row["theorem_lower_bound"] - 0.05
        # The same noises for both contexts: at the marginal even the points are the same.
        assert row["sigma"] < 1.0 or row["overlap"]["min"] == pytest.approx(1.0)


def test_impossible_settings_are_refused(tmp_path: Path, capsys) -> None:
    assert main(["--out", str(tmp_path), "--half-gap-deg", "200"]) == 2
    assert "half_gap_deg is 200" in capsys.readouterr().err
