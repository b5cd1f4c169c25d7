"""Converts heads in a picture to the target density map.

A head is a row (x, y, height, visible share), in pixels of the picture. (x, y) is its centre; the
centre of the top left pixel is (0.5, 0.5).
"""

from __future__ import annotations

from math import sqrt

import numpy as np
import torch

from network import CELL

#: Spread of a head in the map, as a share of its height, with bounds in pixels. Small heads have a
#: narrow spread, which separates rows of a crowd; the centre of a large head is less precise.
SIGMA_SHARE = 0.22
SIGMA_RANGE = (5.0, 10.0)
#: The detector counts heads taller than this (pixels): the loss ignores the density there.
LARGEST_HEAD = 120.0


def _shares(centres: np.ndarray, sigmas: np.ndarray, cells: int) -> np.ndarray:
    """Returns each head's share in each cell of one axis: [heads, cells], rows sum to 1."""
    edges = np.arange(cells + 1, dtype=np.float32) * CELL
    standard = (edges[None] - centres[:, None]) / (sqrt(2.0) * sigmas[:, None])
    shares = np.diff(torch.from_numpy(standard.astype(np.float32)).erf().numpy(), axis=1)
    # Redistribute the part outside the picture: a head inside counts as 1.
    return shares / shares.sum(axis=1, keepdims=True)


def density_target(heads: np.ndarray, width: int, height: int) -> np.ndarray:
    """Returns persons per cell, [height / 8, width / 8]. Sums to the heads up to `LARGEST_HEAD`."""
    heads = heads[heads[:, 2] <= LARGEST_HEAD]
    rows, columns = height // CELL, width // CELL
    if not len(heads):
        return np.zeros((rows, columns), np.float32)
    sigmas = np.clip(heads[:, 2] * SIGMA_SHARE, *SIGMA_RANGE)
    across = _shares(heads[:, 0], sigmas, columns)
    down = _shares(heads[:, 1], sigmas, rows)
    return (down.T @ across).astype(np.float32)


def counted_cells(heads: np.ndarray, width: int, height: int) -> np.ndarray:
    """Returns the loss mask: 0 around heads above `LARGEST_HEAD`, else 1. uint8, as the target."""
    cells = np.ones((height // CELL, width // CELL), np.uint8)
    for x, y, size, _ in heads[heads[:, 2] > LARGEST_HEAD]:
        top, bottom = (int(np.clip((y + sign * 0.7 * size) / CELL, 0, cells.shape[0])) for sign in (-1, 1))
        left, right = (int(np.clip((x + sign * 0.6 * size) / CELL, 0, cells.shape[1])) for sign in (-1, 1))
        cells[top : bottom + 1, left : right + 1] = 0
    return cells
