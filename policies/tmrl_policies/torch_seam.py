"""What torch leaves untyped of the calls in use here, with types: the only place that knows."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportPrivateImportUsage=false

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, ParamSpec, TypeVar

import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, nn
from torch.utils.checkpoint import checkpoint

P = ParamSpec("P")
R = TypeVar("R")


class UnfilledLinear(nn.Linear):
    """A linear layer without a bias, and without values until it is given a weight."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features, bias=False, device="meta")


def from_numpy(array: NDArray[Any]) -> Tensor:
    """A tensor that shares the array's memory."""
    return torch.from_numpy(array)


def cpu_capabilities() -> dict[str, object]:
    """What this machine's processor can do, by torch's names such as "avx512_bf16"."""
    return dict(torch.cpu.get_capabilities())


def numbers(tensor: Tensor) -> list[float]:
    """The values of a tensor of floats with one axis."""
    return tensor.tolist()


def counts(tensor: Tensor) -> list[int]:
    """The values of a tensor of whole numbers with one axis."""
    return tensor.tolist()


def split(tensor: Tensor, sizes: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Views of equal size, the last one perhaps smaller, or of the sizes given."""
    return torch.split(tensor, sizes if isinstance(sizes, int) else list(sizes), dim)


def unflatten(tensor: Tensor, dim: int, sizes: tuple[int, ...]) -> Tensor:
    """A view whose axis `dim` is laid out in the sizes given; one of them may be -1."""
    return tensor.unflatten(dim, sizes)


def row_norms(tensor: Tensor) -> Tensor:
    """Euclidean norms along the last axis."""
    return tensor.norm(dim=-1)


def unique_with_positions(tensor: Tensor) -> tuple[Tensor, Tensor]:
    """The different values in ascending order, and where among them each element stands."""
    values, positions = torch.unique(tensor, return_inverse=True)
    return values, positions


def seed_everything(seed: int) -> None:
    """Seeds the global generators of all devices."""
    torch.manual_seed(seed)


@contextmanager
def seeded(seed: int, devices: Sequence[int] | None = ()) -> Generator[None]:
    """Draws from a fresh state of the global generators, and puts the old one back.

    Args:
        seed: Of the fresh state.
        devices: GPUs whose generators are put back beside the CPU's; None for all.
    """
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def draw_in_graph(graph: torch.cuda.CUDAGraph, generator: torch.Generator) -> None:
    """Lets a graph, before it is captured, draw from a generator: fresh values at each replay."""
    graph.register_generator_state(generator)


def backward(loss: Tensor) -> None:
    """Adds the gradients of a scalar to those of the parameters."""
    loss.backward()


def take_step(optimiser: torch.optim.Optimizer) -> None:
    """Lets an optimiser move its parameters along their gradients."""
    optimiser.step()


def apply_function(function: type[torch.autograd.Function], *inputs: Tensor) -> Tensor:
    """Runs a function with a backward pass of its own, and records it."""
    return function.apply(*inputs)  # type: ignore[return-value]


def compiled_function(function: Callable[P, R]) -> Callable[P, R]:
    """The function, compiled at its first call."""
    return torch.compile(function)


def recomputed_in_backward(step: Callable[..., Any]) -> Callable[..., Any]:
    """The function, of which the backward pass computes again what is not kept."""
    return partial(checkpoint, step, use_reentrant=False)


def join_process_group(backend: str, prefix: str, device: torch.device | None) -> None:
    """Meets the other processes that torchrun started.

    Args:
        backend: "nccl" or "gloo".
        prefix: The part of torchrun's store in which they leave their addresses.
        device: Of this process; None for the CPU.
    """
    store, rank, count = next(distributed.rendezvous("env://"))
    store = distributed.PrefixStore(prefix, store)
    distributed.init_process_group(
        backend, store=store, rank=rank, world_size=count, device_id=device
    )


def wait_for_processes() -> None:
    """Waits until all processes of the group are here."""
    distributed.barrier()


def add_over_processes(value: Tensor) -> None:
    """Replaces a value by its sum over the processes of the group."""
    distributed.all_reduce(value)
