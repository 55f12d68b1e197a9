import dataclasses
import struct
from pathlib import Path

import msgpack
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tmrl_common.codec import decode, encode
from tmrl_common.errors import DecodeError, EncodeError, ErrorCode
from tmrl_common.framing import PROTOCOL_VERSION, SMALL_BYTES, WireLimits
from tmrl_common.messages import KINDS, Act, Encode, Features
from tmrl_common.testing.message_examples import EXAMPLES
from tmrl_common.types import MAX_SEED

GOLDEN = Path(__file__).parent / "golden"


def as_bytes(frames):
    return [bytes(frame) for frame in frames]


def golden_frames(name):
    content = (GOLDEN / f"{name}.bin").read_bytes()
    frames = []
    while content:
        (length,) = struct.unpack_from("<I", content)
        frames.append(content[4 : 4 + length])
        content = content[4 + length :]
    return frames


def changed_header(frames, **changes):
    header = msgpack.unpackb(frames[0])
    header.update(changes)
    return [msgpack.packb(header), *frames[1:]]


def changed_layout(frames, *, kind=None, arrays=None, **changes):
    """With another kind or other descriptions of arrays in the layout."""
    known, described = msgpack.unpackb(msgpack.unpackb(frames[0])["layout"])
    layout = [known if kind is None else kind, described if arrays is None else arrays]
    return changed_header(frames, layout=msgpack.packb(layout), **changes)


def refusal(frames, **limits):
    with pytest.raises(DecodeError) as caught:
        decode(frames, WireLimits(**limits))
    return caught.value


def test_there_is_an_example_of_every_kind():
    assert {type(message) for message in EXAMPLES.values()} == set(KINDS.values())


@pytest.mark.parametrize("name", EXAMPLES)
def test_bytes_on_the_wire_never_change_within_a_version(name):
    assert as_bytes(encode(77, EXAMPLES[name])) == golden_frames(name)


@pytest.mark.parametrize("name", EXAMPLES)
def test_old_bytes_decode_to_the_message_they_came_from(name):
    request_id, message = decode(golden_frames(name))
    assert request_id == 77
    assert type(message) is type(EXAMPLES[name])
    assert as_bytes(encode(77, message)) == golden_frames(name)


LARGE = SMALL_BYTES // 4 + 1


def test_large_arrays_are_neither_copied_on_the_way_out_nor_writable_on_the_way_in():
    values = np.ones(LARGE, dtype=np.float32)
    frames = encode(1, Features(values, "v"))
    assert np.shares_memory(np.asarray(frames[1]), values)
    message = decode([frames[0], bytearray(frames[1])])[1]
    with pytest.raises(ValueError, match="read-only"):
        message.features[0] = 2.0


def test_small_arrays_travel_in_the_header_and_are_not_writable_either():
    (frame,) = encode(1, EXAMPLES["chunk"])
    message = decode([frame])[1]
    assert message.actions.flags.aligned
    with pytest.raises(ValueError, match="read-only"):
        message.actions[0, 0] = 2.0


@pytest.mark.parametrize("size", [LARGE - 1, LARGE])
def test_arrays_on_both_sides_of_the_border_come_back(size):
    values = np.arange(size, dtype=np.float32)
    frames = encode(1, Features(values, "v"))
    assert len(frames) == (2 if size == LARGE else 1)
    np.testing.assert_array_equal(decode(frames)[1].features, values)


def test_small_arrays_of_odd_lengths_keep_to_their_places():
    images = {name: np.full((1, 1, size), size, np.uint8) for name, size in (("a", 3), ("b", 13))}
    sent = Encode(dataclasses.replace(EXAMPLES["encode"].observation, images=images))
    seen = decode(encode(1, sent))[1].observation
    assert seen.images["a"].tolist() == [[[3] * 3]]
    assert seen.images["b"].tolist() == [[[13] * 13]]
    np.testing.assert_array_equal(seen.proprio, sent.observation.proprio)


