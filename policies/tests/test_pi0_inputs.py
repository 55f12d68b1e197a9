"""What pi0 sees of a rig: images, prompts, and numbers scaled by the checkpoint's statistics."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tmrl_common.errors import ConfigError
from tmrl_policies.pi0.config import CAMERA_SLOTS, TINY
from tmrl_policies.pi0.inputs.images import prepare_images
from tmrl_policies.pi0.inputs.rigs import (
    BRIDGE,
    CSPI0_BRIDGE_RELATIVE,
    DROID,
    RIGS,
    AbsentCameras,
    Scale,
    rig_named,
)
from tmrl_policies.pi0.inputs.scaling import Scaling
from tmrl_policies.pi0.inputs.statistics import Statistics
from tmrl_policies.pi0.inputs.testing import write_tokeniser
from tmrl_policies.pi0.inputs.tokeniser import PromptTokeniser


@pytest.fixture(scope="module")
def tokeniser_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokeniser") / "paligemma_tokenizer.model"
    write_tokeniser(path)
    return path


@pytest.fixture
def tokeniser(tokeniser_file: Path) -> PromptTokeniser:
    return PromptTokeniser(tokeniser_file, length=48, vocabulary=TINY.vocabulary)


def test_bridge_is_one_camera_and_seven_numbers_each_way():
    assert (BRIDGE.camera_names, BRIDGE.slots) == (("overview",), (0,))
    assert (BRIDGE.state_dim, BRIDGE.action_dim, BRIDGE.horizon) == (7, 7, 50)
    assert BRIDGE.action_space == "bridge_delta_ee_7"


def test_droid_is_two_cameras_in_the_first_two_slots_and_eight_numbers_each_way():
    assert (DROID.camera_names, DROID.slots) == (("exterior", "wrist"), (0, 1))
    assert (DROID.state_dim, DROID.action_dim, DROID.horizon) == (8, 8, 10)
    assert DROID.action_space == "droid_joint_velocity_8"


def test_the_authors_bridge_weights_look_at_black_images_and_may_add_the_state_back():
    rig = CSPI0_BRIDGE_RELATIVE
    assert rig.absent_cameras is AbsentCameras.BLACK
    assert rig.relative_columns == 6, "the gripper is absolute"


@pytest.mark.parametrize("rig", RIGS.values(), ids=RIGS)
def test_every_rig_can_be_told_apart_and_fits_pi0(rig):
    assert rig_named(rig.name) is rig
    assert {camera.slot for camera in rig.cameras} <= set(CAMERA_SLOTS)
    assert max(rig.state_dim, rig.action_dim) <= 32
    assert rig.relative_columns <= min(rig.state_dim, rig.action_dim)


def test_an_unknown_rig_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"unknown rig 'brige'. did you mean 'bridge'"):
        rig_named("brige")


def test_mean_and_deviation_by_hand():
    # (0.45 - 0.30) / (0.1 + 0.000001) = 1.499985; (0 - 0.5) / (0.25 + 0.000001) = -1.999992
    statistics = Statistics(np.array([0.30, 0.5]), np.array([0.1, 0.25]))
    scaling = Scaling(statistics, Scale.MEAN_STD)
    normalised = scaling.normalise(np.array([0.45, 0.0], dtype=np.float32))
    np.testing.assert_allclose(normalised, [1.499985, -1.999992], atol=1e-6)
    # 2 * 0.100001 + 0.30 = 0.500002; -1 * 0.250001 + 0.5 = 0.249999
    restored = scaling.restore(np.array([2.0, -1.0], dtype=np.float32))
    np.testing.assert_allclose(restored, [0.500002, 0.249999], atol=1e-7)


def test_quantiles_by_hand():
    # From -1 .. 3 to -1 .. 1: (0 - -1) / 4.000001 * 2 - 1 = -0.5; (5 + 1) / 4.000001 * 2 - 1 = 2:
    # what lies outside of the quantiles is not clipped.
    statistics = Statistics(np.zeros(2), np.ones(2), np.array([-1.0, -1.0]), np.array([3.0, 3.0]))
    scaling = Scaling(statistics, Scale.QUANTILE)
    normalised = scaling.normalise(np.array([0.0, 5.0], dtype=np.float32))
    np.testing.assert_allclose(normalised, [-0.5, 2.0], atol=2e-6)
    # (0.5 + 1) / 2 * 4.000001 - 1 = 2.00000075
    restored = scaling.restore(np.array([0.5, 0.5], dtype=np.float32))
    np.testing.assert_allclose(restored, [2.0, 2.0], atol=2e-6)


def test_quantiles_are_refused_where_the_statistics_have_none():
    with pytest.raises(ValueError, match=r"no q01 and q99.*'mean_std'"):
        Scaling(Statistics(np.zeros(1), np.ones(1)), Scale.QUANTILE)


_numbers = st.floats(-100.0, 100.0, width=32)


@given(
    raw=arrays(np.float32, (4, 3), elements=_numbers),
    mean=arrays(np.float64, 3, elements=st.floats(-10.0, 10.0)),
    std=arrays(np.float64, 3, elements=st.floats(1e-3, 10.0)),
    scale=st.sampled_from(Scale),
)
def test_restoring_undoes_normalising(raw, mean, std, scale):
    scaling = Scaling(Statistics(mean, std, mean - std, mean + 2.0 * std), scale)
    # float32 in between: seven digits of the distance from the middle.
    np.testing.assert_allclose(scaling.restore(scaling.normalise(raw)), raw, rtol=0, atol=5e-5)


def test_a_prompt_is_start_text_line_break_and_padding(tokeniser):
    tokens, mask = tokeniser.encode("put the carrot in the pot")
    words = int(mask.sum())
    assert tokens.shape == mask.shape == (48,)
    assert tokens[0] == 2, "start"
    assert tokens[words - 1] == 4, "line break"
    assert words < 48
    assert not tokens[words:].any()
    assert not mask[words:].any()


@pytest.mark.parametrize("same", ["  put_the pot ", "put\nthe pot", "put the pot\n"])
def test_prompts_are_cleaned_as_openpi_does(tokeniser, same):
    assert np.array_equal(tokeniser.encode(same).tokens, tokeniser.encode("put the pot").tokens)


def test_the_case_of_a_prompt_matters(tokeniser):
    assert not np.array_equal(tokeniser.encode("Put").tokens, tokeniser.encode("put").tokens)


def test_a_prompt_that_is_too_long_is_cut_with_one_warning(tokeniser, caplog):
    prompt = "put the pot on the pot " * 20
    with caplog.at_level(logging.WARNING):
        tokens, mask = tokeniser.encode(prompt)
        tokeniser.encode(prompt)
    assert mask.all()
    assert tokens[0] == 2
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == 1
    assert prompt in warnings[0]
    assert "first 48" in warnings[0]


@pytest.mark.parametrize("prompt", ["", "  \n", "_ _"])
def test_an_empty_prompt_is_refused(tokeniser, prompt):
    with pytest.raises(ValueError, match="say what the robot is to do"):
        tokeniser.encode(prompt)


@pytest.mark.parametrize("prompt", [b"put", 3, None, ["put"]])
def test_a_prompt_that_is_no_text_is_refused(tokeniser, prompt):
    with pytest.raises(ValueError, match=f"of type {type(prompt).__name__}; it must be text"):
        tokeniser.encode(prompt)


def test_a_missing_tokeniser_names_what_to_bring(tmp_path):
    with pytest.raises(ConfigError, match=r"absent.model.*paligemma_tokenizer.model"):
        PromptTokeniser(tmp_path / "absent.model", 48, 512)


def test_a_damaged_tokeniser_is_refused(tmp_path, tokeniser_file):
    damaged = tmp_path / "damaged.model"
    damaged.write_bytes(tokeniser_file.read_bytes()[:500])
    with pytest.raises(ConfigError, match="is no SentencePiece model, or is cut short"):
        PromptTokeniser(damaged, 48, 512)


def test_a_tokeniser_with_more_tokens_than_the_network_is_refused(tokeniser_file):
    with pytest.raises(ConfigError, match=r"has \d+ tokens, the network 100"):
        PromptTokeniser(tokeniser_file, 48, vocabulary=100)


def test_images_are_scaled_to_fit_and_padded_with_black():
    # 100 x 400 (height x width) to 224 wide: 56 high, with 84 black rows above and below.
    image = np.full((100, 400, 3), 200, dtype=np.uint8)
    (prepared,) = prepare_images({"overview": image}, ("overview",))
    assert prepared.shape == (224, 224, 3)
    assert not prepared[:84].any()
    assert not prepared[140:].any()
    assert (prepared[84:140] == 200).all()


def test_images_of_the_right_size_stay_as_they_are_in_the_order_of_the_slots():
    generator = np.random.default_rng(0)
    wrist, exterior = generator.integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    prepared = prepare_images({"wrist": wrist, "exterior": exterior}, DROID.camera_names)
    assert np.array_equal(prepared, np.stack([exterior, wrist]))


@pytest.mark.parametrize("names", [[], ["exterior"], ["exterior", "wrist", "overview"]])
def test_other_cameras_than_the_rigs_are_refused(names):
    images = dict.fromkeys(names, np.zeros((224, 224, 3), dtype=np.uint8))
    with pytest.raises(ValueError, match=r"takes exactly \['exterior', 'wrist'\]"):
        prepare_images(images, DROID.camera_names)


@pytest.mark.parametrize(
    "shape", [(224, 224), (224, 224, 4), (3, 224, 224), (1, 224, 224, 3), (16, 224, 3), (0, 9, 3)]
)
def test_an_image_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"camera 'overview' has shape .*\(height, width, 3\)"):
        prepare_images({"overview": np.zeros(shape, dtype=np.uint8)}, ("overview",))


def test_an_image_of_another_type_is_refused():
    with pytest.raises(ValueError, match="camera 'overview' is of type float32; send uint8"):
        prepare_images({"overview": np.zeros((224, 224, 3), dtype=np.float32)}, ("overview",))


def test_slots_follow_the_network_and_not_the_declaration():
    swapped = replace(DROID, cameras=DROID.cameras[::-1])
    assert swapped.camera_names == ("exterior", "wrist")
