"""The log: what was written is read again, also behind a record that was cut off."""

from pathlib import Path

import pytest

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

from rclpy.serialization import serialize_message

from tmrl_msgs import msg

from .command_log import TOPICS, Announced, ChunkKey, read, write


def messages() -> list[object]:
    """One of each topic, in their order."""
    command = msg.ArmCommand(sequence=3, mode=msg.ArmCommand.CARTESIAN_POSE, valid_for_s=0.3)
    command.header.stamp.sec, command.header.stamp.nanosec = 1, 5
    command.x_base_tool.position.x = 0.25
    state = msg.ArmState(sequence=7, last_command_sequence=3, holding=True)
    chunk = msg.ActionChunk(agent_epoch="life", sequence=2, episode=1, chunk=4, seed=9)
    outcome = msg.ChunkOutcome(agent_epoch="life", sequence=2, steps=5)
    return [command, state, chunk, outcome, msg.Transition(sequence=11, content_hash="abc")]


def test_what_was_heard_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "log"
    human = msg.ChunkOutcome(sequence=1, steps=5, origin=msg.ChunkOutcome.ORIGIN_HUMAN)
    with path.open("ab") as stream:
        for topic, message in enumerate(messages()):
            write(stream, topic, 100 + topic, serialize_message(message))
        write(stream, len(TOPICS) - 2, 200, serialize_message(human))
        write(stream, 0, 300, serialize_message(messages()[0]))
        stream.truncate(stream.tell() - 1)
    log = read(path)
    (command,) = log.commands
    assert (command.sequence, command.stamp_ns, command.moves) == (3, 1_000_000_005, True)
    assert (command.position_m[0], command.valid_for_s) == (0.25, 0.3)
    (state,) = log.states
    assert (state.sequence, state.last_command, state.holding) == (7, 3, True)
    (chunk,) = log.chunks
    assert (chunk.key, chunk.episode, chunk.number, chunk.seed) == (ChunkKey("life", 2), 1, 4, 9)
    (outcome,) = log.outcomes
    assert (outcome.key, outcome.steps) == (ChunkKey("life", 2), 5)
    assert log.announced == [Announced(11, "abc")]


def test_no_file_is_an_empty_log(tmp_path: Path) -> None:
    assert read(tmp_path / "none").commands == []
