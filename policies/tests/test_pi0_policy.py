"""A served pi0: a checkpoint's folder and an observation of a rig give the rig's actions."""

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tmrl_common.errors import ConfigError, ErrorCode, RequestError
from tmrl_common.types import Observation
from tmrl_policies.checkpoint import CheckpointError
from tmrl_policies.pi0.batch import Pi0Batch
from tmrl_policies.pi0.config import TINY
from tmrl_policies.pi0.inputs.images import prepare_images
from tmrl_policies.pi0.inputs.rigs import (
    BRIDGE,
    CSPI0_BRIDGE,
    CSPI0_BRIDGE_RELATIVE,
    DROID,
    Rig,
    Scale,
)
from tmrl_policies.pi0.inputs.scaling import Scaling
from tmrl_policies.pi0.inputs.settings import Pi0Settings
from tmrl_policies.pi0.inputs.statistics import RobotStatistics, Statistics, write_statistics
from tmrl_policies.pi0.inputs.testing import (
    edit_json,
    make_statistics,
    write_checkpoint,
    write_dinov2,
)
from tmrl_policies.pi0.model import Pi0
from tmrl_policies.pi0.policy import Pi0Policy
from tmrl_policies.pi0.weights import load_weights

_CONFIG = replace(TINY, flow_steps=3)
_TRY_OUT = Pi0Settings(dino="none", device="cpu")


@pytest.fixture(scope="module")
def bridge_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Read only: tests that change a folder write one of their own."""
    folder = tmp_path_factory.mktemp("bridge")
    write_checkpoint(folder, BRIDGE, _CONFIG)
    return folder


@pytest.fixture(scope="module")
def bridge(bridge_folder: Path) -> Pi0Policy:
    return Pi0Policy.load(bridge_folder, _TRY_OUT)


def _observation(rig: Rig, seed: int = 0, prompt: str = "put the pot") -> Observation:
    generator = np.random.default_rng(seed)
    images = {
        name: generator.integers(0, 256, (120, 160, 3), dtype=np.uint8) for name in rig.camera_names
    }
    state = generator.normal(size=rig.state_dim).astype(np.float32)
    return Observation(state, np.zeros(0, dtype=np.float32), images, prompt)


def _steering(count: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Sigma, epsilon and noise for `count` chunks."""
    generator = torch.Generator().manual_seed(seed)
    sigma = torch.rand(count, generator=generator)
    epsilon = torch.randn(count, _CONFIG.context_dim, generator=generator)
    noise = torch.randn(count, _CONFIG.horizon, _CONFIG.action_dim, generator=generator)
    return sigma, epsilon, noise


def test_the_spec_says_what_is_served(bridge):
    spec = bridge.spec
    assert (spec.action_space, spec.action_dim, spec.horizon) == ("bridge_delta_ee_7", 7, 8)
    assert (spec.proprio_dim, spec.context_dim, spec.cameras) == (7, 0, ("overview",))
    assert (spec.z_dim, spec.epsilon_dim, spec.features_dim) == (32, 64, 7)
    assert spec.statistics_hash == make_statistics(BRIDGE).content_hash(Scale.MEAN_STD)
    assert len(spec.policy_version) == 64
    assert bridge.context_smoothing


def test_features_are_the_normalised_state_and_one_embedding_per_camera(tmp_path):
    write_checkpoint(tmp_path / "droid", DROID, _CONFIG)
    write_dinov2(tmp_path / "dino", hidden=32, registers=4)
    policy = Pi0Policy.load(
        tmp_path / "droid",
        replace(_TRY_OUT, dino=str(tmp_path / "dino"), dino_embedding="patches"),
    )
    assert policy.spec.features_dim == 8 + 2 * 32
    observation = _observation(DROID)
    features = policy.features(policy.observe(observation))
    assert features.shape == (policy.spec.features_dim,)
    scaling = Scaling(make_statistics(DROID).state, Scale.MEAN_STD)
    np.testing.assert_array_equal(features[:8].numpy(), scaling.normalise(observation.proprio))
    other = replace(
        observation, images={**observation.images, "wrist": _observation(DROID, 1).images["wrist"]}
    )
    changed = policy.features(policy.observe(other)) != features
    assert not changed[: 8 + 32].any(), "state and exterior camera"
    assert changed[8 + 32 :].any(), "wrist camera"


