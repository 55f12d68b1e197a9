"""Each check of the machine fails for the reason that it names; none is green by construction."""

import shutil
import sys
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

import torch

from tmrl_cell import cell
from tmrl_doctor import machine, second_process
from tmrl_doctor.finding import Level
from tmrl_policies import flow_checkpoint

Usage = namedtuple("Usage", "total used free")


def test_a_package_that_does_not_import_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_mujoco(name: str) -> None:
        if name == "mujoco":
            raise ImportError("libEGL.so.1: cannot open shared object file")

    monkeypatch.setattr(machine, "importlib", SimpleNamespace(import_module=without_mujoco))
    finding = machine.check_packages()
    assert finding.level is Level.FAILED
    assert "mujoco (libEGL.so.1" in finding.detail


def test_a_gpu_that_torch_cannot_use_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(machine, "NVIDIA_DRIVER", tmp_path / "version")
    assert "none; CPU" in machine.check_gpu().detail
    (tmp_path / "version").touch()
    finding = machine.check_gpu()
    assert finding.level is Level.WARNING
    assert "cannot use it" in finding.detail


def test_a_picture_that_shows_nothing_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = SimpleNamespace(
        reset=lambda _: None,
        render=lambda *_: np.zeros((224, 224, 3), np.uint8),
        close=lambda: None,
    )
    monkeypatch.setattr(cell, "WidowXCell", lambda: empty)
    finding = machine.check_rendering()
    assert finding.level is Level.FAILED
    assert "empty" in finding.detail
    assert "libegl1" in finding.remedy


def test_a_policy_whose_actions_are_no_numbers_is_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes = SimpleNamespace(proprio_dim=3, context_dim=2, horizon=4, action_dim=7)
    broken = SimpleNamespace(config=sizes, sample=lambda *_: torch.full((1, 4, 7), torch.nan))
    monkeypatch.setattr(
        flow_checkpoint, "load_flow_policy", lambda _: SimpleNamespace(policy=broken)
    )
    finding = machine.check_policy()
    assert finding.level is Level.FAILED
    assert "not finite" in finding.detail


def test_a_full_disk_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(2**40, 2**40, 2**29))
    assert machine.check_disk().level is Level.FAILED


@pytest.mark.ros
@pytest.mark.usefixtures("ros_domain_id")
def test_a_second_process_hears_this_one() -> None:
    assert machine.check_discovery().level is Level.GOOD


@pytest.mark.ros
@pytest.mark.usefixtures("ros_domain_id")
def test_a_process_that_does_not_hear_this_one_is_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deaf = [sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(600)"]
    monkeypatch.setattr(second_process, "DISCOVERY_S", 0.2)
    assert second_process.round_trip_s(deaf) is None
    monkeypatch.setattr(second_process, "round_trip_s", lambda: None)
    finding = machine.check_discovery()
    assert finding.level is Level.FAILED
    assert "did not find each other" in finding.detail


def test_a_process_that_does_not_start_is_said_to_be_none() -> None:
    with pytest.raises(RuntimeError, match="ended with 3"):
        second_process.round_trip_s([sys.executable, "-c", "raise SystemExit(3)"])
