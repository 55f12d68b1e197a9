"""CSP-pi0 as a network: the same numbers as the authors', and weights that fit or are refused."""

import dataclasses
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tmrl_common.errors import ConfigError
from tmrl_policies.checkpoint import CheckpointError
from tmrl_policies.pi0 import weights_file
from tmrl_policies.pi0.batch import Pi0Batch
from tmrl_policies.pi0.config import FULL, FULL_PI05, KINDS, TINY, Pi0Config
from tmrl_policies.pi0.model import Pi0
from tmrl_policies.pi0.parity import TOLERANCE, compare
from tmrl_policies.pi0.sampler import Pi0Sampler
from tmrl_policies.pi0.sizes import read_sizes
from tmrl_policies.pi0.weights import load_weights, save_weights, to_bfloat16

GOLDEN = Path(__file__).parent / "golden"
EMBEDDING = "paligemma_with_expert.paligemma.model.language_model.embed_tokens.weight"
HEAD = "paligemma_with_expert.paligemma.lm_head.weight"
SMALL = dataclasses.replace(TINY, layers=2, horizon=4, flow_steps=3)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def network(config: Pi0Config = SMALL, seed: int = 0) -> Pi0:
    torch.manual_seed(seed)
    return Pi0(config).eval()


def observations(cameras: list[int], words: list[int], seed: int = 0) -> Pi0Batch:
    """Random observations of which so many cameras and words are there."""
    generator = torch.Generator().manual_seed(seed)
    rows = len(cameras)
    return Pi0Batch(
        images=torch.rand((rows, 3, 3, 224, 224), generator=generator) * 2 - 1,
        image_mask=torch.tensor([[slot < count for slot in range(3)] for count in cameras]),
        tokens=torch.randint(0, 512, (rows, 16), generator=generator),
        token_mask=torch.tensor([[place < count for place in range(16)] for count in words]),
        state=torch.randn((rows, 32), generator=generator),
    )


def latents(rows: int, config: Pi0Config = SMALL) -> tuple[torch.Tensor, torch.Tensor]:
    """Initial flow noise and context noise."""
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn((rows, config.horizon, config.action_dim), generator=generator)
    return noise, torch.randn((rows, config.context_dim), generator=generator)


def fast(model: Pi0, batch: Pi0Batch, *steered: torch.Tensor, prompt_step: int = 0) -> torch.Tensor:
    sampler = Pi0Sampler(model, prompt_step=prompt_step)
    image_tokens = sampler.encode_images(batch.images.flatten(0, 1)).unflatten(0, (-1, 3))
    return sampler.sample(image_tokens, *batch[1:], *steered)


@pytest.mark.parametrize(
    ("name", "outputs", "tolerance"),
    [
        ("pi0_tiny", 2, 1e-4),
        ("cspi0_tiny", 13, 1e-4),
        ("cspi0_rms_tiny", 26, 3e-4),
        ("pi05_tiny", 6, 1e-4),
        ("cspi05_tiny", 27, 1e-4),
    ],
)
def test_every_number_is_that_of_the_authors(name, outputs, tolerance):
    compared = compare(GOLDEN / name)
    assert len(compared.errors) == outputs
    assert compared.tolerance == tolerance
    assert max(compared.errors.values()) < tolerance, compared.errors


def test_a_wrong_weight_is_noticed(tmp_path):
    folder = tmp_path / "vectors"
    folder.mkdir()
    tensors = load_file(GOLDEN / "pi0_tiny" / "model.safetensors")
    tensors["state_proj.bias"] += 0.1
    save_file(tensors, folder / "model.safetensors")
    (folder / "io.npz").symlink_to(GOLDEN / "pi0_tiny" / "io.npz")
    assert max(compare(folder).errors.values()) > TOLERANCE


