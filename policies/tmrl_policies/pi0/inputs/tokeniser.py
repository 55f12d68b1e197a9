"""Instructions to language tokens, with the SentencePiece model of PaliGemma."""

import logging
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sentencepiece import SentencePieceProcessor

from tmrl_common.errors import ConfigError

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
    """pi0's format of an instruction: start token, text, and a line break that ends it.

    Underscores and line breaks inside of the text become spaces; its case stays as it is.
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

    def encode(self, prompt: str) -> PromptTokens:
        """Tokens of an instruction.

        One that is too long is cut, as in openpi, with one warning in the log.

        Raises:
            ValueError: It is no text or has no words.
        """
        if not isinstance(prompt, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"the prompt is of type {type(prompt).__name__}; it must be text")
        if not prompt.replace("_", " ").strip():
            raise ValueError(f"the prompt is {prompt!r}; say what the robot is to do")
        return self._remembered(prompt)

    def _encode(self, prompt: str) -> PromptTokens:
        text = prompt.strip().replace("_", " ").replace("\n", " ")
        ids = [self._start, *_ids(self._processor, text), *self._end]
        if len(ids) > self._length:
            _log.warning(
                "the prompt '%s' has %d tokens; the network reads the first %d",
                prompt,
                len(ids),
                self._length,
            )
            ids = ids[: self._length]
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
        raise ConfigError(
            f"{path} is not a SentencePiece model, or is cut short; copy it again"
        ) from error


def _ids(processor: SentencePieceProcessor, text: str) -> list[int]:
    return [int(token) for token in processor.encode(text)]
