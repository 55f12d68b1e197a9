"""A round of updates as one CUDA graph. Used on CUDA only: on a CPU rounds run as written.

A round calls some two thousand kernels, most of them shorter than their launch. A graph launches
them all at once, with the same arguments each time: so the batch is copied into the tensors that
were captured, and whatever the round changes must stay where it was at the capture.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from tmrl_policies.torch_seam import draw_in_graph

_WARMUP_ROUNDS = 3


class CudaRound:
    """Captures a round and replays it.

    Building one runs the round a few times, as a capture needs (library handles, workspaces,
    optimiser state): the caller puts back what that changed.

    Args:
        run: The round; it must not wait for the device.
        batch: A batch like those to come: names, shapes, dtypes, device.
        generator: What the round draws from. Each replay draws again from it, as a call would.

    Raises:
        RuntimeError: The driver, or something in the round, does not allow a capture.
    """

    def __init__(
        self,
        run: Callable[[Mapping[str, Tensor]], dict[str, Tensor]],
        batch: Mapping[str, Tensor],
        generator: torch.Generator,
    ) -> None:
        self._batch = {name: column.clone() for name, column in batch.items()}
        self._graph = torch.cuda.CUDAGraph()
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(_WARMUP_ROUNDS):
                run(self._batch)
        torch.cuda.current_stream().wait_stream(side)
        draw_in_graph(self._graph, generator)
        # The outer context brings the stream back where ending a capture that failed raises.
        with torch.cuda.stream(torch.cuda.current_stream()), torch.cuda.graph(self._graph):
            self._metrics = run(self._batch)

    def __call__(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Runs the round on a batch; the metrics are overwritten by the next call."""
        for name, column in self._batch.items():
            column.copy_(batch[name])
        self._graph.replay()
        return self._metrics
