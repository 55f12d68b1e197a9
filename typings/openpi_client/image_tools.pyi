import numpy as np
from numpy.typing import NDArray

def resize_with_pad(images: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]: ...
