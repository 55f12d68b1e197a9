"""A process that dies in the middle of a training of several costs the time since a checkpoint."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file

from tmrl_common.testing.waiting import wait_until
from tmrl_learner.pi0.testing import SmallDataset, write_small_dataset
from tmrl_policies.pi0.inputs.testing import write_tokeniser

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

TIMEOUT_S = 600.0
STEPS = 30
SETTINGS = (
    *("model.siglip.patch_px=112", "model.horizon=4", "model.action_dim=8", "precision=float32"),
    *("workers=0", "log_every=1", "batch_size=4", f"steps={STEPS}", "checkpoint_every=3"),
)


def training(data: Path, out: Path, *more: str) -> "subprocess.Popen[str]":
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = [*torchrun, "--nproc-per-node=2", "--max-restarts=1"]
    command += ["-m", "tmrl_learner", "finetune-pi0", str(data / "data"), "--rig", "bridge"]
    command += ["--tokeniser", str(data / "tokeniser.model"), "--out", str(out), "--model", "tiny"]
    command += ["--from-random-weights", "--wandb", "disabled", "--device", "cpu", *more]
    for setting in SETTINGS:
        command += ["--set", setting]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)


def test_torchrun_starts_again_from_the_last_checkpoint(tmp_path: Path) -> None:
    write_small_dataset(tmp_path / "data", SmallDataset(lengths=(12,) * 8))
    write_tokeniser(tmp_path / "tokeniser.model")
    with training(tmp_path, tmp_path / "killed") as killed:
        checkpoints = tmp_path / "killed/checkpoints"
        wait_until(lambda: list(checkpoints.glob("step_????????")), "a checkpoint", TIMEOUT_S)
        trainers = psutil.Process(killed.pid).children()
        assert len(trainers) == 2, trainers
        trainers[1].kill()
        _, said = killed.communicate(timeout=TIMEOUT_S)
        assert killed.returncode == 0, said
    assert "exitcode: -9" in said, "it was over before a process could be killed"
    with training(tmp_path, tmp_path / "whole") as whole:
        _, complaint = whole.communicate(timeout=TIMEOUT_S)
        assert whole.returncode == 0, complaint
    last = f"checkpoints/step_{STEPS:08d}/training.safetensors"
    both = [load_file(tmp_path / run / last) for run in ("killed", "whole")]
    assert both[0].keys() == both[1].keys()
    for name, tensor in both[1].items():
        torch.testing.assert_close(both[0][name], tensor, rtol=1e-3, atol=1e-5, msg=name)
