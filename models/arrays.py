"""The arrays that pass between the files of this package."""

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int32]
"""The token ids of one text."""

Vector = NDArray[np.float32]
"""Of shape (dimension,)."""

Vectors = NDArray[np.float32]
"""Of shape (texts, dimension)."""
