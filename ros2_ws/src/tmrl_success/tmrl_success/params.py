"""Parameters of the success head's node."""

from dataclasses import dataclass
from typing import Annotated

from tmrl_common.constraints import NotEmpty, Range, check_fields

MIN_LABELS, PRECISION = 20, 0.95


@dataclass(frozen=True)
class SuccessHeadConfig:
    """When the success head suggests.

    Attributes:
        robot: Name of the arm.
        session: Identifier of the fine-tuning run.
        run_dir: Directory of the run, where the agent keeps its journal.
        min_labels: It says nothing before so many episodes were labelled a success, and as many
            something else.
        precision: Of the episodes that it was not taught with and holds for a success, the share
            that was labelled one; it says nothing where it does not get there.
    """

    robot: Annotated[str, NotEmpty("widowx")]
    session: Annotated[str, NotEmpty("monday")]
    run_dir: Annotated[str, NotEmpty("runs/monday")]
    min_labels: Annotated[int, Range(10, 1000)] = MIN_LABELS
    precision: Annotated[float, Range(0.5, 1.0)] = PRECISION

    def __post_init__(self) -> None:
        """Refuses what nothing could be suggested with.

        Raises:
            ConfigError: Names the value and the limit.
        """
        check_fields(self)