def test_graphs_are_kept_for_two_prompts_and_every_batch(monkeypatch):
    kept = []

    def graphed(function, *, most, enabled):
        kept.append((most, enabled))
        return function

    monkeypatch.setattr("tmrl_policies.pi0.sampler.GraphedFunction", graphed)
    Pi0Sampler(network(), max_batch=32, graphs=False)
    assert kept == [(64, False)] * 2
    # One batch is one more shape for the image encoder, and small servers see other prompts too.
    Pi0Sampler(network(), max_batch=1)
    assert min(most for most, _ in kept) >= 8


def test_vectors_without_arrays_are_refused(tmp_path):
    (tmp_path / "model.safetensors").symlink_to(GOLDEN / "pi0_tiny" / "model.safetensors")
    (tmp_path / "io.npz").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match=r"io\.npz"):
        compare(tmp_path)


@pytest.mark.parametrize("prompt_step", [0, 8], ids=["exact", "padded"])
@pytest.mark.parametrize("per_token", [False, True], ids=["repeated", "per token"])
@pytest.mark.parametrize("kind", KINDS)
def test_chunks_of_requests_with_other_cameras_and_prompts_are_the_plain_ones(
    kind, per_token, prompt_step
):
    fields = KINDS[kind]
    config = dataclasses.replace(SMALL, **fields, prefix_rms=fields["context_smoothing"])
    batch = observations(cameras=[1, 3, 2, 1], words=[5, 16, 1, 3])
    noise, epsilon = latents(4)
    if per_token:
        epsilon = torch.randn(4, config.prefix_tokens, config.context_dim)
    steered = (noise, torch.tensor([0.0, 0.3, 0.7, 1.0]), epsilon)
    plain = network(config).sample(batch, *steered)
    chunks = fast(network(config), batch, *steered, prompt_step=prompt_step)
    torch.testing.assert_close(chunks, plain, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("pi05", "compiled", "passes"),
    [
        (True, True, [(4, 256 + 32)]),
        (True, False, [(1, 256 + words) for words in (9, 16, 12, 3)]),
        (False, True, [(1, 256 + words) for words in (9, 16, 12, 3)]),
    ],
)
def test_prompts_with_the_state_in_them_share_what_a_length_costs(
    monkeypatch, pi05, compiled, passes
):
    made = []

    def graphed(function, **_):
        def counted(inputs):
            made.append(tuple(inputs[0].shape[:2]))
            return function(*inputs)

        return counted

    monkeypatch.setattr("tmrl_policies.pi0.sampler.GraphedFunction", graphed)
    monkeypatch.setattr("tmrl_policies.pi0.sampler.compiled_function", lambda function: function)
    sampler = Pi0Sampler(network(dataclasses.replace(SMALL, pi05=pi05)), compiled=compiled)
    batch = observations(cameras=[1, 1, 1, 1], words=[9, 16, 12, 3])
    noise, epsilon = latents(4)
    image_tokens = torch.zeros(4, 3, 256, SMALL.context_dim)
    sampler.sample(image_tokens, *batch[1:], noise, torch.zeros(4), epsilon)
    assert made == passes


def test_what_stands_in_an_absent_camera_does_not_matter():
    batch = observations(cameras=[1], words=[3])
    other = batch._replace(images=batch.images.clone())
    other.images[:, 1:] = 0.5
    steered = (*latents(1)[:1], torch.tensor([0.2]), latents(1)[1])
    model = network()
    torch.testing.assert_close(
        model.sample(batch, *steered), model.sample(other, *steered), atol=1e-6, rtol=1e-5
    )
    sampler_noise = fast(network(), batch, *steered), fast(network(), other, *steered)
    assert torch.equal(*sampler_noise)


def test_at_sigma_one_nothing_of_the_context_is_left():
    config = dataclasses.replace(SMALL, schedule="marginal_100")
    first = observations(cameras=[2], words=[7], seed=0)
    second = observations(cameras=[2], words=[7], seed=1)._replace(state=first.state)
    noise, epsilon = latents(1)
    model = network(config)
    chunks = {
        sigma: [
            model.sample(batch, noise, torch.tensor([sigma]), epsilon) for batch in (first, second)
        ]
        for sigma in (0.0, 1.0)
    }
    assert torch.equal(*chunks[1.0])
    assert not torch.allclose(*chunks[0.0], atol=1e-4)


