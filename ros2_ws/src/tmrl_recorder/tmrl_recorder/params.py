"""Parameters of the recorder node."""

from dataclasses import dataclass
from typing import Annotated

from tmrl_common.constraints import NotEmpty, OneOf, Range, check_fields

JPEG, RAW, NONE = "jpeg", "raw", "none"


@dataclass(frozen=True)
class RecorderConfig:
    """What is recorded, and when there is too little room for it.

    Attributes:
        robot: Name of the arm.
        session: Identifier of the fine-tuning run.
        run_dir: Directory of the run; recordings lie in `recordings` below it.
        images: "jpeg": pictures are compressed before they are written; "raw": as they came, 10 to
            20 times as large; "none": no pictures.
        jpeg_quality: Of compressed pictures; 95 shows no artefacts and takes twice the room of 85.
        min_free_gb: Where the disk has less free space, GB (10^9 bytes), recording stops and the
            session continues without it; it resumes with the next episode that finds more.
        tail_s: How long the recording of an episode continues after its end, s of wall time: long
            enough for its label and its last transition to come.
        video_every: The first episode becomes a video, and each so many-th from there on, once it
            is recorded; wandb gets it where the learner runs on this machine. 0: none does. The
            console and the report make one whenever they are asked.
        backlog_mb: Messages that wait for a slow disk, MB (10^6 bytes); what comes beyond them is
            left out and counted.
    """

    robot: Annotated[str, NotEmpty("widowx")]
    session: Annotated[str, NotEmpty("monday")]
    run_dir: Annotated[str, NotEmpty("runs/monday")]
    images: Annotated[str, OneOf(JPEG, RAW, NONE)] = JPEG
    jpeg_quality: Annotated[int, Range(1, 95)] = 85
    min_free_gb: Annotated[float, Range(0.1, 10000.0)] = 2.0
    tail_s: Annotated[float, Range(0.0, 60.0, unit="s")] = 2.0
    video_every: Annotated[int, Range(0)] = 25
    backlog_mb: Annotated[int, Range(1, 16000)] = 200

    def __post_init__(self) -> None:
        """Refuses what no session could be recorded with.

        Raises:
            ConfigError: Names the value and the limit.
        """
        check_fields(self)