def test_arrays_that_are_not_contiguous_travel_by_value():
    columns = np.arange(12, dtype=np.float32).reshape(3, 4)[:, 1]
    _, message = decode(encode(1, Features(columns, "v")))
    np.testing.assert_array_equal(message.features, [1.0, 5.0, 9.0])


def test_empty_arrays_keep_their_shape():
    observation = decode(encode(1, EXAMPLES["chunk"]))[1]
    assert observation.steering.epsilon.shape == (0,)


@pytest.mark.parametrize("value", [np.zeros(3), [0.0], np.array([None])])
def test_arrays_of_another_type_are_not_sent(value):
    with pytest.raises(EncodeError, match="'features' is"):
        encode(1, Features(value, "v"))


@pytest.mark.parametrize("shape", [(), (1, 1, 1, 1)])
def test_arrays_of_too_many_or_no_dimensions_are_not_sent(shape):
    with pytest.raises(EncodeError, match="dimensions"):
        encode(1, Features(np.zeros(shape, np.float32), "v"))


def test_camera_names_of_absurd_length_are_not_sent():
    image = {"x" * 100: np.zeros((1, 1, 3), np.uint8)}
    with pytest.raises(EncodeError, match="longer than 96"):
        encode(1, Encode(dataclasses.replace(EXAMPLES["encode"].observation, images=image)))


def test_scalars_of_another_type_are_not_sent():
    with pytest.raises(EncodeError, match="policy_version"):
        encode(1, Features(np.zeros(1, np.float32), 3))


def test_another_version_is_refused_by_name_and_tells_both():
    error = refusal(changed_header(golden_frames("hello"), v=PROTOCOL_VERSION + 1))
    assert error.code is ErrorCode.UNSUPPORTED_VERSION
    assert f"version {PROTOCOL_VERSION + 1}, this side {PROTOCOL_VERSION}" in error.detail
    assert error.request_id == 77


def test_unknown_kinds_are_refused():
    error = refusal(changed_layout(golden_frames("ping"), kind="shutdown"))
    assert (error.code, error.request_id) == (ErrorCode.UNKNOWN_KIND, 77)
    assert "shutdown" in error.detail


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ([["features", "|O", [9]]], "dtype"),
        ([["features", "<f8", [9]]], "dtype"),
        ([["features", "<f4", [11]]], "need 0 frames and 48 bytes in the header, 0 and 40 came"),
        ([["features", "<f4", [5000]]], "need 1 frames and 0 bytes in the header, 0 and 40 came"),
        ([["features", "<f4", [-9]]], "impossible shape"),
        ([["features", "<f4", [9.0]]], "impossible shape"),
        ([["features", "<f4", [True]]], "impossible shape"),
        ([["features", "<f4", [2**62, 2**62]]], "impossible shape"),
        ([["features", "<f4", [0, 2**31, 2**31]]], "impossible shape"),
        ([["features", "<f4", [2**31, 0, 2**31]]], "impossible shape"),
        ([["features", "<f4", []]], "dimensions"),
        ([["features", "<f4", [1, 1, 1, 9]]], "dimensions"),
        ([["secrets", "<f4", [9]]], "'features' is missing"),
        ([["features", "|u1", [36]]], "must be float32"),
        ([["features", "<f4"]], "not described"),
        ([["", "<f4", [9]]], "no usable name"),
        ([["f" * 97, "<f4", [9]]], "no usable name"),
        ([], "need 0 frames and 0 bytes in the header, 0 and 40 came"),
        ("features", "not [kind, arrays]"),
    ],
)
def test_arrays_that_do_not_fit_their_description_are_refused(arrays, reason):
    error = refusal(changed_layout(golden_frames("features"), arrays=arrays))
    assert error.code is ErrorCode.MALFORMED
    assert reason in error.detail
    assert error.request_id == 77


def test_a_frame_of_another_length_is_refused():
    frames = encode(77, Features(np.ones(LARGE, np.float32), "v"))
    error = refusal([frames[0], bytes(frames[1])[:-1]])
    assert f"needs {4 * LARGE} bytes, {4 * LARGE - 1} came" in error.detail


