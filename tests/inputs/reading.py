"""Inputs as people have them: small files with the right answer beside each.

A file `cases/<reader>/<name>.yaml` holds one input. Its comment says where it comes from:

    given: {controller.max_teleop_age_s: 300}    # what the reader takes
    right: refused                               # or taken, or warned
    says: [controller.max_teleop_age_s, "0.3"]   # what the answer names; of what is taken: nothing

The reader is the module `readers/<reader>.py`; its `read` hands the input to the product as a user
would, and returns the product's answer.
"""

import importlib
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

CASES = Path(__file__).with_name("cases")


class Outcome(StrEnum):
    """What became of an input."""

    TAKEN = "taken"
    WARNED = "warned"
    REFUSED = "refused"
    TRACEBACK = "traceback"


@dataclass(frozen=True)
class Answer:
    """What the product says to an input.

    Attributes:
        outcome: What became of it.
        text: The sentence of a refusal or a warning; of what is taken, what was understood.
    """

    outcome: Outcome
    text: str = ""


@dataclass(frozen=True)
class Case:
    """One input and the right answer.

    Attributes:
        reader: Module that hands it to the product.
        name: Of its file.
        given: What the reader takes.
        right: The right outcome.
        says: What the answer's text must hold.
    """

    reader: str
    name: str
    given: Any
    right: Outcome
    says: tuple[str, ...]

    def __str__(self) -> str:
        """Reader and name, as pytest shows them."""
        return f"{self.reader}/{self.name}"

    def fault(self, answer: Answer) -> str:
        """What is wrong with an answer; empty where nothing is."""
        if answer.outcome is not self.right:
            return f"{self.given!r} was {answer.outcome}, not {self.right}: {answer.text}"
        unsaid = [part for part in self.says if part not in answer.text]
        return f"{unsaid} is not in the answer to {self.given!r}: {answer.text}" if unsaid else ""


def cases() -> list[Case]:
    """Every input, in the order of the files' names."""
    return [_load(path) for path in sorted(CASES.glob("*/*.yaml"))]


def read(case: Case, folder: Path) -> Answer:
    """Hands an input to the product.

    Args:
        case: The input.
        folder: Empty; for what the reader writes.
    """
    package = __name__.rpartition(".")[0]
    reader = importlib.import_module(f"{package}.readers.{case.reader}")
    try:
        answer = reader.read(case.given, folder)
    except Exception:  # noqa: BLE001 - a traceback is one of the answers
        return Answer(Outcome.TRACEBACK, traceback.format_exc())
    assert isinstance(answer, Answer)
    return answer


def _load(path: Path) -> Case:
    content: Mapping[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    strange = set(content) - {"given", "right", "says"}
    if strange or "given" not in content:
        raise ValueError(f"{path}: a case has given, right and says, not {sorted(strange)}")
    right, says = Outcome(content["right"]), tuple(map(str, content.get("says", ())))
    if right is not Outcome.TAKEN and not says:
        raise ValueError(f"{path}: what must the answer name?")
    return Case(path.parent.name, path.stem, content["given"], right, says)