def test_sigma_zero_leaves_the_context_alone_whatever_the_noise():
    batch = observations(cameras=[2], words=[7])
    noise, epsilon = latents(1)
    model, zero = network(), torch.zeros(1)
    assert torch.equal(
        model.sample(batch, noise, zero, epsilon), model.sample(batch, noise, zero, -epsilon)
    )


def test_the_flow_loss_is_that_of_the_velocity():
    batch = observations(cameras=[1], words=[2])
    model = network()
    with torch.no_grad():
        model.action_out_proj.weight.zero_()
        model.action_out_proj.bias.zero_()
    actions, noise = latents(1)[0], torch.ones((1, 4, 32))
    loss = model.flow_loss(
        batch, actions, noise, torch.tensor([0.4]), torch.zeros(1), latents(1)[1]
    )
    torch.testing.assert_close(loss, (noise - actions) ** 2)


def test_weights_written_are_weights_read(tmp_path):
    model, other = network(seed=1), network(seed=2)
    save_weights(model, tmp_path / "model.safetensors")
    first = load_weights(other, tmp_path)
    assert first == load_weights(network(), tmp_path / "model.safetensors")
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name
    assert read_sizes(tmp_path, SMALL) == SMALL


def test_big_tensors_are_read_by_rows_and_the_share_that_is_done_rises_to_one(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(weights_file, "_PIECE_ELEMENTS", 300)
    monkeypatch.setattr(weights_file, "_OPEN_ELEMENTS", 1000)
    model, other = network(), network(seed=1)
    save_weights(model, tmp_path / "model.safetensors")
    shares = []
    load_weights(other, tmp_path, shares.append)
    assert all(map(torch.equal, model.state_dict().values(), other.state_dict().values()))
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(shares) > 200


@pytest.mark.parametrize("kind", ["pi0", "pi05"])
def test_names_written_are_those_of_openpi(tmp_path, kind):
    config = dataclasses.replace(TINY, **KINDS[kind])
    save_weights(network(config), tmp_path / "model.safetensors")
    theirs = load_file(GOLDEN / f"{kind}_tiny" / "model.safetensors")
    ours = load_file(tmp_path / "model.safetensors")
    assert {n: t.shape for n, t in ours.items()} == {n: t.shape for n, t in theirs.items()}


def written(folder: Path, change, config: Pi0Config = SMALL) -> Path:
    """A weights file whose tensors were changed."""
    save_weights(network(config), folder / "whole.safetensors")
    tensors = load_file(folder / "whole.safetensors")
    changed = change(tensors) or tensors
    save_file(changed, folder / "model.safetensors")
    return folder


@pytest.mark.parametrize("kind", ["cspi0", "pi05"])
def test_lerobot_checkpoints_are_read(tmp_path, kind):
    def as_lerobot(tensors):
        renamed = {f"model.{name}": tensor for name, tensor in tensors.items()}
        renamed["normalize_inputs.buffer_observation_state.mean"] = torch.zeros(7)
        return renamed

    config = dataclasses.replace(SMALL, **KINDS[kind])
    model = network(config, seed=5)
    load_weights(model, written(tmp_path, as_lerobot, config))
    for name, tensor in network(config).state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor), name
    assert read_sizes(tmp_path, SMALL).pi05 == config.pi05


