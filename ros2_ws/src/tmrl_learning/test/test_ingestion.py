"""The journal is the authority: whatever is said on the topic, the learner gets what it holds."""

import pytest

from tmrl_common.testing import FakeClock
from tmrl_common.testing.transition_examples import example_transition
from tmrl_learning.ingestion import Complain, Fetch, GiveUp, Ingestion, Row, Take


def row(sequence, **changes):
    return Row(sequence, example_transition(sequence, **changes))


class World:
    """A journal with its learner: carries out what the ingestion decides."""

    def __init__(self, journal=(), contiguous=0):
        self.clock = FakeClock()
        self.ingestion = Ingestion("widowx", "run", self.clock)
        self.journal = {each.sequence: each for each in journal}
        self.last = max(self.journal, default=0)
        self.asked, self.taken, self.given_up, self.complaints = [], [], [], []
        self.answers = True
        self.do(self.ingestion.on_ready(contiguous))

    def do(self, effects):
        for effect in effects:
            match effect:
                case Fetch(first):
                    self.asked.append(first)
                    if self.answers:
                        rows = [self.journal[n] for n in sorted(self.journal) if n >= first][:256]
                        self.do(self.ingestion.on_fetched(rows, self.last))
                case Take(transition):
                    self.taken.append(transition)
                case GiveUp(first, last):
                    self.given_up.append((first, last))
                case Complain(sentence):
                    self.complaints.append(sentence)

    def announce(self, sequence):
        self.do(self.ingestion.on_announced(sequence))


def numbers(world):
    return [t.sequence for t in world.taken]


def test_what_the_journal_holds_arrives_in_order_page_by_page():
    world = World([row(n) for n in range(1, 601)])
    world.announce(600)
    assert numbers(world) == list(range(1, 601))
    assert world.asked == [1, 257, 513]


def test_a_learner_that_resumes_asks_for_what_its_checkpoint_lacks():
    world = World([row(n) for n in range(1, 9)], contiguous=5)
    world.announce(8)
    assert numbers(world) == [6, 7, 8]


def test_a_forged_transition_is_never_taken_and_the_real_one_is():
    world = World([row(1), row(2)])
    world.announce(1)
    world.do(world.ingestion.on_message(row(2, chunk=9, reward=0.0)))
    assert [t.chunk for t in world.taken] == [0, 1]


def test_an_announced_number_that_the_journal_never_gave_is_forgotten():
    world = World([row(1)])
    world.do(world.ingestion.on_message(row(2**62)))
    assert numbers(world) == [1]
    assert world.asked == [1, 2]
    world.clock.advance(60.0)
    world.do(world.ingestion.on_tick())
    assert world.asked == [1, 2]
    assert world.given_up == []


def test_a_malformed_message_is_counted_and_named_and_costs_nothing():
    world = World([row(1)])
    world.do(world.ingestion.on_message(Row(1, None, "steering: 'nonsense'")))
    world.announce(1)
    assert (world.ingestion.refused, numbers(world)) == (1, [1])
    assert "nonsense" in world.complaints[0]


@pytest.mark.parametrize("bad", [Row(2, None, "reward holds nan"), row(2, robot="franka")])
def test_a_row_that_cannot_be_used_is_counted_and_not_waited_for(bad):
    world = World([row(1), bad, row(3)])
    world.announce(3)
    assert numbers(world) == [1, 3]
    assert world.given_up == [(2, 2)]
    assert world.ingestion.refused == 1


def test_messages_of_other_sessions_are_passed_over():
    world = World([row(1)])
    world.do(world.ingestion.on_message(row(1, session="other")))
    assert (world.asked, world.ingestion.refused) == ([], 0)


def test_rows_that_the_journal_lost_are_given_up():
    world = World([*(row(n) for n in range(1, 81)), *(row(n) for n in range(101, 103))])
    world.announce(102)
    assert world.given_up == [(81, 100)]
    assert numbers(world)[-2:] == [101, 102]


def test_rows_that_were_lost_at_the_end_are_given_up_too():
    world = World([row(n) for n in range(1, 81)])
    world.last = 100
    world.announce(100)
    assert world.given_up == [(81, 100)]


def test_a_journal_that_ends_before_the_checkpoint_is_named():
    world = World([row(n) for n in range(1, 81)], contiguous=100)
    world.announce(101)
    assert "ends at transition 80" in world.ingestion.reason
    assert "-wal" in world.ingestion.reason


def test_a_question_without_an_answer_is_put_again():
    world = World([row(1)])
    world.answers = False
    world.announce(1)
    world.do(world.ingestion.on_tick())
    assert world.asked == [1]
    world.answers = True
    world.clock.advance(6.0)
    world.do(world.ingestion.on_tick())
    assert numbers(world) == [1]
