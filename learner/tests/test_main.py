"""The learner's own command line: every verb leads somewhere, and typing errors are answered."""

import importlib

import pytest
import yaml

from tmrl_learner.__main__ import VERBS, main


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])
    assert ended.value.code == 0
    assert "usage:" in capsys.readouterr().out


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_its_module(verb: str) -> None:
    assert callable(importlib.import_module(VERBS[verb].module).main)


def test_an_unknown_verb_names_the_nearest(capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["confg"])
    assert ended.value.code == 2
    assert "did you mean 'config'" in capsys.readouterr().err


def test_config_prints_what_it_resolved(capsys) -> None:
    assert main(["config", "widowx_sim", "--method", "dsrl", "--set", "agent.utd=7"]) == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    assert printed["agent"]["utd"] == 7
    assert printed["agent"]["sigma_head"] is False


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--set", "agent.udt=7"], "did you mean 'utd'"),
        (["--set", "agent.utd"], "not KEY=VALUE"),
        (["widowx_simm"], "did you mean 'widowx_sim'"),
        (["--method", "tmlr"], "did you mean 'tmrl'"),
    ],
)
def test_config_refuses_unknown_names(arguments: list[str], sentence: str, capsys) -> None:
    assert main(["config", *arguments]) == 2
    assert sentence in capsys.readouterr().err
