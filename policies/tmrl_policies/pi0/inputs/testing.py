"""Small stand-ins for the files that users bring, for tests and for trying the whole path."""

import json
from pathlib import Path

import numpy as np
from sentencepiece import SentencePieceTrainer
from transformers import (
    Dinov2Config,
    Dinov2Model,
    Dinov2WithRegistersConfig,
    Dinov2WithRegistersModel,
)

from tmrl_policies.pi0.config import TINY, Pi0Config
from tmrl_policies.pi0.inputs.record import Pi0Record, write_record
from tmrl_policies.pi0.inputs.rigs import Rig, usual_scale
from tmrl_policies.pi0.inputs.settings import TOKENISER_FILE
from tmrl_policies.pi0.inputs.statistics import RobotStatistics, Statistics, write_statistics
from tmrl_policies.pi0.model import Pi0
from tmrl_policies.pi0.weights import save_weights
from tmrl_policies.torch_seam import seeded

_SENTENCES = (
    "put the carrot in the pot",
    "pick up the sausage and put it in the pot",
    "press the red button on the table",
    "move the shrimp into the drawer and close the drawer",
)


def write_tokeniser(path: Path) -> None:
    """Trains a SentencePiece model with PaliGemma's conventions on a few sentences.

    It has fewer tokens than `TINY` knows: padding 0, end 1, start 2, unknown 3, a line break, the
    256 bytes, and some pieces of words.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        SentencePieceTrainer.train(
            sentence_iterator=iter(_SENTENCES),
            model_writer=file,
            model_type="bpe",
            vocab_size=330,
            pad_id=0,
            eos_id=1,
            bos_id=2,
            unk_id=3,
            user_defined_symbols=["\n"],
            byte_fallback=True,
            add_dummy_prefix=False,
            remove_extra_whitespaces=False,
            normalization_rule_name="identity",
            minloglevel=2,
        )


def make_statistics(rig: Rig, seed: int = 0) -> RobotStatistics:
    """Some statistics of a rig's columns."""
    generator = np.random.default_rng(seed)

    def some(dim: int) -> Statistics:
        mean, std = generator.normal(size=dim), generator.uniform(0.1, 2.0, size=dim)
        return Statistics(mean, std, mean - 2.3 * std, mean + 2.3 * std)

    return RobotStatistics(some(rig.state_dim), some(rig.action_dim))


def write_checkpoint(folder: Path, rig: Rig, config: Pi0Config = TINY, seed: int = 0) -> Pi0Record:
    """Writes a whole checkpoint of random weights, as fine-tuning writes them.

    Returns:
        What its `pi0.json` says.
    """
    with seeded(seed):
        save_weights(Pi0(config), folder / "model.safetensors")
    return write_companions(folder, rig, config, seed)


def write_companions(folder: Path, rig: Rig, config: Pi0Config, seed: int = 0) -> Pi0Record:
    """Writes what a checkpoint holds beside its weights.

    Returns:
        What its `pi0.json` says.
    """
    record = Pi0Record(rig, usual_scale(config), config)
    write_statistics(folder, rig.name, make_statistics(rig, seed))
    write_record(folder, record)
    write_tokeniser(folder / TOKENISER_FILE)
    return record


def write_dinov2(folder: Path, hidden: int = 32, registers: int = 0) -> None:
    """Writes a DINOv2 of random weights and little depth, with registers if there are any."""
    sizes = {
        "hidden_size": hidden,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "mlp_ratio": 2,
        "image_size": 518,
        "patch_size": 14,
    }
    with seeded(0):
        if registers:
            config = Dinov2WithRegistersConfig(num_register_tokens=registers, **sizes)
            model = Dinov2WithRegistersModel(config)
        else:
            model = Dinov2Model(Dinov2Config(**sizes))
    model.save_pretrained(folder)


def edit_json(path: Path, *keys: str, value: object) -> None:
    """Change one value, at the place that the keys lead to, in a JSON file."""
    content = json.loads(path.read_text(encoding="utf-8"))
    place = content
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    path.write_text(json.dumps(content), encoding="utf-8")
