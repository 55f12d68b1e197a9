"""Where learning runs: whether that device is there, and generators that survive another one."""

import hashlib
import logging

import torch

from tmrl_common.errors import ConfigError

_LOG = logging.getLogger(__name__)


def check_device(device: str) -> None:
    """Refuses a GPU that is not there.

    Args:
        device: "cpu" or "cuda".

    Raises:
        ConfigError: Names what to look at.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            "device is cuda, and PyTorch finds no GPU here: see whether `nvidia-smi` lists one and "
            "the installed torch was built for CUDA (torch.version.cuda), or set device=cpu"
        )


def restore_generator(generator: torch.Generator, state: torch.Tensor) -> None:
    """Puts a generator where the saved one was.

    The states of CPU and GPU generators have nothing in common. A state that was saved on the other
    one seeds this one: no draw is repeated, and the same state always continues in the same way.

    Args:
        generator: Changed in place.
        state: As of `torch.Generator.get_state`, on any device.
    """
    state = state.cpu()
    if state.shape == generator.get_state().shape:
        generator.set_state(state)
        return
    _LOG.warning("the checkpoint was written on another device; its random draws start again")
    digest = hashlib.sha256(state.numpy().tobytes()).digest()
    generator.manual_seed(int.from_bytes(digest[:7], "little"))
