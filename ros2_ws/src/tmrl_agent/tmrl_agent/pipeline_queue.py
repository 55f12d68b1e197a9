"""The chunks whose life is not over, oldest first.

At most one of them moves the arm. A second one is opened only beside one that admits it
(`chunk_pipeline.ADMITS_NEXT`), or to continue a running one (`tmrl_agent.overlap`).
"""

from collections.abc import Collection

from tmrl_agent.assembly import Assembled
from tmrl_agent.chunk_pipeline import (
    ADMITS_NEXT,
    BEGUN,
    LACKS_FEATURES,
    NEEDS_SERVER,
    ON_THE_ARM,
    OVER,
    ChunkPipeline,
    State,
)


class PipelineQueue:
    """Pipelines in the order of their requests."""

    def __init__(self) -> None:
        self._pipelines: list[ChunkPipeline] = []

    @property
    def blocking(self) -> ChunkPipeline | None:
        """The oldest one that every request must wait for; None when none need wait."""
        return next((p for p in self._pipelines if p.state not in NEEDS_SERVER), None)

    @property
    def newest(self) -> ChunkPipeline | None:
        """The one that was asked for, or driven, last."""
        return self._pipelines[-1] if self._pipelines else None

    def spliced(self) -> list[ChunkPipeline]:
        """Those that continue another one and have begun, oldest first."""
        return [p for p in self._pipelines if p.continues is not None and p.state in BEGUN]

    def is_continued(self, pipeline: ChunkPipeline) -> bool:
        """Whether one is in progress that continues it."""
        return any(p.continues is pipeline and p.state not in OVER for p in self._pipelines)

    def is_newest(self, pipeline: ChunkPipeline) -> bool:
        """Whether nothing has moved the arm since, and nothing else has been asked for."""
        return self._pipelines[-1] is pipeline

    def admits_beside(self, pipeline: ChunkPipeline) -> bool:
        """Whether the next chunk may be asked for beside this one."""
        return self.is_newest(pipeline) and pipeline.state in ADMITS_NEXT

    def first(self, states: Collection[State]) -> ChunkPipeline | None:
        """The oldest one in one of the states."""
        return next((p for p in self._pipelines if p.state in states), None)

    def of_request(self, request: int) -> ChunkPipeline | None:
        """The one that a request was made for."""
        return next((p for p in self._pipelines if p.request == request), None)

    def on_the_arm(self, sequence: int) -> ChunkPipeline | None:
        """The one with that sequence number whose outcome the controller owes."""
        for pipeline in self._pipelines:
            chunk = pipeline.chunk
            if pipeline.state in ON_THE_ARM and chunk is not None and chunk.sequence == sequence:
                return pipeline
        return None

    def before(self, pipeline: ChunkPipeline) -> ChunkPipeline | None:
        """The one whose next observation is this one's observation."""
        index = self._pipelines.index(pipeline)
        return self._pipelines[index - 1] if index > 0 else None

    def lacking_features(self) -> list[ChunkPipeline]:
        """Those whose transition lacks its next features, oldest first."""
        return [p for p in self._pipelines if p.state in LACKS_FEATURES]

    def after(self, pipeline: ChunkPipeline) -> ChunkPipeline | None:
        """What a person drove from the very observation after this one; None where nobody did."""
        for follower in self._pipelines:
            if follower.state is State.DRIVEN and follower.observation is pipeline.after:
                return follower
        return None

    def driven(self, pipeline: ChunkPipeline) -> None:
        """A person drove."""
        self._pipelines.append(pipeline)

    def open(
        self, request: int, observation: Assembled, continues: ChunkPipeline | None = None
    ) -> None:
        """The policy server is asked for another chunk, which may continue one."""
        self._pipelines.append(ChunkPipeline(request, observation, continues=continues))

    def leave(self) -> None:
        """The next episode begins, or the process ends: every life is over."""
        for pipeline in self._pipelines:
            pipeline.leave()
        self.tidy()

    def tidy(self) -> None:
        """Lets go of those whose life is over."""
        self._pipelines = [p for p in self._pipelines if p.state not in OVER]