@pytest.mark.parametrize(
    ("layout", "code"),
    [
        (b"", ErrorCode.MALFORMED),
        (b"\xc1", ErrorCode.MALFORMED),
        (msgpack.packb({"kind": "ping"}), ErrorCode.MALFORMED),
        (msgpack.packb(["ping"]), ErrorCode.MALFORMED),
        (msgpack.packb(["ping", [["x" * 90, "|u1", [1]]] * 200]), ErrorCode.TOO_LARGE),
    ],
)
def test_layouts_that_are_none_are_refused(layout, code):
    error = refusal(changed_header(golden_frames("ping"), layout=layout))
    assert (error.code, error.request_id) == (code, 77)
    assert "layout" in error.detail


def test_an_array_that_comes_twice_is_refused():
    described = ["features", "<f4", [9]]
    error = refusal(changed_layout(golden_frames("features"), arrays=[described, described]))
    assert "'features' comes twice" in error.detail


def test_arrays_that_do_not_belong_to_the_kind_are_refused():
    described = [["extra", "|u1", [1]]]
    error = refusal(changed_layout(golden_frames("ping"), arrays=described, small=bytes(8)))
    assert "'extra' does not belong to 'ping'" in error.detail


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "'version' is missing"),
        ({"version": 13, "force": True}, "'force' is unknown"),
        ({"version": "13"}, "'version' is not of type int"),
        ({"version": True}, "'version' is not of type int"),
        ([13], "not of type dict"),
    ],
)
def test_fields_have_to_be_there_known_and_of_their_type(body, reason):
    error = refusal(changed_header(golden_frames("swapped"), body=body))
    assert error.code is ErrorCode.MALFORMED
    assert reason in error.detail


def test_names_out_of_a_fixed_set_are_refused_with_the_valid_ones():
    frames = golden_frames("error")
    error = refusal(changed_header(frames, body={"code": "tired", "message": ""}))
    assert "'code' is 'tired'; known are unsupported_version" in error.detail


def test_lists_of_names_hold_nothing_else():
    frames = golden_frames("hello")
    body = msgpack.unpackb(frames[0])["body"]
    body["expected"]["cameras"] = ["front", 3]
    assert "cameras' is not a list of names" in refusal(changed_header(frames, body=body)).detail


def test_values_that_the_type_itself_refuses_are_refused():
    frames = golden_frames("act_without_explicit")
    body = msgpack.unpackb(frames[0])["body"]
    body["limits"]["sigma_cap"] = 1.5
    error = refusal(changed_header(frames, body=body))
    assert "sigma_cap is 1.5" in error.detail


def test_limits_hold_before_anything_is_read():
    frames = golden_frames("act")
    assert refusal(frames, header_bytes=10).code is ErrorCode.TOO_LARGE
    assert refusal(frames, message_bytes=500).code is ErrorCode.TOO_LARGE
    assert refusal(frames, arrays=2).code is ErrorCode.TOO_LARGE


FRAMES = st.lists(st.binary(max_size=200), max_size=6)


@given(FRAMES)
def test_arbitrary_bytes_give_a_typed_error_and_nothing_else(frames):
    with pytest.raises(DecodeError):
        decode(frames)


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(st.sampled_from(sorted(EXAMPLES)), st.data())
def test_messages_with_any_header_field_replaced_decode_or_give_a_typed_error(name, data):
    frames = golden_frames(name)
    header = msgpack.unpackb(frames[0])
    target = header if data.draw(st.booleans()) or not header["body"] else header["body"]
    target[data.draw(st.sampled_from(sorted(target)))] = data.draw(PLAIN)
    try:
        decode([msgpack.packb(header), *frames[1:]])
    except DecodeError as error:
        assert error.detail


@given(st.sampled_from(sorted(EXAMPLES)), st.data())
def test_messages_with_damaged_bytes_decode_or_give_a_typed_error(name, data):
    frames = [bytearray(frame) for frame in golden_frames(name)]
    frame = frames[data.draw(st.integers(0, len(frames) - 1))]
    for _ in range(data.draw(st.integers(1, 4))):
        if frame:
            frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    try:
        decode([bytes(frame) for frame in frames])
    except DecodeError as error:
        assert error.detail


