"""`./tmrl call`: which service is meant, and what its request holds."""

import pytest

from tmrl_bringup.rig import RigError, parse_overrides
from tmrl_cli.call import choose, filled

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

from tmrl_msgs.srv import LabelEpisode

NAMES = ["/widowx/operator/start", "/widowx/operator/label", "/widowx/arm/home"]
KIND = "tmrl_msgs/srv/LabelEpisode"


@pytest.mark.parametrize("wanted", ["operator/start", "/widowx/operator/start", "start"])
def test_the_end_of_a_name_is_enough(wanted: str) -> None:
    assert choose(wanted, NAMES) == "/widowx/operator/start"


def test_an_unknown_service_is_answered_with_the_nearest() -> None:
    with pytest.raises(RigError, match="did you mean /widowx/operator/start"):
        choose("/widowx/operator/strat", NAMES)


def test_where_nothing_runs_that_is_said() -> None:
    with pytest.raises(RigError, match="nothing runs"):
        choose("operator/start", [])


def test_one_of_two_arms_has_to_be_named_in_full() -> None:
    with pytest.raises(RigError, match="give the whole name"):
        choose("arm/home", [*NAMES, "/left/arm/home"])


def test_fields_are_set_as_they_are_typed_on_the_command_line() -> None:
    fields = parse_overrides(["outcome:=1", "operator_name:=7"])
    request = filled(LabelEpisode.Request(), KIND, fields)
    assert (request.outcome, request.operator_name) == (1, "7")


@pytest.mark.parametrize(("text", "number"), [("success", 0), ("FAILURE", 1), ("discarded", 4)])
def test_an_outcome_may_be_given_by_its_name(text: str, number: int) -> None:
    fields = parse_overrides([f"outcome:={text}", "operator_name:=007"])
    request = filled(LabelEpisode.Request(), KIND, fields)
    assert (request.outcome, request.operator_name) == (number, "007")


@pytest.mark.parametrize(
    ("field", "sentence"),
    [
        ("outcom:=1", "did you mean outcome"),
        ("outcome:=sucess", "does not fit .*; by name: success \\(0\\), failure \\(1\\)"),
        ("outcome:=true", "does not fit"),
        ("outcome:=[", "does not fit"),
        ("operator_name:=ada", "needs outcome, such as outcome:=success or failure"),
    ],
)
def test_fields_that_do_not_fit_are_refused(field: str, sentence: str) -> None:
    with pytest.raises(RigError, match=sentence):
        filled(LabelEpisode.Request(), KIND, parse_overrides([field]))
