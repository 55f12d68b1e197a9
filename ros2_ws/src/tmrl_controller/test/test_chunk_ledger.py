"""The books on chunks: what the small print says about records."""

import pytest

from tmrl_controller.chunk_ledger import ChunkExecution
from tmrl_controller.testing import action_chunk


def test_no_more_steps_are_handed_out_than_are_to_be_executed():
    execution = ChunkExecution(action_chunk(execute_steps=1), 7, 0.0)
    assert execution.next_row() == pytest.approx([0.01, 0, 0, 0, 0, 0, 1])
    assert execution.exhausted

    with pytest.raises(IndexError, match="all 1 steps"):
        execution.next_row()
