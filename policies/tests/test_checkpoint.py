"""Checkpoints: whole or refused, whatever happens while they are written."""

import json
import os
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tmrl_policies.checkpoint import (
    CheckpointError,
    load_checkpoint,
    load_tensors_into,
    save_checkpoint,
)
from tmrl_policies.flow_checkpoint import load_flow_policy, save_flow_policy
from tmrl_policies.flow_policy import FlowPolicy, FlowPolicyConfig
from tmrl_policies.testing import scrambled

_SHIPPED = Path(__file__).resolve().parents[1] / "checkpoints"


def _tensors(value: float) -> dict[str, Tensor]:
    return {"weight": torch.full((3, 2), value), "counts": torch.tensor([1, 2])}


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(
    value=st.floats(width=32, allow_nan=False),
    shape=st.lists(st.integers(0, 4), max_size=3),
    metadata=st.dictionaries(st.text(), _json, max_size=4),
)
@settings(max_examples=40)
def test_round_trip(value: float, shape: list[int], metadata: dict[str, object]) -> None:
    """Tensors and metadata come back equal, bit for bit."""
    with tempfile.TemporaryDirectory() as folder:
        stem = Path(folder) / "new" / "model"
        tensors = {"a": torch.full(shape, value), "b": torch.arange(4, dtype=torch.uint8)}
        sha256 = save_checkpoint(stem, "test", tensors, metadata)
        loaded = load_checkpoint(stem, "test")
    assert loaded.sha256 == sha256
    assert loaded.metadata == metadata
    assert loaded.tensors.keys() == tensors.keys()
    assert all(torch.equal(loaded.tensors[name], tensors[name]) for name in tensors)


def _dies_at_call(monkeypatch: pytest.MonkeyPatch, target: object, name: str, call: int) -> None:
    """Makes call number ``call`` of a function raise, like a process that is killed there."""
    original = getattr(target, name)
    calls = iter(range(1_000))

    def dying(*args: object, **kwargs: object) -> object:
        if next(calls) == call:
            raise KeyboardInterrupt
        return original(*args, **kwargs)

    monkeypatch.setattr(target, name, dying)


@pytest.mark.parametrize(
    ("target", "name", "call"),
    [(os, "fsync", call) for call in range(5)] + [(Path, "replace", call) for call in range(3)],
)
def test_killed_while_saving_leaves_a_whole_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: object, name: str, call: int
) -> None:
    """Old or new, never a mixture, also when the next attempt is killed at the same place."""
    stem = tmp_path / "model"
    save_checkpoint(stem, "test", _tensors(0.0), {"step": 0})
    for attempt in (1, 2):
        with monkeypatch.context() as patch:
            _dies_at_call(patch, target, name, call)
            with pytest.raises(KeyboardInterrupt):
                save_checkpoint(stem, "test", _tensors(float(attempt)), {"step": attempt})
        loaded = load_checkpoint(stem, "test")
        step = loaded.metadata["step"]
        assert step in range(attempt + 1)
        assert torch.equal(loaded.tensors["weight"], _tensors(float(step))["weight"])
    save_checkpoint(stem, "test", _tensors(9.0), {"step": 9})
    assert load_checkpoint(stem, "test").metadata == {"step": 9}
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".tmp") == [
        "model.json",
        "model.safetensors",
    ]


@given(
    suffix=st.sampled_from([".json", ".safetensors"]),
    position=st.integers(0, 10_000),
    bit=st.integers(0, 7),
)
@settings(max_examples=400)
def test_any_flipped_bit_is_noticed(suffix: str, position: int, bit: int) -> None:
    """In either file: nothing is ever loaded with other content."""
    with tempfile.TemporaryDirectory() as folder:
        stem = Path(folder) / "model"
        save_checkpoint(stem, "test", _tensors(1.0), {"draws": {"state": 123, "words": [1.5, "a"]}})
        path = stem.with_name("model" + suffix)
        content = bytearray(path.read_bytes())
        content[position % len(content)] ^= 1 << bit
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=f"{path}"):
            load_checkpoint(stem, "test")


def test_a_record_of_version_1_is_read_and_counts_as_unverified(tmp_path: Path) -> None:
    stem = tmp_path / "model"
    save_checkpoint(stem, "test", _tensors(1.0), {"step": 3})
    assert load_checkpoint(stem, "test").verified
    path = stem.with_name("model.json")
    _write_as_version_1(path, json.loads(path.read_text()))
    loaded = load_checkpoint(stem, "test")
    assert (loaded.metadata, loaded.verified) == ({"step": 3}, False)


def _write_as_version_1(path: Path, record: dict[str, object]) -> None:
    """Version 1 has no hash of the record, so it may be edited."""
    rest = {name: value for name, value in record.items() if name != "record_sha256"}
    path.write_text(json.dumps(rest | {"format_version": 1}))


