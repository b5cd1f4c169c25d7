"""Draws pictures without people that mislead crowd counters: leaves, stones, seats, lights.

All are flat drawings with shading and random variation, BGR uint8. They teach that many small round
things in rows are not people.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np

from .people import any_colour

Rng = np.random.Generator
Size = tuple[int, int]


def _apply_light_and_grain(rng: Rng, picture: np.ndarray) -> np.ndarray:
    """Applies a typical brightness, uneven light and grain."""
    picture = picture * min(4.0, rng.uniform(50, 150) / max(1.0, float(picture.mean())))
    rows, columns = picture.shape[:2]
    light = cv2.resize(
        rng.uniform(0.6, 1.25, (3, 4)).astype(np.float32), (columns, rows), interpolation=cv2.INTER_CUBIC
    )
    return np.clip(picture * light[..., None] + rng.normal(0, rng.uniform(0, 6), picture.shape), 0, 255).astype(
        np.uint8
    )


def _random_size_px(rng: Rng, low: float = 6, high: float = 60) -> float:
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def leaves(rng: Rng, size: Size) -> np.ndarray:
    """Draws foliage: leaves in layers, the inner ones darker, sometimes with sky between."""
    width, height = size
    green = np.array([rng.uniform(20, 70), rng.uniform(80, 150), rng.uniform(50, 120)])
    if rng.random() < 0.2:
        green = np.array([rng.uniform(20, 60), rng.uniform(70, 130), rng.uniform(140, 210)])
    sky = np.array([rng.uniform(180, 250)] * 3)
    picture = np.empty((height, width, 3))
    picture[:] = sky if rng.random() < 0.3 else green * 0.15
    leaf = _random_size_px(rng, 4, 26)
    count = int(min(9000, width * height / leaf**2 * 2.2))
    slim = rng.uniform(0.25, 0.9)
    clumps = rng.uniform(0, 1, (int(rng.integers(3, 40)), 2)) * size
    spread = rng.uniform(0.05, 0.25) * width
    for i in range(count):
        at = rng.uniform(0, 1, 2) * size
        if i % 3:
            at = clumps[rng.integers(len(clumps))] + rng.normal(0, spread, 2)
        shade = green * (0.3 + 0.9 * i / count) * rng.uniform(0.6, 1.4)
        radii = max(1, int(leaf * rng.uniform(0.4, 0.8))), max(1, int(leaf * slim * rng.uniform(0.3, 0.6)))
        centre = int(at[0]), int(at[1])
        cv2.ellipse(picture, centre, radii, rng.uniform(0, 180), 0, 360, shade.tolist(), -1, cv2.LINE_AA)
    return _apply_light_and_grain(rng, picture)


def stones(rng: Rng, size: Size) -> np.ndarray:
    """Draws gravel, fruit or balls in a heap: shaded round things, the nearer ones in front."""
    width, height = size
    step = _random_size_px(rng)
    base, spread = any_colour(rng), rng.uniform(0.05, 0.4)
    picture = np.empty((height, width, 3))
    picture[:] = base * 0.25
    slope = rng.uniform(0, 0.7)
    y = -step
    while y < height + step:
        here = step * (1 - slope * (1 - np.clip(y / height, 0, 1)))
        x = -rng.uniform(0, here)
        while x < width + here:
            colour = np.clip(base * math.exp(rng.normal(0, spread)) + rng.normal(0, 30 * spread, 3), 0, 255)
            centre = int(x + rng.normal(0, 0.15 * here)), int(y + rng.normal(0, 0.15 * here))
            radii = max(1, int(here * rng.uniform(0.42, 0.62))), max(1, int(here * rng.uniform(0.4, 0.58)))
            turn = rng.uniform(-40, 40)
            cv2.ellipse(picture, centre, radii, turn, 0, 360, (colour * 0.6).tolist(), -1, cv2.LINE_AA)
            inner = max(1, int(radii[0] * 0.75)), max(1, int(radii[1] * 0.7))
            upper = centre[0], centre[1] - int(0.15 * here)
            cv2.ellipse(picture, upper, inner, turn, 0, 360, colour.tolist(), -1, cv2.LINE_AA)
            x += here * rng.uniform(0.85, 1.1)
        y += here * rng.uniform(0.6, 0.95)
    return _apply_light_and_grain(rng, picture)


def shelves(rng: Rng, size: Size) -> np.ndarray:
    """Draws bottles, tins, pins or books on shelves."""
    width, height = size
    picture = np.empty((height, width, 3))
    picture[:] = any_colour(rng) * 0.3
    kind = rng.choice(["bottles", "books", "pins", "tins"])
    tall = _random_size_px(rng, 22, 130)
    y = rng.uniform(0, tall)
    while y < height + tall:
        board = any_colour(rng) * 0.6
        x = -rng.uniform(0, 20)
        same = any_colour(rng)
        while x < width:
            w = tall * rng.uniform(0.12, 0.25) if kind == "books" else tall * rng.uniform(0.26, 0.34)
            same = any_colour(rng) if rng.random() < (1.0 if kind == "books" else 0.2) else same
            colour = (same * rng.uniform(0.85, 1.1)).tolist()
            h = tall * (rng.uniform(0.6, 0.95) if kind == "books" else 0.9)
            left, right, top = int(x), int(x + w), int(y - h)
            if kind in ("books", "tins"):
                cv2.rectangle(picture, (left, top), (right - 1, int(y)), colour, -1)
                cv2.rectangle(
                    picture, (left, int(y - h * 0.7)), (right - 1, int(y - h * 0.5)), any_colour(rng).tolist(), -1
                )
            else:
                middle, r = int(x + w / 2), max(1, int(w * 0.46))
                cv2.ellipse(picture, (middle, int(y - h * 0.3)), (r, max(1, int(h * 0.32))), 0, 0, 360, colour, -1)
                neck = max(1, int(w * 0.16))
                cv2.rectangle(
                    picture, (middle - neck, int(y - h * 0.85)), (middle + neck, int(y - h * 0.5)), colour, -1
                )
                cap = any_colour(rng).tolist() if kind == "bottles" else colour
                cv2.circle(picture, (middle, int(y - h * 0.86)), max(1, int(w * rng.uniform(0.16, 0.26))), cap, -1)
            x += w * rng.uniform(1.0, 1.15)
        cv2.rectangle(picture, (0, int(y)), (width, int(y + 0.07 * tall)), board.tolist(), -1)
        y += tall * rng.uniform(1.1, 1.3)
    return _apply_light_and_grain(rng, picture)


def rings(rng: Rng, size: Size) -> np.ndarray:
    """Draws tyres, ends of logs or pipes, or wheels of parked bicycles."""
    width, height = size
    step = _random_size_px(rng, 12, 90)
    rubber, core = any_colour(rng) * 0.5, any_colour(rng)
    picture = np.empty((height, width, 3))
    picture[:] = any_colour(rng) * 0.4
    flat, thick = rng.uniform(0.5, 1), rng.uniform(0.06, 0.4)
    spokes = rng.random() < 0.4
    y, odd = 0.0, 0
    while y < height + step:
        for x in np.arange(-step * (odd % 2) / 2, width + step, step):
            at = int(x + rng.normal(0, 0.06 * step)), int(y + rng.normal(0, 0.06 * step))
            radii = max(2, int(step * 0.48 * rng.uniform(0.85, 1.05))), max(2, int(step * 0.48 * flat))
            if not spokes:
                cv2.ellipse(picture, at, radii, 0, 0, 360, (core * rng.uniform(0.7, 1.2)).tolist(), -1, cv2.LINE_AA)
            line = max(1, int(thick * step * 0.5))
            cv2.ellipse(picture, at, radii, 0, 0, 360, (rubber * rng.uniform(0.6, 1.3)).tolist(), line, cv2.LINE_AA)
            for a in np.arange(0, 6.2, 0.7) if spokes else ():
                end = int(at[0] + radii[0] * math.cos(a)), int(at[1] + radii[1] * math.sin(a))
                cv2.line(picture, at, end, (rubber * 1.5).tolist(), 1, cv2.LINE_AA)
        y, odd = y + step * flat * rng.uniform(0.8, 1.05), odd + 1
    return _apply_light_and_grain(rng, picture)


def seats(rng: Rng, size: Size) -> np.ndarray:
    """Draws rows of empty seats or roof tiles: rounded boxes, smaller towards the top."""
    width, height = size
    near, far = _random_size_px(rng, 14, 80), _random_size_px(rng, 5, 16)
    colour, other = any_colour(rng), any_colour(rng)
    picture = np.empty((height, width, 3))
    picture[:] = any_colour(rng) * 0.5
    rows, y = [], float(height) + near
    while y > -near:
        rows.append(y)
        y -= max(3.0, 0.75 * (far + (near - far) * max(0.0, y) / height))
    round_share = rng.uniform(0.1, 0.5)
    for y in reversed(rows):
        step = far + (near - far) * float(np.clip(y / height, 0, 1))
        start = -rng.uniform(0, step)
        for x in np.arange(start, width, step):
            tone = (other if rng.random() < 0.04 else colour) * rng.uniform(0.85, 1.1)
            w, h, r = step * 0.85, step * 0.95, max(1, int(step * round_share))
            left, top = int(x), int(y - h)
            cv2.rectangle(picture, (left, top + r), (int(x + w), int(y)), tone.tolist(), -1)
            corner = int(x + w / 2), top + r
            cv2.ellipse(picture, corner, (max(1, int(w / 2)), r), 0, 180, 360, tone.tolist(), -1, cv2.LINE_AA)
            cv2.rectangle(picture, (left, int(y - 0.2 * h)), (int(x + w), int(y)), (tone * 0.55).tolist(), -1)
    return _apply_light_and_grain(rng, picture)


def lights(rng: Rng, size: Size) -> np.ndarray:
    """Draws out-of-focus lamps, confetti or flowers: bright spots on dark or green."""
    width, height = size
    picture = np.empty((height, width, 3))
    picture[:] = any_colour(rng) * 0.25 if rng.random() < 0.6 else np.array([35, 85, 50]) * rng.uniform(0.6, 1.3)
    radius = _random_size_px(rng, 2, 26)
    for _ in range(int(rng.uniform(0.1, 0.5) * width * height / (radius + 2) ** 2 / 3)):
        at = int(rng.uniform(0, width)), int(rng.uniform(0, height))
        colour = np.clip(any_colour(rng) + rng.uniform(0, 130), 0, 255)
        part = picture[max(0, at[1] - 40) : at[1] + 40, max(0, at[0] - 40) : at[0] + 40]
        where = at[0] - max(0, at[0] - 40), at[1] - max(0, at[1] - 40)
        spot = cv2.circle(
            part.copy(), where, max(1, int(radius * rng.uniform(0.5, 1.2))), colour.tolist(), -1, cv2.LINE_AA
        )
        part += (spot - part) * rng.uniform(0.4, 1)
    return _apply_light_and_grain(rng, picture)


PATTERNS: tuple[Callable[[Rng, Size], np.ndarray], ...] = (leaves, leaves, stones, shelves, rings, seats, lights)


def pattern(rng: Rng, size: Size) -> np.ndarray:
    """Draws one pattern, or two above each other."""
    picture = PATTERNS[rng.integers(len(PATTERNS))](rng, size)
    if rng.random() < 0.4:
        other = PATTERNS[rng.integers(len(PATTERNS))](rng, size)
        edge = int(rng.uniform(0.2, 0.8) * size[1])
        picture[edge:] = other[edge:]
    return picture
