"""DINOv2 embeddings from a local directory; what is not whole is refused."""

import json
from pathlib import Path

import pytest
import torch
from transformers import Dinov2Model, Dinov2WithRegistersModel

from tmrl_common.errors import ConfigError
from tmrl_policies.image_features import Dinov2Features
from tmrl_policies.pi0.inputs.testing import edit_json, write_dinov2

_CPU = torch.device("cpu")
_MEAN = torch.tensor([0.485, 0.456, 0.406])
_STD = torch.tensor([0.229, 0.224, 0.225])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_dinov2(tmp_path / "dinov2", hidden=32)
    return tmp_path / "dinov2"


def _images(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, 224, 224), dtype=torch.uint8, generator=generator)


def test_one_embedding_per_image_whoever_else_is_in_the_batch(folder):
    features = Dinov2Features(folder, _CPU)
    images = _images(2)
    together = features.embed(images)
    assert features.dim == 32
    assert together.shape == (2, 32)
    assert together.dtype == torch.float32
    alone = torch.cat([features.embed(image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(together[0], together[1])


def test_the_same_directory_gives_the_same_embeddings(folder):
    images = _images(1)
    first = Dinov2Features(folder, _CPU).embed(images)
    assert torch.equal(first, Dinov2Features(folder, _CPU).embed(images))


def test_pixels_are_scaled_as_for_imagenet(folder):
    # Grey value 124 of red is (124 / 255 - 0.485) / 0.229 = 0.00556: nearly the mean, so an image
    # of ImageNet's mean colour looks like zeros to the network.
    features = Dinov2Features(folder, _CPU)
    seen: list[torch.Tensor] = []
    hook = torch.nn.modules.module.register_module_forward_pre_hook(
        lambda module, inputs: (
            seen.append(inputs[0]) if isinstance(module, torch.nn.Conv2d) else None
        )
    )
    try:
        mean_colour = torch.tensor([124, 116, 104], dtype=torch.uint8)[None, :, None, None]
        features.embed(mean_colour.expand(1, 3, 224, 224))
    finally:
        hook.remove()
    (pixels,) = seen
    expected = torch.tensor([0.00556, -0.00490, 0.00819])
    torch.testing.assert_close(pixels[0, :, 0, 0], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("registers", "model_class"),
    [(0, Dinov2Model), (4, Dinov2WithRegistersModel)],
    ids=["without registers", "with registers"],
)
@torch.no_grad()
def test_an_embedding_is_the_class_token_or_the_mean_of_the_patches(
    tmp_path, registers, model_class
):
    write_dinov2(tmp_path, registers=registers)
    images = _images(2)
    pixels = (images / 255.0 - _MEAN[:, None, None]) / _STD[:, None, None]
    tokens = model_class.from_pretrained(tmp_path).eval()(pixel_values=pixels).last_hidden_state
    assert tokens.shape == (2, 1 + registers + 16**2, 32)
    expected = {"class": tokens[:, 0], "patches": tokens[:, 1 + registers :].mean(dim=1)}
    for name, embedding in expected.items():
        ours = Dinov2Features(tmp_path, _CPU, name).embed(images)
        torch.testing.assert_close(ours, embedding, rtol=1e-4, atol=1e-5)


def test_a_missing_directory_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"no DINOv2 in .*facebook/dinov2-with-registers-base"):
        Dinov2Features(tmp_path / "absent", _CPU)


def test_missing_weights_are_refused(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(ConfigError, match=r"there is no .*model.safetensors"):
        Dinov2Features(folder, _CPU)


def test_truncated_weights_are_refused(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(ConfigError, match=r"damaged or not whole.*Copy the directory again"):
        Dinov2Features(folder, _CPU)


def test_weights_that_lack_a_layer_are_refused_instead_of_filled_with_random_numbers(folder):
    edit_json(folder / "config.json", "num_hidden_layers", value=3)
    with pytest.raises(ConfigError, match="lacks tensors such as"):
        Dinov2Features(folder, _CPU)


def test_another_model_is_refused(folder):
    edit_json(folder / "config.json", "model_type", value="vit")
    with pytest.raises(ConfigError, match="type 'vit'; give one of type dinov2 or"):
        Dinov2Features(folder, _CPU)


def test_a_damaged_config_is_refused(folder):
    (folder / "config.json").write_text(json.dumps({"model_type": "dinov2"})[:-3])
    with pytest.raises(ConfigError, match="not valid JSON"):
        Dinov2Features(folder, _CPU)
