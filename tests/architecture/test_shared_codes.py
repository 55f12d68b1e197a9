"""Words that two packages share without importing each other."""

from tmrl_agent.refusals import NOT_YET
from tmrl_controller.refusals import RefusalCode


def test_the_agent_knows_the_refusal_that_ends_by_itself_by_the_controllers_name() -> None:
    assert RefusalCode.UNKNOWN_ARM_STATE.value == NOT_YET
