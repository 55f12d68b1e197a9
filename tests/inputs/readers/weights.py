"""Weights of a pi0 as frameworks, hubs and people store them, read by the function that serves.

`given` says how a file differs from the one that openpi writes for a tiny network:

    kind: pi05                           # of the network; otherwise cspi0
    rename: [[PATTERN, REPLACEMENT]]     # of the tensors' names
    types: {PATTERN: int8}               # of the tensors whose names hold the pattern
    drop: [PATTERN]                      # tensors
    add: {NAME: [TYPE, SIZE, ...]}       # tensors of ones
    copy: [[PATTERN, REPLACEMENT]]       # tensors that are there a second time
    parts: 3                             # in so many files with an index
    without: [NAME]                      # files that are taken away in the end
    cut: NAME                            # a file that ends in its middle
    rename_files: {NAME: NAME}           # files that are called otherwise
    files: {NAME: TEXT}                  # written beside
    ask: NAME                            # given to the product, instead of the folder

Of what is taken, the answer says whether the network's numbers are those that were stored.
"""

import dataclasses
import json
import logging
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from tmrl_policies.checkpoint import CheckpointError
from tmrl_policies.pi0.config import KINDS, TINY, Pi0Config
from tmrl_policies.pi0.model import Pi0
from tmrl_policies.pi0.weights import load_weights, openpi_tensors
from tmrl_policies.torch_seam import seeded

from ..heard import Heard
from ..reading import Answer, Outcome


def read(given: dict[str, Any], folder: Path) -> Answer:
    """The answer to a file of weights."""
    kind = given.get("kind", "cspi0")
    original = _network(kind)
    _write(given, _changed(given, openpi_tensors(original)), folder)
    with torch.device("meta"):
        network = Pi0(original.config)
    with Heard("tmrl_policies.pi0.weights", logging.INFO) as heard:
        try:
            network = network.to_empty(device="cpu")
            load_weights(network, folder / given.get("ask", ""))
        except CheckpointError as error:
            return Answer(Outcome.REFUSED, str(error))
    pairs = zip(network.state_dict().values(), original.state_dict().values(), strict=True)
    same = all(torch.allclose(ours, theirs, rtol=1e-2, atol=1e-3) for ours, theirs in pairs)
    text = "the numbers that were stored" if same else "OTHER NUMBERS than were stored"
    if heard.texts:
        return Answer(Outcome.WARNED, "; ".join([text, *heard.texts]))
    return Answer(Outcome.TAKEN, text)


@lru_cache
def _network(kind: str) -> Pi0:
    config: Pi0Config = dataclasses.replace(TINY, **KINDS[kind])
    with seeded(0):
        return Pi0(config)


def _changed(given: dict[str, Any], tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    for pattern, replacement in given.get("copy", ()):
        tensors |= {
            re.sub(pattern, replacement, name): tensor.clone()
            for name, tensor in tensors.items()
            if re.search(pattern, name)
        }
    for pattern, replacement in given.get("rename", ()):
        tensors = {re.sub(pattern, replacement, name): each for name, each in tensors.items()}
    for pattern, kind in given.get("types", {}).items():
        for name in [name for name in tensors if re.search(pattern, name)]:
            tensors[name] = tensors[name].to(getattr(torch, kind))
    for pattern in given.get("drop", ()):
        tensors = {name: each for name, each in tensors.items() if not re.search(pattern, name)}
    for name, (kind, *shape) in given.get("add", {}).items():
        tensors[name] = torch.ones(shape).to(getattr(torch, kind))
    return tensors


def _write(given: dict[str, Any], tensors: dict[str, Tensor], folder: Path) -> None:
    count = given.get("parts", 0)
    if count:
        places: dict[str, str] = {}
        for number in range(count):
            part = f"model-{number + 1:05}-of-{count:05}.safetensors"
            mine = dict(list(tensors.items())[number::count])
            places |= dict.fromkeys(mine, part)
            save_file(mine, folder / part)
        index = json.dumps({"metadata": {}, "weight_map": places})
        (folder / "model.safetensors.index.json").write_text(index, encoding="utf-8")
    else:
        save_file(tensors, folder / "model.safetensors")
    if name := given.get("cut"):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])
    for name, other in given.get("rename_files", {}).items():
        (folder / other).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).rename(folder / other)
    for name in given.get("without", ()):
        (folder / name).unlink()
    for name, text in given.get("files", {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
