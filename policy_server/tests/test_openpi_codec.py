"""The encoding of openpi's clients, against openpi-client's own."""

from contextlib import suppress

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpi_client import msgpack_numpy

from tmrl_common.errors import DecodeError
from tmrl_policy_server.openpi_codec import pack_openpi, unpack_openpi

MESSAGE = {
    "observation/state": np.arange(7, dtype=np.float32),
    "observation/image": np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3),
    "observation/gripper_position": np.float32(0.5),
    "empty": np.zeros((0, 4), dtype=np.float32),
    "nested": {"rows": np.ones((2, 2), dtype=np.int64)},
    "prompt": "put the sausage into the pot",
    "count": 3,
}


def assert_same(found, wanted):
    assert type(found) is type(wanted)
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys()
        for key, value in wanted.items():
            assert_same(found[key], value)
    elif isinstance(wanted, np.ndarray):
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)
    else:
        assert found == wanted


def test_what_openpis_client_packs_is_read():
    assert_same(unpack_openpi(msgpack_numpy.packb(MESSAGE)), MESSAGE)


def test_what_is_packed_here_openpis_client_reads():
    without_scalars = {
        name: value for name, value in MESSAGE.items() if not isinstance(value, np.generic)
    }
    assert_same(msgpack_numpy.unpackb(pack_openpi(without_scalars)), without_scalars)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not msgpack"),
        (b"\xc1", "not msgpack"),
        (msgpack.packb([1, 2]), "the message is list"),
        (msgpack.packb({1: 2}), "not msgpack"),
        (msgpack.packb({b"state": 2}), "not a name"),
        (msgpack_numpy.packb(MESSAGE)[:-1], "not msgpack"),
        (
            msgpack.packb({b"__npgeneric__": True, b"data": 300, b"dtype": "|u1"}),
            "not msgpack",
        ),
    ],
)
def test_what_is_no_observation_is_refused(content, reason):
    with pytest.raises(DecodeError, match=reason):
        unpack_openpi(content)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        (b"dtype", "|O", "numbers travel"),
        (b"dtype", "nonsense", "dtype 'nonsense'"),
        (b"dtype", "<f4,<f4", "numbers travel"),
        (b"dtype", 3, "numbers travel"),
        (b"shape", [3], "needs 12 bytes, 8 came"),
        (b"shape", [-1], "impossible shape"),
        (b"shape", [2**62, 4], "impossible shape"),
        (b"shape", "two", "impossible shape"),
        (b"shape", [1] * 9, "impossible shape"),
        (b"data", "text", "no came"),
    ],
)
def test_arrays_that_do_not_hold_together_are_refused(field, value, reason):
    tagged = {b"__ndarray__": True, b"data": b"\0" * 8, b"dtype": "<f4", b"shape": [2]}
    with pytest.raises(DecodeError, match=reason):
        unpack_openpi(msgpack.packb({"state": {**tagged, field: value}}))


@given(st.binary(max_size=200))
def test_bytes_of_strangers_make_a_message_or_an_error_and_nothing_else(content):
    with suppress(DecodeError):
        assert isinstance(unpack_openpi(content), dict)


@given(st.data())
def test_a_damaged_message_makes_a_message_or_an_error_and_nothing_else(data):
    content = bytearray(msgpack_numpy.packb(MESSAGE))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    with suppress(DecodeError):
        assert isinstance(unpack_openpi(bytes(content)), dict)