def test_an_embedding_tied_to_the_language_head_is_found_there(tmp_path):
    def tied(tensors):
        tensors[HEAD] = tensors.pop(EMBEDDING)
        tensors["paligemma_with_expert.gemma_expert.lm_head.weight"] = torch.ones(3, 3)

    model = network(seed=5)
    load_weights(model, written(tmp_path, tied))
    assert torch.equal(model.token_embedding.weight, network().token_embedding.weight)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda t: t.pop("state_proj.bias"), "missing state_proj.bias; unexpected none"),
        (lambda t: t.update(another=torch.ones(2)), "missing none; unexpected another"),
        (
            lambda t: t.update({"state_proj.bias": torch.ones(3)}),
            r"'state_proj.bias' has shape \[3\]; the configured sizes need \[32\]",
        ),
        (
            lambda t: t.update({"state_proj.bias": torch.full((32,), torch.nan)}),
            "'state_proj.bias' holds values that are not finite",
        ),
        (
            lambda t: t.update({"paligemma_with_expert.depth.weight": torch.ones(1)}),
            "'paligemma_with_expert.depth.weight' belongs to no part",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_refused_by_name(tmp_path, change, sentence):
    def changed(tensors):
        change(tensors)

    with pytest.raises(CheckpointError, match=sentence):
        load_weights(network(), written(tmp_path, changed))


@pytest.mark.parametrize(
    ("held", "asked", "sentence"),
    [
        ("pi05", "cspi0", r"holds a pi0\.5, and kind 'cspi0' asks for a pi0,.* give kind 'cspi05'"),
        ("cspi0", "pi05", r"holds a pi0, and kind 'pi05' asks for a pi0\.5,.* give kind 'pi0'"),
    ],
)
def test_weights_of_the_other_generation_are_refused_with_what_they_are(
    tmp_path, held, asked, sentence
):
    save_weights(network(dataclasses.replace(SMALL, **KINDS[held])), tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=sentence):
        load_weights(network(dataclasses.replace(SMALL, **KINDS[asked])), tmp_path)


def test_a_truncated_file_is_refused(tmp_path):
    save_weights(network(), tmp_path / "model.safetensors")
    content = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        load_weights(network(), tmp_path)


def test_a_jax_checkpoint_is_answered_with_the_conversion(tmp_path):
    (tmp_path / "params").mkdir()
    with pytest.raises(CheckpointError, match="convert_jax_model_to_pytorch"):
        load_weights(network(), tmp_path)


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        load_weights(network(), tmp_path)


def test_bfloat16_spares_what_openpi_spares():
    model = to_bfloat16(network())
    kept = {n for n, p in model.named_parameters() if p.dtype == torch.float32}
    assert "siglip.patch_embedding.weight" in kept
    assert "siglip.position_embedding" in kept
    assert "prefix.layers.0.input_norm.weight" in kept
    assert "expert.norm.weight" in kept
    assert "action_out_proj.bias" in kept
    assert not any("_proj" in name and name.startswith(("prefix", "expert")) for name in kept)
    assert "siglip.layers.0.norm1.weight" not in kept
    adaptive = to_bfloat16(network(dataclasses.replace(SMALL, pi05=True)))
    norm = adaptive.get_parameter("expert.layers.1.mlp_norm.dense.weight")
    assert norm.dtype == torch.float32


@pytest.mark.parametrize("pi05", [False, True], ids=["pi0", "pi05"])
def test_bfloat16_stays_close_to_float32(pi05):
    config = dataclasses.replace(SMALL, pi05=pi05)
    batch = observations(cameras=[2], words=[7])
    noise, epsilon = latents(1)
    sigma = torch.tensor([0.4])
    exact = network(config).sample(batch, noise, sigma, epsilon)
    close = fast(to_bfloat16(network(config)), batch, noise, sigma, epsilon)
    cosine = torch.nn.functional.cosine_similarity(exact.flatten(), close.flatten(), dim=0)
    assert cosine > 0.999


@pytest.mark.parametrize(("config", "tokens"), [(FULL, 816), (FULL_PI05, 968)])
def test_the_full_size_is_that_of_the_released_weights(config, tokens):
    with torch.device("meta"):
        model = Pi0(config)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert config.prefix_tokens == tokens
    assert 3.2e9 < parameters < 3.4e9


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"schedule": "author_1000"}, "authors_1000"),
        ({"horizon": 0}, "horizon is 0"),
        ({"kv_heads": 3}, "multiple of kv_heads"),
        ({"head_dim": 15}, "multiples of 2"),
    ],
)
def test_sizes_that_cannot_be_built_are_refused(change, sentence):
    with pytest.raises(ConfigError, match=sentence):
        dataclasses.replace(TINY, **change)
