import numpy as np
import pytest

from tmrl_cell.actions import MAX_TRANSLATION_M
from tmrl_cell.cell import WidowXCell
from tmrl_cell.episode import run_expert
from tmrl_cell.expert import Expert
from tmrl_cell.layouts import downstream_layout, pretraining_layout


@pytest.fixture(scope="module")
def cell():
    return WidowXCell()


@pytest.mark.parametrize(
    ("target", "draw_layout", "miss_probability"),
    [
        ("carrot", pretraining_layout, 0.0),
        ("carrot", pretraining_layout, 1.0),
        ("sausage", downstream_layout, 0.0),
    ],
)
def test_the_expert_solves_at_least_95_percent(cell, target, draw_layout, miss_probability):
    episodes = []
    for seed in range(20):
        rng = np.random.default_rng((99, seed))
        expert = Expert(rng, target, miss_probability)
        episodes.append(run_expert(cell, draw_layout(rng), expert, target))
    assert sum(episode.success for episode in episodes) >= 19
    for episode in episodes:
        assert np.linalg.norm(episode.actions[:, :3], axis=1).max() <= MAX_TRANSLATION_M + 1e-6
        assert not episode.actions[:, 3:6].any()
        assert set(np.unique(episode.actions[:, 6])) == {0.0, 1.0}


def test_the_carrot_expert_never_solves_the_downstream_task(cell):
    for seed in range(5):
        rng = np.random.default_rng((98, seed))
        layout = downstream_layout(rng)
        assert run_expert(cell, layout, Expert(rng, "carrot"), "carrot").success
        assert cell.objects_in_pot() == {"carrot"}


def test_a_missed_grasp_is_demonstrated_and_recovered_from(cell):
    closings = []
    for miss_probability in (0.0, 1.0):
        rng = np.random.default_rng(5)
        episode = run_expert(
            cell, pretraining_layout(rng), Expert(rng, "carrot", miss_probability), "carrot"
        )
        assert episode.success
        closings.append(int((np.diff(episode.actions[:, 6]) < 0).sum()))
    assert closings == [1, 2]


def test_an_unknown_target_is_refused_with_the_valid_ones():
    with pytest.raises(ValueError, match="carrot, sausage"):
        Expert(np.random.default_rng(0), "shrimp")
