"""Candidates on their way from the server to the learner: nothing is lost, nothing is mixed up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tmrl_common.candidates import ActionUnits, Candidates, candidate_columns
from tmrl_common.codec import decode, encode
from tmrl_common.messages import Features
from tmrl_common.parcels import pack, unpack
from tmrl_common.testing.transition_examples import assert_same, example_transition
from tmrl_common.transition_cells import (
    LATER_DEFAULTS,
    from_hashed_cells,
    hash_of,
    to_cells,
)
from tmrl_common.transitions import check

NUMBERS = st.floats(-1e5, 1e5, width=32)
NOTHING = np.zeros(0, np.float32)
NONE = {"candidate_z": NOTHING, "candidate_sigma": NOTHING, "candidate_actions": NOTHING}


@st.composite
def candidates(draw):
    count, z, steps, columns = (draw(st.integers(1, most)) for most in (6, 5, 4, 7))
    return Candidates(
        draw(arrays(np.float32, (count, z), elements=NUMBERS)),
        draw(arrays(np.float32, count, elements=st.floats(0, 1, width=32))),
        draw(arrays(np.float32, (count, steps, columns), elements=NUMBERS)),
    )


@given(candidates())
def test_they_arrive_as_they_were_sent(made):
    _, reply = decode([bytes(f) for f in encode(1, Features(NOTHING, "v", made))])
    assert isinstance(reply, Features)
    for name in ("z", "sigma", "actions"):
        np.testing.assert_array_equal(getattr(reply.candidates, name), getattr(made, name))
    row = example_transition(7, **candidate_columns(reply.candidates))
    check(row)
    ((_, arrived, problem),) = unpack(pack([row]))
    assert problem == ""
    assert_same(arrived, row)
    assert arrived.candidate_z.reshape(made.z.shape).tolist() == made.z.tolist()


def test_a_row_without_them_has_the_hash_that_it_had_before_there_were_any():
    row = example_transition(7, **NONE)
    cells = to_cells(row)
    older = {name: cell for name, cell in cells.items() if name not in LATER_DEFAULTS}
    assert len(older) == len(cells) - 3
    assert_same(from_hashed_cells(older, hash_of(row)), row)
    written_by_version_2 = "dec45d8d3052de805c3a7dde9988fa3972fe132a03dda36a5bb5b9963efd8b4d"
    assert hash_of(example_transition(1, **NONE)) == written_by_version_2


def test_a_row_that_lost_them_is_noticed():
    row = example_transition(7)
    cells = {n: c for n, c in to_cells(row).items() if n not in LATER_DEFAULTS}
    with pytest.raises(ValueError, match="damaged"):
        from_hashed_cells(cells, hash_of(row))


@pytest.mark.parametrize("shapes", [((2, 4), (3,), (2, 5, 7)), ((2,), (2,), (2, 5, 7))])
def test_arrays_that_do_not_belong_together_are_refused(shapes):
    with pytest.raises(ValueError, match=r"must be \(K, z_dim\)"):
        Candidates(*(np.zeros(shape, np.float32) for shape in shapes))


@pytest.mark.parametrize(("mean", "std"), [(1.0, 0.0), (np.nan, 1.0), (0.0, np.inf)])
def test_units_by_which_nothing_can_be_divided_are_refused(mean, std):
    with pytest.raises(ValueError, match="std above 0"):
        ActionUnits(np.full(2, mean, np.float32), np.full(2, std, np.float32))
