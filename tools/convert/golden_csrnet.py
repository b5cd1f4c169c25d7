"""Reference for densities: pre-processing and block sums in numpy, around CSRNet."""

import numpy as np

MEAN = np.array([123.675, 116.28, 103.53], np.float32)
STD = np.array([58.395, 57.12, 57.375], np.float32)
CELL = 8
BLOCK = 8


def density(session, bgr):
    """Returns people per cell of a BGR picture, padded with black to whole cells."""
    height, width = bgr.shape[:2]
    rows, columns = -(-height // CELL), -(-width // CELL)
    canvas = np.zeros((rows * CELL, columns * CELL, 3), np.uint8)
    canvas[:height, :width] = bgr
    tensor = ((canvas[..., ::-1].astype(np.float32) - MEAN) / STD).transpose(2, 0, 1)[None]
    return session.run(None, {"input": np.ascontiguousarray(tensor)})[0][0, 0].clip(0)


def block_sums(cells):
    """Sums blocks of BLOCK x BLOCK cells. Blocks at the right and bottom may be smaller."""
    rows, columns = (np.arange(0, side, BLOCK) for side in cells.shape)
    return np.add.reduceat(np.add.reduceat(cells, rows, axis=0), columns, axis=1)
