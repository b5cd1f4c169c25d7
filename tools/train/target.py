"""From heads in a picture to the density map that the network should draw.

A head is a row (x, y, height, visible share), in pixels of the picture; x and y are its centre, and the centre of the
top left pixel is (0.5, 0.5).
"""

from __future__ import annotations

from math import sqrt

import numpy as np
import torch

from network import CELL

#: Spread of a head in the map, as a share of its height, and its bounds in pixels. Narrow for small heads, so that
#: rows of a crowd stay apart; wider for large ones, whose centre is no sharper than that.
SIGMA_SHARE = 0.22
SIGMA_RANGE = (5.0, 10.0)
#: Taller heads than this are the detector's: no density is asked for, and none is punished. Pixels.
LARGEST_HEAD = 120.0


def _shares(centres: np.ndarray, sigmas: np.ndarray, cells: int) -> np.ndarray:
    """Each head's share in each of a row of cells: [heads, cells], every row sums to 1."""
    edges = np.arange(cells + 1, dtype=np.float32) * CELL
    standard = (edges[None] - centres[:, None]) / (sqrt(2.0) * sigmas[:, None])
    shares = np.diff(torch.from_numpy(standard.astype(np.float32)).erf().numpy(), axis=1)
    # What falls outside of the picture comes back in: a head inside counts as one.
    return shares / shares.sum(axis=1, keepdims=True)


def density_target(heads: np.ndarray, width: int, height: int) -> np.ndarray:
    """Persons per cell, [height / 8, width / 8]; the sum is the number of heads up to `LARGEST_HEAD`."""
    heads = heads[heads[:, 2] <= LARGEST_HEAD]
    rows, columns = height // CELL, width // CELL
    if not len(heads):
        return np.zeros((rows, columns), np.float32)
    sigmas = np.clip(heads[:, 2] * SIGMA_SHARE, *SIGMA_RANGE)
    across = _shares(heads[:, 0], sigmas, columns)
    down = _shares(heads[:, 1], sigmas, rows)
    return (down.T @ across).astype(np.float32)


def counted_cells(heads: np.ndarray, width: int, height: int) -> np.ndarray:
    """1 where the loss looks, 0 around heads above `LARGEST_HEAD`: [height / 8, width / 8], uint8."""
    cells = np.ones((height // CELL, width // CELL), np.uint8)
    for x, y, size, _ in heads[heads[:, 2] > LARGEST_HEAD]:
        top, bottom = (int(np.clip((y + sign * 0.7 * size) / CELL, 0, cells.shape[0])) for sign in (-1, 1))
        left, right = (int(np.clip((x + sign * 0.6 * size) / CELL, 0, cells.shape[1])) for sign in (-1, 1))
        cells[top : bottom + 1, left : right + 1] = 0
    return cells
