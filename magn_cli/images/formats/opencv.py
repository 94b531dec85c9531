"""Deep PNG and AVIF files, which Pillow reduces to 8 bits and OpenCV decodes whole."""

import numpy as np

from magn_cli.images.photo import Array
from magn_cli.images.silence import silence

_SILENT = 0


def decode(data: bytes) -> Array:
    """The samples in the bytes of a file, (H, W) or (H, W, C) in the order R, G, B, alpha.

    ValueError if OpenCV cannot decode it.
    """
    # Importing it takes a noticeable part of the start of the program, and few files need it.
    import cv2

    # OpenCV 5 moved it.
    set_level = cv2.setLogLevel if hasattr(cv2, "setLogLevel") else cv2.utils.logging.setLogLevel
    level = set_level(_SILENT)
    try:
        # Its libraries write to stderr all the same.
        with silence(native=True):
            decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise ValueError("OpenCV cannot decode it") from error
    finally:
        set_level(level)
    if decoded is None:
        raise ValueError("OpenCV cannot decode it")
    array: Array = np.asarray(decoded)
    if array.ndim == 2:
        return array
    return np.ascontiguousarray(array[..., [2, 1, 0, 3][: array.shape[2]]])