def _edit_record(stem: Path, **changes: object) -> None:
    path = stem.with_name(stem.name + ".json")
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_refusals_say_what_is_wrong(tmp_path: Path) -> None:
    """Absent, another kind, another version, not JSON, tensors gone."""
    stem = tmp_path / "model"
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        load_checkpoint(stem, "test")
    save_checkpoint(stem, "test", _tensors(1.0), {})
    with pytest.raises(CheckpointError, match="'test', not of 'flow_policy'"):
        load_checkpoint(stem, "flow_policy")
    _edit_record(stem, format_version=3)
    with pytest.raises(CheckpointError, match="reads versions 1 and 2"):
        load_checkpoint(stem, "test")
    save_checkpoint(stem, "test", _tensors(1.0), {})
    stem.with_name("model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="is missing"):
        load_checkpoint(stem, "test")
    stem.with_name("model.json").write_text("{")
    with pytest.raises(CheckpointError, match="not valid JSON"):
        load_checkpoint(stem, "test")


def test_numbers_that_json_cannot_hold_are_refused(tmp_path: Path) -> None:
    """And the checkpoint that was there stays."""
    stem = tmp_path / "model"
    save_checkpoint(stem, "test", _tensors(1.0), {"loss": 1.0})
    with pytest.raises(ValueError, match="JSON"):
        save_checkpoint(stem, "test", _tensors(2.0), {"loss": float("nan")})
    assert load_checkpoint(stem, "test").metadata == {"loss": 1.0}


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"weight": torch.zeros(1, 2)}, "missing ..bias.."),
        (
            {"weight": torch.zeros(1, 2), "bias": torch.zeros(1), "scale": torch.zeros(1)},
            "unexpected ..scale..",
        ),
        ({"weight": torch.zeros(2, 2), "bias": torch.zeros(1)}, r"needs \(1, 2\)"),
        ({"weight": torch.full((1, 2), torch.nan), "bias": torch.zeros(1)}, "not finite"),
    ],
)
def test_tensors_that_do_not_fit_a_module_leave_it_alone(
    tensors: dict[str, Tensor], message: str
) -> None:
    """A half-loaded network would be worse than none."""
    module = nn.Linear(2, 1)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with pytest.raises(CheckpointError, match=message):
        load_tensors_into(module, tensors)
    assert all(torch.equal(module.state_dict()[name], before[name]) for name in before)


def _policy() -> FlowPolicy:
    policy = scrambled(FlowPolicyConfig(hidden=16, blocks=1))
    policy.context_normaliser.fit(torch.randn(20, 4))
    return policy


def test_a_policy_acts_the_same_after_a_round_trip(tmp_path: Path) -> None:
    """Configuration, weights and statistics all travel."""
    policy = _policy()
    version = save_flow_policy(tmp_path, policy, {"seed": 3})
    loaded = load_flow_policy(tmp_path)
    assert loaded.version == version
    assert loaded.training == {"seed": 3}
    assert loaded.policy.config == policy.config
    inputs = (
        torch.randn(2, 5),
        torch.randn(2, 4),
        torch.tensor([0.2, 0.9]),
        torch.randn(2, 4),
        torch.randn(2, 16, 4),
    )
    assert torch.equal(loaded.policy.sample(*inputs), policy.sample(*inputs))


def test_a_policy_without_proprioception_survives_a_round_trip(tmp_path: Path) -> None:
    """Its normaliser has width 0, and is saved and checked like any other."""
    policy = FlowPolicy(FlowPolicyConfig(proprio_dim=0, hidden=16, blocks=1))
    save_flow_policy(tmp_path, policy, {})
    loaded = load_flow_policy(tmp_path).policy
    assert loaded.statistics_hash() == policy.statistics_hash()
    assert loaded.proprio_normaliser.mean.shape == (0,)


@pytest.mark.parametrize(
    "folder",
    sorted(path.parent for path in _SHIPPED.glob("*/*/policy.json")),
    ids=lambda path: "-".join(path.parts[-2:]),
)
def test_every_shipped_policy_loads_and_acts(folder: Path) -> None:
    """The first ones know neither the newer settings nor the names of today's layers."""
    policy = load_flow_policy(folder).policy
    shape = policy.config
    actions = policy.sample(
        policy.proprio_normaliser.mean[None],
        policy.context_normaliser.mean[None],
        torch.zeros(1),
        torch.zeros(1, shape.context_dim),
        torch.zeros(1, shape.horizon, shape.action_dim),
    )
    assert bool(actions.isfinite().all())


def test_a_policy_with_other_statistics_is_refused(tmp_path: Path) -> None:
    """Weights and the normalisation they were trained with are one thing."""
    save_flow_policy(tmp_path, _policy(), {})
    record = json.loads((tmp_path / "policy.json").read_text())
    record["metadata"]["statistics_hash"] = "0" * 64
    _write_as_version_1(tmp_path / "policy.json", record)
    with pytest.raises(CheckpointError, match="normalisation statistics"):
        load_flow_policy(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"horizn": 4}, "nearest known: 'horizon'"), ({"horizon": -1}, "horizon is -1")],
)
def test_a_policy_with_a_strange_configuration_is_refused(
    tmp_path: Path, change: dict[str, int], message: str
) -> None:
    """The sentence names the setting."""
    save_flow_policy(tmp_path, _policy(), {})
    record = json.loads((tmp_path / "policy.json").read_text())
    record["metadata"]["config"] |= change
    _write_as_version_1(tmp_path / "policy.json", record)
    with pytest.raises(CheckpointError, match=message):
        load_flow_policy(tmp_path)
