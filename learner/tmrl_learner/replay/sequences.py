"""Which sequence numbers of a session have arrived, in constant memory while there are no gaps."""

from dataclasses import dataclass, field


@dataclass
class SequenceIndex:
    """A set of sequence numbers that count from 1.

    Attributes:
        contiguous: Every number up to and including this one has arrived.
        beyond: Numbers above `contiguous` that have arrived.
    """

    contiguous: int = 0
    beyond: set[int] = field(default_factory=set[int])

    def add(self, sequence: int) -> None:
        """Notes one number; noting it twice changes nothing."""
        if sequence <= self.contiguous:
            return
        self.beyond.add(sequence)
        while self.contiguous + 1 in self.beyond:
            self.contiguous += 1
            self.beyond.remove(self.contiguous)

    def missing(self, up_to: int) -> list[int]:
        """The numbers from 1 to `up_to` that have not arrived, ascending."""
        return [s for s in range(self.contiguous + 1, up_to + 1) if s not in self.beyond]

    def __contains__(self, sequence: int) -> bool:
        return 1 <= sequence <= self.contiguous or sequence in self.beyond

    def __len__(self) -> int:
        return self.contiguous + len(self.beyond)

    def copy(self) -> "SequenceIndex":
        """An independent copy."""
        return SequenceIndex(self.contiguous, set(self.beyond))
