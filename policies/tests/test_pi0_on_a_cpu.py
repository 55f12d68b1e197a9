"""What a served pi0 does differently where there is no GPU."""

from pathlib import Path

import pytest
import torch

from tmrl_policies.pi0.config import FULL, TINY, Pi0Config
from tmrl_policies.pi0.inputs.rigs import BRIDGE
from tmrl_policies.pi0.inputs.settings import Pi0Settings
from tmrl_policies.pi0.inputs.testing import write_checkpoint
from tmrl_policies.pi0.policy import Pi0Policy, usual_dtype


def test_one_chunk_warms_up_whatever_the_largest_batch(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, BRIDGE)
    policy = Pi0Policy.load(tmp_path, Pi0Settings(dino="none", device="cpu"), max_batch=8)
    assert list(policy.warm_up_batches(8)) == [1]


@pytest.mark.parametrize(
    ("device", "config", "able", "expected"),
    [
        ("cuda", TINY, {}, "bfloat16"),
        ("cpu", FULL, {"avx512_f": True, "avx512_bf16": True}, "bfloat16"),
        ("cpu", FULL, {"avx512_f": True, "avx512_bf16": False}, "float32"),
        ("cpu", TINY, {"avx512_bf16": True}, "float32"),
    ],
)
def test_the_type_is_the_one_that_is_faster_there(
    monkeypatch: pytest.MonkeyPatch,
    device: str,
    config: Pi0Config,
    able: dict[str, object],
    expected: str,
) -> None:
    monkeypatch.setattr("tmrl_policies.pi0.policy.cpu_capabilities", lambda: able)
    assert usual_dtype(torch.device(device), config) == expected
