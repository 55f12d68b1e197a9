"""The end of a session: what was decided is in the file, whatever became of its publication."""

import sqlite3

import pytest

from tmrl_agent.events import EpisodeView
from tmrl_agent.requests import Connection
from tmrl_agent.session import close_session, open_session
from tmrl_agent.testing import CAPS, World, made_config, made_label
from tmrl_agent.transitions import Record
from tmrl_common.testing import FakeClock
from tmrl_common.types import Outcome


class Life(World):
    """A world whose records go to a real journal."""

    def __init__(self, run_dir):
        super().__init__()
        config = made_config(run_dir=str(run_dir))
        self.clock = FakeClock()
        self.complaints = []
        opened = open_session(config, self.clock, self.complaints.append)
        self.journal, self.reader, self.core = opened
        self.dies_after_commit_of = 0
        self.do(self.core.on_answer(Connection("", "policy")))
        self.do(self.core.on_listeners(1))
        self.path = config.journal_path

    def do(self, decisions):
        for decision in decisions:
            if not isinstance(decision, Record):
                super().do([decision])
                continue
            self.journal.append(decision.transitions, decision.label)
            self.written.append(decision)
            if len(self.written) == self.dies_after_commit_of:
                raise KeyboardInterrupt
            self.do(self.core.on_written())

    def close(self):
        close_session(self.journal, self.reader, self.core, self.complaints.append)


def raw(path, query):
    database = sqlite3.connect(path)
    try:
        return database.execute(query).fetchall()
    finally:
        database.close()


@pytest.mark.parametrize("record", [1, 2, 3])
def test_a_record_committed_but_not_published_costs_neither_itself_nor_a_later_one(
    tmp_path, record
):
    life = Life(tmp_path)
    life.dies_after_commit_of = record
    life.run()
    with pytest.raises(KeyboardInterrupt):
        life.play(3)
        life.do(life.core.on_label(made_label(1, Outcome.ABORTED, 3.0)))
        life.see(15)
        life.answer(3)
    life.close()
    assert life.complaints == []
    numbers = [n for (n,) in raw(life.path, "SELECT sequence FROM transitions ORDER BY 1")]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= record
    chunks = raw(life.path, "SELECT DISTINCT chunk FROM transitions ORDER BY 1")
    assert len(chunks) == min(len(life.sent), record + 1)


def test_a_second_life_is_told_what_the_journal_lost(tmp_path):
    life = Life(tmp_path)
    life.run()
    life.play(3)
    life.close()
    mark = life.path.with_name("journal.sqlite.mark")
    mark.write_text('{"widowx/run": {"sequence": 9, "episode": 4}}')
    second = Life(tmp_path)
    (complaint,) = second.complaints
    assert f"rows 4 to 9 of {life.path} are missing" in complaint
    second.do(second.core.on_controller(CAPS))
    second.do(second.core.on_episode(EpisodeView(5, running=True)))
    second.play(2)
    second.close()
    numbers = [n for (n,) in raw(life.path, "SELECT sequence FROM transitions ORDER BY 1")]
    assert numbers == [1, 2, 3, 10, 11]
