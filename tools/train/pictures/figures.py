"""Draws people as ellipsoids: heads with hair, hats and faces over shoulders, from any side.

At 5 to 60 pixels, a head is a shaded, two-coloured round shape over a wider one. These figures have
that appearance, with more variety than any footage. Lengths are in heads (chin to crown = 1). The
head's centre is the origin; x points to the figure's left, y up, z in its viewing direction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from .sprite import Sprite

Rng = np.random.Generator
#: Maps unit directions [n, 3] on a part to colours [n, 3], BGR 0..255.
Paint = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Part:
    """An ellipsoid. centre, radii: in heads; turn: 3x3 rotation; head: is head; gloss: 0..1."""

    centre: np.ndarray
    radii: np.ndarray
    paint: Paint | np.ndarray
    turn: np.ndarray | None = None
    head: bool = False
    gloss: float = 0.0


def rotation(axis: int, angle: float) -> np.ndarray:
    """Returns the 3x3 rotation about x (0), y (1) or z (2)."""
    c, s = np.cos(angle), np.sin(angle)
    a, b = [(1, 2), (2, 0), (0, 1)][axis]
    turn = np.eye(3)
    turn[a, a] = turn[b, b] = c
    turn[a, b], turn[b, a] = -s, s
    return turn


def limb(start, end, radius: float, paint, **more) -> Part:
    """Makes an ellipsoid between two points."""
    start, end = np.asarray(start, float), np.asarray(end, float)
    along = end - start
    length = float(np.linalg.norm(along))
    y = along / max(length, 1e-6)
    x = np.cross(y, [0.0, 0.0, 1.0] if abs(y[2]) < 0.9 else [1.0, 0.0, 0.0])
    x /= np.linalg.norm(x)
    turn = np.stack([x, y, np.cross(x, y)], axis=1)
    return Part((start + end) / 2, np.array([radius, length * 0.58 + radius * 0.3, radius]), paint, turn, **more)


def draw(
    parts: list[Part], yaw: float, pitch: float, head_px: float, rng: Rng, light: np.ndarray, ambient: float
) -> Sprite:
    """Casts one ray per pixel at a figure.

    yaw: 0 looks at the camera; pitch: the camera's angle below level; both in radians. light: unit
    vector to the light in the picture's axes (right, up, to the camera); ambient: share of ambient
    light.
    """
    view = rotation(0, pitch) @ rotation(1, yaw)
    placed = []
    for part in parts:
        turn = view if part.turn is None else view @ part.turn
        extent = np.sqrt(((turn * part.radii) ** 2).sum(axis=1))
        placed.append((part, view @ part.centre, turn, extent))
    low = np.min([c[:2] - e[:2] for _, c, _, e in placed], axis=0)
    high = np.max([c[:2] + e[:2] for _, c, _, e in placed], axis=0)
    k = head_px
    width, height = (int(np.ceil(v * k)) + 4 for v in high - low)
    origin = np.array([2 - low[0] * k, 2 + high[1] * k])
    colour = np.zeros((height, width, 3), np.float32)
    nearest = np.full((height, width), -1e9, np.float32)
    is_head = np.zeros((height, width), np.uint8)
    for part, centre, turn, extent in placed:
        x0, x1 = (
            int(v) for v in (origin[0] + (centre[0] - extent[0]) * k, origin[0] + (centre[0] + extent[0]) * k + 2)
        )
        y0, y1 = (
            int(v) for v in (origin[1] - (centre[1] + extent[1]) * k, origin[1] - (centre[1] - extent[1]) * k + 2)
        )
        x0, y0, x1, y1 = max(0, x0), max(0, y0), min(width, x1), min(height, y1)
        rows, columns = np.mgrid[y0:y1, x0:x1].astype(np.float32)
        px, py = (columns + 0.5 - origin[0]) / k - centre[0], (origin[1] - rows - 0.5) / k - centre[1]
        to_unit = (turn / part.radii).T
        base = np.stack([to_unit[i, 0] * px + to_unit[i, 1] * py for i in range(3)], axis=-1)
        step = to_unit[:, 2]
        a, b, c = step @ step, base @ step, (base**2).sum(axis=-1) - 1
        inside = b * b - a * c
        hit = inside > 0
        depth = np.where(hit, (-b + np.sqrt(np.maximum(inside, 0))) / a, 0) + centre[2]
        hit &= depth > nearest[y0:y1, x0:x1]
        if not hit.any():
            continue
        unit = base[hit] + (depth[hit] - centre[2])[:, None] * step
        normal = unit @ (turn / part.radii).T
        normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9
        paint = part.paint(unit) if callable(part.paint) else part.paint
        lit = np.maximum(0, normal @ light)
        sky = 0.75 + 0.25 * normal[:, 1]
        shade = ambient * sky + (1 - ambient) * 1.5 * lit
        shine = part.gloss * np.maximum(0, normal @ _half(light)) ** 18 * 160
        colour[y0:y1, x0:x1][hit] = paint * shade[:, None] + shine[:, None]
        nearest[y0:y1, x0:x1][hit] = depth[hit]
        is_head[y0:y1, x0:x1][hit] = 255 * part.head
    # Ambient occlusion: pixels far behind their surroundings receive less light.
    seen = nearest > -1e8
    flat = np.where(seen, nearest, nearest[seen].min())
    hollow = np.clip(cv2.GaussianBlur(flat, (0, 0), 0.22 * k) - flat, 0, 0.5)
    colour *= (1 - 0.9 * hollow * seen)[..., None]
    grain = cv2.GaussianBlur(rng.normal(0, 1, (height, width)).astype(np.float32), (0, 0), 0.05 * k) * 0.05 * k * 3
    colour *= 1 + rng.uniform(0.0, 0.08) * grain[..., None]
    alpha = cv2.GaussianBlur(seen.astype(np.uint8) * 255, (3, 3), 0)
    spread = cv2.dilate(colour, np.ones((3, 3), np.uint8))
    colour[~seen] = spread[~seen]
    centre = view @ np.zeros(3)
    tall = float(np.hypot(np.cos(pitch), 0.86 * np.sin(pitch)))
    bgr = np.clip(colour, 0, 255).astype(np.uint8)
    x, y = origin[0] + centre[0] * k, origin[1] - centre[1] * k
    return Sprite(bgr, alpha, is_head, x, y, tall * k, float(np.degrees(pitch)), True)


def _half(light: np.ndarray) -> np.ndarray:
    middle = light + np.array([0.0, 0.0, 1.0])
    return middle / np.linalg.norm(middle)
