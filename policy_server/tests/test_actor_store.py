import dataclasses

import numpy as np
import pytest
import torch

from tmrl_common.errors import ErrorCode
from tmrl_policy_server.actor_store import ActorRefusedError, ActorStore
from tmrl_policy_server.config import EngineConfig


def new_store(**config):
    return ActorStore(9, 4, 4, EngineConfig(**config))


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
    assert "weights cannot be used" in refused(new_store(), swap)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"features_dim": 10}, "features_dim"),
        ({"z_dim": 7}, "z_dim"),
        ({"epsilon_dim": 4}, "epsilon_dim"),
        ({"sigma_head": False}, "sigma_head"),
        ({"z_bound": 1.5}, "z_bound"),
        ({"sigma_max": 0.5}, "sigma_max"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(make_swap, changes, name):
    assert name in refused(new_store(), make_swap(1, **changes))


def test_bounds_of_heads_that_are_left_out_do_not_matter(make_swap):
    assert new_store().swap(make_swap(1, epsilon_bound=9.0)) == 1
    dsrl = new_store(method="dsrl")
    assert dsrl.swap(make_swap(1, sigma_head=False, sigma_max=0.3)) == 1


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


def test_method_base_takes_no_actor(make_swap):
    assert "without a steering actor" in refused(new_store(method="base"), make_swap(1))


def test_a_refused_actor_leaves_the_one_before_as_it_was(make_swap):
    store = new_store()
    store.swap(make_swap(1))
    before = {name: tensor.clone() for name, tensor in store.actor.state_dict().items()}
    refused(store, make_swap(2, spoil=fill(float("inf"))))
    assert store.version == 1
    for name, tensor in store.actor.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0.0, atol=0.0)