class _Recorded:
    """Stands in for the network: remembers its inputs and gives known normalised actions."""

    def __init__(self, model: Pi0, **_: object) -> None:
        self.device = torch.device("cpu")
        self.inputs: tuple[Tensor, ...] = ()
        self.encoded: list[Tensor] = []
        self._config = model.config

    def encode_images(self, images: Tensor) -> Tensor:
        self.encoded.append(images)
        return images.mean(dim=(1, 2, 3))[:, None, None].expand(-1, 4, self._config.context_dim)

    def sample(self, *inputs: Tensor) -> Tensor:
        self.inputs = inputs
        return torch.full((len(inputs[0]), self._config.horizon, self._config.action_dim), 2.0)


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tmrl_policies.pi0.policy.Pi0Sampler", _Recorded)


def _by_hand(folder: Path, rig: Rig) -> Pi0Policy:
    """A policy whose state has mean 0.1 and deviation 0.2, and its actions mean 0.5 and 0.25."""
    write_checkpoint(folder, rig, _CONFIG)
    state = Statistics(np.full(rig.state_dim, 0.1), np.full(rig.state_dim, 0.2))
    actions = Statistics(np.full(rig.action_dim, 0.5), np.full(rig.action_dim, 0.25))
    write_statistics(folder, rig.name, RobotStatistics(state, actions))
    return Pi0Policy.load(folder, _TRY_OUT)


def _white(rig: Rig, state: float) -> Observation:
    images = dict.fromkeys(rig.camera_names, np.full((224, 224, 3), 255, dtype=np.uint8))
    values = np.full(rig.state_dim, state, dtype=np.float32)
    return Observation(values, np.zeros(0, dtype=np.float32), images, "put the pot")


@pytest.mark.parametrize("rig", [BRIDGE, DROID], ids=lambda rig: rig.name)
@pytest.mark.usefixtures("recorded")
def test_an_observation_and_a_chunk_by_hand(tmp_path, rig):
    policy = _by_hand(tmp_path, rig)
    sampler: _Recorded = policy._sampler
    actions = policy.sample([policy.observe(_white(rig, 0.5))], *_steering(1))
    image_tokens, image_mask, tokens, token_mask, state = sampler.inputs[:5]
    # 255 / 255 * 2 - 1 = 1, and only the cameras that are there
    assert image_tokens.shape == (1, len(rig.cameras), 4, 64)
    assert (image_tokens == 1.0).all()
    assert image_mask.all()
    # start, the words, line break
    assert tokens[0, 0] == 2
    assert tokens[0, token_mask[0].sum() - 1] == 4
    # (0.5 - 0.1) / (0.2 + 0.000001) = 1.99999, then zeros up to 32
    assert state.shape == (1, 32)
    np.testing.assert_allclose(state[0, : rig.state_dim], 1.99999, atol=1e-6)
    assert not state[0, rig.state_dim :].any()
    # 2 * (0.25 + 0.000001) + 0.5 = 1.000002 in the rig's columns only
    assert actions.shape == (1, _CONFIG.horizon, rig.action_dim)
    np.testing.assert_allclose(actions, 1.000002, atol=1e-6)


