"""Makes training crops from the pool: position, scale, and mixing of pictures.

Heads are rows (x, y, height, visible share) in pixels. A crop has the heads whose centre is in it.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from photometry import photograph
from pool import Picture, Pool
from target import counted_cells, density_target

Rng = np.random.Generator

SCALES = (0.35, 2.0)
#: Scaling keeps the median head of a picture in this range (pixels) if possible.
HEADS = (6.0, 100.0)
SHAPES = ((256, 256), (256, 320), (320, 256))
SHAPE_SHARES = (0.7, 0.15, 0.15)


class Crop(NamedTuple):
    """A training crop. pixels: BGR uint8 [h, w, 3]; heads: float32 [n, 4]."""

    pixels: np.ndarray
    heads: np.ndarray


def _log_uniform(rng: Rng, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _scale(rng: Rng, picture: Picture) -> float:
    low, high = SCALES
    if len(picture.heads):
        median = float(np.median(picture.heads[:, 2]))
        low, high = max(low, min(HEADS[0] / median, high)), min(high, max(HEADS[1] / median, low))
    return _log_uniform(rng, low, max(low, high))


def _start(rng: Rng, free: float, towards: float | None) -> int:
    """Draws the start of a window that can move by `free` pixels; near `towards` if given."""
    if free < 1:
        return 0
    start = rng.uniform(0, free) if towards is None else towards + rng.normal(0, 0.15 * free + 1)
    return int(np.clip(start, 0, free))


def cut(rng: Rng, pool: Pool, picture: Picture, width: int, height: int) -> Crop:
    """Cuts a random part at a random scale. Fills the rest with black or background."""
    scale, stretch = _scale(rng, picture), np.exp(rng.uniform(-0.15, 0.15))
    across, down = scale * np.sqrt(stretch), scale / np.sqrt(stretch)
    wanted = (min(picture.size[0], round(width / across)), min(picture.size[1], round(height / down)))
    target = rng.choice(picture.heads) if len(picture.heads) and rng.random() < 0.5 else None
    left, top = (
        _start(rng, picture.size[i] - wanted[i], None if target is None else target[i] - wanted[i] / 2)
        for i in range(2)
    )
    part = pool.load(picture)[top : top + wanted[1], left : left + wanted[0]]
    size = (min(width, max(1, round(wanted[0] * across))), min(height, max(1, round(wanted[1] * down))))
    if scale < 1:
        way = cv2.INTER_AREA if rng.random() < 0.75 else cv2.INTER_LINEAR
    else:
        way = cv2.INTER_LINEAR if rng.random() < 0.5 else cv2.INTER_CUBIC
    pixels = cv2.resize(part, size, interpolation=way)
    ratio = np.array([size[0] / wanted[0], size[1] / wanted[1], size[1] / wanted[1], 1], np.float32)
    heads = (picture.heads - np.array([left, top, 0, 0], np.float32)) * ratio
    inside = (heads[:, 0] >= 0) & (heads[:, 1] >= 0) & (heads[:, 0] < size[0]) & (heads[:, 1] < size[1])
    return _fill(rng, pool, Crop(pixels, heads[inside]), width, height)


def _fill(rng: Rng, pool: Pool, crop: Crop, width: int, height: int) -> Crop:
    rows, columns = crop.pixels.shape[:2]
    if (rows, columns) == (height, width):
        return crop
    canvas = np.zeros((height, width, 3), np.uint8)
    x = y = 0
    # gatehouse pads frames with black at the right and bottom to a multiple of 32.
    if rng.random() < 0.7:
        canvas = background(rng, pool, width, height)
        x, y = int(rng.integers(width - columns + 1)), int(rng.integers(height - rows + 1))
    canvas[y : y + rows, x : x + columns] = crop.pixels
    return Crop(canvas, crop.heads + np.array([x, y, 0, 0], np.float32))


def background(rng: Rng, pool: Pool, width: int, height: int) -> np.ndarray:
    """Returns pixels without people: part of an empty picture, or one colour."""
    picture = pool.draw_empty(rng)
    if picture is None:
        return np.full((height, width, 3), rng.integers(0, 256, 3), np.uint8)
    full = pool.load(picture)
    least = max(width / full.shape[1], height / full.shape[0])
    scale = _log_uniform(rng, least, max(1.0, least) * 2)
    columns, rows = min(full.shape[1], int(width / scale)), min(full.shape[0], int(height / scale))
    left, top = rng.integers(full.shape[1] - columns + 1), rng.integers(full.shape[0] - rows + 1)
    return cv2.resize(full[top : top + rows, left : left + columns], (width, height), interpolation=cv2.INTER_AREA)


def mosaic(rng: Rng, first: Crop, second: Crop) -> Crop:
    """Joins two crops of one size, side by side or one above the other."""
    height, width = first.pixels.shape[:2]
    axis = int(rng.integers(2))
    seam = int(rng.uniform(0.25, 0.75) * (width, height)[axis])
    pixels = first.pixels.copy()
    if axis == 0:
        pixels[:, seam:] = second.pixels[:, seam:]
    else:
        pixels[seam:] = second.pixels[seam:]
    heads = [first.heads[first.heads[:, axis] < seam], second.heads[second.heads[:, axis] >= seam]]
    return Crop(pixels, np.concatenate(heads))


def cover(rng: Rng, pool: Pool, crop: Crop) -> Crop:
    """Covers a rectangle of the crop with background. Drops heads whose centre it hides."""
    height, width = crop.pixels.shape[:2]
    columns, rows = int(rng.uniform(0.15, 0.7) * width), int(rng.uniform(0.15, 0.7) * height)
    left, top = int(rng.integers(width - columns)), int(rng.integers(height - rows))
    pixels = crop.pixels.copy()
    pixels[top : top + rows, left : left + columns] = background(rng, pool, columns, rows)
    x, y = crop.heads[:, 0] - left, crop.heads[:, 1] - top
    hidden = (x >= 0) & (y >= 0) & (x < columns) & (y < rows)
    return Crop(pixels, crop.heads[~hidden])


def black_border(rng: Rng, crop: Crop) -> Crop:
    """Blackens columns at the right or rows at the bottom, as padding to a multiple of 32 does."""
    height, width = crop.pixels.shape[:2]
    keep = [width, height]
    axis = int(rng.integers(2))
    keep[axis] -= int(rng.integers(2, 64))
    pixels = crop.pixels.copy()
    pixels[keep[1] :] = 0
    pixels[:, keep[0] :] = 0
    return Crop(pixels, crop.heads[(crop.heads[:, 0] < keep[0]) & (crop.heads[:, 1] < keep[1])])


def sample(rng: Rng, pool: Pool, width: int, height: int) -> Crop:
    """Draws one augmented training crop."""
    crop = cut(rng, pool, pool.draw(rng), width, height)
    if rng.random() < 0.15:
        crop = mosaic(rng, crop, cut(rng, pool, pool.draw(rng), width, height))
    if rng.random() < 0.12:
        crop = cover(rng, pool, crop)
    if rng.random() < 0.5:
        mirrored = crop.heads * np.array([-1, 1, 1, 1], np.float32) + np.array([width, 0, 0, 0], np.float32)
        crop = Crop(np.ascontiguousarray(crop.pixels[:, ::-1]), mirrored)
    crop = Crop(photograph(rng, crop.pixels), crop.heads)
    return black_border(rng, crop) if rng.random() < 0.08 else crop


def batch(rng: Rng, pool: Pool, count: int) -> dict[str, np.ndarray]:
    """Draws a batch. pictures: uint8 [n, h, w, 3]; density, counted: [n, 1, h / 8, w / 8].

    density is float32, counted is uint8.
    """
    width, height = SHAPES[rng.choice(len(SHAPES), p=SHAPE_SHARES)]
    crops = [sample(rng, pool, width, height) for _ in range(count)]
    return {
        "pictures": np.stack([crop.pixels for crop in crops]),
        "density": np.stack([density_target(crop.heads, width, height) for crop in crops])[:, None],
        "counted": np.stack([counted_cells(crop.heads, width, height) for crop in crops])[:, None],
    }
