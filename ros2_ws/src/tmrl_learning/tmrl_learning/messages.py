"""ROS messages to the ingestion's values, and the worker's status to a ROS message."""

import json
from dataclasses import asdict, fields

import numpy as np

from tmrl_common.transitions import InvalidTransitionError
from tmrl_learner.worker_status import WorkerStatus
from tmrl_learning.ingestion import Row
from tmrl_msgs.msg import LearnerStatus
from tmrl_msgs.msg import Transition as TransitionMsg
from tmrl_ros.conversion import to_float32_field
from tmrl_ros.transition_messages import transition_from_msg


def row_of(message: TransitionMsg) -> Row:
    """Returns the transition of a message, or why it cannot be used."""
    try:
        return Row(message.sequence, transition_from_msg(message))
    except InvalidTransitionError as error:
        return Row(message.sequence, None, str(error))


def status_msg(
    robot: str, session: str, method: str, status: WorkerStatus, refused: int, reason: str
) -> LearnerStatus:
    """Returns the learner's status; the stamp is left to the node.

    Args:
        robot: Name of the arm.
        session: Of the run.
        method: Of the run.
        status: Of the worker.
        refused: Transitions refused at the door; those that the worker refused are added.
        reason: What is wrong at the door; where nothing is, the worker's reason counts.
    """
    return LearnerStatus(
        robot=robot,
        session=session,
        method=method,
        phase=status.phase,
        transitions_stored=status.transitions_stored,
        transitions_refused=refused + status.transitions_refused,
        transitions_lost=status.transitions_lost,
        contiguous_sequence=status.contiguous_sequence,
        durable_sequence=status.durable_sequence,
        episodes_stored=status.episodes_stored,
        successes_stored=status.successes_stored,
        rounds=status.rounds,
        rounds_owed=status.rounds_owed,
        rounds_per_s=status.rounds_per_s,
        actor_version=status.actor_version,
        metric_names=list(status.metrics),
        metric_values=to_float32_field(np.array(list(status.metrics.values()))),
        reason=reason or status.reason,
    )


def report_of(method: str, status: WorkerStatus, refused: int, reason: str) -> bytes:
    """Returns what a learner tells of itself to a robot elsewhere: a JSON object in UTF-8.

    Args:
        method: Of the run.
        status: Of the worker.
        refused: As for `status_msg`.
        reason: As for `status_msg`.
    """
    told = {"method": method, "refused": refused, "door": reason, "status": asdict(status)}
    return json.dumps(told).encode()


def report_msg(robot: str, session: str, report: bytes) -> LearnerStatus:
    """Returns the status that a report tells; the stamp is left to the node.

    Args:
        robot: Name of the arm.
        session: Of the run.
        report: As `report_of` made it.

    Raises:
        ValueError: It is no report, or one of another version.
    """
    try:
        told = json.loads(report)
        status = WorkerStatus(
            **{each.name: told["status"][each.name] for each in fields(WorkerStatus)}
        )
        return status_msg(robot, session, told["method"], status, told["refused"], told["door"])
    except (KeyError, TypeError, AttributeError, AssertionError) as error:
        raise ValueError(f"{type(error).__name__} {error}") from error
