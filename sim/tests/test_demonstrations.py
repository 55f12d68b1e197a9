import numpy as np
import pytest

from tmrl_cell.demonstrations import generate


def test_demonstrations_are_reproducible_and_extend_by_appending(tmp_path):
    few, more = generate(2, seed=3), generate(3, seed=3)
    rows = len(few.actions)
    np.testing.assert_array_equal(few.proprio, more.proprio[:rows])
    np.testing.assert_array_equal(few.actions, more.actions[:rows])
    assert len(generate(1, seed=4).actions) > 0
    more.save(tmp_path / "demos.npz")
    with np.load(tmp_path / "demos.npz") as stored:
        assert stored["proprio"].shape == (len(more.actions), 5)
        assert stored["context"].shape == (len(more.actions), 4)
        assert stored["actions"].shape == (len(more.actions), 4)
        assert stored["proprio"].dtype == np.float32
        starts, lengths = stored["episode_starts"], stored["episode_lengths"]
        np.testing.assert_array_equal(starts[1:], (starts + lengths)[:-1])
        assert starts[0] == 0 and starts[-1] + lengths[-1] == len(more.actions)


def test_every_demonstration_moves_the_carrot_and_leaves_the_sausage():
    demonstrations = generate(10, seed=5)
    for start, length in zip(
        demonstrations.episode_starts, demonstrations.episode_lengths, strict=True
    ):
        first, last = demonstrations.context[start], demonstrations.context[start + length - 1]
        assert np.linalg.norm(last[:2] - (0.28, -0.21)) < 0.06
        np.testing.assert_allclose(last[2:], first[2:], atol=0.01)


def test_no_episodes_are_refused():
    with pytest.raises(ValueError, match="at least 1"):
        generate(0, seed=0)