@pytest.mark.usefixtures("recorded")
def test_the_authors_weights_see_black_images_and_have_the_state_added_by_hand(tmp_path):
    policy = _by_hand(tmp_path, CSPI0_BRIDGE_RELATIVE)
    sampler: _Recorded = policy._sampler
    actions = policy.sample([policy.observe(_white(CSPI0_BRIDGE_RELATIVE, 0.3))], *_steering(1))
    image_tokens, image_mask = sampler.inputs[:2]
    assert image_tokens[0, :, 0, 0].tolist() == [1.0, -1.0, -1.0], "white, black, black"
    assert image_mask.tolist() == [[True, True, True]]
    # 1.000002 + 0.3 in the six columns of the pose; the gripper's is absolute
    np.testing.assert_allclose(actions[..., :6], 1.300002, atol=1e-6)
    np.testing.assert_allclose(actions[..., 6], 1.000002, atol=1e-6)


@pytest.mark.usefixtures("recorded")
def test_images_are_encoded_once_per_frame_whatever_the_context_noise(tmp_path):
    policy = _by_hand(tmp_path, DROID)
    sampler: _Recorded = policy._sampler
    first, second = (policy.observe(_observation(DROID, seed)) for seed in (0, 1))
    policy.sample([first], *_steering(1))
    policy.sample([first, second, first, second], *_steering(4, seed=1))
    policy.sample([second, first], *_steering(2, seed=2))
    assert [len(images) for images in sampler.encoded] == [2, 2], "two cameras of two frames"


@pytest.mark.parametrize("rig", [BRIDGE, CSPI0_BRIDGE, DROID], ids=lambda rig: rig.name)
def test_chunks_equal_the_plain_networks_on_padded_inputs(tmp_path, rig):
    """The whole path against `Pi0.sample` with every slot, mask and padding in place."""
    write_checkpoint(tmp_path, rig, _CONFIG)
    policy = Pi0Policy.load(tmp_path, _TRY_OUT)
    observation, steering = _observation(rig), _steering(1)
    statistics = make_statistics(rig)
    slots = np.zeros((3, 224, 224, 3), dtype=np.uint8)
    slots[list(rig.slots)] = prepare_images(observation.images, rig.camera_names)
    mask = [place in rig.slots or rig is CSPI0_BRIDGE for place in range(3)]
    state = np.zeros((1, 32), dtype=np.float32)
    scaling = Scaling(statistics.state, Scale.MEAN_STD)
    state[0, : rig.state_dim] = scaling.normalise(observation.proprio)
    seen = policy.observe(observation)
    batch = Pi0Batch(
        images=torch.from_numpy(slots).permute(0, 3, 1, 2)[None].float() / 255.0 * 2.0 - 1.0,
        image_mask=torch.tensor([mask]),
        tokens=seen.tokens[None],
        token_mask=seen.token_mask[None],
        state=torch.from_numpy(state),
    )
    model = Pi0(_CONFIG).eval()
    load_weights(model, tmp_path)
    sigma, epsilon, noise = steering
    normalised = model.sample(batch, noise, sigma, epsilon)[..., : rig.action_dim]
    expected = Scaling(statistics.actions, Scale.MEAN_STD).restore(normalised.numpy())
    np.testing.assert_allclose(policy.sample([seen], *steering), expected, rtol=1e-4, atol=1e-4)


def test_a_batch_of_different_prompts_gives_what_each_gives_alone(bridge):
    prompts = ("put the pot", "pick up the sausage and put it", "press the red button")
    seen = [
        bridge.observe(_observation(BRIDGE, seed, prompt)) for seed, prompt in enumerate(prompts)
    ]
    steering = _steering(3)
    together = bridge.sample(seen, *steering)
    assert together.shape == (3, _CONFIG.horizon, 7)
    assert together.dtype == torch.float32
    for row, each in enumerate(seen):
        alone = bridge.sample([each], *(part[row : row + 1] for part in steering))
        torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-4, atol=1e-4)


