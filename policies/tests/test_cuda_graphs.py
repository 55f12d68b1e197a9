"""Captures and replays: on which device, how many, and whose memory, with a stand-in for CUDA.

The stand-in records what would run and refuses whatever CUDA would refuse or do elsewhere; what it
cannot show is whether a network can be captured: `./tmrl bench pi0` does, where there is a GPU.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence

import pytest
import torch
from torch import Tensor

from tmrl_common.errors import ConfigError
from tmrl_policies.pi0.cuda_graphs import GraphedFunction
from tmrl_policies.pi0.inputs.rigs import BRIDGE
from tmrl_policies.pi0.inputs.settings import Pi0Settings
from tmrl_policies.pi0.inputs.testing import write_checkpoint
from tmrl_policies.pi0.policy import Pi0Policy
from tmrl_policies.pi0.sampler import Pi0Sampler

SECOND = torch.device("cuda:1")


class OnSecond(Tensor):
    """A tensor of the CPU that says it were on the second GPU."""

    @property
    def is_cuda(self) -> bool:
        return True

    @property
    def device(self) -> torch.device:
        return SECOND


def on_second(*values: float) -> Tensor:
    return torch.tensor(values).as_subclass(OnSecond)


class StandIn:
    """What `torch.cuda` does as far as graphs need it; everything belongs to the current device."""

    def __init__(self) -> None:
        self.current = torch.device("cuda:0")
        self.captures: list[_Captured] = []
        self.streams: list[torch.device] = []
        self.capturing: _Captured | None = None

    @contextlib.contextmanager
    def device(self, device: torch.device) -> Iterator[None]:
        before, self.current = self.current, device
        yield
        self.current = before

    def stream_of_current(self) -> "_Stream":
        self.streams.append(self.current)
        return _Stream()

    @contextlib.contextmanager
    def stream(self, stream: "_Stream") -> Iterator[None]:
        yield

    @contextlib.contextmanager
    def graph(self, graph: "_Captured", pool: object = None) -> Iterator[None]:
        graph.device = self.current
        graph.shared = graph.memory if pool is None else pool
        self.captures.append(graph)
        self.capturing = graph
        yield
        self.capturing = None


class _Stream:
    def wait_stream(self, other: "_Stream") -> None:
        assert isinstance(other, _Stream)


class _Captured:
    """A graph: replaying does again what the function did during the capture."""

    def __init__(self) -> None:
        self.memory = object()
        self.shared: object = None
        self.device: torch.device | None = None
        self.again: Callable[[], None] = lambda: None

    def pool(self) -> object:
        return self.shared

    def replay(self) -> None:
        self.again()


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    made = StandIn()
    for name in ("device", "stream", "graph"):
        monkeypatch.setattr(torch.cuda, name, getattr(made, name))
    monkeypatch.setattr(torch.cuda, "Stream", made.stream_of_current)
    monkeypatch.setattr(torch.cuda, "current_stream", made.stream_of_current)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", _Captured)
    return made


@pytest.fixture
def doubled(cuda: StandIn) -> Callable[[Tensor], Tensor]:
    """Twice its input, captured as CUDA would: into memory that each replay writes again."""

    def function(given: Tensor) -> Tensor:
        held = 2.0 * given
        if cuda.capturing is not None:
            cuda.capturing.again = lambda: held.copy_(2.0 * given)
        return held

    return function


def sizes_captured(graphed: GraphedFunction, cuda: StandIn, sizes: Sequence[int]) -> int:
    before = len(cuda.captures)
    for size in sizes:
        graphed((on_second(*[1.0] * size),))
    return len(cuda.captures) - before


def test_everything_happens_on_the_device_of_the_tensors(cuda, doubled):
    graphed = GraphedFunction(doubled)
    assert graphed((on_second(1.0),)).tolist() == [2.0]
    assert {*cuda.streams, *(each.device for each in cuda.captures)} == {SECOND}
    assert cuda.current == torch.device("cuda:0"), "others' current device stays"


def test_a_replay_sees_new_values_and_leaves_what_was_returned_alone(cuda, doubled):
    graphed = GraphedFunction(doubled)
    first, second = graphed((on_second(1.0, 2.0),)), graphed((on_second(3.0, 4.0),))
    assert (first.tolist(), second.tolist()) == ([2.0, 4.0], [6.0, 8.0])
    assert len(cuda.captures) == 1


def test_no_shape_is_captured_twice_while_there_is_room(cuda, doubled):
    graphed = GraphedFunction(doubled, most=4)
    assert sizes_captured(graphed, cuda, [1, 2, 3, 4]) == 4
    assert sizes_captured(graphed, cuda, [4, 1, 2, 3] * 3) == 0


def test_the_graph_unused_longest_makes_room(cuda, doubled):
    graphed = GraphedFunction(doubled, most=2)
    sizes_captured(graphed, cuda, [1, 2, 1, 3])
    assert sizes_captured(graphed, cuda, [1, 3]) == 0
    assert sizes_captured(graphed, cuda, [2]) == 1


def test_graphs_share_the_memory_of_one_that_is_kept(cuda, doubled):
    graphed = GraphedFunction(doubled, most=2)
    sizes_captured(graphed, cuda, [1, 2, 3, 4])
    assert {each.shared for each in cuda.captures} == {cuda.captures[0].memory}


def test_a_server_sets_graphs_and_room_for_them(tmp_path, monkeypatch):
    told = []

    class Told(Pi0Sampler):
        def __init__(self, model, **settings):
            told.append(settings)
            super().__init__(model, **settings)

    monkeypatch.setattr("tmrl_policies.pi0.policy.Pi0Sampler", Told)
    write_checkpoint(tmp_path, BRIDGE)
    Pi0Policy.load(tmp_path, Pi0Settings(dino="none", device="cpu", graphs=False), max_batch=12)
    assert told == [{"graphs": False, "max_batch": 12, "compiled": False}]


def test_a_gpu_that_is_not_there_is_refused_with_the_number_of_those_that_are(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    write_checkpoint(tmp_path, BRIDGE)
    with pytest.raises(ConfigError, match="device is 'cuda:2'; torch can use 2 here"):
        Pi0Policy.load(tmp_path, Pi0Settings(dino="none", device="cuda:2"))


def test_switched_off_nothing_is_captured(cuda, doubled):
    assert GraphedFunction(doubled, enabled=False)((on_second(1.0),)).tolist() == [2.0]
    assert not cuda.captures
