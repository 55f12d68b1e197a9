"""The books on chunks: what the small print says about records."""

import numpy as np
import pytest

from tmrl_common.chunks import ChunkResult, Driver
from tmrl_common.geometry import IDENTITY_QUATERNION
from tmrl_controller.chunk_ledger import MAX_STEPS, ChunkExecution, OpenStep
from tmrl_controller.limiter import Setpoint
from tmrl_controller.testing import action_chunk

START = Setpoint(np.zeros(3), IDENTITY_QUATERNION, 1.0)


def test_no_more_steps_are_handed_out_than_are_to_be_executed():
    execution = ChunkExecution(action_chunk(execute_steps=1), 7, 0.0)
    assert execution.next_row() == pytest.approx([0.01, 0, 0, 0, 0, 0, 1])
    assert execution.exhausted

    with pytest.raises(IndexError, match="all 1 steps"):
        execution.next_row()


def test_the_record_of_one_chunk_is_bounded():
    execution = ChunkExecution(action_chunk(), 7, 0.0)
    step = OpenStep(START, Driver.TELEOP, 0.0, 1)
    for number in range(MAX_STEPS + 3):
        execution.record(step, (0.0,) * 7, float(number))

    outcome = execution.outcome(ChunkResult.PREEMPTED, "teleop", "long", 0.0, 1)
    assert len(outcome.driver) == MAX_STEPS
