"""The command line of pre-training: what it trains unasked, what it says to typing mistakes."""

import pytest

from tmrl_experiments.widowx.pretrain import command_parser, folder_name
from tmrl_policies.corruption import noise_schedule


def test_unasked_it_trains_what_the_demo_needs() -> None:
    parse = command_parser().parse_args
    assert parse(["widowx_sim"]).method == ("csp", "bc")
    assert parse(["widowx_sim", "--method", "postbc"]).method == ("postbc",)
    assert parse(["widowx_sim", "--method", "all"]).method == ("csp", "bc", "postbc", "cfg")


def test_unless_told_otherwise_nothing_of_the_context_is_left_at_sigma_one() -> None:
    """The authors' schedule leaves 36 % of its variance, and is there by name."""
    parse = command_parser().parse_args
    usual = parse(["widowx_sim"]).context_schedule
    authors = parse(["widowx_sim", "--context-schedule", "authors_100"]).context_schedule
    assert usual == "marginal_100"
    assert float(noise_schedule(usual).alpha_bar[-1]) < 1e-3
    assert float(noise_schedule(authors).alpha_bar[-1]) == pytest.approx(0.3636, abs=1e-3)


def test_another_schedule_does_not_overwrite_the_usual_policy() -> None:
    assert folder_name("csp", "marginal_100") == "csp"
    assert folder_name("csp", "authors_100") == "csp_authors_100"


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["--method", "postcb"], "did you mean 'postbc'"),
        (["--context-schedule", "author_100"], "did you mean 'authors_100'"),
    ],
)
def test_a_typing_mistake_gets_the_nearest_name(
    arguments: list[str], answer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        command_parser().parse_args(["widowx_sim", *arguments])
    assert answer in capsys.readouterr().err
