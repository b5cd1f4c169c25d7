"""What the network is held to: the density map, itself at another scale, and the detector it was."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from network import BINS, PERSON, SIDES, DensityHead, Detection

#: Cells along one side of a block.
BLOCK = 4
#: The teacher's person score from which on its box is worth keeping.
BOX_SCORE = 0.2


def block_sums(density: Tensor, side: int = BLOCK) -> Tensor:
    """Sums of `side` x `side` cells: [n, 1, h, w] to [n, 1, h / side, w / side]."""
    return functional.avg_pool2d(density, side) * side**2


def density_loss(density: Tensor, target: Tensor, counted: Tensor, sums_weight: float = 1.0) -> Tensor:
    """Error per cell, block and crop. All [n, 1, h, w], persons per cell; counted: 0 where the truth is unknown.

    Each error is measured in units of what is to be expected at that density: a Poisson count's spread is its root, so
    one person too many weighs more in an empty street than in a full stadium.

    sums_weight: of blocks and crops. An absolute error is smallest at the median, which in most blocks is nobody: a
    network that knows nothing yet learns from it to draw nothing anywhere, and a softplus that far down stays there.
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
    """Difference of two maps of the same crops at two scales, over `parts` x `parts` regions of the crop.

    density: [n, 1, h, w]; rescaled: [n, 1, h2, w2]; all sides multiples of `parts`.
    """
    sums = [
        functional.avg_pool2d(x, (x.shape[2] // parts, x.shape[3] // parts)) * (x.shape[2] * x.shape[3] / parts**2)
        for x in (density, rescaled)
    ]
    spread = ((sums[0] + sums[1]).detach() / 2 + 1).sqrt()
    return ((sums[0] - sums[1]).abs() / spread).mean()


def _score_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Person logits where the teacher sees people (elsewhere a little), and all classes' scores."""
    person = teacher[:, PERSON].sigmoid()
    # Beyond these logits a score is 0 or 1 for any purpose.
    difference = student[:, PERSON].clamp(-6, 6) - teacher[:, PERSON].clamp(-6, 6)
    weight = 0.02 + person
    near = (weight * difference**2).sum() / weight.sum()
    scores = (student.sigmoid() - teacher.sigmoid()) ** 2
    return near + 0.2 * scores.sum(1).mean() / (person.mean() + 0.02)


def _box_loss(student: Tensor, teacher: Tensor, seen: Tensor) -> Tensor:
    """Divergence of the distances' distributions, mean over sides and cells where `seen` [n, h, w] is true."""
    logits = [x.unflatten(1, (SIDES, BINS)).permute(0, 3, 4, 1, 2)[seen] for x in (student, teacher)]
    if not len(logits[0]):
        return student.sum() * 0
    student_log, teacher_log = (x.log_softmax(-1) for x in logits)
    return functional.kl_div(student_log, teacher_log, reduction="none", log_target=True).sum(-1).mean()


def distillation_loss(student: list[Detection], teacher: list[Detection]) -> Tensor:
    """How far the detector has drifted from its former self, on the same pictures; 0 if not at all."""
    losses = []
    for now, before in zip(student, teacher, strict=True):
        seen = before.scores[:, PERSON].sigmoid() >= BOX_SCORE
        losses += [_score_loss(now.scores, before.scores), _box_loss(now.distances, before.distances, seen)]
    return torch.stack(losses).sum() / len(student)