def test_a_compiled_policy_makes_the_same_chunks(bridge, bridge_folder, monkeypatch):
    # Everything of torch.compile but the code generator, which would take minutes.
    compile_eagerly = functools.partial(torch.compile, backend="aot_eager")
    monkeypatch.setattr(torch, "compile", compile_eagerly)
    compiled = Pi0Policy.load(bridge_folder, replace(_TRY_OUT, compiled=True))
    seen, steering = _observation(BRIDGE), _steering(1)
    plain, same = (p.sample([p.observe(seen)], *steering) for p in (bridge, compiled))
    torch.testing.assert_close(same, plain, rtol=1e-4, atol=1e-5)


def test_the_example_fits(bridge):
    seen = bridge.observe(bridge.example())
    assert not bridge.features(seen).abs().gt(1e-5).any(), "the average robot state"
    assert bridge.sample([seen], *_steering(1)).isfinite().all()


def test_a_read_only_observation_is_taken(bridge):
    observation = _observation(BRIDGE)
    observation.proprio.flags.writeable = False
    observation.images["overview"].flags.writeable = False
    full_size = np.zeros((224, 224, 3), dtype=np.uint8)
    full_size.flags.writeable = False
    bridge.observe(observation)
    bridge.observe(replace(observation, images={"overview": full_size}))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"images": {}}, r"images of no camera came.*exactly \['overview'\]"),
        ({"images": {"wrist": np.zeros((224, 224, 3), np.uint8)}}, r"images of \['wrist'\] came"),
        ({"images": {"overview": np.zeros((224, 224), np.uint8)}}, "'overview' has shape"),
        (
            {"images": {"overview": np.zeros((224, 224, 3))}},
            "'overview' is of type float64; send uint8",
        ),
        ({"proprio": np.zeros(8, np.float32)}, r"shape \(8,\); rig 'bridge' takes \(7,\): tool_x"),
        ({"proprio": np.array([0, 0, np.nan, 0, 0, 0, 0])}, "tool_z in proprio is nan"),
        ({"context": np.zeros(4, np.float32)}, "leave the context empty"),
        ({"prompt": ""}, "say what the robot is to do"),
        ({"prompt": b"put"}, "the prompt is of type bytes; it must be text"),
    ],
)
def test_an_observation_that_does_not_fit_is_refused_and_the_next_one_served(
    bridge, change, sentence
):
    with pytest.raises(RequestError, match=sentence) as refusal:
        bridge.observe(replace(_observation(BRIDGE), **change))
    assert refusal.value.code is ErrorCode.BAD_REQUEST
    seen = bridge.observe(_observation(BRIDGE))
    assert bridge.sample([seen], *_steering(1)).isfinite().all()


def test_a_default_prompt_serves_observations_without_one(bridge_folder):
    policy = Pi0Policy.load(bridge_folder, replace(_TRY_OUT, prompt="put the pot"))
    with_default = policy.observe(replace(_observation(BRIDGE), prompt=""))
    told = policy.observe(_observation(BRIDGE, prompt="put the pot"))
    assert torch.equal(with_default.tokens, told.tokens)


def test_a_checkpoint_of_others_is_told_by_the_settings(tmp_path):
    write_checkpoint(tmp_path, DROID, _CONFIG)
    (tmp_path / "pi0.json").unlink()
    policy = Pi0Policy.load(tmp_path, replace(_TRY_OUT, rig="droid", kind="pi0"))
    assert not policy.context_smoothing
    assert policy.spec.horizon == 10, "the rig's"
    assert policy.spec.action_space == "droid_joint_velocity_8"


@pytest.mark.parametrize(("missing", "given"), [("rig", "kind"), ("kind", "rig")])
def test_without_a_record_rig_and_kind_have_to_be_said(tmp_path, missing, given):
    write_checkpoint(tmp_path, BRIDGE, _CONFIG)
    (tmp_path / "pi0.json").unlink()
    values = {"rig": "bridge", "kind": "cspi0"}
    with pytest.raises(ConfigError, match=f"no pi0.json, so the setting '{missing}'"):
        Pi0Policy.load(tmp_path, replace(_TRY_OUT, **{given: values[given]}))


