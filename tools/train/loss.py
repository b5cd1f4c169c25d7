"""Losses: against the density map, and against the network's own map at another scale."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from network import DensityHead

#: Cells along one side of a block.
BLOCK = 4


def block_sums(density: Tensor, side: int = BLOCK) -> Tensor:
    """Sums blocks of `side` x `side` cells: [n, 1, h, w] to [n, 1, h / side, w / side]."""
    return functional.avg_pool2d(density, side) * side**2


def density_loss(density: Tensor, target: Tensor, counted: Tensor, sums_weight: float = 1.0) -> Tensor:
    """Error per cell, block and crop. Maps are [n, 1, h, w], in persons per cell.

    counted: 0 where the truth is unknown. Each error is divided by the spread that its density
    predicts. A Poisson count's spread is its square root, so one extra person weighs more in an
    empty street than in a stadium.

    sums_weight: weight of blocks and crops. An absolute error is smallest at the median, and most
    blocks have a median of 0. From this error, an untrained network learns to draw 0 everywhere,
    and its softplus saturates there.
    """
    density, target = density * counted, target * counted
    scaled, wanted = density * DensityHead.SCALE, target * DensityHead.SCALE
    cells = ((scaled - wanted) ** 2 / (wanted + 2)).mean()
    sums, wanted_sums = block_sums(density), block_sums(target)
    blocks = ((sums - wanted_sums).abs() / (wanted_sums + 1).sqrt()).mean()
    count, wanted_count = density.sum((1, 2, 3)), target.sum((1, 2, 3))
    crops = ((count - wanted_count).abs() / (wanted_count + 1).sqrt()).mean()
    return cells + sums_weight * (0.5 * blocks + 0.1 * crops)


def consistency_loss(density: Tensor, rescaled: Tensor, parts: int = 4) -> Tensor:
    """Difference of two maps of the same crops at two scales, by `parts` x `parts` regions.

    density: [n, 1, h, w]; rescaled: [n, 1, h2, w2]; all sides multiples of `parts`.
    """
    sums = [
        functional.avg_pool2d(x, (x.shape[2] // parts, x.shape[3] // parts)) * (x.shape[2] * x.shape[3] / parts**2)
        for x in (density, rescaled)
    ]
    spread = ((sums[0] + sums[1]).detach() / 2 + 1).sqrt()
    return ((sums[0] - sums[1]).abs() / spread).mean()