SIDES = st.sampled_from([0, 1, 9, -1, 2**16, 2**30, 2**31, 2**31 + 1, 2**62, 2**63, 2**64 - 1])
SHAPES = st.lists(SIDES, min_size=1, max_size=3) | st.lists(SIDES | PLAIN, max_size=4)
DESCRIPTIONS = st.tuples(st.text(max_size=8), st.sampled_from(["<f4", "|u1", "|O"]), SHAPES)


@given(st.sampled_from(sorted(EXAMPLES)), st.data())
def test_messages_with_other_descriptions_of_arrays_decode_or_give_a_typed_error(name, data):
    frames = golden_frames(name)
    header = msgpack.unpackb(frames[0])
    kind, arrays = msgpack.unpackb(header["layout"])
    if arrays and data.draw(st.booleans()):
        changed = data.draw(st.sampled_from(arrays))
        changed[data.draw(st.integers(0, 2))] = data.draw(SHAPES | PLAIN)
    else:
        arrays += data.draw(st.lists(DESCRIPTIONS | PLAIN, max_size=3))
    header["layout"] = msgpack.packb((kind, arrays))
    header["small"] = header["small"][: data.draw(st.integers(0, len(header["small"])))]
    try:
        decode([msgpack.packb(header), *frames[1:]])
    except DecodeError as error:
        assert error.detail


@example([0, 2**31, 2**31], "<f4")
@given(SHAPES, st.sampled_from(["<f4", "|u1"]))
def test_no_shape_of_an_array_without_bytes_gives_anything_but_a_typed_error(shape, dtype):
    arrays = [["features", dtype, shape]]
    try:
        decode(changed_layout(golden_frames("features"), arrays=arrays, small=b""))
    except DecodeError as error:
        assert error.detail


def test_a_source_and_its_steering_belong_together():
    act = EXAMPLES["act"]
    with pytest.raises(ValueError, match="goes with source 'explicit'"):
        Act(act.observation, act.limits, act.source, None, act.seed)


@pytest.mark.parametrize("seed", [-1, MAX_SEED + 1])
def test_seeds_that_a_database_could_not_hold_are_refused(seed):
    with pytest.raises(ValueError, match="seed is"):
        dataclasses.replace(EXAMPLES["act"], seed=seed)


def test_a_field_that_came_later_travels_only_where_it_says_something():
    pong = EXAMPLES["pong"]
    assert decode(encode(1, pong))[1] == pong
    busy = dataclasses.replace(pong, busy_s=2.5)
    assert decode(encode(1, busy))[1] == busy
    header = msgpack.unpackb(encode(1, busy)[0])
    header["body"]["busy_s"] = "long"
    with pytest.raises(DecodeError, match="'busy_s' is not of type float"):
        decode([msgpack.packb(header)])


def test_a_chunk_says_that_its_state_was_far_only_where_it_was():
    chunk = EXAMPLES["chunk"]
    assert "far_state" not in msgpack.unpackb(encode(1, chunk)[0])["body"]
    far = dataclasses.replace(chunk, far_state="tool_x, tool_y")
    assert decode(encode(1, far))[1].far_state == "tool_x, tool_y"


def test_committed_actions_travel_only_where_there_are_some():
    """So that the bytes of every other request stay as they were."""
    plain = EXAMPLES["act_without_explicit"]
    assert b"committed" not in encode(1, plain)[0]
    assert decode(encode(1, plain))[1].committed.size == 0
    rows = np.arange(14, dtype=np.float32).reshape(2, 7)
    received = decode(encode(1, dataclasses.replace(plain, committed=rows)))[1].committed
    np.testing.assert_array_equal(received, rows)
    with pytest.raises(EncodeError, match="'committed' is float64"):
        encode(1, dataclasses.replace(plain, committed=rows.astype(np.float64)))
