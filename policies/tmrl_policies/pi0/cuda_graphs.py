"""Replays a function of tensors as a CUDA graph, one graph for each set of shapes."""

from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

_WARM_UP_CALLS = 2


class GraphedFunction:
    """Calls a function directly on the CPU, and by replaying a captured graph on a GPU.

    The graphs share their memory, which is allowed because they never run at the same time and
    depend on nothing that another one left there. Use from one thread.

    Args:
        function: Takes and returns tensors of one device; synchronises nothing and always does the
            same for the same shapes.
        most: Number of graphs kept; the one unused longest goes.
        enabled: False calls the function directly everywhere.
    """

    def __init__(
        self, function: Callable[..., Tensor], *, most: int = 8, enabled: bool = True
    ) -> None:
        self._function = function
        self._most = most
        self._enabled = enabled
        self._graphs: OrderedDict[tuple[torch.Size, ...], _Graph] = OrderedDict()

    def __call__(self, inputs: Sequence[Tensor]) -> Tensor:
        """The function's value.

        Args:
            inputs: Its arguments.

        Returns:
            A tensor of the caller's own: the next call does not change it.
        """
        if not (self._enabled and inputs[0].is_cuda):
            return self._function(*inputs)
        # Streams and graphs are made on the current device, which need not be the tensors'.
        with torch.cuda.device(inputs[0].device):
            return self._replayed(inputs)

    def _replayed(self, inputs: Sequence[Tensor]) -> Tensor:
        key = tuple(tensor.shape for tensor in inputs)
        graph = self._graphs.pop(key, None)
        if graph is None:
            beside = next(iter(self._graphs.values()), None)
            graph = _Graph(self._function, inputs, beside)
        self._graphs[key] = graph
        if len(self._graphs) > self._most:
            self._graphs.popitem(last=False)
        return graph.replay(inputs)


class _Graph:
    """One captured graph with the memory that it reads from and writes to.

    Args:
        function: What to capture.
        inputs: Of the shapes to capture it with.
        beside: A graph that is kept, whose memory may be shared; None for none.
    """

    def __init__(
        self, function: Callable[..., Tensor], inputs: Sequence[Tensor], beside: "_Graph | None"
    ) -> None:
        self._inputs = [tensor.clone() for tensor in inputs]
        # Libraries choose and allocate on their first calls, which must not be part of a graph.
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(_WARM_UP_CALLS):
                function(*self._inputs)
        torch.cuda.current_stream().wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, pool=beside and beside._graph.pool()):
            self._output = function(*self._inputs)

    def replay(self, inputs: Sequence[Tensor]) -> Tensor:
        for held, given in zip(self._inputs, inputs, strict=True):
            held.copy_(given, non_blocking=True)
        self._graph.replay()
        return self._output.clone()
