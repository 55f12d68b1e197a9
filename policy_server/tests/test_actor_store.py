import dataclasses

import numpy as np
import pytest
import torch

from tmrl_common.errors import ErrorCode
from tmrl_policies.steering import SteeringBounds
from tmrl_policy_server.actor_store import ActorRefusedError, ActorStore
from tmrl_policy_server.steering import SteeringShape


def new_store(*, smoothed=True):
    return ActorStore(9, SteeringShape(horizon=8, z_dim=4, epsilon_dim=4, smoothed=smoothed))


def refused(store, swap):
    with pytest.raises(ActorRefusedError) as caught:
        store.swap(swap)
    assert caught.value.code is ErrorCode.ACTOR_REFUSED
    return caught.value.detail


def test_versions_rise(make_swap):
    store = new_store()
    assert store.version == 0
    assert store.swap(make_swap(3)) == 3
    assert store.swap(make_swap(5)) == 5
    assert "not newer than 5" in refused(store, make_swap(4))
    assert store.version == 5


def test_sending_the_actor_in_use_again_is_accepted(make_swap):
    store = new_store()
    store.swap(make_swap(3))
    actor = store.actor
    assert store.swap(make_swap(3)) == 3
    assert store.actor is actor


def test_another_actor_under_the_same_version_is_refused(make_swap):
    store = new_store()
    store.swap(make_swap(3))
    other = dataclasses.replace(make_swap(4), version=3)
    assert "not newer" in refused(store, other)


def fill(value):
    def spoil(tensors):
        next(iter(tensors.values())).fill_(value)

    return spoil


def test_weights_that_are_not_finite_are_refused(make_swap):
    assert "not finite" in refused(new_store(), make_swap(1, spoil=fill(float("nan"))))


def test_finite_weights_that_overflow_are_refused_by_the_canary(make_swap):
    def overflow(tensors):
        for tensor in tensors.values():
            tensor.fill_(3e38)

    assert "gives numbers that are not finite" in refused(new_store(), make_swap(1, spoil=overflow))


@pytest.mark.parametrize("damage", ["flipped", "cut"])
def test_damaged_weights_are_refused_by_their_hash(make_swap, damage):
    swap = make_swap(1)
    weights = swap.weights.copy()
    if damage == "flipped":
        weights[-1] ^= 1
    damaged = weights if damage == "flipped" else weights[: len(weights) // 2]
    assert "SHA-256" in refused(new_store(), dataclasses.replace(swap, weights=damaged))


def test_bytes_that_are_no_safetensors_file_are_refused(make_swap):
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    swap = dataclasses.replace(make_swap(1), weights=np.zeros(0, np.uint8), sha256=empty)
    assert "cannot be used" in refused(new_store(), swap)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"features_dim": 10}, "features_dim"),
        ({"z_dim": 7}, "z_dim"),
        ({"epsilon_dim": 3}, "epsilon_dim"),
        ({"z_bound": 0.0}, "z_bound"),
        ({"z_bound": float("inf")}, "z_bound"),
        ({"sigma_max": 1.1}, "sigma_max"),
        ({"epsilon_bound": float("nan")}, "epsilon_bound"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(make_swap, changes, name):
    assert name in refused(new_store(), make_swap(1, **changes))


def test_an_actor_of_two_levels_picks_the_ends_of_its_range(make_swap):
    store = new_store()
    store.swap(make_swap(1, sigma_levels=2))
    features = torch.zeros(50, store.actor.network.config.features_dim)
    drawn = store.actor.network.sample(features, torch.Generator().manual_seed(0)).tau
    assert set(drawn.unique().tolist()) <= {-1.0, 1.0}


def test_an_actor_brings_its_bounds(make_swap):
    store = new_store()
    store.swap(make_swap(1, z_bound=1.5, sigma_max=0.3, epsilon_bound=9.0))
    assert store.actor.bounds == SteeringBounds(1.5, 0.3, 9.0)
    store.swap(make_swap(2, z_bound=0.5, sigma_head=False, epsilon_dim=4))
    assert store.actor.bounds.z_bound == 0.5


def test_an_actor_with_a_sigma_head_needs_context_smoothing(make_swap):
    store = new_store(smoothed=False)
    detail = refused(store, make_swap(1))
    assert "trained without context smoothing" in detail
    assert "dsrl" in detail
    held_at_one = refused(store, make_swap(2, sigma_head=False, sigma_max=1.0))
    assert "trained without context smoothing" in held_at_one
    assert store.swap(make_swap(2, sigma_head=False, sigma_max=0.0)) == 2


@pytest.mark.parametrize(("hidden", "reason"), [(8, "has shape"), (1000, " bytes, ")])
def test_weights_for_another_network_are_refused(make_swap, hidden, reason):
    swap = make_swap(1)
    other = dataclasses.replace(swap, actor=dataclasses.replace(swap.actor, hidden=hidden))
    assert reason in refused(new_store(), other)


@pytest.mark.parametrize("sizes", [{"hidden": 10**9}, {"layers": 10**6}])
def test_a_network_of_absurd_size_is_refused_before_it_is_built(make_swap, sizes):
    swap = make_swap(1)
    absurd = dataclasses.replace(swap, actor=dataclasses.replace(swap.actor, **sizes))
    assert "at most" in refused(new_store(), absurd)


def test_a_refused_actor_leaves_the_one_before_as_it_was(make_swap):
    store = new_store()
    store.swap(make_swap(1))
    before = {name: tensor.clone() for name, tensor in store.actor.network.state_dict().items()}
    refused(store, make_swap(2, spoil=fill(float("inf"))))
    assert store.version == 1
    for name, tensor in store.actor.network.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0.0, atol=0.0)
