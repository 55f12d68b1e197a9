"""The processes of one training: alone, or several started by torchrun."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed

from tmrl_common.errors import ConfigError
from tmrl_policies.torch_seam import add_over_processes, join_process_group, wait_for_processes


@dataclass(frozen=True)
class Processes:
    """This process among those that train together.

    Attributes:
        rank: Its number.
        count: How many there are.
        device: Where it computes.
    """

    rank: int
    count: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and reports."""
        return self.rank == 0

    def wait(self) -> None:
        """Waits for the others."""
        if self.count > 1:
            wait_for_processes()

    def total(self, value: Tensor) -> Tensor:
        """Sum of a value over all processes."""
        if self.count > 1:
            add_over_processes(value)
        return value


@contextmanager
def join_processes(device: str) -> Generator[Processes]:
    """Joins the processes that torchrun started, or is alone.

    Args:
        device: "cpu", "cuda", or "auto" for a GPU where there is one.

    Raises:
        ConfigError: The device is unknown or not there.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"device is '{device}'; it must be auto, cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device is cuda and PyTorch sees no GPU; use cpu, or install a driver")
    kind = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
    count = int(os.environ.get("WORLD_SIZE", "1"))
    here = torch.device(kind, int(os.environ.get("LOCAL_RANK", "0"))) if kind == "cuda" else None
    if here is not None:
        torch.cuda.set_device(here)
    if count == 1:
        yield Processes(0, 1, here or torch.device("cpu"))
        return
    # After a process has died torchrun starts all again, with the store in which those of the
    # attempt before have left their addresses: each attempt needs a part of it to itself.
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    join_process_group("nccl" if here is not None else "gloo", f"attempt_{attempt}", here)
    try:
        yield Processes(distributed.get_rank(), count, here or torch.device("cpu"))
    finally:
        distributed.destroy_process_group()
