"""Keys of a rig, and what a page may send."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmrl_common.errors import ConfigError
from tmrl_console.keys import ESTOP_CODE, Action, key_map
from tmrl_console.params import ConsoleConfig
from tmrl_console.protocol import Command, Drive, Ping, ProtocolError, Verb, read


def test_a_pedal_is_a_key_more_and_the_e_stop_stays():
    keys = key_map(["F13=success", "KeyG=failure"])
    assert keys["F13"] == Action.SUCCESS
    assert keys["KeyS"] == Action.SUCCESS
    assert keys["KeyG"] == Action.FAILURE
    assert keys[ESTOP_CODE] == Action.ESTOP


@pytest.mark.parametrize(
    ("binding", "sentence"),
    [
        ("F13", "write CODE=action"),
        ("F13=sucess", "did you mean 'success'"),
        ("Escape=hold", "always the e-stop"),
    ],
)
def test_a_wrong_binding_is_refused_with_the_remedy(binding, sentence):
    with pytest.raises(ConfigError, match=sentence):
        ConsoleConfig(robot="widowx", keys=(binding,))


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.20", "robot.lab"])
def test_a_page_for_the_whole_network_needs_a_password(host):
    with pytest.raises(ConfigError, match=r"tmrl_console\.password"):
        ConsoleConfig(robot="widowx", host=host)
    assert not ConsoleConfig(robot="widowx", host=host, password_file="p").is_local


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_this_machines_own_addresses_need_none(host):
    assert ConsoleConfig(robot="widowx", host=host).is_local


def test_each_camera_needs_its_topic():
    with pytest.raises(ConfigError, match="2 topics for 1 cameras"):
        ConsoleConfig(robot="widowx", cameras=("a",), camera_topics=("x", "y"))


def test_messages_of_a_page_are_read():
    command = read('{"do": "success", "id": 7, "name": " ada ", "episode": 3}')
    assert command == Command(Verb.SUCCESS, 7, "ada", 3)
    assert read('{"drive": ["up", "open"]}') == Drive(
        held=True, actions=frozenset({Action.UP, Action.OPEN})
    )
    assert read('{"drive": null}') == Drive(held=False)
    assert read('{"ping": 1.5}') == Ping(1.5)


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "1", "null", "{", "{}", "[" * 4000),
        *('{"do": "destroy"}', '{"do": 1}', '{"do": "hold", "id": -1}', '{"do": []}'),
        *('{"do": "hold", "id": true}', '{"do": "hold", "episode": 4294967296}'),
        *('{"do": "hold", "name": "a\\nb"}', '{"do": "hold", "name": 5}'),
        *('{"drive": true}', '{"drive": ["fly"]}', '{"drive": [["up"]]}', '{"ping": "x"}'),
        '{"do": "hold", "name": "%s"}' % ("x" * 65),
        '{"ping": %s}' % ("1" * 5000),
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(ProtocolError):
        read(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.text()
    | JSON.map(json.dumps)
    | st.dictionaries(st.sampled_from(["do", "drive", "ping", "id", "name"]), JSON).map(json.dumps)
)
def test_no_message_whatever_does_worse_than_be_refused(text):
    try:
        assert isinstance(read(text), Command | Drive | Ping)
    except ProtocolError as error:
        assert str(error)
