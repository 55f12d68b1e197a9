"""A flow policy behind an encoder: what is checked, what is kept, and what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tmrl_common.errors import ErrorCode, RequestError
from tmrl_common.types import Observation
from tmrl_policies.camera_served import ServedCameraPolicy, load_served
from tmrl_policies.checkpoint import CheckpointError
from tmrl_policies.flow_checkpoint import load_flow_policy, save_flow_policy
from tmrl_policies.flow_config import FlowPolicyConfig
from tmrl_policies.keypoint_checkpoint import load_encoder, save_encoder
from tmrl_policies.keypoint_encoder import KeypointConfig, KeypointEncoder
from tmrl_policies.testing import scrambled

_TRANSFORM = "xyz_gripper_to_bridge_delta_ee_7"
_SHAPE = KeypointConfig(("overview", "wrist"), size_px=32, keypoints=2, channels=4)
_RNG = np.random.default_rng(0)


def _pictures() -> dict[str, NDArray[np.uint8]]:
    return {
        name: _RNG.integers(0, 256, (32, 32, 3), dtype=np.uint8) for name in ("wrist", "overview")
    }


def _observation(images: dict[str, NDArray[np.uint8]]) -> Observation:
    return Observation(np.zeros(5, np.float32), np.zeros(0, np.float32), images)


def _encoder(seed: int = 0) -> KeypointEncoder:
    torch.manual_seed(seed)
    return KeypointEncoder(_SHAPE).eval().requires_grad_(requires_grad=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sha256 = save_encoder(tmp_path, _encoder(), {"made_by": "a test"})
    policy = scrambled(FlowPolicyConfig(context_dim=8, horizon=8, hidden=16, blocks=1))
    save_flow_policy(tmp_path, policy, {}, sha256)
    return tmp_path


@pytest.fixture
def served(folder: Path) -> ServedCameraPolicy:
    policy = load_served(folder, _TRANSFORM)
    assert isinstance(policy, ServedCameraPolicy)
    return policy


def test_a_keypoint_is_where_its_heat_is() -> None:
    encoder = _encoder()
    heat = torch.full((1, 2, 2, 16 * 16), -50.0)
    heat[..., 3 * 16 + 12] = 50.0
    expected = torch.tensor((2.0 * 12 / 15 - 1.0, 2.0 * 3 / 15 - 1.0))
    torch.testing.assert_close(encoder.points(heat), expected.expand(1, 2, 2, 2))


def test_the_encoder_comes_back_bit_for_bit(folder: Path) -> None:
    pictures = _pictures()
    loaded = load_encoder(folder)
    assert loaded.training == {"made_by": "a test"}
    np.testing.assert_array_equal(
        loaded.encoder.encode(pictures), _encoder().encode(pictures), strict=True
    )


def test_no_context_is_asked_for_and_each_number_of_the_encoder_has_its_noise(
    served: ServedCameraPolicy,
) -> None:
    spec = served.spec
    assert (spec.context_dim, spec.cameras) == (0, ("overview", "wrist"))
    assert (spec.epsilon_dim, spec.features_dim) == (8, 5 + 8)


def test_features_are_robot_state_and_keypoints_of_the_same_pictures(
    served: ServedCameraPolicy, folder: Path
) -> None:
    pictures = _pictures()
    features = served.features(served.observe(_observation(pictures))).numpy()
    np.testing.assert_allclose(features[5:], load_encoder(folder).encoder.encode(pictures))


def test_the_chunk_follows_the_pictures_until_sigma_hides_them(served: ServedCameraPolicy) -> None:
    seen = [served.observe(_observation(_pictures())) for _ in range(2)]
    epsilon = [torch.ones(8)] * 2
    noise = torch.zeros(2, 8, 4)
    exact = served.sample(seen, torch.zeros(2), epsilon, noise)
    hidden = served.sample(seen, torch.ones(2), epsilon, noise)
    assert not torch.equal(exact[0], exact[1])
    torch.testing.assert_close(hidden[0], hidden[1])


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        ({"overview": _pictures()["overview"]}, "pictures of overview came.*overview, wrist"),
        ({}, "pictures of no camera came"),
        ({**_pictures(), "side": _pictures()["wrist"]}, "overview, side, wrist came"),
        ({**_pictures(), "wrist": np.zeros((24, 32, 3), np.uint8)}, r"'wrist'.*\(24, 32, 3\)"),
        ({**_pictures(), "wrist": np.zeros((32, 32), np.uint8)}, r"'wrist'.*\(32, 32\)"),
        ({**_pictures(), "wrist": np.zeros((32, 32, 3), np.float32)}, "'wrist' is float32"),
    ],
)
def test_pictures_that_do_not_fit_are_refused_by_name(
    served: ServedCameraPolicy, images: dict[str, NDArray[np.uint8]], sentence: str
) -> None:
    with pytest.raises(RequestError, match=sentence) as caught:
        served.observe(_observation(images))
    assert caught.value.code is ErrorCode.BAD_REQUEST


def test_a_context_beside_the_pictures_is_refused(served: ServedCameraPolicy) -> None:
    observation = replace(_observation(_pictures()), context=np.zeros(4, np.float32))
    with pytest.raises(RequestError, match=r"context has shape \(4,\); the policy takes \(0,\)"):
        served.observe(observation)


def test_the_example_for_warming_up_fits(served: ServedCameraPolicy) -> None:
    assert served.features(served.observe(served.example())).shape == (13,)


def test_another_encoder_than_the_policys_is_refused(folder: Path) -> None:
    save_encoder(folder, _encoder(seed=1), {})
    with pytest.raises(CheckpointError, match="was trained with"):
        load_served(folder, _TRANSFORM)


def test_an_encoder_of_another_size_is_refused(folder: Path) -> None:
    larger = KeypointEncoder(replace(_SHAPE, keypoints=3))
    policy = scrambled(FlowPolicyConfig(context_dim=8, horizon=8, hidden=16, blocks=1))
    save_flow_policy(folder, policy, {}, save_encoder(folder, larger, {}))
    with pytest.raises(CheckpointError, match="makes 12 numbers, and the policy beside it takes 8"):
        load_served(folder, _TRANSFORM)


def test_a_policy_without_its_encoder_is_refused(folder: Path) -> None:
    (folder / "encoder.json").unlink()
    with pytest.raises(CheckpointError, match=r"there is no checkpoint at .*encoder"):
        load_served(folder, _TRANSFORM)


def test_a_policy_of_numbers_beside_an_encoder_is_refused(folder: Path) -> None:
    save_flow_policy(folder, load_flow_policy(folder).policy, {})
    with pytest.raises(CheckpointError, match="trained without one"):
        load_served(folder, _TRANSFORM)


def test_the_version_covers_the_encoder(folder: Path) -> None:
    loaded = load_flow_policy(folder)
    sha256 = save_encoder(folder, _encoder(seed=1), {})
    assert save_flow_policy(folder, loaded.policy, {}, sha256) != loaded.version
