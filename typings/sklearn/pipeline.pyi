from typing import Any

from numpy import float64
from numpy.typing import NDArray

class Pipeline:
    def fit(self, X: NDArray[Any], y: NDArray[Any]) -> Pipeline: ...
    def predict_proba(self, X: NDArray[Any]) -> NDArray[float64]: ...

def make_pipeline(*steps: object) -> Pipeline: ...
