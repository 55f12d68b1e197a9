"""What the errors of a GPU mean for the process that meets them."""

import contextlib
from collections.abc import Generator

import torch

from tmrl_common.errors import LocalError

_CUDA_OUT_OF_MEMORY = 2
"""cudaErrorMemoryAllocation, which leaves the GPU usable, unlike all others."""


class AcceleratorMemoryError(LocalError):
    """The GPU has not enough memory for the policy."""


class AcceleratorFailedError(LocalError):
    """The GPU is of no more use to this process; a new process may use it."""


def lacks_memory(error: BaseException) -> bool:
    """Whether the GPU had too little memory; a smaller request may still succeed."""
    if isinstance(error, torch.AcceleratorError):
        return getattr(error, "error_code", None) == _CUDA_OUT_OF_MEMORY
    return isinstance(error, torch.OutOfMemoryError)


def has_failed(error: BaseException) -> bool:
    """Whether everything that this process asks of the GPU will fail from now on."""
    return isinstance(error, torch.AcceleratorError) and not lacks_memory(error)


@contextlib.contextmanager
def explained() -> Generator[None]:
    """Turns a GPU's errors while a policy is loaded and warmed up into sentences with a remedy.

    Raises:
        AcceleratorMemoryError: It has not enough memory.
        AcceleratorFailedError: It failed in any other way.
    """
    try:
        yield
    except RuntimeError as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(". ")
        if lacks_memory(error):
            raise AcceleratorMemoryError(
                f"the GPU has too little memory for this policy: {said}. End what else runs there "
                "(nvidia-smi lists it), choose another GPU with 'device', lower 'max_batch', or "
                "set 'graphs' to false"
            ) from error
        if has_failed(error):
            raise AcceleratorFailedError(
                f"the GPU failed while the policy was loaded and warmed up: {said}. If it fails "
                "again, set 'graphs' to false, and look at nvidia-smi and the kernel's log"
            ) from error
        raise
