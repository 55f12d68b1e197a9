"""ROS messages to the ingestion's values, and the worker's status to a ROS message."""

import numpy as np

from tmrl_common.transitions import InvalidTransitionError
from tmrl_learner.run_config import RunConfig
from tmrl_learner.worker import WorkerStatus
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


def status_msg(config: RunConfig, status: WorkerStatus, refused: int, reason: str) -> LearnerStatus:
    """Returns the learner's status; the stamp is left to the node.

    Args:
        config: Of the run.
        status: Of the worker.
        refused: Transitions refused at the door; those that the worker refused are added.
        reason: What is wrong at the door; where nothing is, the worker's reason counts.
    """
    return LearnerStatus(
        robot=config.robot,
        session=config.session,
        method=config.method,
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
