"""The success head: logistic regression on the features that the steering actor sees.

Judged by episodes that it was not taught with: a threshold stands only where, among those, what it
holds for a success was labelled one.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from tmrl_common.types import FloatArray
from tmrl_success.examples import Examples

_FOLDS = 5
_MIN_HELD = 10
"""A precision that was counted on fewer episodes is luck."""
_LIKELY = 0.5
"""Nothing below this is held for a success, however few failures come near."""
_UNLIKELY = 0.05
"""A success whose every state looks less like one than this is worth another look."""
_MAX_ITERATIONS = 1000


@dataclass(frozen=True)
class Doubt:
    """An episode whose label the head would not have given.

    Attributes:
        episode: Its number.
        succeeded: Whether it was labelled a success.
        confidence: The head's, taught without that episode, that it was one, 0 to 1.
    """

    episode: int
    succeeded: bool
    confidence: float


@dataclass(frozen=True)
class SuccessHead:
    """What the labels have taught.

    Attributes:
        model: Features in, confidence out.
        threshold: Confidence from which on a state is held for a success; None where no threshold
            reaches the precision that was asked for.
        precision: Of the held-out episodes held for a success, the share labelled one.
        recall: Of the held-out episodes labelled a success, the share held for one.
        doubts: Labels worth another look, the most doubtful first.
        size: Features that it takes.
    """

    model: Pipeline
    threshold: float | None
    precision: float
    recall: float
    doubts: tuple[Doubt, ...]
    size: int

    def confidence(self, features: FloatArray) -> float:
        """How sure it is that the task is done, 0 to 1.

        Args:
            features: Shape (size,).
        """
        return float(self.model.predict_proba(features.reshape(1, -1))[0, 1])


def teach(examples: Examples, precision: float) -> SuccessHead:
    """Fits a head and measures it on held-out episodes.

    Args:
        examples: At least ten episodes of each kind.
        precision: To be reached on the held-out episodes.
    """
    # Beside a controller every core is somebody else's.
    with threadpool_limits(1):
        held_out = _held_out(examples)
        model = _model().fit(examples.features, examples.done)
    numbers, confidence, succeeded = _by_episode(examples, held_out)
    threshold, reached, recall = _threshold(confidence, succeeded, precision)
    doubts = _doubts(numbers, confidence, succeeded, threshold)
    return SuccessHead(model, threshold, reached, recall, doubts, examples.features.shape[1])


def _model() -> Pipeline:
    logistic = LogisticRegression(class_weight="balanced", max_iter=_MAX_ITERATIONS)
    return make_pipeline(StandardScaler(), logistic)


def _held_out(examples: Examples) -> NDArray[np.float64]:
    """Confidence in each state by a model that has seen nothing of its episode, shape (n,)."""
    confidence = np.zeros(len(examples.done))
    folds = StratifiedGroupKFold(_FOLDS)
    for taught, held in folds.split(examples.features, examples.succeeded, examples.episode):
        model = _model().fit(examples.features[taught], examples.done[taught])
        confidence[held] = model.predict_proba(examples.features[held])[:, 1]
    return confidence


def _by_episode(
    examples: Examples, confidence: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """Number, highest confidence and label of each episode, shape (episodes,) each."""
    numbers, first, inverse = np.unique(examples.episode, return_index=True, return_inverse=True)
    highest = np.zeros(len(numbers))
    np.maximum.at(highest, inverse, confidence)
    return numbers, highest, examples.succeeded[first]


def _threshold(
    confidence: NDArray[np.float64], succeeded: NDArray[np.bool_], precision: float
) -> tuple[float | None, float, float]:
    """The lowest threshold that reaches a precision, that precision, and the recall there."""
    order = np.argsort(-confidence, kind="stable")
    right = np.cumsum(succeeded[order])
    held = np.arange(1, len(order) + 1)
    reached = right / held
    # Where the next episode is as confident as this one, no threshold lies between them.
    apart = np.append(np.diff(confidence[order]) < 0.0, True)
    likely = confidence[order] >= _LIKELY
    good = np.flatnonzero((reached >= precision) & (held >= _MIN_HELD) & apart & likely)
    if not len(good):
        best = float(reached[_MIN_HELD - 1 :].max(initial=0.0))
        return None, best, 0.0
    last = good[-1]
    recall = float(right[last] / max(1, succeeded.sum()))
    return float(confidence[order][last]), float(reached[last]), recall


def _doubts(
    numbers: NDArray[np.int64],
    confidence: NDArray[np.float64],
    succeeded: NDArray[np.bool_],
    threshold: float | None,
) -> tuple[Doubt, ...]:
    too_good = ~succeeded & (confidence >= (1.0 if threshold is None else threshold))
    too_bad = succeeded & (confidence < _UNLIKELY)
    surprise = np.where(succeeded, 1.0 - confidence, confidence)
    found = np.flatnonzero(too_good | too_bad)
    return tuple(
        Doubt(int(numbers[i]), bool(succeeded[i]), float(confidence[i]))
        for i in found[np.argsort(-surprise[found], kind="stable")]
    )
