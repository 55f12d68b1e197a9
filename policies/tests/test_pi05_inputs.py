"""What pi0.5 sees: prompts with the robot state in them, and scaling by quantiles."""

from pathlib import Path

import numpy as np
import pytest

from tmrl_policies.pi0.config import TINY
from tmrl_policies.pi0.inputs.prompt import cleaned, state_bins, text_with_state
from tmrl_policies.pi0.inputs.rigs import RIGS, Scale
from tmrl_policies.pi0.inputs.scaling import Scaling
from tmrl_policies.pi0.inputs.statistics import Statistics
from tmrl_policies.pi0.inputs.testing import write_tokeniser
from tmrl_policies.pi0.inputs.tokeniser import PromptTokeniser

LENGTH = 200
STATE = np.linspace(-1.2, 1.2, 8)


@pytest.fixture(scope="module", params=["pi05_tiny", "cspi05_tiny"])
def authors(request: pytest.FixtureRequest):
    """Recorded with the authors' implementation."""
    file = Path(__file__).parent / "golden" / request.param / "io.npz"
    with np.load(file, allow_pickle=False) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def tokeniser(tmp_path_factory: pytest.TempPathFactory) -> PromptTokeniser:
    path = tmp_path_factory.mktemp("tokeniser") / "paligemma_tokenizer.model"
    write_tokeniser(path)
    return PromptTokeniser(path, LENGTH, TINY.vocabulary)


def test_prompts_are_those_of_the_authors(authors):
    columns = authors["prompt_text"][0].split("State: ")[1].count(" ")
    for row, prompt in enumerate(authors["prompt"]):
        state = authors["state"][row, :columns]
        assert text_with_state(str(prompt), state) == authors["prompt_text"][row]
        assert cleaned(str(prompt)) == authors["prompt_text_without_state"][row]


def test_bins_are_those_of_the_authors_at_their_edges_and_beyond(authors):
    assert state_bins(authors["discretise_values"]).tolist() == authors["discretise_bins"].tolist()
    assert np.array_equal(state_bins(authors["state"]), authors["state_bins"])


def test_quantiles_scale_as_the_authors_do_but_for_a_column_that_never_varied(authors):
    low, high = authors["quantile_q01"], authors["quantile_q99"]
    constant = high == low
    statistics = Statistics(low, np.where(constant, 0.0, 1.0), low, high)
    scaling = Scaling(statistics, Scale.QUANTILE)
    values, expected = authors["quantile_values"], authors["quantile_normalised"]
    normalised = scaling.normalise(values)
    np.testing.assert_allclose(normalised[:, ~constant], expected[:, ~constant], rtol=3e-7)
    assert (np.abs(expected[:, constant]) > 1e6).all(), "theirs explodes"
    assert (normalised[:, constant] == -1.0).all()
    # What the network says of that column does not move it.
    restored = scaling.restore(normalised + 0.1)
    np.testing.assert_allclose(restored[:, constant], low[constant][None].repeat(2, 0), rtol=1e-6)
    assert (restored[:, ~constant] > values[:, ~constant]).all()


def test_a_prompt_with_a_state_is_start_and_text_without_a_line_break_at_its_end(tokeniser):
    tokens, mask = tokeniser.encode("put_the pot ", STATE)
    words = int(mask.sum())
    assert tokens.shape == mask.shape == (LENGTH,)
    assert tokens[0] == 2, "start"
    line_break = 4
    assert tokens[words - 1] != line_break
    assert (tokens == line_break).sum() == 1, "the one before 'Action: '"
    assert not tokens[words:].any()
    assert np.array_equal(tokens, tokeniser.encode("put the pot", STATE).tokens)


def test_another_state_is_another_prompt_and_one_of_the_same_bins_the_same(tokeniser):
    here = tokeniser.encode("put", STATE).tokens
    assert np.array_equal(here, tokeniser.encode("put", STATE + 1e-6).tokens)
    assert not np.array_equal(here, tokeniser.encode("put", STATE + 0.01).tokens)
    assert not np.array_equal(here, tokeniser.encode("put").tokens)


def test_a_prompt_that_leaves_no_room_for_the_state_is_refused_whatever_the_state(tokeniser):
    """Also where its numbers are short: no episode shall stop because the arm has moved."""
    short, long = np.full(8, -0.99), np.full(8, 0.99)
    words = 1
    while True:
        try:
            tokeniser.encode("pot " * words, long)
        except ValueError:
            break
        words += 1
    for state in (short, long):
        tokeniser.encode("pot " * (words - 1), state)
        with pytest.raises(ValueError, match=r"'pot .*the network reads 200 .*Shorten"):
            tokeniser.encode("pot " * words, state)
    # Without a state it is cut at most.
    assert tokeniser.encode("pot " * words).mask.sum() <= LENGTH


@pytest.mark.parametrize("rig", RIGS.values(), ids=RIGS)
def test_only_liberos_weights_read_no_state(rig):
    assert rig.state_in_prompt == ("libero" not in rig.name)
