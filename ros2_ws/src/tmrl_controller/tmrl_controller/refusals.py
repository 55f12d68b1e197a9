"""Why something was refused: a code for programs, a sentence for people."""

from dataclasses import dataclass

from tmrl_common.chunks import RefusalCode


@dataclass(frozen=True)
class Refusal:
    """Why something was refused.

    Attributes:
        code: Short name.
        reason: One sentence with the value, the limit and the remedy.
    """

    code: RefusalCode
    reason: str
