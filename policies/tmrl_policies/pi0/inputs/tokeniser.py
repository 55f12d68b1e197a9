"""Instructions to language tokens, with the SentencePiece model of PaliGemma."""

import logging
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sentencepiece import SentencePieceProcessor

from tmrl_common.errors import ConfigError
from tmrl_policies.pi0.inputs.prompt import cleaned, text_with_state
from tmrl_policies.pi0.mistaken_files import mistaken_content

_log = logging.getLogger(__name__)

_PROMPTS_KEPT = 256


class PromptTokens(NamedTuple):
    """An instruction as the network takes it.

    Attributes:
        tokens: Shape (L,), int64, padded with 0 at the end.
        mask: Whether a token is none of the padding, shape (L,), bool.
    """

    tokens: NDArray[np.int64]
    mask: NDArray[np.bool_]


class PromptTokeniser:
    """Formats of an instruction.

    pi0's is a start token, the text, and a line break that ends it. pi0.5's is a start token and a
    text that holds the instruction and the robot state, see `prompt.text_with_state`. Underscores
    and line breaks inside of an instruction become spaces; its case stays as it is.
    """

    def __init__(self, path: Path, length: int, vocabulary: int) -> None:
        """Reads the model.

        Args:
            path: Of PaliGemma's `paligemma_tokenizer.model`.
            length: Number L of tokens of a prepared instruction.
            vocabulary: Number of tokens that the network knows.

        Raises:
            ConfigError: The file is absent or damaged, or is not the network's.
        """
        self._length = length
        self._processor = _read(path)
        self._end = _ids(self._processor, "\n")
        self._start = int(self._processor.bos_id())
        size = int(self._processor.get_piece_size())
        if size > vocabulary:
            raise ConfigError(
                f"the tokeniser {path} has {size} tokens, the network {vocabulary}; take the "
                "tokeniser that the network was trained with"
            )
        if self._start < 0 or not self._end or int(self._processor.unk_id()) in self._end:
            raise ConfigError(
                f"the tokeniser {path} has no start token or no token for a line break; pi0 needs "
                "PaliGemma's 'paligemma_tokenizer.model'"
            )
        self._remembered = lru_cache(_PROMPTS_KEPT)(self._encode)
        self._longest = lru_cache(_PROMPTS_KEPT)(self._count_longest)

    def encode(self, prompt: str, state: NDArray[np.floating] | None = None) -> PromptTokens:
        """Tokens of an instruction.

        Without a state, one that is too long is cut, as in openpi, with one warning in the log.
        With a state it is refused: what would be cut off is the state.

        Args:
            prompt: The instruction.
            state: Normalised robot state, not padded, shape (D,), where the text must hold it.

        Raises:
            ValueError: It is no text, has no words, or leaves no room for the state.
        """
        if not isinstance(prompt, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"the prompt is of type {type(prompt).__name__}; it must be text")
        if not prompt.replace("_", " ").strip():
            raise ValueError(f"the prompt is {prompt!r}; say what the robot is to do")
        if state is None:
            return self._remembered(prompt)
        ids = self._ids_with_state(prompt, state)
        # The longest state as well, so that a prompt is not refused in the middle of an episode.
        count = max(len(ids), self._longest(prompt, len(state)))
        if count > self._length:
            raise ValueError(
                f"the prompt {prompt!r:.80} has up to {count} tokens with the robot state in it; "
                f"the network reads {self._length} and would miss the end of the state. Shorten "
                "the instruction"
            )
        return self._padded(ids)

    def _ids_with_state(self, prompt: str, state: NDArray[np.floating]) -> list[int]:
        return [self._start, *_ids(self._processor, text_with_state(prompt, state))]

    def _count_longest(self, prompt: str, state_dim: int) -> int:
        """Tokens where every number of the state has three digits."""
        return len(self._ids_with_state(prompt, np.ones(state_dim)))

    def _encode(self, prompt: str) -> PromptTokens:
        ids = [self._start, *_ids(self._processor, cleaned(prompt)), *self._end]
        if len(ids) > self._length:
            _log.warning(
                "the prompt '%s' has %d tokens; the network reads the first %d",
                prompt,
                len(ids),
                self._length,
            )
            ids = ids[: self._length]
        return self._padded(ids)

    def _padded(self, ids: list[int]) -> PromptTokens:
        tokens = np.zeros(self._length, dtype=np.int64)
        tokens[: len(ids)] = ids
        mask = np.arange(self._length) < len(ids)
        tokens.flags.writeable = mask.flags.writeable = False
        return PromptTokens(tokens, mask)


def _read(path: Path) -> SentencePieceProcessor:
    try:
        return SentencePieceProcessor(model_proto=path.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"cannot read the tokeniser {path}: {error.strerror}; put PaliGemma's "
            "'paligemma_tokenizer.model' there, or name its place with the setting 'tokeniser'"
        ) from error
    except RuntimeError as error:
        what = mistaken_content(path) or "is no SentencePiece model, or is cut short; copy it again"
        raise ConfigError(f"{path} {what}") from error


def _ids(processor: SentencePieceProcessor, text: str) -> list[int]:
    return [int(token) for token in processor.encode(text)]