@pytest.mark.parametrize(
    ("setting", "value", "recorded"),
    [("rig", "droid", "bridge"), ("kind", "pi0", "cspi0"), ("horizon", 50, 8)],
)
def test_settings_that_contradict_the_record_are_refused(bridge_folder, setting, value, recorded):
    with pytest.raises(ConfigError, match=f"setting {setting} is '{value}'.*'{recorded}'"):
        Pi0Policy.load(bridge_folder, replace(_TRY_OUT, **{setting: value}))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "setting 'dino' is missing.*'none'"),
        ({"dino": "none", "rig": "brigde"}, "rig is 'brigde'; did you mean 'bridge'"),
        ({"dino": "none", "kind": "cspi"}, "kind is 'cspi'; did you mean 'cspi0'"),
        ({"dino": "here", "dino_embedding": "patch"}, "did you mean 'patches'"),
        ({"dino": "none", "scale": "quantiles"}, "did you mean 'quantile'"),
        ({"dino": "none", "dtype": "bfloat"}, "did you mean 'bfloat16'"),
        ({"dino": "none", "horizon": -1}, "horizon is -1"),
    ],
)
def test_settings_that_cannot_be_are_refused(values, sentence):
    with pytest.raises(ConfigError, match=sentence):
        Pi0Settings(**values)


def test_unknown_and_absent_devices_are_refused(bridge_folder):
    with pytest.raises(ConfigError, match="unknown device 'gpu'"):
        Pi0Policy.load(bridge_folder, replace(_TRY_OUT, device="gpu"))
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="there is no GPU"):
            Pi0Policy.load(bridge_folder, replace(_TRY_OUT, device="cuda"))


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ("model.safetensors", "not a whole safetensors file"),
        ("assets/bridge/norm_stats.json", "not valid JSON"),
        ("pi0.json", "not valid JSON"),
    ],
)
def test_a_truncated_file_is_refused(tmp_path, file, sentence):
    write_checkpoint(tmp_path, BRIDGE, _CONFIG)
    path = tmp_path / file
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(CheckpointError, match=sentence):
        Pi0Policy.load(tmp_path, _TRY_OUT)


def test_a_record_of_unknown_things_is_refused(tmp_path):
    write_checkpoint(tmp_path, BRIDGE, _CONFIG)
    edit_json(tmp_path / "pi0.json", "config", "layer", value=3)
    with pytest.raises(CheckpointError, match=r"unknown setting 'layer'. did you mean 'layers'"):
        Pi0Policy.load(tmp_path, _TRY_OUT)


def test_quantiles_that_are_not_there_are_refused(tmp_path):
    write_checkpoint(tmp_path, BRIDGE, _CONFIG)
    edit_json(tmp_path / "pi0.json", "scale", value="quantile")
    statistics = make_statistics(BRIDGE)
    without = RobotStatistics(
        Statistics(statistics.state.mean, statistics.state.std), statistics.actions
    )
    write_statistics(tmp_path, "bridge", without)
    with pytest.raises(CheckpointError, match="state: there are no q01 and q99"):
        Pi0Policy.load(tmp_path, _TRY_OUT)


def test_an_absent_folder_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint folder"):
        Pi0Policy.load(tmp_path / "absent", _TRY_OUT)


def test_bfloat16_stays_close_to_float32(bridge_folder, bridge):
    policy = Pi0Policy.load(bridge_folder, replace(_TRY_OUT, dtype="bfloat16"))
    observation, steering = _observation(BRIDGE), _steering(1)
    close = policy.sample([policy.observe(observation)], *steering)
    exact = bridge.sample([bridge.observe(observation)], *steering)
    assert close.dtype == torch.float32
    assert torch.nn.functional.cosine_similarity(close.flatten(), exact.flatten(), dim=0) > 0.999
