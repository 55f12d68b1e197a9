"""The command line of the experiments: every verb leads somewhere, typing errors are answered."""

import pytest

from tmrl_experiments.__main__ import VERBS, main


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])
    assert ended.value.code == 0
    assert "usage:" in capsys.readouterr().out


def test_an_unknown_verb_names_the_nearest(capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["finetine"])
    assert ended.value.code == 2
    assert "did you mean 'finetune'" in capsys.readouterr().err
